//! Segment files: a room's messages or the reports, so many to a file, or so many bytes, one line each.
//!
//! Owns their names, how they grow and how they are verified. A segment that is full is never written again, and no
//! segment is ever removed; a file may hold more lines than its record says, left by an interrupted checkpoint,
//! which the record makes void.

use super::disk::Disk;
use super::error::OpenError;
use super::line;
use crate::limits;
use crate::model::{LogId, RoomId};
use crate::protocol::{Millis, Seq};
use memchr::memchr_iter;
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::sync::LazyLock;

/// A segment as `state.json` records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The first `seq` in it, which is also the file's name.
    pub first: Seq,
    pub messages: u64,
    pub bytes: u64,
    /// CRC-32 of those bytes.
    #[serde(with = "hexadecimal")]
    pub crc: u32,
    /// When the file was written, in nanoseconds: one that has not changed since needs no verifying.
    pub modified: u64,
    /// The smallest and the largest timestamp in it, for searching.
    pub oldest: Millis,
    pub newest: Millis,
}

impl Segment {
    pub fn last(&self) -> Seq {
        self.first + self.messages - 1
    }
}

/// What a segment may have: with either it is full.
#[derive(Clone, Copy, Debug)]
pub struct Full {
    /// Never more than so many, and at least 1.
    pub messages: u64,
    /// Its last line may go beyond.
    pub bytes: u64,
}

impl Full {
    pub fn reached(self, messages: u64, bytes: usize) -> bool {
        messages >= self.messages || bytes as u64 >= self.bytes
    }
}

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(crc: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{crc:08x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let text = String::deserialize(from)?;
        u32::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

/// The directory of a log's segments.
pub fn directory(log: LogId) -> String {
    match log {
        LogId::Room(id) => format!("rooms/{:06}", id.0),
        LogId::Reports => "reports".to_owned(),
    }
}

/// The name of the segment that begins with `first`. Zeros in front, so that names sort.
pub fn file(log: LogId, first: Seq) -> String {
    format!("{}/{first:09}.jsonl", directory(log))
}

/// The logs that have a directory of segments, whatever `state.json` says.
pub fn logs(disk: &dyn Disk) -> Result<Vec<LogId>, OpenError> {
    let names = names_in(disk, "rooms")?;
    let ids = names.iter().filter_map(|name| {
        let id = RoomId(name.parse().ok()?);
        (directory(LogId::Room(id)) == format!("rooms/{name}")).then_some(id)
    });
    let mut logs: Vec<LogId> = ids.map(LogId::Room).collect();
    logs.sort_unstable();
    logs.push(LogId::Reports);
    Ok(logs)
}

/// A directory that is not there has none.
fn names_in(disk: &dyn Disk, directory: &str) -> Result<Vec<String>, OpenError> {
    match disk.list(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(OpenError::io("list", directory, &e)),
        Ok(names) => Ok(names),
    }
}

/// The first `seq` of each segment file in a log's directory, in order.
pub fn firsts(disk: &dyn Disk, log: LogId) -> Result<Vec<Seq>, OpenError> {
    let names = names_in(disk, &directory(log))?;
    let mut firsts: Vec<Seq> = names
        .iter()
        .filter_map(|name| {
            let first = name.strip_suffix(".jsonl")?.parse().ok()?;
            (file(log, first) == format!("{}/{name}", directory(log))).then_some(first)
        })
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// The lines that a checkpoint adds to one log.
#[derive(Default)]
pub struct NewLines {
    /// Sealed, with their line ends.
    bytes: Vec<u8>,
    /// For each line where it ends, and its timestamp.
    ends: Vec<(usize, Millis)>,
}

impl NewLines {
    pub fn push(&mut self, json: &[u8], timestamp: Millis) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&json[..json.len() - 1]);
        line::seal(&mut self.bytes, start);
        self.bytes.push(b'\n');
        self.ends.push((self.bytes.len(), timestamp));
    }

    pub fn is_full(&self, full: Full) -> bool {
        full.reached(self.ends.len() as u64, self.bytes.len())
    }
}

/// Writes the lines that follow `old` into segments, and makes them durable. Returns the segments that are new or
/// longer; the first may take the place of the last of `old`. Doing it again gives the same.
pub fn extend(
    disk: &dyn Disk,
    log: LogId,
    old: &[Segment],
    new: &NewLines,
    full: Full,
) -> Result<Vec<Segment>, OpenError> {
    let directory = match old.is_empty() {
        true => make_directory(disk, log)?,
        false => directory(log),
    };
    let mut segments = Vec::new();
    let mut content = Vec::new();
    let mut segment = match old.last() {
        Some(last) if last.messages < full.messages && last.bytes < full.bytes => {
            read(disk, log, last, &mut content)?;
            last.clone()
        }
        last => empty(last.map_or(1, |last| last.last() + 1)),
    };
    let mut start = 0;
    for (index, &(end, timestamp)) in new.ends.iter().enumerate() {
        content.extend_from_slice(&new.bytes[start..end]);
        start = end;
        segment.messages += 1;
        segment.oldest = segment.oldest.min(timestamp);
        segment.newest = segment.newest.max(timestamp);
        if full.reached(segment.messages, content.len()) || index + 1 == new.ends.len() {
            write(disk, log, &mut segment, &content)?;
            content.clear();
            let next = empty(segment.last() + 1);
            segments.push(std::mem::replace(&mut segment, next));
        }
    }
    disk.sync_directory(&directory)
        .map_err(|e| OpenError::io("write", &directory, &e))?;
    Ok(segments)
}

/// Writes segments, each with its first `seq` and its lines, and makes them durable.
pub fn write_new(
    disk: &dyn Disk,
    log: LogId,
    new: &[(Seq, NewLines)],
) -> Result<Vec<Segment>, OpenError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let directory = make_directory(disk, log)?;
    let mut segments = Vec::new();
    for (first, lines) in new {
        let mut segment = empty(*first);
        segment.messages = lines.ends.len() as u64;
        let times = lines.ends.iter().map(|&(_, timestamp)| timestamp);
        segment.oldest = times.clone().min().unwrap_or(segment.oldest);
        segment.newest = times.max().unwrap_or(segment.newest);
        write(disk, log, &mut segment, &lines.bytes)?;
        segments.push(segment);
    }
    disk.sync_directory(&directory)
        .map_err(|e| OpenError::io("write", &directory, &e))?;
    Ok(segments)
}

/// Makes a log's directory durably, where there is none; returns its name.
fn make_directory(disk: &dyn Disk, log: LogId) -> Result<String, OpenError> {
    let directory = directory(log);
    let made = disk
        .create_directory(&directory)
        .and_then(|()| disk.sync_directory("rooms").or_else(not_found_is_fine))
        .and_then(|()| disk.sync_directory(""));
    made.map_err(|e| OpenError::io("write", &directory, &e))?;
    Ok(directory)
}

fn not_found_is_fine(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

fn empty(first: Seq) -> Segment {
    Segment {
        first,
        messages: 0,
        bytes: 0,
        crc: 0,
        modified: 0,
        oldest: Millis::MAX,
        newest: 0,
    }
}

fn write(
    disk: &dyn Disk,
    log: LogId,
    segment: &mut Segment,
    content: &[u8],
) -> Result<(), OpenError> {
    let file = file(log, segment.first);
    let failed = |e: io::Error| OpenError::io("write", &file, &e);
    disk.replace(&file, content).map_err(failed)?;
    segment.bytes = content.len() as u64;
    segment.crc = crc32fast::hash(content);
    segment.modified = disk.metadata(&file).map_err(failed)?.modified;
    Ok(())
}

/// Reads what the record says, checked as a whole.
pub fn read(
    disk: &dyn Disk,
    log: LogId,
    segment: &Segment,
    into: &mut Vec<u8>,
) -> Result<(), OpenError> {
    let file = file(log, segment.first);
    match disk.read(&file, segment.bytes, into) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let why = format!("it holds the messages from {} on", segment.first);
            return Err(OpenError::missing(&file, &why));
        }
        Err(e) => return Err(OpenError::io("read", &file, &e)),
    }
    if into.len() as u64 == segment.bytes && crc32fast::hash(into) == segment.crc {
        return Ok(());
    }
    Err(explain(&file, segment, into))
}

/// Checks a segment against its record, and returns the record with the file's own time of change. A file with the
/// recorded size and time is what was written; any other is read.
pub fn verify(
    disk: &dyn Disk,
    log: LogId,
    segment: &Segment,
    buffer: &mut Vec<u8>,
) -> Result<Segment, OpenError> {
    let file = file(log, segment.first);
    if let Ok(found) = disk.metadata(&file) {
        if found.bytes == segment.bytes && found.modified == segment.modified {
            return Ok(segment.clone());
        }
        read(disk, log, segment, buffer)?;
        return Ok(Segment {
            modified: found.modified,
            ..segment.clone()
        });
    }
    // Reading tells in words what the matter is.
    read(disk, log, segment, buffer)?;
    Ok(segment.clone())
}

/// Says which line of a segment is the damaged one.
fn explain(file: &str, segment: &Segment, content: &[u8]) -> OpenError {
    let mut start = 0;
    let mut number = 0;
    for end in memchr_iter(b'\n', content) {
        number += 1;
        let seq = segment.first.saturating_add(number - 1);
        if json_of(&content[start..end], seq).is_none() {
            let what = wrong_line(&content[start..end], seq);
            return OpenError::damaged(file, Some(number), &what);
        }
        start = end + 1;
    }
    if start < content.len() || number < segment.messages {
        let what = format!("it ends here, and {} lines are recorded", segment.messages);
        return OpenError::damaged(file, Some(number + 1), &what);
    }
    OpenError::damaged(file, None, "it is not the file that state.json records")
}

/// Why a line is not number `seq` of its log.
pub fn wrong_line(line: &[u8], seq: Seq) -> String {
    match line::unseal(line) {
        None => "its checksum does not fit".to_owned(),
        Some(_) => format!("it is not number {seq}, which belongs there"),
    }
}

/// The body of a stored line whose checksum fits and that is number `seq` of its log.
pub fn json_of(line: &[u8], seq: Seq) -> Option<&[u8]> {
    let body = line::unseal(line)?;
    (seq_of(body)? == seq).then_some(body)
}

/// The `seq` of a message or report. No name has a quote, so the first such key is the right one.
pub fn seq_of(body: &[u8]) -> Option<Seq> {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""seq":"#));
    let start = KEY.find(body)? + KEY.needle().len();
    let digits = body[start..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    std::str::from_utf8(&body[start..start + digits])
        .ok()?
        .parse()
        .ok()
}

/// Where a line begins in a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub seq: Seq,
    pub offset: u64,
}

/// What was read of a segment.
pub struct Block {
    pub bytes: Vec<u8>,
    /// Each line's message or report in `bytes`, of those that were asked for.
    pub lines: Vec<Range<usize>>,
}

/// Room for the longest page's lines is made at once.
const KEPT: Seq = limits::PAGE_MESSAGES_MAX as Seq;

/// The complete lines at the beginning of `bytes`, where the line at `position` begins. Those from `from` on are checked
/// and given; beyond `to` none is looked at. Moves `position` behind the last one, and tells `passed` where each begins.
/// Fails with the `seq` of a damaged line.
pub fn split_block(
    mut bytes: Vec<u8>,
    position: &mut Position,
    from: Seq,
    to: Seq,
    mut passed: impl FnMut(Position),
) -> Result<Block, Seq> {
    let wanted = to.saturating_sub(from).saturating_add(1);
    let mut lines = Vec::with_capacity(wanted.min(KEPT) as usize);
    let mut at = 0;
    for end in memchr_iter(b'\n', &bytes) {
        if position.seq > to {
            break;
        }
        passed(*position);
        if position.seq >= from {
            let body = json_of(&bytes[at..end], position.seq).ok_or(position.seq)?;
            lines.push(at..at + body.len() + 1);
        }
        position.seq += 1;
        position.offset += (end + 1 - at) as u64;
        at = end + 1;
    }
    for line in &lines {
        // The comma before the checksum gives way to the brace that ends the message.
        bytes[line.end - 1] = b'}';
    }
    Ok(Block { bytes, lines })
}
