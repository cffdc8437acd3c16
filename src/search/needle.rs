//! What is searched for, and a quick look at raw JSON that never misses it.
//!
//! Owns the prefilter: it runs over whole segment files at memory speed and names places worth a closer look.
//! serde_json writes everything raw but quotes, backslashes and control characters, so a piece of the query without
//! these stands in the file as it stands in the text.

use super::letters::{DOT_ABOVE, DOTTED_I, fold_into, spellings};
use memchr::memmem::{self, Finder};

/// A query, folded, with its prefilter.
pub struct Needle {
    folded: String,
    prefilter: Prefilter,
}

enum Prefilter {
    /// Nothing in the query stands in a file as it is: every line is worth a look.
    Everything,
    Ascii(Run),
    /// All spellings of a piece of the query.
    Spellings(Vec<Finder<'static>>),
}

/// A piece of the query that is ASCII.
struct Run {
    text: Vec<u8>,
    /// Its two rarest bytes, lowercase, and where they stand in it.
    rare: [(u8, usize); 2],
    /// Letters that are not ASCII and yet fold to some letter of the piece: a line with one is worth a look.
    strangers: Vec<Finder<'static>>,
}

impl Needle {
    pub fn new(query: &str) -> Needle {
        let mut folded = String::new();
        fold_into(query, &mut folded);
        Needle {
            prefilter: prefilter(&folded),
            folded,
        }
    }

    /// Whether `text` holds the query. `scratch` is reused between calls.
    pub fn is_in(&self, text: &str, scratch: &mut String) -> bool {
        scratch.clear();
        fold_into(text, scratch);
        memmem::find(scratch.as_bytes(), self.folded.as_bytes()).is_some()
    }

    /// The places in `raw` that are worth a look.
    pub fn candidates<'a>(&'a self, raw: &'a [u8]) -> Candidates<'a> {
        let sources = match &self.prefilter {
            Prefilter::Everything => vec![Source::Everything],
            Prefilter::Ascii(run) => {
                let strangers = run.strangers.iter().map(Source::Spelling);
                [Source::Run(run)].into_iter().chain(strangers).collect()
            }
            Prefilter::Spellings(finders) => finders.iter().map(Source::Spelling).collect(),
        };
        Candidates {
            raw,
            sources: sources
                .into_iter()
                .map(|source| (source, Some(0), false))
                .collect(),
        }
    }
}

fn prefilter(folded: &str) -> Prefilter {
    let run = folded
        .split(|c| !stands_as_it_is(c) || !c.is_ascii())
        .max_by_key(|run| run.len())
        .unwrap_or_default();
    if run.len() >= 3 {
        return Prefilter::Ascii(Run::new(run));
    }
    let chars: Vec<char> = folded.chars().collect();
    let foreign = |piece: &&[char]| {
        piece.iter().all(|&c| stands_as_it_is(c)) && piece.iter().any(|c| !c.is_ascii())
    };
    // A pair is rarer than a letter.
    let piece = chars
        .windows(2)
        .find(foreign)
        .or_else(|| chars.windows(1).find(foreign));
    match piece {
        Some(piece) => Prefilter::Spellings(all_spellings(piece)),
        None if !run.is_empty() => Prefilter::Ascii(Run::new(run)),
        None => Prefilter::Everything,
    }
}

/// Whether a folded letter stands in JSON as one of its spellings, each by itself.
fn stands_as_it_is(c: char) -> bool {
    // The dot above may be a part of the letter before it.
    !matches!(c, '"' | '\\' | DOT_ABOVE) && c >= ' '
}

fn all_spellings(piece: &[char]) -> Vec<Finder<'static>> {
    let mut spelled = vec![String::new()];
    for &c in piece {
        spelled = spelled
            .iter()
            .flat_map(|start| spellings(c).map(move |spelling| format!("{start}{spelling}")))
            .collect();
    }
    spelled
        .iter()
        .map(|text| Finder::new(text).into_owned())
        .collect()
}

impl Run {
    fn new(text: &str) -> Run {
        let bytes = text.as_bytes();
        let mut places: Vec<usize> = (0..bytes.len()).collect();
        places.sort_by_key(|&place| commonness(bytes[place]));
        let rare = |rank: usize| {
            let place = places[rank.min(places.len() - 1)];
            (bytes[place] | 0x20, place)
        };
        let strangers = [('k', "\u{212a}"), ('i', DOTTED_I.encode_utf8(&mut [0; 4]))]
            .into_iter()
            .filter(|&(c, _)| text.contains(c))
            .map(|(_, stranger)| Finder::new(stranger).into_owned())
            .collect();
        Run {
            text: bytes.to_vec(),
            rare: [rare(0), rare(1)],
            strangers,
        }
    }

    /// The next place at or after `from` where the run begins, in any case.
    fn find(&self, raw: &[u8], from: usize) -> Option<usize> {
        let last = raw.len().checked_sub(self.text.len())?;
        let [(a, a_at), (b, b_at)] = self.rare;
        let mut start = from;
        while start <= last {
            let end = (start + BLOCK).min(last + 1);
            let (xs, ys) = (
                &raw[start + a_at..end + a_at],
                &raw[start + b_at..end + b_at],
            );
            if both(xs, ys, a, b) {
                let matches =
                    |&at: &usize| raw[at..at + self.text.len()].eq_ignore_ascii_case(&self.text);
                if let Some(found) = (start..end).find(matches) {
                    return Some(found);
                }
            }
            start = end;
        }
        None
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Whether at some place `xs` has the letter `a` and `ys` the letter `b`, in any case, or what differs from them in
/// that bit alone. Without a branch, so that the compiler makes it a few vector instructions.
fn both(xs: &[u8], ys: &[u8], a: u8, b: u8) -> bool {
    let hit = |x: u8, y: u8| u8::from(x | 0x20 == a) & u8::from(y | 0x20 == b);
    match (<&[u8; BLOCK]>::try_from(xs), <&[u8; BLOCK]>::try_from(ys)) {
        (Ok(xs), Ok(ys)) => {
            let mut any = 0;
            for index in 0..BLOCK {
                any |= hit(xs[index], ys[index]);
            }
            any != 0
        }
        _ => xs.iter().zip(ys).any(|(&x, &y)| hit(x, y) != 0),
    }
}

/// How common a byte is in chat, roughly: letters by their frequency, digits and signs as in our own JSON.
fn commonness(byte: u8) -> usize {
    const COMMON_LAST: &[u8] = b"zqxjkvbpygfwmucldrhsnioate";
    match byte {
        b' ' | b'0'..=b'9' => 100,
        b',' | b':' | b'{' | b'}' => 90,
        _ => match COMMON_LAST.iter().position(|&b| b == byte) {
            Some(place) => 10 + place,
            None => 20,
        },
    }
}

enum Source<'a> {
    Everything,
    Run(&'a Run),
    Spelling(&'a Finder<'static>),
}

/// Places worth a look, in ascending order.
pub struct Candidates<'a> {
    raw: &'a [u8],
    /// Each with its next place, and whether that is known yet.
    sources: Vec<(Source<'a>, Option<usize>, bool)>,
}

impl Candidates<'_> {
    /// The first place at or after `from`, which never decreases between calls.
    pub fn next(&mut self, from: usize) -> Option<usize> {
        let raw = self.raw;
        for (source, place, known) in &mut self.sources {
            let Some(at) = *place else {
                continue;
            };
            if *known && at >= from {
                continue;
            }
            *known = true;
            *place = match source {
                Source::Everything => (from < raw.len()).then_some(from),
                Source::Run(run) => run.find(raw, from),
                Source::Spelling(finder) => raw
                    .get(from..)
                    .and_then(|rest| finder.find(rest))
                    .map(|place| from + place),
            };
        }
        self.sources.iter().filter_map(|(_, place, _)| *place).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line is never missed: whatever holds the query has a candidate in its JSON.
    #[test]
    fn nothing_is_missed() {
        let texts = [
            "Hello World",
            "HELLO",
            "office \"hours\"",
            "a\\b",
            "line\nbreak",
            "\u{212a}elvin",
            "KELVIN",
            "kelvin",
            "İstanbul",
            "istanbul",
            "i\u{307}stanbul",
            "ΣΊΣΥΦΟΣ",
            "σίσυφος",
            "Straße",
            "ÄÖÜ",
            "äöü",
            "Привет, мир",
            "ПРИВЕТ",
            "日本語",
            "ﬁne",
            "\u{2126}hm",
            "ωhm",
            "x",
            "\"",
            "\\",
            "\u{1}",
            "\t",
            "~",
            "[brackets]",
            "{braces}",
            "@home",
            "`home",
            "a_b",
            "zq",
            "ǅ",
            "ǆ",
            "emoji 😀",
            "end\u{7f}",
        ];
        let mut scratch = String::new();
        let mut hits = 0;
        for query in texts {
            // Every piece of every text is a query.
            let places: Vec<usize> = query
                .char_indices()
                .map(|(at, _)| at)
                .chain([query.len()])
                .collect();
            for (index, &start) in places.iter().enumerate() {
                for &end in &places[index + 1..] {
                    let needle = Needle::new(&query[start..end]);
                    for text in texts {
                        let json = serde_json::to_string(text).unwrap();
                        let padded = format!("{:90}{json}{:90}", "", "");
                        if needle.is_in(text, &mut scratch) {
                            hits += 1;
                            let place = needle.candidates(padded.as_bytes()).next(0);
                            assert!(place.is_some(), "{:?} in {text:?}", &query[start..end]);
                        }
                    }
                }
            }
        }
        assert!(hits > 1_000, "{hits}");
    }

    #[test]
    fn a_run_is_found_at_every_place() {
        let needle = Needle::new("WORD");
        for before in 0..200 {
            let raw = format!("{}wOrD{}", ".".repeat(before), "-".repeat(200 - before));
            let mut found = needle.candidates(raw.as_bytes());
            assert_eq!(found.next(0), Some(before));
            assert_eq!(found.next(before + 1), None);
        }
    }
}
