//! One line of the log: its time, its words, and values that can forge nothing.
//!
//! Owns the form only: `2026-11-22T12:00:00.123Z  event key=value key="quoted value"`. Reads no clock and no file.

use crate::limits::LOG_VALUE_BYTES;
use std::fmt::Write;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Fields whose names say that they must not be here.
const SECRET_KEYS: [&str; 5] = ["password", "token", "secret", "content", "authorization"];
/// A value needs so many letters from its `eyJ` on to be a token without its header. Two parts of the shortest that we
/// sign have 99: claims in 55, a dot, a signature in 43.
const TOKEN_BYTES: usize = 60;
/// The last millisecond of the year 9999, which is the last that RFC 3339 can write.
const LATEST_MILLIS: u64 = 253_402_300_799_999;

/// The line with its newline. `millis` since the Unix epoch.
pub fn format(millis: u64, event: &str, fields: &[(&str, &str)]) -> String {
    let mut line = rfc3339(millis);
    line.push_str("  ");
    push_word(&mut line, event);
    for (key, value) in fields {
        line.push(' ');
        push_word(&mut line, key);
        line.push('=');
        let lower = key.to_ascii_lowercase();
        if SECRET_KEYS.iter().any(|secret| lower.contains(secret)) || may_hold_token(value) {
            line.push_str("[withheld]");
        } else {
            push_value(&mut line, value);
        }
    }
    line.push('\n');
    line
}

/// A time in UTC (RFC 3339, section 5.6), with milliseconds: 24 characters.
pub fn rfc3339(millis: u64) -> String {
    let millis = millis.min(LATEST_MILLIS);
    let (seconds, milli) = (millis / 1_000, millis % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The civil date of a day since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"): years
/// begin in March there, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Words are ours; one that is not a word shows as what it should have been.
fn push_word(line: &mut String, word: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    line.extend(word.chars().map(|c| if plain(c) { c } else { '_' }));
    if word.is_empty() {
        line.push('_');
    }
}

/// Bare where that is unmistakable, else in quotes; at most [`LOG_VALUE_BYTES`] and a note that it was cut.
fn push_value(line: &mut String, value: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/@+-[]%,".contains(&b);
    if !value.is_empty() && value.len() <= LOG_VALUE_BYTES && value.bytes().all(plain) {
        line.push_str(value);
        return;
    }
    line.push('"');
    let longest = line.len() + LOG_VALUE_BYTES;
    let mut first = true;
    for c in value.chars() {
        if line.len() >= longest {
            let _ = write!(line, "\" (cut, {} bytes)", value.len());
            return;
        }
        push_escaped(line, c, first);
        first = false;
    }
    line.push('"');
}

fn push_escaped(line: &mut String, c: char, first: bool) {
    match c {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        _ if is_visible(c, first) => line.push(c),
        // Writing to a string does not fail.
        _ => {
            let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Whether a terminal shows a mark of its own for `c` where it stands: no control or format character (terminal
/// escapes, bidi overrides, joiners), no line or paragraph separator, no space but the common one, nothing unassigned.
fn is_visible(c: char, first: bool) -> bool {
    match c.general_category_group() {
        GeneralCategoryGroup::Other => false,
        GeneralCategoryGroup::Separator => c == ' ',
        // At the front it would change our quotation mark.
        GeneralCategoryGroup::Mark => !first,
        // Letters and a symbol that have no shape: the Hangul fillers and the empty Braille pattern.
        _ => !matches!(
            c,
            '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
        ),
    }
}

/// Whether a token may be in it: it is worth as much as a password, and people paste things into fields for names. One
/// that was broken (by line ends, blanks, quotation marks) can be put together again, so what lies between its letters
/// does not count. Both of a token's first parts begin with `eyJ`, which is `{"`; what is shorter than a token can be,
/// such as any user name, is none.
fn may_hold_token(value: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let joined: String = value.chars().filter(|&c| of_token(c)).collect();
    let found = joined.find("eyJ");
    found.is_some_and(|start| joined.len() - start >= TOKEN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let line = format(0, "e", &[("k", text)]);
        let value = line.strip_prefix("1970-01-01T00:00:00.000Z  e k=").unwrap();
        value.strip_suffix('\n').unwrap().to_owned()
    }

    #[test]
    fn a_line() {
        let fields = [
            ("user", "Eva"),
            ("address", "[::1]:80"),
            ("issue", "it is slow"),
        ];
        assert_eq!(
            format(1_795_348_800_123, "reported", &fields),
            "2026-11-22T12:00:00.123Z  reported user=Eva address=[::1]:80 issue=\"it is slow\"\n"
        );
        assert_eq!(
            format(0, "stopped", &[]),
            "1970-01-01T00:00:00.000Z  stopped\n"
        );
    }

    #[test]
    fn known_times() {
        for (seconds, text) in [
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000), text);
        }
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_of_eight_centuries() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..292_194 {
            assert_eq!(civil(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let longest = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > longest {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!(year, 2770);
    }

    #[test]
    fn bare_and_quoted_values() {
        for bare in ["a", "192.168.0.7", "2001:db8::/64", "12", "a_b-c.d"] {
            assert_eq!(value(bare), bare);
        }
        for (text, quoted) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a=b", r#""a=b""#),
            ("李雷", r#""李雷""#),
            ("हिन्दी", r#""हिन्दी""#),
            ("a\"b", r#""a\"b""#),
            ("a\\", r#""a\\""#),
            ("\u{1f44d}\u{1f3fd}", "\"\u{1f44d}\u{1f3fd}\""),
        ] {
            assert_eq!(value(text), quoted);
        }
    }

    #[test]
    fn nothing_forges_a_line_or_confuses_a_terminal() {
        assert_eq!(
            value("x\n2026-11-22T12:00:00.123Z  signed_in user=admin\r\n"),
            r#""x\n2026-11-22T12:00:00.123Z  signed_in user=admin\r\n""#
        );
        for (text, quoted) in [
            ("\u{1b}[2J", r#""\u{1b}[2J""#),
            ("\0\u{7f}\u{80}\u{9b}", r#""\u{0}\u{7f}\u{80}\u{9b}""#),
            (
                "\u{b}\u{c}\u{85}\u{2028}\u{2029}",
                r#""\u{b}\u{c}\u{85}\u{2028}\u{2029}""#,
            ),
            (
                "\u{202e}\u{2066}\u{200f}\u{61c}",
                r#""\u{202e}\u{2066}\u{200f}\u{61c}""#,
            ),
            (
                "a\u{200b}\u{200d}\u{feff}\u{ad}",
                r#""a\u{200b}\u{200d}\u{feff}\u{ad}""#,
            ),
            ("a\u{a0}\u{3000}", r#""a\u{a0}\u{3000}""#),
            ("\u{301}x\u{301}", "\"\\u{301}x\u{301}\""),
            (
                "\u{3164}\u{2800}\u{e000}\u{ffff}",
                r#""\u{3164}\u{2800}\u{e000}\u{ffff}""#,
            ),
            ("\u{e0041}\u{fff9}\u{378}", r#""\u{e0041}\u{fff9}\u{378}""#),
        ] {
            assert_eq!(value(text), quoted);
        }
    }

    #[test]
    fn every_character_stays_on_its_line() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        // So few at once that none is cut off.
        for some in all.chunks(100) {
            let text = value(&some.iter().collect::<String>());
            assert!(text.ends_with('"'), "{text}");
            let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
            assert!(!text.contains(breaks), "{text}");
        }
    }

    #[test]
    fn words_of_ours_cannot_forge_either() {
        let line = format(0, "a b\n", &[("k=\n", "v"), ("", "w")]);
        assert_eq!(line, "1970-01-01T00:00:00.000Z  a_b_ k__=v _=w\n");
    }

    #[test]
    fn long_values_are_cut() {
        let text = value(&"x".repeat(16_384));
        assert!(text.ends_with("x\" (cut, 16384 bytes)"), "{text}");
        assert!(text.len() < LOG_VALUE_BYTES + 50);
        let text = value(&"\u{202e}".repeat(16_384));
        assert!(text.len() < LOG_VALUE_BYTES + 50);
        assert_eq!(value(&"x".repeat(LOG_VALUE_BYTES)).len(), LOG_VALUE_BYTES);
        let text = value(&" ".repeat(LOG_VALUE_BYTES));
        assert_eq!(text.len(), LOG_VALUE_BYTES + 2);
    }

    #[test]
    fn secrets_are_withheld() {
        let line = format(
            0,
            "e",
            &[
                ("old_password", "hunter22"),
                ("Token", "x"),
                ("content", "hi"),
            ],
        );
        assert!(line.ends_with("old_password=[withheld] Token=[withheld] content=[withheld]\n"));
        let (header, claims) = ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJFdmEifQ");
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        for token in [
            format!("{header}.{claims}.{signature}"),
            format!("{claims}.{signature}"),
        ] {
            for (at, _) in token.char_indices() {
                let (first, rest) = token.split_at(at);
                for between in [
                    "", "\n", "\r\n  ", " ", "\" + \"", "é", "\u{200b}", "\u{feff}",
                ] {
                    let text = format!("I sent Bearer {first}{between}{rest}, why?");
                    assert_eq!(value(&text), "[withheld]", "{text:?}");
                }
            }
            let apart: String = token.chars().flat_map(|c| [c, ' ']).collect();
            assert_eq!(value(&apart), "[withheld]");
        }
        assert_eq!(value("HeyJude"), "HeyJude");
        assert_eq!(value("eyJoin us. Now"), "\"eyJoin us. Now\"");
    }
}
