//! Searching what people wrote, newest first, without an index.
//!
//! Owns the search and nothing that outlives it. Reads through [`Reader`]; never writes. Files are looked at raw, and
//! only a line with a promising place is taken apart; a line that is answered has been checked.

mod letters;
mod needle;
#[cfg(test)]
mod tests;

use crate::model::{LogId, Readable};
use crate::protocol::{Error, Millis, SERVER_NAME, Seq};
use crate::store::{Chunk, ChunkLines, Reader, join_lines};
use memchr::memmem::{self, Finder};
use memchr::{memchr, memchr_iter, memrchr};
use needle::Needle;
use serde::Deserialize;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// Messages of people whose content holds `query`, ignoring case, newest first over all `rooms`; texts that were replaced
/// are not among them:
/// `{"messages":[...],"more":bool,"complete":bool,"searched_back_to":ms}`.
///
/// Stops when it knows that there are more than `limit` hits, or at `deadline`: then `complete` is false, and
/// everything after `searched_back_to` was searched. Fails with `storage_failed` as reading does.
pub fn search(
    reader: &Reader,
    rooms: &[Readable],
    query: &str,
    limit: u32,
    deadline: Instant,
) -> Result<Vec<u8>, Error> {
    let mut chunks: Vec<Chunk> = rooms
        .iter()
        .flat_map(|room| reader.chunks(room.log))
        .collect();
    chunks.sort_by_key(|chunk| Reverse(chunk.newest));
    let search = Search {
        reader,
        needle: Needle::new(query),
        most: limit as usize + 1,
        deadline,
        next: AtomicUsize::new(0),
        unsearched: AtomicUsize::new(chunks.len()),
        hits: Mutex::default(),
        rooms: rooms.iter().map(|room| (room.log, room)).collect(),
        chunks,
    };
    search.run()?;
    Ok(search.answer(limit as usize))
}

struct Search<'a> {
    reader: &'a Reader,
    needle: Needle,
    /// One more than is answered tells whether there are more.
    most: usize,
    deadline: Instant,
    /// Newest first.
    chunks: Vec<Chunk>,
    /// The next chunk to search.
    next: AtomicUsize,
    /// The first chunk that the deadline left out.
    unsearched: AtomicUsize,
    rooms: HashMap<LogId, &'a Readable>,
    /// The newest so far, the oldest of them on top.
    hits: Mutex<BinaryHeap<Reverse<Hit>>>,
}

/// Compared from the first field on: newest is greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    timestamp: Millis,
    seq: Seq,
    json: Vec<u8>,
}

/// The parts of a message that a closer look needs.
#[derive(Deserialize)]
struct Parts<'a> {
    seq: Seq,
    #[serde(borrow)]
    sender: Cow<'a, str>,
    timestamp: Millis,
}

/// A line that holds the query.
struct Match {
    timestamp: Millis,
    seq: Seq,
    index: usize,
    line: Range<usize>,
}

/// Searches that run now; only one alone takes more than its own thread.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts a search while it runs.
struct Running;

impl Running {
    /// The second value: how many others run.
    fn begin() -> (Running, usize) {
        (Running, RUNNING.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Search<'_> {
    fn run(&self) -> Result<(), Error> {
        /// The newest chunks are searched alone: most searches end there, and threads cost more.
        const ALONE: usize = 8;
        /// Reading files goes no faster with more.
        const THREADS: usize = 8;
        let (_running, others) = Running::begin();
        self.search_chunks(ALONE)?;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = match others {
            0 if self.next.load(Ordering::Relaxed) < self.chunks.len() => cores.min(THREADS),
            _ => 1,
        };
        std::thread::scope(|scope| {
            let work = || self.search_chunks(self.chunks.len());
            let helpers: Vec<_> = (1..threads)
                .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mine = work();
            helpers.into_iter().fold(mine, |result, helper| {
                result.and(
                    helper
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                )
            })
        })
    }

    /// Searches chunk after chunk while their index is below `until`, and until nothing newer can come.
    fn search_chunks(&self, until: usize) -> Result<(), Error> {
        let mut buffer = Vec::new();
        let mut scratch = String::new();
        while self.next.load(Ordering::Relaxed) < until {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.chunks.get(index) else {
                return Ok(());
            };
            if chunk.newest < self.oldest_kept() {
                // So are all that follow.
                self.next.store(self.chunks.len(), Ordering::Relaxed);
                return Ok(());
            }
            if Instant::now() >= self.deadline {
                self.unsearched.fetch_min(index, Ordering::Relaxed);
                self.next.store(self.chunks.len(), Ordering::Relaxed);
                return Ok(());
            }
            self.search_chunk(chunk, &mut buffer, &mut scratch)?;
        }
        Ok(())
    }

    /// Messages older than this are not answered, since there are enough newer ones.
    fn oldest_kept(&self) -> Millis {
        let hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        match hits.peek() {
            Some(Reverse(hit)) if hits.len() >= self.most => hit.timestamp,
            _ => 0,
        }
    }

    fn search_chunk(
        &self,
        chunk: &Chunk,
        buffer: &mut Vec<u8>,
        scratch: &mut String,
    ) -> Result<(), Error> {
        match self.reader.read_chunk(chunk, buffer)? {
            ChunkLines::File(content) => {
                let mut matches = self.matches(content, self.oldest_kept(), scratch);
                matches.retain(|m| self.is_current(chunk, m.seq, &content[m.line.clone()]));
                matches.sort_unstable_by_key(|m| Reverse((m.timestamp, m.seq)));
                for found in matches.iter().take(self.most) {
                    let line = &content[found.line.clone()];
                    let mut json = self.reader.checked(chunk, found.index, line)?.to_vec();
                    json.push(b'}');
                    self.keep(found, json);
                }
            }
            ChunkLines::Memory(lines) => {
                let oldest = self.oldest_kept();
                for line in lines {
                    let json = line.json();
                    if let Some(found) = self.matches(json, oldest, scratch).first()
                        && self.is_current(chunk, found.seq, json)
                    {
                        self.keep(found, json.to_vec());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether it is among what may be read, and no newer text stands for this one.
    fn is_current(&self, chunk: &Chunk, seq: Seq, line: &[u8]) -> bool {
        let room = self.rooms[&chunk.log];
        if seq > room.last_seq {
            return false;
        }
        if room.replaced.is_empty() {
            return true;
        }
        let original = replaces_of(line).unwrap_or(seq);
        let newest = room.replaced.get(&original);
        newest.is_none_or(|&newest| newest == seq)
    }

    fn keep(&self, found: &Match, json: Vec<u8>) {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        hits.push(Reverse(Hit {
            timestamp: found.timestamp,
            seq: found.seq,
            json,
        }));
        if hits.len() > self.most {
            hits.pop();
        }
    }

    /// The lines of `content` that hold the query, without those before `oldest`.
    fn matches(&self, content: &[u8], oldest: Millis, scratch: &mut String) -> Vec<Match> {
        let mut matches = Vec::new();
        let mut candidates = self.needle.candidates(content);
        let mut from = 0;
        // Lines are counted once, from one match to the next.
        let (mut counted, mut index) = (0, 0);
        while let Some(place) = candidates.next(from) {
            let start = memrchr(b'\n', &content[..place]).map_or(0, |at| at + 1);
            let end = memchr(b'\n', &content[place..]).map_or(content.len(), |at| place + at);
            let line = &content[start..end];
            match text_range(line) {
                Some(text) if place < start + text.start => from = start + text.start,
                Some(text)
                    if place < start + text.end
                        && timestamp_at(line, text.end) >= oldest
                        && self.holds(&line[text.clone()], scratch) =>
                {
                    index += memchr_iter(b'\n', &content[counted..start]).count();
                    counted = start;
                    matches.extend(parts_of(line).map(|(timestamp, seq)| Match {
                        timestamp,
                        seq,
                        index,
                        line: start..end,
                    }));
                    from = end + 1;
                }
                _ => from = end + 1,
            }
        }
        matches
    }

    /// Whether a JSON string holds the query.
    fn holds(&self, quoted: &[u8], scratch: &mut String) -> bool {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        serde_json::from_slice::<Text>(quoted).is_ok_and(|text| self.needle.is_in(&text.0, scratch))
    }

    fn answer(self, limit: usize) -> Vec<u8> {
        let hits = self
            .hits
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        // Sorting the reversed puts the newest first.
        let hits = hits.into_sorted_vec();
        let mut out = br#"{"messages":"#.to_vec();
        out.extend(join_lines(
            hits.iter()
                .take(limit)
                .map(|Reverse(hit)| hit.json.as_slice()),
        ));
        let more = hits.len() > limit;
        let unsearched = self.chunks.get(self.unsearched.into_inner());
        let rest = match unsearched {
            None => format!(r#","more":{more},"complete":true}}"#),
            Some(chunk) => format!(
                r#","more":{more},"complete":false,"searched_back_to":{}}}"#,
                chunk.newest
            ),
        };
        out.extend_from_slice(rest.as_bytes());
        out
    }
}

const CONTENT: &[u8] = br#","content":"#;
const TIMESTAMP: &[u8] = br#","timestamp":"#;
const REPLACES: &[u8] = br#","replaces":"#;
static FIND_CONTENT: LazyLock<Finder> = LazyLock::new(|| Finder::new(CONTENT));
static FIND_TIMESTAMP: LazyLock<Finder> = LazyLock::new(|| Finder::new(TIMESTAMP));

/// Where the content stands in a message's JSON, with its quotes. A key with its quotes stands in no string, since
/// there every quote follows a backslash; and a message is written with the content before the timestamp.
fn text_range(line: &[u8]) -> Option<Range<usize>> {
    let start = FIND_CONTENT.find(line)? + CONTENT.len();
    let end = start + FIND_TIMESTAMP.find(&line[start..])?;
    Some(start..end)
}

/// The message whose text this one replaces.
fn replaces_of(line: &[u8]) -> Option<Seq> {
    let start = memmem::find(line, REPLACES)? + REPLACES.len();
    let digits = line[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |seq, digit| seq * 10 + Seq::from(digit - b'0')))
}

/// The timestamp whose key begins at `at`.
fn timestamp_at(line: &[u8], at: usize) -> Millis {
    let digits = line[at + TIMESTAMP.len()..]
        .iter()
        .take_while(|b| b.is_ascii_digit());
    digits.fold(0, |number: Millis, digit| {
        number
            .saturating_mul(10)
            .saturating_add(Millis::from(digit - b'0'))
    })
}

/// Timestamp and `seq` of a message that a person wrote.
fn parts_of(line: &[u8]) -> Option<(Millis, Seq)> {
    let parts: Parts = serde_json::from_slice(line).ok()?;
    (parts.sender != SERVER_NAME).then_some((parts.timestamp, parts.seq))
}
