//! What a name looks like: letters that nobody sees, and letters of other scripts that look like those of a reserved name.
//!
//! Owns a table as small as its use: the letters of the reserved names. Between people, names that look alike are left to
//! people, since most scripts have letters that look like some other's.

/// A letter by its category that is shown as nothing at all: the Hangul fillers, which Unicode has ignored where it
/// compares identifiers (Default_Ignorable_Code_Point). Whatever else is invisible is no letter.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// The Latin letters that `name` looks like, in lower case; what looks like none stays as it is.
pub fn latin_look(name: &str) -> String {
    let mut look = String::with_capacity(name.len());
    for c in name.chars() {
        match (styled(c).or_else(|| look_alike(c)), c) {
            (Some(letter), _) => look.push(letter),
            (None, 'ﬅ' | 'ﬆ') => look.push_str("st"),
            (None, other) => look.extend(other.to_lowercase()),
        }
    }
    look
}

/// A Latin letter in another form, of those blocks that have the whole alphabet in its order: fullwidth, circled,
/// parenthesised, squared, and mathematical ones in thirteen styles.
fn styled(c: char) -> Option<char> {
    let alphabets = [
        ('Ａ', 'Ｚ'),
        ('ａ', 'ｚ'),
        ('\u{24b6}', '\u{24e9}'),
        ('\u{249c}', '\u{24b5}'),
        ('\u{1f110}', '\u{1f129}'),
        ('\u{1f130}', '\u{1f149}'),
        ('\u{1f150}', '\u{1f169}'),
        ('\u{1f170}', '\u{1f189}'),
        ('\u{1d400}', '\u{1d6a3}'),
    ];
    let within = |&(first, last): &(char, char)| (first..=last).contains(&c);
    let (first, _) = alphabets.into_iter().find(within)?;
    let place = (u32::from(c) - u32::from(first)) % 26;
    u8::try_from(place)
        .ok()
        .map(|place| char::from(b'a' + place))
}

/// Of the letters in `server`, `system`, `all`, `here`, `me`: what Unicode's table of confusables (UTS #39) and its
/// compatibility forms give for each, as far as they are letters or digits, and small capitals.
fn look_alike(c: char) -> Option<char> {
    let alike = match c {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'Ꭺ' | 'ꓮ' | 'ᴀ' | 'ª' | 'ᵃ' | 'ₐ' | 'ᴬ' => {
            'a'
        }
        'е' | 'Е' | 'Ε' | 'ҽ' | 'ꬲ' | 'Ꭼ' | 'ꓰ' | 'ᴇ' | 'ᵉ' | 'ₑ' | 'ᴱ' | 'ℯ' | 'ℰ' | 'ⴹ' => {
            'e'
        }
        'һ' | 'Н' | 'Η' | 'հ' | 'Ꮒ' | 'Ꮋ' | 'ꓧ' | 'ʜ' | 'ʰ' | 'ₕ' | 'ᴴ' | 'ℎ' | 'ℋ' | 'ℌ' | 'ℍ'
        | 'Ⲏ' => 'h',
        'ӏ' | 'Ӏ' | 'І' | 'Ι' | 'ǀ' | 'Ꮮ' | 'ꓡ' | 'ꓲ' | 'ʟ' | 'ˡ' | 'ₗ' | 'ᴸ' | 'ℓ' | 'ℒ' | 'ⅼ'
        | 'Ⅼ' | 'ⵏ' | 'ᛁ' | 'ן' | 'Ⲓ' | 'ⳑ' => 'l',
        'М' | 'Μ' | 'Ϻ' | 'Ꮇ' | 'ꓟ' | 'ᴍ' | 'ᵐ' | 'ₘ' | 'ᴹ' | 'ℳ' | 'ⅿ' | 'Ⅿ' | 'ᛖ' | 'Ⲙ' => {
            'm'
        }
        'г' | 'ᴦ' | 'ⲅ' | 'ꭇ' | 'ꭈ' | 'Ꭱ' | 'Ꮢ' | 'ꓣ' | 'ʀ' | 'ʳ' | 'ᵣ' | 'ᴿ' | 'ℛ' | 'ℜ' | 'ℝ'
        | 'Ʀ' => 'r',
        'ѕ' | 'Ѕ' | 'ꜱ' | 'ƽ' | 'Տ' | 'Ꮥ' | 'Ꮪ' | 'ꓢ' | 'ſ' | 'ˢ' | 'ₛ' => 's',
        'Т' | 'Τ' | 'Ꭲ' | 'ꓔ' | 'ᴛ' | 'ᵗ' | 'ₜ' | 'ᵀ' | 'Ⲧ' => 't',
        'ѵ' | 'Ѵ' | 'ν' | 'ט' | 'Ꮩ' | 'ꓦ' | 'ⴸ' | 'ᴠ' | 'ᵛ' | 'ᵥ' | 'ⱽ' | 'ⅴ' | 'Ⅴ' => {
            'v'
        }
        'у' | 'У' | 'ү' | 'Ү' | 'γ' | 'Υ' | 'ყ' | 'ʏ' | 'ɣ' | 'ỿ' | 'ᶌ' | 'Ꭹ' | 'Ꮍ' | 'ꓬ' | 'ʸ'
        | 'Ⲩ' => 'y',
        _ => return None,
    };
    Some(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_forms_of_server_look_like_it() {
        for name in [
            "Server",
            "Ѕerver",
            "ЅЕRVЕR",
            "ѕегvег",
            "Ｓｅｒｖｅｒ",
            "ｓｅｒｖｅｒ",
            "Ⓢⓔⓡⓥⓔⓡ",
            "𝐒𝐞𝐫𝐯𝐞𝐫",
            "𝓢𝓮𝓻𝓿𝓮𝓻",
            "𝚂𝚎𝚛𝚟𝚎𝚛",
            "🅂🄴🅁🅅🄴🅁",
            "ſerver",
            "ꜱᴇʀᴠᴇʀ",
            "ˢᵉʳᵛᵉʳ",
            "Serνer",
            "Serⅴer",
            "ᏚᎬᏒᏙᎬᏒ",
        ] {
            assert_eq!(latin_look(name), "server", "{name}");
        }
        assert_eq!(latin_look("syﬆem"), "system");
        assert_eq!(latin_look("ｓｙｓᴛᴇᴍ"), "system");
        assert_eq!(latin_look("аӏⅼ"), "all");
        assert_eq!(latin_look("hеrе"), "here");
        assert_eq!(latin_look("МЕ"), "me");
    }

    #[test]
    fn other_names_look_like_themselves() {
        for name in [
            "sergej",
            "сервер",
            "неге",
            "σερβερ",
            "all2",
            "serveur",
            "ŝerver",
            "李雷",
        ] {
            for reserved in crate::protocol::RESERVED_NAMES {
                assert_ne!(latin_look(name), reserved, "{name}");
            }
        }
    }
}
