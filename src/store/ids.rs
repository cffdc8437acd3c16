//! Which sender's reference belongs to which message, over a log's segments.
//!
//! Owns 8 bytes a message that has one, in memory, built from the segments when first asked for and extended after
//! each checkpoint. A hit is a guess until the line itself is read: hashes may collide.

use super::segments::Segment;
use crate::protocol::{Message, Seq};
use memchr::{memchr_iter, memmem};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// How many of an entry's bits are its `seq`. The others are the hash: of a million entries one look-up in a thousand
/// meets a wrong one, and then reads a message in vain.
const SEQ_BITS: u32 = 34;
const SEQ_MASK: u64 = (1 << SEQ_BITS) - 1;

/// The index of one log.
#[derive(Default)]
pub struct IdIndex {
    /// Keyed at random, so that nobody can make references collide.
    hasher: RandomState,
    /// The hash above, the `seq` below; sorted.
    entries: Vec<u64>,
    covered: Seq,
}

impl IdIndex {
    /// The last `seq` that was looked at.
    pub fn covered(&self) -> Seq {
        self.covered
    }

    /// Adds the lines of a segment's content that are not covered yet. [`IdIndex::sort`] must follow.
    pub fn add(&mut self, segment: &Segment, content: &[u8]) {
        let mut start = 0;
        for (seq, end) in (segment.first..).zip(memchr_iter(b'\n', content)) {
            let line = &content[start..end];
            start = end + 1;
            if seq > self.covered
                && let Some((sender, id)) = key_of(line)
            {
                if self.entries.len() == self.entries.capacity() {
                    // An eighth at most is held in vain; doubling would hold half.
                    self.entries.reserve_exact(self.entries.len() / 8 + 64);
                }
                self.entries.push(self.hash(&sender, &id) | seq & SEQ_MASK);
            }
        }
        self.covered = self.covered.max(segment.last());
    }

    pub fn sort(&mut self) {
        // Stable sorting merges the sorted old entries with the new ones in linear time.
        self.entries.sort();
    }

    /// The messages that may be the one of `sender` with this `id`, oldest first.
    pub fn candidates(&self, sender: &str, id: &str) -> impl Iterator<Item = Seq> + '_ {
        let hash = self.hash(&quoted(sender), &quoted(id));
        let start = self.entries.partition_point(|&entry| entry < hash);
        let equal = self.entries[start..]
            .iter()
            .take_while(move |&&entry| entry & !SEQ_MASK == hash);
        // A log that is longer than an entry can tell repeats the same entry.
        let seqs =
            equal.flat_map(|&entry| (entry & SEQ_MASK..=self.covered).step_by(1 << SEQ_BITS));
        // The first is 1.
        seqs.filter(|&seq| seq > 0)
    }

    /// Of both as a message's JSON holds them, with nothing where the `seq` belongs.
    fn hash(&self, sender: &[u8], id: &[u8]) -> u64 {
        self.hasher.hash_one((sender, id)) & !SEQ_MASK
    }
}

/// As a message's JSON holds it.
fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("strings always serialise")
}

/// Sender and id, quoted.
type Key<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The key of a stored message, if it has an id.
fn key_of(line: &[u8]) -> Option<Key<'_>> {
    // An unescaped key stands in no string, since there every quote follows a backslash.
    memmem::find(line, br#","id":""#)?;
    if let Some((sender, id)) = quick_key(line) {
        return Some((line[sender].into(), line[id].into()));
    }
    let message: Message = serde_json::from_slice(line).ok()?;
    Some((
        quoted(&message.sender).into(),
        quoted(message.id.as_deref()?).into(),
    ))
}

/// Where the quoted sender and id are, in the order of fields in which messages are written.
fn quick_key(line: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let sender_start = memmem::find(line, br#","sender":""#)? + br#","sender":"#.len();
    let sender_end = sender_start + memmem::find(&line[sender_start..], br#","content":""#)?;
    let time_start = memmem::rfind(line, br#","timestamp":"#)? + br#","timestamp":"#.len();
    let digits = line[time_start..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let id_key = time_start + digits;
    let id_start = id_key
        + line[id_key..]
            .strip_prefix(br#","id":"#)
            .map(|_| br#","id":"#.len())?;
    Some((
        sender_start..sender_end,
        id_start..string_end(line, id_start)?,
    ))
}

/// Where the JSON string ends that begins at `start`.
fn string_end(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sender: &str, content: &str, id: Option<&str>) -> Vec<u8> {
        let message = Message {
            room: "general".into(),
            seq: 1,
            sender: sender.into(),
            content: content.into(),
            timestamp: 5,
            id: id.map(str::to_owned),
            replaces: None,
            edited: None,
            event: None,
        };
        serde_json::to_vec(&message).unwrap()
    }

    fn key(sender: &str, id: &str) -> Key<'static> {
        (quoted(sender).into(), quoted(id).into())
    }

    #[test]
    fn sender_and_id_are_found_whatever_the_content() {
        for content in [
            "hi",
            r#"","timestamp":7,"id":"x"#,
            r#"\",\"id\":\"y\""#,
            "\\",
        ] {
            for id in ["a", "\"", "\\\"\\", "é\n", r#"","id":"z"#] {
                let line = line("Eva", content, Some(id));
                assert_eq!(key_of(&line), Some(key("Eva", id)), "{content} {id}");
            }
            assert_eq!(key_of(&line("Eva", content, None)), None);
        }
    }

    fn segment(first: Seq, messages: u64) -> Segment {
        Segment {
            first,
            messages,
            bytes: 0,
            crc: 0,
            modified: 0,
            oldest: 0,
            newest: 0,
        }
    }

    fn index_of(lines: &[(Seq, &str)]) -> IdIndex {
        let mut index = IdIndex::default();
        for &(seq, id) in lines {
            let mut content = line("Eva", "hi", Some(id));
            content.push(b'\n');
            index.add(&segment(seq, 1), &content);
            index.sort();
        }
        index
    }

    #[test]
    fn each_reference_leads_to_its_message() {
        let ids: Vec<(Seq, String)> = (1..=2_000).map(|seq| (seq, format!("id-{seq}"))).collect();
        let lines: Vec<(Seq, &str)> = ids.iter().map(|(seq, id)| (*seq, id.as_str())).collect();
        let index = index_of(&lines);
        for (seq, id) in &lines {
            assert!(index.candidates("Eva", id).any(|found| found == *seq));
        }
        // A wrong hit needs the same 30 bits: of 6,000 questions hardly one has one.
        let wrong = (0..2_000).flat_map(|n| [("Eva", n + 5_000), ("Bob", n), ("eva", n)]);
        let hits = wrong.filter(|(who, n)| index.candidates(who, &format!("id-{n}")).count() > 0);
        assert!(hits.count() < 10);
    }

    #[test]
    fn a_log_longer_than_an_entry_can_tell_is_still_searched_through() {
        let far = (3 << SEQ_BITS) + 7;
        let index = index_of(&[(far, "a")]);
        let found: Vec<Seq> = index.candidates("Eva", "a").collect();
        assert_eq!(found, [7, (1 << SEQ_BITS) + 7, (2 << SEQ_BITS) + 7, far]);
    }

    #[test]
    fn fields_in_another_order_are_found_too() {
        let line = br#"{"room":"r","seq":1,"timestamp":5,"content":"c","sender":"Eva","id":"a"}"#;
        assert_eq!(key_of(line), Some(key("Eva", "a")));
    }
}
