//! Years of talk: an office whose rooms hold many messages, and words that few of them have.

use super::office::Office;
use super::stage::launch;
use crate::common::Launch;
use melangerie::protocol::RoomKind;

/// Everybody is in every room.
pub const PEOPLE: usize = 100;
pub const ROOMS: usize = 100;
/// Words that stand in three messages each, an old one, one of the middle and a new one.
pub const RARE: usize = 20;
/// A message's content, in bytes.
const CONTENT: usize = 200;

/// A data directory as after an orderly stop.
pub struct Archive {
    pub launch: Launch,
    pub messages: usize,
}

impl Archive {
    /// `messages` in all, as many in each room.
    pub fn write(messages: usize) -> Archive {
        let launch = launch();
        let mut office = Office::open(launch.data_path());
        office.hire(PEOPLE);
        for room in 0..ROOMS {
            office.furnish(&room_name(room), RoomKind::Public, 0..PEOPLE);
        }
        let mut talk = Talk::new();
        for number in 0..messages {
            let content = talk.content(&rare_word_at(number, messages).unwrap_or_default());
            let room = room_name(number % ROOMS);
            let id = Some(format!("{number:08x}"));
            office.write(&room, number % PEOPLE, content, id);
        }
        office.close();
        Archive { launch, messages }
    }
}

pub fn room_name(room: usize) -> String {
    format!("archive {room:02}")
}

/// The rare word with this number. One half have letters that the other words have not, which makes them easy to find;
/// the other half are of the same syllables, but more of them.
pub fn rare_word(number: usize) -> String {
    if number.is_multiple_of(2) {
        return format!("quokka{number:02}x");
    }
    const ASCII: usize = SYLLABLES.len() - 2;
    let places = [12, 1, 9, 2, number % ASCII, number * 7 % ASCII];
    places.iter().map(|&place| SYLLABLES[place]).collect()
}

/// The rare word that a message has, if it has one.
fn rare_word_at(number: usize, messages: usize) -> Option<String> {
    let starts = [0, messages / 2, messages - RARE];
    let start = starts
        .iter()
        .find(|&&start| (start..start + RARE).contains(&number))?;
    Some(rare_word(number - start))
}

/// What words are made of, four at most; those that are not ASCII last.
const SYLLABLES: [&str; 24] = [
    "me", "lan", "ge", "rie", "ka", "fee", "haus", "tisch", "ter", "min", "pro", "jekt", "of",
    "fice", "print", "er", "lunch", "re", "view", "ship", "mon", "day", "für", "é",
];

/// Sentences from a thousand words, some with letters that are not ASCII. Always the same.
struct Talk {
    words: Vec<String>,
    random: u64,
}

impl Talk {
    fn new() -> Talk {
        let mut talk = Talk {
            words: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        };
        for _ in 0..1_000 {
            let syllables = 1 + talk.below(4);
            let word = (0..syllables).map(|_| SYLLABLES[talk.below(SYLLABLES.len())]);
            let word = word.collect();
            talk.words.push(word);
        }
        talk
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % limit
    }

    /// Exactly [`CONTENT`] bytes, with `last` at the end.
    fn content(&mut self, last: &str) -> String {
        let end = CONTENT - last.len();
        let mut content = String::with_capacity(CONTENT + 32);
        while content.len() < end {
            let word = self.below(self.words.len());
            content.push_str(&self.words[word]);
            content.push(' ');
        }
        while content.len() > end {
            content.pop();
        }
        while content.len() < end {
            content.push('.');
        }
        content.push_str(last);
        content
    }
}
