//! Lines of the log: what a client sends stays inside its value, and no token is shown.

use melangerie::auth::token::Signer;
use melangerie::log::line::format;

/// Longest value that is not cut.
const VALUE_BYTES: usize = 2 * 1024;

/// The input is a value; and, cut in the middle, what stands around a token.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let value = logged(&text);
    assert!(value.len() <= VALUE_BYTES + 64);
    // A token counts as one whatever stands between its letters.
    let of_token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let letters: String = text.chars().filter(of_token).collect();
    if let Some(text_again) = read(&value)
        && !letters.contains("eyJ")
    {
        assert_eq!(text_again, text);
    }
    let mut middle = text.len() / 2;
    while !text.is_char_boundary(middle) {
        middle -= 1;
    }
    let token = Signer::new(b"sixteen bytes ok").issue("Eva", 0, 1_800_000_000);
    let signature = token.rsplit('.').next().expect("three parts");
    let (before, behind) = text.split_at(middle);
    // The signature alone is no token, and a fuzzer that has seen it writes it.
    if text.contains(signature) {
        return;
    }
    let value = logged(&format!("{before}{token}{behind}"));
    assert!(!value.contains(signature), "{value}");
}

/// The value in its line.
fn logged(text: &str) -> String {
    let line = format(0, "reported", &[("issue", text)]);
    let line = line.strip_suffix('\n').expect("a line has an end");
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
    assert!(!line.contains(breaks), "{line:?} is one line");
    let value = line.strip_prefix("1970-01-01T00:00:00.000Z  reported issue=");
    value.expect("nothing comes before").to_owned()
}

/// What the value says, by the simplest reading; `None` where it was cut.
fn read(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        assert!(!value.contains([' ', '"', '=', '\\']));
        return Some(value.to_owned());
    };
    let mut text = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next().expect("a quoted value has an end") {
            '"' => break,
            '\\' => text.push(match rest.next().expect("an escape has a letter") {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = rest.by_ref().take_while(|&c| c != '}').collect();
                    let digits = digits.strip_prefix('{').expect("a brace");
                    let number = u32::from_str_radix(digits, 16).expect("a number");
                    char::from_u32(number).expect("a character")
                }
                other => other,
            }),
            other => text.push(other),
        }
    }
    let rest = rest.as_str();
    assert!(rest.is_empty() || rest.starts_with(" (cut, "), "{value}");
    rest.is_empty().then_some(text)
}
