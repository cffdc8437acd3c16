//! Reading what is durable: pages of history, single lines, ranges, ids. Any thread, without the hub.
//!
//! Owns nothing; sees each line from the tail in memory or from its segment, never neither. Never writes. Every line
//! that comes from a file is checked before it is answered; a damaged one is an error and a line in the log.

use super::Base;
use super::catalogue::Log;
use super::marks::{self, Marks};
use super::segments::{self, Position, Segment};
use crate::model::LogId;
use crate::protocol::{Code, Error, Message, MessageFrame, Millis, Seq};
use std::ops::Range;
use std::sync::Arc;

/// Reads the logs. Cheap to clone, one for each thread.
#[derive(Clone)]
pub struct Reader {
    base: Arc<Base>,
}

/// Which lines of a log are asked for; `before` and `after` exclude what they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRange {
    pub before: Option<Seq>,
    pub after: Option<Seq>,
    pub limit: u32,
}

/// The lines that a page consists of. Lines are only added, so what is selected now is there for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Greater than `last` where there are none.
    pub first: Seq,
    pub last: Seq,
    /// Whether the asked range holds further lines.
    pub more: bool,
}

impl PageRange {
    /// What it selects of a log that ends with `last`.
    fn select(&self, last: Seq) -> Selection {
        let selection = |first, last, more| Selection { first, last, more };
        let low = self.after.map_or(1, |after| after.saturating_add(1));
        let high = self
            .before
            .map_or(last, |before| last.min(before.saturating_sub(1)));
        let limit = u64::from(self.limit);
        if low > high || limit == 0 {
            return selection(1, 0, low <= high);
        }
        if self.after.is_some() {
            let end = high.min(low.saturating_add(limit - 1));
            return selection(low, end, end < high);
        }
        let start = low.max((high + 1).saturating_sub(limit));
        selection(start, high, start > low)
    }
}

/// A message or report as it was stored.
#[derive(Clone, Debug)]
pub struct Line(Place);

#[derive(Clone, Debug)]
enum Place {
    Memory(MessageFrame),
    /// A part of what was read from a segment.
    File(Arc<Vec<u8>>, Range<usize>),
}

impl Line {
    /// A message as it is to be answered.
    pub fn of(message: &Message) -> Line {
        Line(Place::Memory(MessageFrame::new(message)))
    }

    /// The message alone.
    pub fn json(&self) -> &[u8] {
        match &self.0 {
            Place::Memory(frame) => frame.json(),
            Place::File(content, range) => &content[range.clone()],
        }
    }

    /// The frame that delivers it; shared where the line is still in memory.
    pub fn frame(&self) -> MessageFrame {
        match &self.0 {
            Place::Memory(frame) => frame.clone(),
            Place::File(..) => MessageFrame::from_json(self.json()),
        }
    }
}

/// Lines in ascending order.
#[derive(Clone, Debug)]
pub struct Page {
    /// Of the first line; 0 where there is none.
    pub first: Seq,
    pub lines: Vec<Line>,
    /// Whether the asked range holds further lines.
    pub more: bool,
}

impl Page {
    /// `{"messages":[...],"more":bool}`
    pub fn to_json(&self) -> Vec<u8> {
        const AROUND: usize = r#"{"messages":[],"more":false}"#.len();
        let mut out = Vec::with_capacity(self.bytes() + AROUND);
        out.extend_from_slice(br#"{"messages":"#);
        push_lines(&mut out, self.lines.iter().map(Line::json));
        out.extend_from_slice(match self.more {
            true => br#","more":true}"#,
            false => br#","more":false}"#,
        });
        out
    }

    /// `[...]`: the messages alone.
    pub fn messages_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes() + b"[]".len());
        push_lines(&mut out, self.lines.iter().map(Line::json));
        out
    }

    /// How long the lines are, with what stands between them.
    fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.json().len() + 1).sum()
    }
}

/// A JSON array of lines.
pub(crate) fn join_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    push_lines(&mut out, lines);
    out
}

fn push_lines<'a>(out: &mut Vec<u8>, lines: impl Iterator<Item = &'a [u8]>) {
    out.push(b'[');
    for (index, line) in lines.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(line);
    }
    out.push(b']');
}

/// What is wanted of a segment.
struct Part<'a> {
    log: LogId,
    marks: &'a Marks,
    segment: &'a Segment,
    /// The first and last line, which the segment has.
    from: Seq,
    to: Seq,
    /// Where these have ended.
    end: u64,
}

/// Where a sender's reference was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdLookup {
    pub found: Option<(Seq, Millis)>,
    /// All messages up to this one were looked at.
    pub covered: Seq,
}

impl Reader {
    pub(super) fn new(base: Arc<Base>) -> Reader {
        Reader { base }
    }

    /// The last durable `seq`; 0 where the log is empty or unknown.
    pub fn last_seq(&self, log: LogId) -> Seq {
        self.base
            .catalogue
            .log(log)
            .map_or(0, |log| log.parts().last_seq())
    }

    /// As `GET /chat/history` answers: with `after` the oldest lines that fit, else the newest; none after `through`.
    pub fn select(&self, log: LogId, range: &PageRange, through: Seq) -> Selection {
        range.select(self.last_seq(log).min(through))
    }

    /// Fails with `storage_failed` where a file cannot be read or is damaged.
    pub fn page(&self, log: LogId, selection: Selection) -> Result<Page, Error> {
        let Selection { first, last, more } = selection;
        match self.base.catalogue.log(log) {
            Some(found) if first <= last => {
                let lines = self.lines(log, &found, first, last)?;
                Ok(Page { first, lines, more })
            }
            _ => Ok(Page {
                first: 0,
                lines: Vec::new(),
                more,
            }),
        }
    }

    /// One line, if there is one of this `seq`.
    pub fn line(&self, log: LogId, seq: Seq) -> Result<Option<Line>, Error> {
        match self.base.catalogue.log(log) {
            Some(found) if (1..=found.parts().last_seq()).contains(&seq) => {
                Ok(self.lines(log, &found, seq, seq)?.pop())
            }
            _ => Ok(None),
        }
    }

    /// The lines after `after` up to `through` and including it, as far as there are such; a part of a segment at a time.
    pub fn read_range(&self, log: LogId, after: Seq, through: Seq) -> Lines {
        Lines {
            reader: self.clone(),
            log,
            next: after.saturating_add(1),
            through: through.min(self.last_seq(log)),
            place: None,
            read: Vec::new().into_iter(),
        }
    }

    /// Lines that exist, `first..=last`.
    fn lines(&self, log: LogId, found: &Log, first: Seq, last: Seq) -> Result<Vec<Line>, Error> {
        let (segments, mut tail) = {
            let parts = found.parts();
            let folded = parts.folded();
            let from = first.max(folded + 1);
            let tail: Vec<Line> = (from..=last)
                .map(|seq| {
                    Line(Place::Memory(
                        parts.tail[(seq - folded - 1) as usize].0.clone(),
                    ))
                })
                .collect();
            let start = parts
                .segments
                .partition_point(|segment| segment.last() < first);
            let end = parts
                .segments
                .partition_point(|segment| segment.first <= last);
            (parts.segments[start..end].to_vec(), tail)
        };
        let mut lines = Vec::with_capacity((last - first + 1) as usize);
        for segment in &segments {
            let from = first.max(segment.first);
            let to = last.min(segment.last());
            let (mut position, end) = found.marks.around(segment, from, to);
            let part = Part {
                log,
                marks: &found.marks,
                segment,
                from,
                to,
                end,
            };
            while position.seq <= to {
                self.read_part(&part, &mut position, &mut lines)?;
            }
        }
        lines.append(&mut tail);
        Ok(lines)
    }

    /// Reads on from `position`, which is moved behind what was read: adds those of the wanted lines that are in it. Where
    /// it ends before the first of them there may be none.
    fn read_part(
        &self,
        part: &Part<'_>,
        position: &mut Position,
        into: &mut Vec<Line>,
    ) -> Result<(), Error> {
        let mut most = self.base.options.read_bytes;
        let before = *position;
        while *position == before {
            let left = part.end.saturating_sub(position.offset);
            let wanted = usize::try_from(left).map_or(most, |left| left.min(most));
            let file = segments::file(part.log, part.segment.first);
            let mut bytes = Vec::new();
            self.base
                .disk
                .read_part(&file, position.offset, wanted, &mut bytes)
                .map_err(|error| self.unreadable(file, &error))?;
            let read = bytes.len();
            let mut passed = Vec::new();
            let first = part.segment.first;
            let pass = |line: Position| {
                if marks::is_marked(first, line.seq) {
                    passed.push(line);
                }
            };
            let block = segments::split_block(bytes, position, part.from, part.to, pass)
                .map_err(|seq| self.damaged_at(part, seq))?;
            if *position == before && (read < most || wanted as u64 == left) {
                return Err(self.damaged_at(part, position.seq));
            }
            part.marks.learn(first, &passed);
            // A line that does not fit is read with more.
            most = most.saturating_mul(2);
            let bytes = Arc::new(block.bytes);
            let lines = block.lines.into_iter();
            into.extend(lines.map(|range| Line(Place::File(bytes.clone(), range))));
        }
        Ok(())
    }

    fn damaged_at(&self, part: &Part<'_>, seq: Seq) -> Error {
        part.marks.forget(part.segment.first);
        self.damaged(part.log, part.segment, seq)
    }

    fn read_segment(&self, log: LogId, segment: &Segment, into: &mut Vec<u8>) -> Result<(), Error> {
        let file = segments::file(log, segment.first);
        self.base
            .disk
            .read(&file, segment.bytes, into)
            .map_err(|error| self.unreadable(file, &error))
    }

    fn unreadable(&self, file: String, error: &std::io::Error) -> Error {
        let fields = vec![("file", file), ("error", error.to_string())];
        self.base.notices.log("read_failed", fields);
        storage_failed()
    }

    fn damaged(&self, log: LogId, segment: &Segment, seq: Seq) -> Error {
        let line = seq - segment.first + 1;
        let fields = vec![
            ("file", segments::file(log, segment.first)),
            ("line", line.to_string()),
        ];
        self.base.notices.log("damaged", fields);
        storage_failed()
    }

    /// Looks for a message of `sender` with this `id` in the segments. The first call for a room reads all of its
    /// segments; after that an id that nobody used is answered without I/O. `reading` is held while a message is read that
    /// may have it.
    pub fn find_id<G>(
        &self,
        log: LogId,
        sender: &str,
        id: &str,
        reading: impl FnOnce() -> G,
    ) -> Result<IdLookup, Error> {
        let mut lookup = IdLookup {
            found: None,
            covered: 0,
        };
        let Some(found) = self.base.catalogue.log(log) else {
            return Ok(lookup);
        };
        let mut ids = found.ids();
        // Taken under the index's lock, so that the index never goes back.
        let segments = found.parts().segments.clone();
        let covered = ids.covered();
        let new = &segments[segments.partition_point(|segment| segment.last() <= covered)..];
        if !new.is_empty() {
            let mut content = Vec::new();
            for segment in new {
                // Checked as a whole: a damaged line could hide a reference.
                segments::read(&*self.base.disk, log, segment, &mut content).map_err(|error| {
                    self.base
                        .notices
                        .log("damaged", vec![("error", error.to_string())]);
                    storage_failed()
                })?;
                ids.add(segment, &content);
            }
            ids.sort();
        }
        lookup.covered = ids.covered();
        let candidates: Vec<Seq> = ids.candidates(sender, id).collect();
        drop(ids);
        if candidates.is_empty() {
            return Ok(lookup);
        }
        let _reading = reading();
        for seq in candidates {
            let line = self.line(log, seq)?.ok_or_else(storage_failed)?;
            let message: Message =
                serde_json::from_slice(line.json()).map_err(|_| storage_failed())?;
            if message.sender == sender && message.id.as_deref() == Some(id) {
                lookup.found = Some((seq, message.timestamp));
                break;
            }
        }
        Ok(lookup)
    }
}

fn storage_failed() -> Error {
    Error::new(
        Code::StorageFailed,
        "A part of the history cannot be read. Tell whoever runs the server; its log names the file.",
    )
}

/// Lines of a range, one after the other; an error ends it. Holds no more than a part of a segment.
pub struct Lines {
    reader: Reader,
    log: LogId,
    next: Seq,
    through: Seq,
    /// The segment that is being read, by its first `seq`, and where to go on in it. It may have grown meanwhile, but
    /// what it had stands where it stood.
    place: Option<(Seq, Position)>,
    read: std::vec::IntoIter<Line>,
}

impl Iterator for Lines {
    type Item = Result<Line, Error>;

    fn next(&mut self) -> Option<Result<Line, Error>> {
        if let Some(line) = self.read.next() {
            return Some(Ok(line));
        }
        if self.next > self.through {
            return None;
        }
        match self.read_on()? {
            Ok(lines) => {
                self.next += lines.len() as Seq;
                self.read = lines.into_iter();
                self.read.next().map(Ok)
            }
            Err(error) => {
                self.next = Seq::MAX;
                self.through = 0;
                Some(Err(error))
            }
        }
    }
}

impl Lines {
    /// At least the next line: of its segment, or with some more from the tail.
    fn read_on(&mut self) -> Option<Result<Vec<Line>, Error>> {
        const TAIL_LINES: u64 = 256;
        let found = self.reader.base.catalogue.log(self.log)?;
        let Some(segment) = segment_of(&found, self.next) else {
            let last = self.through.min(self.next + TAIL_LINES - 1);
            return Some(self.reader.lines(self.log, &found, self.next, last));
        };
        let (from, to) = (self.next, self.through.min(segment.last()));
        let (mut position, end) = found.marks.around(&segment, from, to);
        if let Some((first, reached)) = self.place
            && first == segment.first
        {
            position = reached;
        }
        let part = Part {
            log: self.log,
            marks: &found.marks,
            segment: &segment,
            from,
            to,
            end,
        };
        let mut lines = Vec::new();
        while lines.is_empty() {
            if let Err(error) = self.reader.read_part(&part, &mut position, &mut lines) {
                return Some(Err(error));
            }
        }
        self.place = Some((segment.first, position));
        Some(Ok(lines))
    }
}

fn segment_of(found: &Log, seq: Seq) -> Option<Segment> {
    let parts = found.parts();
    let index = parts
        .segments
        .partition_point(|segment| segment.last() < seq);
    parts.segments.get(index).cloned()
}

/// Lines that are searched together.
pub(crate) struct Chunk {
    pub log: LogId,
    place: ChunkPlace,
    /// The largest timestamp in it.
    pub newest: Millis,
}

enum ChunkPlace {
    Memory(Vec<MessageFrame>),
    File(Segment),
}

/// The content of a chunk.
pub(crate) enum ChunkLines<'a> {
    /// Each message's JSON.
    Memory(&'a [MessageFrame]),
    /// Stored lines, not checked.
    File(&'a [u8]),
}

impl Reader {
    /// Everything in a log, in chunks of a segment's size.
    pub(crate) fn chunks(&self, log: LogId) -> Vec<Chunk> {
        const TAIL_LINES: usize = 1000;
        let Some(found) = self.base.catalogue.log(log) else {
            return Vec::new();
        };
        let parts = found.parts();
        let files = parts.segments.iter().map(|segment| Chunk {
            log,
            newest: segment.newest,
            place: ChunkPlace::File(segment.clone()),
        });
        let (front, back) = parts.tail.as_slices();
        let memory = front
            .chunks(TAIL_LINES)
            .chain(back.chunks(TAIL_LINES))
            .map(|lines| Chunk {
                log,
                newest: lines
                    .iter()
                    .map(|&(_, timestamp)| timestamp)
                    .max()
                    .unwrap_or(0),
                place: ChunkPlace::Memory(lines.iter().map(|(frame, _)| frame.clone()).collect()),
            });
        files.chain(memory).collect()
    }

    /// What is in a chunk; `buffer` is reused between calls.
    pub(crate) fn read_chunk<'a>(
        &self,
        chunk: &'a Chunk,
        buffer: &'a mut Vec<u8>,
    ) -> Result<ChunkLines<'a>, Error> {
        match &chunk.place {
            ChunkPlace::Memory(lines) => Ok(ChunkLines::Memory(lines)),
            ChunkPlace::File(segment) => {
                self.read_segment(chunk.log, segment, buffer)?;
                Ok(ChunkLines::File(buffer))
            }
        }
    }

    /// The message in line `index` of a chunk that came from a file, checked.
    pub(crate) fn checked<'a>(
        &self,
        chunk: &Chunk,
        index: usize,
        line: &'a [u8],
    ) -> Result<&'a [u8], Error> {
        let ChunkPlace::File(segment) = &chunk.place else {
            return Ok(line);
        };
        let seq = segment.first + index as u64;
        segments::json_of(line, seq).ok_or_else(|| self.damaged(chunk.log, segment, seq))
    }
}
