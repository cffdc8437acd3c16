//! What makes a name, a password, a content valid. Errors say what to do about it.

use super::looks::{is_invisible, latin_look};
use super::{Code, Error};
use crate::limits::*;
use std::borrow::Cow;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The sender of announcements.
pub const SERVER_NAME: &str = "Server";
/// Names that nobody and no room may have, in any case: they mean something in a text.
pub const RESERVED_NAMES: [&str; 5] = ["server", "system", "all", "here", "me"];

/// The form by which names are compared: Unicode lowercase.
pub fn fold(name: &str) -> Cow<'_, str> {
    if name
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.to_lowercase())
}

/// What a new account's name must be: as below, all of it visible, and not like a reserved name in other letters.
pub fn check_new_user_name(name: &str) -> Result<(), Error> {
    check_user_name(name)?;
    check_looks(name, "user")
}

/// What a new room's name must be.
pub fn check_new_room_name(name: &str) -> Result<(), Error> {
    check_room_name(name)?;
    check_looks(name, "room")
}

/// Who writes under a name that reads `Server` speaks for the server, and a name that nobody sees is nobody's.
fn check_looks(name: &str, what: &str) -> Result<(), Error> {
    let bad = |why: String| Err(Error::new(Code::BadName, why));
    if let Some(unseen) = name.chars().find(|&c| is_invisible(c)) {
        let place = u32::from(unseen);
        return bad(format!(
            "The {what} name has a letter that nobody can see (U+{place:04X}). Leave it out."
        ));
    }
    if RESERVED_NAMES.contains(&latin_look(name).as_str()) {
        return bad(format!(
            "The name {name:?} looks like a reserved one. Choose another one."
        ));
    }
    Ok(())
}

/// What a name may be that somebody has: 1–32 letters and digits of any script, `.`, `_`, `-`; at least one letter or
/// digit; not reserved.
pub fn check_user_name(name: &str) -> Result<(), Error> {
    check_name(name, "user", USER_NAME_CHARS, false)
}

/// As a user name, 1–64, with single inner spaces.
pub fn check_room_name(name: &str) -> Result<(), Error> {
    check_name(name, "room", ROOM_NAME_CHARS, true)
}

fn check_name(name: &str, what: &str, longest: usize, spaces: bool) -> Result<(), Error> {
    let bad = |why: String| Err(Error::new(Code::BadName, why));
    if name.is_empty() {
        return bad(format!(
            "The {what} name is empty. Choose one of 1 to {longest} characters."
        ));
    }
    // A name's bytes bound its characters, so a megabyte of name is not counted.
    if name.len() > longest * 4 || name.chars().count() > longest {
        return bad(format!(
            "The {what} name is too long. Use at most {longest} characters."
        ));
    }
    if spaces && (name.starts_with(' ') || name.ends_with(' ') || name.contains("  ")) {
        return bad(format!(
            "The {what} name may have single spaces inside, none at its ends and no two together."
        ));
    }
    if let Some(wrong) = name.chars().find(|&c| !allowed_in_name(c, spaces)) {
        let also = if spaces { ", single inner spaces" } else { "" };
        return bad(format!(
            "The {what} name has the character {wrong:?}. Use letters, digits, \".\", \"_\", \"-\"{also}."
        ));
    }
    if !name.chars().any(is_letter_or_digit) {
        return bad(format!(
            "The {what} name needs at least one letter or digit."
        ));
    }
    if RESERVED_NAMES.contains(&&*fold(name)) {
        return bad(format!(
            "The name {name:?} is reserved. Choose another one."
        ));
    }
    Ok(())
}

fn allowed_in_name(c: char, spaces: bool) -> bool {
    is_letter_or_digit(c) || matches!(c, '.' | '_' | '-') || (spaces && c == ' ')
}

/// Unicode's alphanumeric counts some combining marks (vowel signs) as letters; in names they would let
/// two different texts look alike, so they are left out.
fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || (c.is_alphanumeric() && c.general_category_group() != GeneralCategoryGroup::Mark)
}

/// 8–256 bytes, anything in them.
pub fn check_password(password: &str) -> Result<(), Error> {
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
        return Ok(());
    }
    Err(Error::new(
        Code::BadPassword,
        format!(
            "A password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes. Choose another one."
        ),
    ))
}

/// 1–16,384 bytes, not only white space, no NUL.
pub fn check_content(content: &str) -> Result<(), Error> {
    check_text(content, "message", CONTENT_BYTES)
}

/// As a message's content.
pub fn check_report(issue: &str) -> Result<(), Error> {
    check_text(issue, "report", REPORT_BYTES)
}

fn check_text(text: &str, what: &str, longest: usize) -> Result<(), Error> {
    let bad = |why: String| Err(Error::new(Code::BadContent, why));
    if text.len() > longest {
        return bad(format!(
            "The {what} has {} bytes; the most is {longest}. Split it.",
            text.len()
        ));
    }
    if text.trim().is_empty() {
        return bad(format!("The {what} is empty. Write something."));
    }
    if text.contains('\0') {
        return bad(format!("The {what} has a NUL character. Remove it."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        for good in [
            "a",
            "Eva",
            "mira.kovač",
            "李雷",
            "x_1",
            "٣",
            &"n".repeat(32),
            "-a-",
            "Σίσυφος",
        ] {
            assert!(check_user_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a b",
            "...",
            "_",
            "-",
            "a/b",
            "a\nb",
            "e\u{301}",
            "का",
            "a\u{200d}b",
            "a@b",
            "Server",
            "SYSTEM",
            "all",
            "Here",
            "mE",
            "a\0",
            "😀",
            &"n".repeat(33),
            "\u{345}",
        ] {
            assert_eq!(
                check_user_name(bad).unwrap_err().code,
                Code::BadName,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn room_names() {
        for good in [
            "general",
            "front office",
            "a b c",
            &"r".repeat(64),
            "Lager 2.0",
        ] {
            assert!(check_room_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a  b",
            " ",
            "a\tb",
            "a\u{a0}b",
            &"r".repeat(65),
            "system",
            "a, b",
        ] {
            assert_eq!(
                check_room_name(bad).unwrap_err().code,
                Code::BadName,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn new_names_are_seen_and_are_not_reserved_in_other_letters() {
        for good in ["Eva", "сервер", "김철수", "Сергей", "ᄀ"] {
            assert!(check_new_user_name(good).is_ok(), "{good}");
        }
        assert!(check_new_room_name("front office").is_ok());
        for bad in [
            "\u{3164}",
            "a\u{3164}",
            "\u{115f}x",
            "x\u{1160}y",
            "\u{ffa0}",
            "Ѕerver",
            "Ｓｅｒｖｅｒ",
            "Ⓐⓛⓛ",
            "mе",
            "Server",
            "a b",
        ] {
            assert_eq!(
                check_new_user_name(bad).unwrap_err().code,
                Code::BadName,
                "{bad:?}"
            );
        }
        for bad in ["a \u{3164} b", "ｈｅｒｅ", "system"] {
            assert_eq!(
                check_new_room_name(bad).unwrap_err().code,
                Code::BadName,
                "{bad:?}"
            );
        }
        // Whoever has such a name keeps it.
        assert!(check_user_name("Ѕerver").is_ok() && check_user_name("a\u{3164}").is_ok());
    }

    /// What is unassigned, for private use, or a format character is no letter; of the letters, only the fillers are
    /// invisible.
    #[test]
    fn nothing_else_in_a_name_is_invisible() {
        for c in ('\0'..=char::MAX).filter(|&c| allowed_in_name(c, false)) {
            let group = c.general_category_group();
            let seen = !matches!(
                group,
                GeneralCategoryGroup::Other
                    | GeneralCategoryGroup::Separator
                    | GeneralCategoryGroup::Mark
            );
            assert!(seen, "{:x}", u32::from(c));
        }
        for c in [
            '\u{2800}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{202e}',
            '\u{2066}',
            '\u{180e}',
            '\u{17b4}',
            '\u{e0041}',
            '\u{e000}',
            '\u{378}',
            '\u{fe0f}',
        ] {
            assert!(!allowed_in_name(c, true), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn passwords_and_contents() {
        assert!(check_password("12345678").is_ok());
        assert!(check_password("1234567").is_err());
        assert!(check_password(&"é".repeat(128)).is_ok());
        assert!(check_password(&"é".repeat(129)).is_err());
        assert!(check_content(&"a".repeat(16_384)).is_ok());
        assert!(check_content(&"a".repeat(16_385)).is_err());
        assert!(check_content(" \n\u{2003}").is_err());
        assert!(check_content("a\0").is_err());
        assert!(check_content("").is_err());
    }
}
