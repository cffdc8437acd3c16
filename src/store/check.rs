//! Looking at everything in a data directory, and saying what is wrong and where.
//!
//! Owns no rule: what is right is what the other files say. Goes on where a start would stop, so that all that is
//! wrong is said at once; reads every byte, where a start trusts a segment that has its recorded size and time.
//! Changes nothing.

use super::disk::Disk;
use super::error::OpenError;
use super::journal::{self, Header};
use super::segments::{self, Segment};
use super::snapshot::{self, Snapshot};
use super::{line, migrate, recovery};
use crate::model::{Event, LogId, RoomId, State};
use crate::protocol::{Message, Report, Seq};
use std::fmt;
use std::io;

/// What a data directory was found to be.
#[derive(Debug, Default)]
pub struct Checked {
    /// Each a sentence that begins with the file's name; none where all is well.
    pub problems: Vec<String>,
    /// What is worth knowing and no damage: an unfinished write that the next start cuts off.
    pub notes: Vec<String>,
    /// A version to come wrote it: what is wrong is only that this one is too old to judge it.
    pub newer: bool,
    pub found: Census,
}

/// How much there is, as far as it could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub users: usize,
    pub rooms: usize,
    pub messages: u64,
    pub reports: u64,
    pub segments: usize,
    pub journals: usize,
    /// In the journals that are not folded yet.
    pub events: u64,
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}, {}, in {} and {} ({})",
            counted(self.users as u64, "user"),
            counted(self.rooms as u64, "room"),
            counted(self.messages, "message"),
            counted(self.reports, "report"),
            counted(self.segments as u64, "segment"),
            counted(self.journals as u64, "journal"),
            counted(self.events, "event"),
        )
    }
}

/// So many of something, in words: `1 message`, `2 messages`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// A check under way.
struct Check<'a> {
    disk: &'a dyn Disk,
    checked: Checked,
    buffer: Vec<u8>,
}

/// Checks everything that is in a directory, but the secret. An error is one of the system, not of the files.
pub fn check(disk: &dyn Disk) -> Result<Checked, OpenError> {
    let mut check = Check {
        disk,
        checked: Checked::default(),
        buffer: Vec::new(),
    };
    let names = disk
        .list("")
        .map_err(|e| OpenError::io("list", "the data directory", &e))?;
    let mut journals: Vec<u64> = names.iter().filter_map(|n| journal::number_of(n)).collect();
    journals.sort_unstable();
    // What cannot be read is told when it is its turn.
    if let Ok(Some(error)) = newer_format(disk, &journals) {
        check.problem(&error);
        check.checked.newer = true;
        return Ok(check.checked);
    }
    match snapshot::load(disk) {
        Ok(Some(snapshot)) => check.with_snapshot(snapshot, journals),
        Ok(None) => {
            // Before a first start nothing is missing.
            if let Err(error) = recovery::find(disk, |_| {}) {
                check.without_snapshot(&error, &journals);
            }
        }
        Err(error) => check.without_snapshot(&error, &journals),
    }
    // A start has the last word: what it refuses is a problem, whatever was looked at here.
    match recovery::find(disk, |_| {}) {
        Ok(Some(found)) => check.checked.notes = found.notes,
        Ok(None) => {}
        Err(error) if check.checked.problems.is_empty() => check.problem(&error),
        Err(_) => {}
    }
    Ok(check.checked)
}

/// Says which file a version to come wrote, which is no damage.
pub fn newer_format(disk: &dyn Disk, journals: &[u64]) -> Result<Option<OpenError>, OpenError> {
    let is_newer = |format: &u64| *format > journal::FORMAT;
    if let Some(format) = migrate::format_of(disk)?.filter(is_newer) {
        return Ok(Some(journal::newer(snapshot::FILE, format)));
    }
    for &number in journals {
        let format = header_of(disk, number)?.map(|header| header.format);
        if let Some(format) = format.filter(is_newer) {
            return Ok(Some(journal::newer(&journal::file(number), format)));
        }
    }
    Ok(None)
}

impl Check<'_> {
    fn problem(&mut self, error: &OpenError) {
        let what = error.what().to_owned();
        if !self.checked.problems.contains(&what) {
            self.checked.problems.push(what);
        }
    }

    fn with_snapshot(&mut self, snapshot: Snapshot, mut journals: Vec<u64>) {
        let Snapshot {
            journal,
            mut state,
            segments,
        } = snapshot;
        for log in state.logs() {
            let name = room_name(&state, log);
            for segment in segments.get(&log).into_iter().flatten() {
                self.segment(log, name.as_deref(), segment);
            }
        }
        journals.retain(|&number| number >= journal);
        let last = journals.last().copied().unwrap_or(journal).max(journal);
        self.journals(journal..=last, &journals, Some(&mut state));
        let found = &mut self.checked.found;
        found.users = state.users().len();
        found.rooms = state.rooms().count();
        let messages = state.rooms().map(|(_, room)| room.last_seq);
        found.messages = messages.fold(0, u64::saturating_add);
        found.reports = state.last_report();
    }

    /// Without `state.json` every file is looked at by itself.
    fn without_snapshot(&mut self, error: &OpenError, journals: &[u64]) {
        self.problem(error);
        self.snapshot_lines();
        if let Err(error) = self.lone_segments() {
            self.problem(&error);
        }
        if let (Some(&first), Some(&last)) = (journals.first(), journals.last()) {
            self.journals(first..=last, journals, None);
        }
    }

    fn lone_segments(&mut self) -> Result<(), OpenError> {
        for log in segments::logs(self.disk)? {
            for first in segments::firsts(self.disk, log)? {
                self.lone_segment(log, first);
            }
        }
        Ok(())
    }

    /// Says which of its lines are damaged.
    fn snapshot_lines(&mut self) {
        let mut content = Vec::new();
        if self
            .disk
            .read(snapshot::FILE, u64::MAX, &mut content)
            .is_err()
        {
            return;
        }
        for number in snapshot::damaged_lines(&content) {
            let what = "its checksum does not fit";
            self.problem(&OpenError::damaged(snapshot::FILE, Some(number), what));
        }
    }

    fn segment(&mut self, log: LogId, room: Option<&str>, segment: &Segment) {
        self.checked.found.segments += 1;
        let mut content = std::mem::take(&mut self.buffer);
        if let Err(error) = segments::read(self.disk, log, segment, &mut content) {
            self.problem(&error);
            let file = segments::file(log, segment.first);
            // Cut off in the middle of a line, it says so itself.
            let whole = content.len() as u64 == segment.bytes;
            if whole {
                self.lines(&file, &content, segment.first);
            }
        } else {
            let file = segments::file(log, segment.first);
            let lines = self.lines(&file, &content, segment.first);
            self.meanings(&file, &content, log, room, segment, lines);
        }
        self.buffer = content;
    }

    /// A segment of which nobody says what it should be.
    fn lone_segment(&mut self, log: LogId, first: Seq) {
        let file = segments::file(log, first);
        self.checked.found.segments += 1;
        let mut content = Vec::new();
        match self.disk.read(&file, u64::MAX, &mut content) {
            Ok(()) => {
                let lines = self.lines(&file, &content, first);
                match log {
                    LogId::Room(_) => self.checked.found.messages += lines,
                    LogId::Reports => self.checked.found.reports += lines,
                }
            }
            Err(e) => self.problem(&OpenError::io("read", &file, &e)),
        }
    }

    /// Checks each line's checksum and number; returns how many lines there are.
    fn lines(&mut self, file: &str, content: &[u8], first: Seq) -> u64 {
        let mut count = 0;
        let mut seq = first;
        for line in content.split_inclusive(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            count += 1;
            if segments::json_of(line, seq).is_none() {
                let what = segments::wrong_line(line, seq);
                self.problem(&OpenError::damaged(file, Some(count), &what));
            }
            // One line too many is one problem, not one in each line that follows.
            let found = line::unseal(line).and_then(segments::seq_of);
            seq = found.unwrap_or(seq).saturating_add(1);
        }
        count
    }

    /// Lines whose checksums fit say what their record and their room say.
    fn meanings(
        &mut self,
        file: &str,
        content: &[u8],
        log: LogId,
        room: Option<&str>,
        segment: &Segment,
        lines: u64,
    ) {
        if lines != segment.messages {
            let what = format!(
                "it has {lines} lines, and {} are recorded",
                segment.messages
            );
            self.problem(&OpenError::damaged(file, None, &what));
        }
        let (mut oldest, mut newest) = (u64::MAX, 0);
        for (number, line) in (1..).zip(content.split(|&b| b == b'\n')) {
            if line.is_empty() {
                continue;
            }
            match timestamp_of(log, room, line) {
                Ok(timestamp) => {
                    oldest = oldest.min(timestamp);
                    newest = newest.max(timestamp);
                }
                Err(what) => self.problem(&OpenError::damaged(file, Some(number), &what)),
            }
        }
        if (oldest, newest) != (segment.oldest, segment.newest) {
            let what = "its times are not those that state.json records";
            self.problem(&OpenError::damaged(file, None, what));
        }
    }

    /// `state` is what the journals are applied to, as long as all is well.
    fn journals(
        &mut self,
        expected: std::ops::RangeInclusive<u64>,
        found: &[u64],
        mut state: Option<&mut State>,
    ) {
        let last = *expected.end();
        for (number, missing) in journal::in_order(expected, found) {
            let name = journal::file(number);
            if missing > 0 {
                self.problem(&journal::missing(number, missing));
                state = None;
                continue;
            }
            self.checked.found.journals += 1;
            let mut content = Vec::new();
            if let Err(e) = self.disk.read(&name, u64::MAX, &mut content) {
                self.problem(&OpenError::io("read", &name, &e));
                state = None;
                continue;
            }
            // Where it cannot be read, that is told when it is its turn.
            let next = number.checked_add(1).filter(|next| found.contains(next));
            let counts = next
                .and_then(|next| header_of(self.disk, next).ok().flatten())
                .and_then(|header| header.previous)
                .filter(|previous| previous.journal == number)
                .map(|previous| previous.bytes);
            let is_last = number == last;
            if !self.journal(number, &content, counts, is_last, &mut state) {
                state = None;
            }
        }
    }

    /// Whether all is well with it. Where it is not, every line is looked at by itself.
    fn journal(
        &mut self,
        number: u64,
        content: &[u8],
        counts: Option<u64>,
        is_last: bool,
        state: &mut Option<&mut State>,
    ) -> bool {
        let name = journal::file(number);
        let mut unknown = Vec::new();
        // Nobody says what counts of a journal whose follower's header is damaged; it is read as if all of it did.
        let counted = counts.or((!is_last).then_some(content.len() as u64));
        let scan = journal::scan(number, content, counted, |line, event, data| {
            let damaged = |what: String| OpenError::damaged(&name, Some(line), &what);
            let decoded = Event::decode(event, data)
                .map_err(|e| damaged(format!("it is no event that this version knows: {e}")));
            match (decoded, state.as_deref_mut()) {
                (Ok(event), Some(state)) => {
                    state.apply(&event).map_err(|e| damaged(e.to_string()))?;
                }
                (Ok(_), None) => {}
                (Err(error), _) => unknown.push(error),
            }
            Ok(())
        });
        let fine = scan.is_ok() && unknown.is_empty();
        unknown.iter().for_each(|error| self.problem(error));
        match scan {
            Ok(scan) => self.checked.found.events += scan.events,
            Err(error) => {
                self.problem(&error);
                self.journal_lines(&name, content, counts);
            }
        }
        fine
    }

    fn journal_lines(&mut self, name: &str, content: &[u8], counts: Option<u64>) {
        let end = counts.map_or(content.len(), |counts| {
            usize::try_from(counts).map_or(content.len(), |counts| counts.min(content.len()))
        });
        let pieces = line::pieces(&content[..end]);
        self.checked.found.events += pieces.iter().filter(|piece| piece.whole).count() as u64;
        for piece in pieces.iter().filter(|piece| !piece.whole) {
            let what = "its checksum does not fit";
            self.problem(&OpenError::damaged(name, Some(piece.line), what));
        }
    }
}

fn room_name(state: &State, log: LogId) -> Option<String> {
    match log {
        LogId::Room(RoomId(id)) => Some(state.room(RoomId(id)).name.to_string()),
        LogId::Reports => None,
    }
}

fn timestamp_of(log: LogId, room: Option<&str>, line: &[u8]) -> Result<u64, String> {
    let wrong = |e: serde_json::Error| format!("it is no line of its log: {e}");
    match log {
        LogId::Reports => {
            let report: Report = serde_json::from_slice(line).map_err(wrong)?;
            Ok(report.timestamp)
        }
        LogId::Room(_) => {
            let message: Message = serde_json::from_slice(line).map_err(wrong)?;
            match room {
                Some(room) if room != message.room => {
                    Err(format!("it is a message of the room {:?}", message.room))
                }
                _ => Ok(message.timestamp),
            }
        }
    }
}

/// The header of a journal, where it can be read.
pub fn header_of(disk: &dyn Disk, number: u64) -> Result<Option<Header>, OpenError> {
    let name = journal::file(number);
    let mut content = Vec::new();
    disk.read(&name, u64::MAX, &mut content)
        .map_err(|e| OpenError::io("read", &name, &e))?;
    let line = content.split(|&b| b == b'\n').next().unwrap_or_default();
    let header = line::unseal(line).and_then(|_| serde_json::from_slice(line).ok());
    Ok(header.filter(|header: &Header| header.journal == number))
}

/// Whether a directory holds anything of ours.
pub fn is_empty(disk: &dyn Disk) -> io::Result<bool> {
    let names = disk.list("")?;
    let ours = |name: &String| {
        matches!(name.as_str(), "rooms" | "reports" | snapshot::FILE)
            || journal::number_of(name).is_some()
    };
    Ok(!names.iter().any(ours))
}
