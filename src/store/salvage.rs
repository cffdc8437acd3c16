//! Reading a damaged directory: every line that is whole, wherever it stands, into a draft.
//!
//! Owns what is looked at and in which order: `state.json`, segments, journals. Only reads.

use super::check::header_of;
use super::disk::Disk;
use super::draft::{Draft, DraftLog, DraftRoom, Place};
use super::error::OpenError;
use super::journal::{self, Header};
use super::line;
use super::segments::{self, Segment};
use super::snapshot::{self, Snapshot};
use super::spare::Spare;
use crate::model::{Event, GENERAL, LogId, RoomId};
use crate::protocol::{Message, Millis, Report, RoomEvent, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What a directory still holds, and what it does not.
pub struct Salvage {
    pub draft: Draft,
    /// Each a sentence.
    pub losses: Vec<String>,
    spare: Spare,
    /// Events that cannot be read.
    pub lost_events: u64,
    /// Whether there may be more of them, in journals that are missing.
    pub lost_journals: bool,
    /// The last journal that there is.
    pub last_journal: u64,
    /// Who joined `general` first.
    pub first_user: Option<String>,
}

/// What stands at a place of a journal.
enum Item {
    Event {
        event: Event,
        json: Vec<u8>,
        line: u64,
    },
    /// Not readable for sure, but this is what it seems to be.
    Guess(Event),
}

/// One journal.
struct Read {
    name: String,
    items: Vec<Item>,
    /// Whether how much of it counts is known.
    is_bounded: bool,
}

/// Reads all that is readable.
pub fn salvage(disk: &dyn Disk) -> Result<Salvage, OpenError> {
    let mut salvage = Salvage {
        draft: Draft::default(),
        losses: Vec::new(),
        spare: Spare::default(),
        lost_events: 0,
        lost_journals: false,
        last_journal: 0,
        first_user: None,
    };
    let mut content = Vec::new();
    let is_there = read_whole(disk, snapshot::FILE, &mut content)?;
    let first_journal = match is_there.then(|| snapshot::decode(&content)) {
        Some(Ok(snapshot)) => Some(salvage.take_snapshot(disk, snapshot)?),
        None => {
            let told = format!("{} is missing.", snapshot::FILE);
            salvage.losses.push(told);
            salvage.take_files(disk, &[])?;
            None
        }
        Some(Err(error)) => {
            salvage.losses.push(error.what().to_owned());
            salvage.take_files(disk, &content)?;
            None
        }
    };
    salvage.take_journals(disk, first_journal)?;
    salvage.take_spare(disk)?;
    salvage.first_user = salvage.find_first_user(disk)?;
    Ok(salvage)
}

/// False where there is no such file. A file that the system does not give is not lost: that ends the repair.
fn read_whole(disk: &dyn Disk, file: &str, into: &mut Vec<u8>) -> Result<bool, OpenError> {
    match disk.read(file, u64::MAX, into) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(OpenError::io("read", file, &e)),
    }
}

impl Salvage {
    /// All is known but what the damaged segments hold. Returns the first journal that is not included.
    fn take_snapshot(&mut self, disk: &dyn Disk, snapshot: Snapshot) -> Result<u64, OpenError> {
        let (users, rooms, last_report) = snapshot.state.to_records();
        self.draft.users = users;
        self.draft.rooms = rooms.into_iter().map(DraftRoom::known).collect();
        let mut table = snapshot.segments;
        // A directory that no record knows may be an interrupted checkpoint's.
        let mut logs: BTreeSet<LogId> = table.keys().copied().collect();
        logs.extend(segments::logs(disk)?);
        for log in logs {
            let records = table.remove(&log).unwrap_or_default();
            self.take_log(disk, log, &records, true)?;
        }
        self.draft.log(LogId::Reports).last = last_report;
        Ok(snapshot.journal)
    }

    /// `state.json` is not what was written: its readable lines, and what the segments say. What is missing of it is
    /// put together from messages.
    fn take_files(&mut self, disk: &dyn Disk, content: &[u8]) -> Result<(), OpenError> {
        let mut readable = snapshot::readable(content);
        self.draft.users = readable.users;
        let mut logs = Vec::new();
        for log in segments::logs(disk)? {
            // A directory alone is no room: an interrupted repair may have left it.
            if !segments::firsts(disk, log)?.is_empty() {
                logs.push(log);
            }
        }
        let known = logs.len() + readable.rooms.len();
        let is_near = |id: RoomId| is_near(id, known);
        for log in &logs {
            if let LogId::Room(id) = *log
                && !is_near(id)
            {
                return Err(OpenError::new(format!(
                    "{} has a number far beyond that of any other room, so it is none of them. Move it out of the data \
                     directory, and try again.",
                    segments::directory(*log)
                )));
            }
        }
        readable.rooms.retain(|(id, record, _)| {
            if !is_near(*id) {
                self.losses.push(format!(
                    "{}: the room {:?} has the number {} there, far beyond any other, so its line is left out.",
                    snapshot::FILE,
                    record.name,
                    id.0
                ));
            }
            is_near(*id)
        });
        let ids = logs.iter().filter_map(|log| match log {
            LogId::Room(id) => Some(id.0),
            LogId::Reports => None,
        });
        let ids = ids.chain(readable.rooms.iter().map(|(id, ..)| id.0));
        let count = ids.max().map_or(1, |last| last as usize + 1);
        self.draft
            .rooms
            .resize_with(count, || DraftRoom::unknown(""));
        for (id, record, records) in readable.rooms {
            self.draft.rooms[id.0 as usize] = DraftRoom::known(record);
            self.take_log(disk, LogId::Room(id), &records, true)?;
        }
        let (last_report, records) = readable.reports.unwrap_or_default();
        self.take_log(disk, LogId::Reports, &records, last_report > 0)?;
        let reports = self.draft.log(LogId::Reports);
        reports.last = reports.last.max(last_report);
        for index in 0..count {
            if self.draft.rooms[index].rebuilt {
                self.take_lost_room(disk, RoomId(index as u32))?;
            }
        }
        Ok(())
    }

    /// A room whose record is lost: its messages say what it is called.
    fn take_lost_room(&mut self, disk: &dyn Disk, id: RoomId) -> Result<(), OpenError> {
        let name = match id.0 {
            0 => GENERAL.to_owned(),
            number => self
                .name_in_files(disk, id)?
                .unwrap_or_else(|| format!("lost-room-{number}")),
        };
        self.draft.rooms[id.0 as usize].record.name = name;
        self.take_log(disk, LogId::Room(id), &[], false)
    }

    /// What most messages in a room's files call it: one or the other may have come there from another room's. No two
    /// rooms have one name.
    fn name_in_files(&self, disk: &dyn Disk, id: RoomId) -> Result<Option<String>, OpenError> {
        let log = LogId::Room(id);
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut content = Vec::new();
        for first in segments::firsts(disk, log)? {
            if read_whole(disk, &segments::file(log, first), &mut content)? {
                for line in whole_lines(&content, log) {
                    *names.entry(line.room.unwrap_or_default()).or_default() += 1;
                }
            }
        }
        names.retain(|name, _| self.draft.find_room(name).is_none());
        let most = names.into_iter().max_by_key(|&(_, count)| count);
        Ok(most.map(|(name, _)| name))
    }

    /// Reads a log's segments: what its records say where there are any, else all that is in its files.
    fn take_log(
        &mut self,
        disk: &dyn Disk,
        log: LogId,
        records: &[Segment],
        recorded: bool,
    ) -> Result<(), OpenError> {
        let mut draft = DraftLog::default();
        let mut content = Vec::new();
        let own_room = match log {
            LogId::Room(id) => self.draft.rooms.get(id.0 as usize),
            LogId::Reports => None,
        };
        let own_room = own_room.map(|room| room.record.name.clone());
        for record in records {
            draft.last = record.last();
            match segments::read(disk, log, record, &mut content) {
                Ok(()) if fits(record, &whole_lines(&content, log), own_room.as_deref()) => {
                    draft.kept.insert(record.first, record.clone());
                }
                Err(error) if error.is_io() => return Err(error),
                _ => {}
            }
        }
        for first in segments::firsts(disk, log)? {
            let file = segments::file(log, first);
            let size = disk.metadata(&file).map_or(0, |metadata| metadata.bytes);
            if draft
                .kept
                .get(&first)
                .is_some_and(|kept| kept.bytes == size)
            {
                continue;
            }
            if !read_whole(disk, &file, &mut content)? {
                continue;
            }
            for line in whole_lines(&content, log) {
                let place = Place {
                    file: &file,
                    line: line.number,
                };
                if line.room == own_room && (!recorded || line.seq <= draft.last) {
                    draft.add(line.seq, &line.json, place);
                } else {
                    let is_own = own_room.is_none() || line.room == own_room;
                    let segment = is_own.then_some(first);
                    self.spare
                        .put(line.room, line.seq, line.json, place, segment);
                }
            }
        }
        self.draft.logs.insert(log, draft);
        Ok(())
    }

    fn take_journals(&mut self, disk: &dyn Disk, first: Option<u64>) -> Result<(), OpenError> {
        let names = disk
            .list("")
            .map_err(|e| OpenError::io("list", "the data directory", &e))?;
        let there: BTreeSet<u64> = names.iter().filter_map(|n| journal::number_of(n)).collect();
        self.last_journal = there.last().copied().unwrap_or(0).max(first.unwrap_or(0));
        if self.last_journal >= journal::LAST_NUMBER {
            return Err(OpenError::new(format!(
                "{} has a number that no journal comes to. Move it out of the data directory, and try again.",
                journal::file(self.last_journal)
            )));
        }
        let Some(first) = first.or(there.first().copied()) else {
            return Ok(());
        };
        let last = there.last().copied().unwrap_or(first).max(first);
        let mut journals = Vec::new();
        let there: Vec<u64> = there.into_iter().collect();
        for (number, missing) in journal::in_order(first..=last, &there) {
            if missing == 0 {
                journals.push(self.read_journal(disk, number, last)?);
                continue;
            }
            let name = journal::file(number);
            self.losses.push(match missing {
                1 => format!(
                    "{name} is missing, and what happened in it lost but for what other files hold."
                ),
                more => format!(
                    "{name} and the {} after it are missing, and what happened in them lost but for what other files hold.",
                    more - 1
                ),
            });
            self.lost_journals = true;
        }
        drop_void(&mut journals, &self.draft);
        for log in self.draft.logs.values_mut() {
            log.folded = log.last;
        }
        for journal in &journals {
            for item in &journal.items {
                match item {
                    Item::Event { event, json, line } => {
                        let place = Place {
                            file: &journal.name,
                            line: *line,
                        };
                        self.draft.apply(event, json, place);
                    }
                    Item::Guess(event) => self.draft.leave_place(event),
                }
            }
        }
        Ok(())
    }

    fn read_journal(&mut self, disk: &dyn Disk, number: u64, last: u64) -> Result<Read, OpenError> {
        let name = journal::file(number);
        let mut content = Vec::new();
        disk.read(&name, u64::MAX, &mut content)
            .map_err(|e| OpenError::io("read", &name, &e))?;
        let bounds = match number == last {
            // What an unfinished write left is no loss.
            true => journal::scan(number, &content, None, |_, _, _| Ok(()))
                .ok()
                .map(|scan| scan.bytes),
            false => following_header(disk, number)?
                .and_then(|header| header.previous)
                .filter(|previous| previous.journal == number)
                .map(|previous| previous.bytes),
        };
        let bytes = bounds.and_then(|bytes| usize::try_from(bytes).ok());
        let missing = bytes.is_some_and(|bytes| bytes > content.len());
        content.truncate(bytes.unwrap_or(content.len()));
        let read = self.read_items(&name, &content, missing);
        Ok(Read {
            name,
            items: read,
            is_bounded: bounds.is_some() || number == last,
        })
    }

    /// The events of a journal, and how many of them are lost. `is_cut`: whether its end is missing.
    fn read_items(&mut self, name: &str, content: &[u8], is_cut: bool) -> Vec<Item> {
        let mut items = Vec::new();
        let mut next = 1;
        let mut lost = 0;
        // Damaged pieces since the last whole one.
        let mut damaged = 0;
        let mut lines = Vec::new();
        let mut has_header = false;
        for piece in line::pieces(content) {
            let bytes = &content[piece.start..piece.end];
            if piece.whole && serde_json::from_slice::<Header>(bytes).is_ok() {
                damaged = 0;
                has_header = true;
                continue;
            }
            let parts =
                line::unsealed_length(bytes).and_then(|end| journal::split_event(&bytes[..end]));
            let event = parts
                .as_ref()
                .and_then(|p| Event::decode(p.event, p.data).ok());
            match (piece.whole, parts, event) {
                // The bytes of those before it may be gone, so their number is bounded by what a journal can have alone.
                (true, Some(parts), Some(event)) if (next..MOST_EVENTS).contains(&parts.n) => {
                    lost += parts.n - next;
                    next = parts.n + 1;
                    damaged = 0;
                    let json = match &event {
                        Event::Message(_) => parts.data.as_bytes().to_vec(),
                        _ => event.log_json().unwrap_or_default(),
                    };
                    items.push(Item::Event {
                        event,
                        json,
                        line: piece.line,
                    });
                }
                (_, _, event) => {
                    items.extend(event.map(Item::Guess));
                    damaged += 1;
                    lines.push(piece.line.to_string());
                }
            }
        }
        lost += damaged;
        if is_cut {
            lost = lost.max(1);
            self.losses.push(format!("{name} has lost its end."));
        }
        if !has_header && lines.is_empty() {
            // Nothing says how much there was.
            lost = lost.max(u64::from(items.is_empty()));
            self.losses.push(format!("{name} has lost its beginning."));
        }
        if !lines.is_empty() {
            let lines = lines.join(", ");
            self.losses
                .push(format!("{name}: line {lines} cannot be read."));
        }
        self.lost_events += lost;
        items
    }

    fn find_first_user(&mut self, disk: &dyn Disk) -> Result<Option<String>, OpenError> {
        let Some(general) = self.draft.find_room(GENERAL) else {
            return Ok(None);
        };
        let log = LogId::Room(general);
        let parts = self.draft.log(log);
        let json = match (parts.lines.get(&1), parts.kept.get(&1)) {
            (Some(json), _) => json.clone(),
            (None, Some(kept)) => {
                let mut content = Vec::new();
                segments::read(disk, log, kept, &mut content)?;
                let first = whole_lines(&content, log).into_iter().next();
                first.map(|line| line.json).unwrap_or_default()
            }
            (None, None) => return Ok(None),
        };
        let message = serde_json::from_slice::<Message>(&json).ok();
        Ok(match message.and_then(|message| message.event) {
            Some(RoomEvent::Joined { user }) => Some(user),
            _ => None,
        })
    }

    /// What is lost where it belongs may stand elsewhere. A room that neither state nor journals know is what its
    /// messages tell.
    fn take_spare(&mut self, disk: &dyn Disk) -> Result<(), OpenError> {
        for log in segments::logs(disk)? {
            // With no greater a number than its directory has: what an interrupted repair writes replaces no room's file
            // that was not written anew before.
            if let LogId::Room(id) = log
                && id.0 as usize >= self.draft.rooms.len()
                && let Some(name) = self.name_in_files(disk, id)?
            {
                self.draft.rooms.push(DraftRoom::unknown(&name));
            }
        }
        let taken = std::mem::take(&mut self.spare).give(&mut self.draft, &mut self.losses);
        if !self.lost_journals {
            // The lines that cannot be read were these.
            self.lost_events = self.lost_events.saturating_sub(taken);
        }
        Ok(())
    }
}

/// Where nobody says how much of a journal counts, what it has beyond a failed write is void: it ends where a later
/// journal goes on.
fn drop_void(journals: &mut [Read], draft: &Draft) {
    let mut begins: BTreeMap<String, Seq> = BTreeMap::new();
    for journal in journals.iter_mut().rev() {
        let place = |item: &Item| match item {
            Item::Event { event, .. } => event.message().map(|m| (m.room.clone(), m.seq)),
            Item::Guess(_) => None,
        };
        if !journal.is_bounded {
            let void = journal.items.iter().position(|item| {
                place(item).is_some_and(|(room, seq)| begins.get(&room).is_some_and(|&b| seq >= b))
            });
            journal.items.truncate(void.unwrap_or(journal.items.len()));
        }
        for (room, seq) in journal.items.iter().filter_map(place) {
            let folded = draft
                .find_room(&room)
                .and_then(|room| draft.logs.get(&LogId::Room(room)))
                .map_or(0, |log| log.last);
            if seq > folded {
                let first = begins.entry(room).or_insert(seq);
                *first = seq.min(*first);
            }
        }
    }
}

/// No event of a journal has so great a number.
const MOST_EVENTS: u64 = 1 << 32;

/// Whether a room's number may be one of a directory in which so many rooms are known. Each that is missing is made up, so
/// a number alone must not be believed; but a room in which nobody wrote yet has no files, and most may be such.
fn is_near(id: RoomId, known: usize) -> bool {
    const MISSING: u64 = 10_000;
    const MISSING_FOR_EACH: u64 = 10;
    u64::from(id.0) < MISSING + (1 + MISSING_FOR_EACH) * known as u64
}

/// The header of the journal after this one, where there is one and it can be read.
fn following_header(disk: &dyn Disk, number: u64) -> Result<Option<Header>, OpenError> {
    let name = journal::file(number + 1);
    match read_whole(disk, &name, &mut Vec::new())? {
        true => header_of(disk, number + 1),
        false => Ok(None),
    }
}

/// Whether these lines of a segment are what its record says of them. The checksum fits already.
fn fits(record: &Segment, lines: &[Line], room: Option<&str>) -> bool {
    let times = lines.iter().map(|line| line.timestamp);
    lines.len() as u64 == record.messages
        && (record.first..)
            .zip(lines)
            .all(|(seq, line)| line.seq == seq && (room.is_none() || line.room.as_deref() == room))
        && times.clone().min() == Some(record.oldest)
        && times.max() == Some(record.newest)
}

/// A message or report that stands whole in a segment.
struct Line {
    seq: Seq,
    timestamp: Millis,
    /// The line of the file.
    number: u64,
    /// The room that a message names.
    room: Option<String>,
    /// Without checksum.
    json: Vec<u8>,
}

/// The messages or reports in a segment's file; what else is whole there came from elsewhere.
fn whole_lines(content: &[u8], log: LogId) -> Vec<Line> {
    let pieces = line::pieces(content);
    let whole = pieces.iter().filter(|piece| piece.whole);
    whole
        .filter_map(|piece| {
            let body = line::unseal(&content[piece.start..piece.end])?;
            let json = [body, b"}"].concat();
            let (seq, timestamp, room) = match log {
                LogId::Room(_) => {
                    let message: Message = serde_json::from_slice(&json).ok()?;
                    (message.seq, message.timestamp, Some(message.room))
                }
                LogId::Reports => {
                    let report: Report = serde_json::from_slice(&json).ok()?;
                    (report.seq, report.timestamp, None)
                }
            };
            Some(Line {
                seq,
                timestamp,
                number: piece.line,
                room,
                json,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_without_files_do_not_make_those_with_files_strangers() {
        // Of 16,000 rooms four in five are direct ones in which nobody wrote yet.
        assert!(is_near(RoomId(15_999), 3_200));
        assert!(is_near(RoomId(9_999), 1));
        assert!(!is_near(RoomId(900_001), 3_200));
        assert!(!is_near(RoomId(u32::MAX), 100_000));
    }
}
