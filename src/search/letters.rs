//! Letters without their case: what a text and a query are compared by.
//!
//! Owns the folding and its reverse: which spellings a folded letter has. Pure.

use std::sync::OnceLock;

/// Appends the Unicode lowercase of `text`, letter by letter. The two small sigmas count as one, since which of them
/// a capital becomes depends on what follows it.
pub fn fold_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            'ς' => out.push('σ'),
            c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            c => out.extend(c.to_lowercase()),
        }
    }
}

/// The only letter that becomes two: `i` and a dot above.
pub const DOTTED_I: char = '\u{130}';
/// That dot.
pub const DOT_ABOVE: char = '\u{307}';

/// All letters whose folding holds `folded`, itself included.
pub fn spellings(folded: char) -> impl Iterator<Item = char> {
    let others = table();
    let start = others.partition_point(|&(f, _)| f < folded);
    let found = others[start..]
        .iter()
        .take_while(move |&&(f, _)| f == folded);
    [folded].into_iter().chain(found.map(|&(_, c)| c))
}

/// Every letter that folding changes, by what it becomes.
fn table() -> &'static [(char, char)] {
    /// No script with two cases lies beyond (Unicode, DerivedGeneralCategory: Adlam ends at U+1E943).
    const LAST: char = '\u{1ffff}';
    static TABLE: OnceLock<Vec<(char, char)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Vec::new();
        let mut folded = String::new();
        for c in '\0'..=LAST {
            folded.clear();
            fold_into(c.encode_utf8(&mut [0; 4]), &mut folded);
            table.extend(folded.chars().filter(|&f| f != c).map(|f| (f, c)));
        }
        table.sort_unstable();
        table
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        let mut out = String::new();
        fold_into(text, &mut out);
        out
    }

    #[test]
    fn case_and_sigma_do_not_count() {
        assert_eq!(fold("ÄÖÜ Straße"), "äöü straße");
        assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
        assert_eq!(fold("İ"), "i\u{307}");
    }

    #[test]
    fn every_letter_is_a_spelling_of_what_it_becomes() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
            for folded in fold(&c.to_string()).chars() {
                let mut found = spellings(folded);
                assert!(found.any(|s| s == c), "{c:?} for {folded:?}");
            }
        }
        assert_eq!(spellings('k').collect::<Vec<_>>(), ['k', 'K', '\u{212a}']);
    }

    #[test]
    fn one_letter_alone_becomes_two() {
        let two = ('\0'..=char::MAX).filter(|c| fold(&c.to_string()).chars().count() > 1);
        assert_eq!(two.collect::<Vec<_>>(), [DOTTED_I]);
    }
}
