//! Reading a damaged directory: every line that is whole, wherever it stands, into a draft.
//!
//! Owns what is looked at and in which order: `state.json`, segments, journals. Only reads.

use super::check::header_of;
use super::disk::Disk;
use super::draft::{Draft, DraftLog, DraftRoom, empty_room};
use super::error::OpenError;
use super::journal::{self, Header};
use super::line;
use super::segments::{self, Segment};
use super::snapshot::{self, Snapshot};
use crate::model::{Event, GENERAL, LogId, RoomId};
use crate::protocol::{Message, Report, RoomEvent, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// What a directory still holds, and what it does not.
pub struct Salvage {
    pub draft: Draft,
    /// Each a sentence.
    pub losses: Vec<String>,
    /// Lines that stand where they do not count, left by an interrupted checkpoint or in another room's file: by room's
    /// name and `seq`.
    spare: BTreeMap<(String, Seq), Vec<u8>>,
    /// Events that cannot be read.
    pub lost_events: u64,
    /// The last journal that there is.
    pub last_journal: u64,
    /// Who joined `general` first.
    pub first_user: Option<String>,
}

/// What stands at a place of a journal.
enum Item {
    Event(Event, Vec<u8>),
    /// Not readable for sure, but this is what it seems to be.
    Guess(Event),
}

/// One journal.
struct Read {
    items: Vec<Item>,
    /// Whether how much of it counts is known.
    is_bounded: bool,
}

/// Reads all that is readable.
pub fn salvage(disk: &dyn Disk) -> Result<Salvage, OpenError> {
    let mut salvage = Salvage {
        draft: Draft::default(),
        losses: Vec::new(),
        spare: BTreeMap::new(),
        lost_events: 0,
        last_journal: 0,
        first_user: None,
    };
    let first_journal = match snapshot::load(disk) {
        Ok(Some(snapshot)) => Some(salvage.take_snapshot(disk, snapshot)),
        Ok(None) => salvage.take_files(disk, &[]),
        Err(error) => {
            salvage.losses.push(error.what().to_owned());
            let mut content = Vec::new();
            disk.read(snapshot::FILE, u64::MAX, &mut content)
                .map_err(|e| OpenError::io("read", snapshot::FILE, &e))?;
            salvage.take_files(disk, &content)
        }
    };
    salvage.take_journals(disk, first_journal)?;
    salvage.use_spare();
    salvage.first_user = salvage.find_first_user(disk);
    Ok(salvage)
}

impl Salvage {
    /// All is known but what the damaged segments hold. Returns the first journal that is not included.
    fn take_snapshot(&mut self, disk: &dyn Disk, snapshot: Snapshot) -> u64 {
        let (users, rooms, last_report) = snapshot.state.to_records();
        self.draft.users = users;
        let known = |record| DraftRoom {
            record,
            rebuilt: false,
        };
        self.draft.rooms = rooms.into_iter().map(known).collect();
        let mut table = snapshot.segments;
        // A directory that no record knows may be an interrupted checkpoint's.
        let mut logs: BTreeSet<LogId> = table.keys().copied().collect();
        logs.extend(segments::logs(disk));
        for log in logs {
            let records = table.remove(&log).unwrap_or_default();
            self.take_log(disk, log, &records, true);
        }
        self.draft.log(LogId::Reports).last = last_report;
        snapshot.journal
    }

    /// `state.json` is not what was written: its readable lines, and what the segments say. What is missing of it is
    /// put together from messages.
    fn take_files(&mut self, disk: &dyn Disk, content: &[u8]) -> Option<u64> {
        let readable = snapshot::readable(content);
        self.draft.users = readable.users;
        let logs = segments::logs(disk);
        let ids = logs.iter().filter_map(|log| match log {
            LogId::Room(id) => Some(id.0),
            LogId::Reports => None,
        });
        let ids = ids.chain(readable.rooms.iter().map(|(id, ..)| id.0));
        let count = ids.max().map_or(1, |last| last as usize + 1);
        self.draft.rooms.resize_with(count, || DraftRoom {
            record: empty_room(""),
            rebuilt: true,
        });
        for (id, record, records) in readable.rooms {
            self.draft.rooms[id.0 as usize] = DraftRoom {
                record,
                rebuilt: false,
            };
            self.take_log(disk, LogId::Room(id), &records, true);
        }
        let (last_report, records) = readable.reports.unwrap_or_default();
        self.take_log(disk, LogId::Reports, &records, last_report > 0);
        let reports = self.draft.log(LogId::Reports);
        reports.last = reports.last.max(last_report);
        for index in 0..count {
            if self.draft.rooms[index].rebuilt {
                self.take_lost_room(disk, RoomId(index as u32));
            }
        }
        None
    }

    /// A room whose record is lost: its messages say what it is called.
    fn take_lost_room(&mut self, disk: &dyn Disk, id: RoomId) {
        let name = match id.0 {
            0 => GENERAL.to_owned(),
            number => self
                .name_in_files(disk, id)
                .unwrap_or_else(|| format!("lost-room-{number}")),
        };
        self.draft.rooms[id.0 as usize].record.name = name;
        self.take_log(disk, LogId::Room(id), &[], false);
    }

    /// What most messages in a room's files call it: one or the other may have come there from another room's. No two
    /// rooms have one name.
    fn name_in_files(&self, disk: &dyn Disk, id: RoomId) -> Option<String> {
        let log = LogId::Room(id);
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        let mut content = Vec::new();
        for first in segments::firsts(disk, log) {
            if disk
                .read(&segments::file(log, first), u64::MAX, &mut content)
                .is_ok()
            {
                for line in whole_lines(&content, log) {
                    *names.entry(line.room.unwrap_or_default()).or_default() += 1;
                }
            }
        }
        names.retain(|name, _| self.draft.find_room(name).is_none());
        let most = names.into_iter().max_by_key(|&(_, count)| count);
        most.map(|(name, _)| name)
    }

    /// Reads a log's segments: what its records say where there are any, else all that is in its files.
    fn take_log(&mut self, disk: &dyn Disk, log: LogId, records: &[Segment], recorded: bool) {
        let mut draft = DraftLog::default();
        let mut content = Vec::new();
        for record in records {
            draft.last = record.last();
            if segments::read(disk, log, record, &mut content).is_ok() {
                draft.kept.insert(record.first, record.clone());
            }
        }
        let own_room = match log {
            LogId::Room(id) => self.draft.rooms.get(id.0 as usize),
            LogId::Reports => None,
        };
        let own_room = own_room.map(|room| room.record.name.clone());
        for first in segments::firsts(disk, log) {
            let file = segments::file(log, first);
            let size = disk.metadata(&file).map_or(0, |metadata| metadata.bytes);
            if draft
                .kept
                .get(&first)
                .is_some_and(|kept| kept.bytes == size)
            {
                continue;
            }
            if disk.read(&file, u64::MAX, &mut content).is_err() {
                continue;
            }
            for line in whole_lines(&content, log) {
                if line.room == own_room && (!recorded || line.seq <= draft.last) {
                    draft.add(line.seq, &line.json);
                } else if let Some(room) = line.room {
                    self.spare.insert((room, line.seq), line.json);
                }
            }
        }
        self.draft.logs.insert(log, draft);
    }

    fn take_journals(&mut self, disk: &dyn Disk, first: Option<u64>) -> Result<(), OpenError> {
        let names = disk
            .list("")
            .map_err(|e| OpenError::io("list", "the data directory", &e))?;
        let there: BTreeSet<u64> = names.iter().filter_map(|n| journal::number_of(n)).collect();
        self.last_journal = there.last().copied().unwrap_or(0).max(first.unwrap_or(0));
        let Some(first) = first.or(there.first().copied()) else {
            return Ok(());
        };
        let last = there.last().copied().unwrap_or(first).max(first);
        let mut journals = Vec::new();
        for number in first..=last {
            journals.push(match there.contains(&number) {
                true => self.read_journal(disk, number, last),
                false => {
                    let name = journal::file(number);
                    self.losses
                        .push(format!("{name} is missing, and what happened in it lost."));
                    self.lost_events += 1;
                    Read {
                        items: Vec::new(),
                        is_bounded: true,
                    }
                }
            });
        }
        drop_void(&mut journals, &self.draft);
        for log in self.draft.logs.values_mut() {
            log.folded = log.last;
        }
        for item in journals.iter().flat_map(|journal| &journal.items) {
            match item {
                Item::Event(event, json) => self.draft.apply(event, json),
                Item::Guess(event) => self.draft.leave_place(event),
            }
        }
        Ok(())
    }

    fn read_journal(&mut self, disk: &dyn Disk, number: u64, last: u64) -> Read {
        let name = journal::file(number);
        let mut content = Vec::new();
        if let Err(error) = disk.read(&name, u64::MAX, &mut content) {
            self.losses.push(format!("{name} cannot be read: {error}."));
            self.lost_events += 1;
        }
        let bounds = match number == last {
            // What an unfinished write left is no loss.
            true => journal::scan(number, &content, None, |_, _, _| Ok(()))
                .ok()
                .map(|scan| scan.bytes),
            false => header_of(disk, number + 1)
                .and_then(|header| header.previous)
                .filter(|previous| previous.journal == number)
                .map(|previous| previous.bytes),
        };
        let bytes = bounds.and_then(|bytes| usize::try_from(bytes).ok());
        let missing = bytes.is_some_and(|bytes| bytes > content.len());
        content.truncate(bytes.unwrap_or(content.len()));
        let read = self.read_items(&name, &content, missing);
        Read {
            items: read,
            is_bounded: bounds.is_some() || number == last,
        }
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
                (true, Some(parts), Some(event)) if parts.n >= next => {
                    lost += parts.n - next;
                    next = parts.n + 1;
                    damaged = 0;
                    let json = match &event {
                        Event::Message(_) => parts.data.as_bytes().to_vec(),
                        _ => event.log_json().unwrap_or_default(),
                    };
                    items.push(Item::Event(event, json));
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

    fn find_first_user(&mut self, disk: &dyn Disk) -> Option<String> {
        let log = LogId::Room(self.draft.find_room(GENERAL)?);
        let parts = self.draft.log(log);
        let json = match (parts.lines.get(&1), parts.kept.get(&1)) {
            (Some(json), _) => json.clone(),
            (None, Some(kept)) => {
                let mut content = Vec::new();
                segments::read(disk, log, kept, &mut content).ok()?;
                whole_lines(&content, log).into_iter().next()?.json
            }
            (None, None) => return None,
        };
        match serde_json::from_slice::<Message>(&json).ok()?.event? {
            RoomEvent::Joined { user } => Some(user),
            _ => None,
        }
    }

    /// What is lost where it belongs may stand elsewhere.
    fn use_spare(&mut self) {
        for ((room, seq), json) in std::mem::take(&mut self.spare) {
            if let Some(room) = self.draft.find_room(&room) {
                let log = self.draft.log(LogId::Room(room));
                if seq <= log.last {
                    log.add(seq, &json);
                }
            }
        }
    }
}

/// Where nobody says how much of a journal counts, what it has beyond a failed write is void: it ends where a later
/// journal goes on.
fn drop_void(journals: &mut [Read], draft: &Draft) {
    let mut begins: BTreeMap<String, Seq> = BTreeMap::new();
    for journal in journals.iter_mut().rev() {
        let place = |item: &Item| match item {
            Item::Event(event, _) => event.message().map(|m| (m.room.clone(), m.seq)),
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

/// A message or report that stands whole in a segment.
struct Line {
    seq: Seq,
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
            let (seq, room) = match log {
                LogId::Room(_) => {
                    let message: Message = serde_json::from_slice(&json).ok()?;
                    (message.seq, Some(message.room))
                }
                LogId::Reports => {
                    let report: Report = serde_json::from_slice(&json).ok()?;
                    (report.seq, None)
                }
            };
            Some(Line { seq, room, json })
        })
        .collect()
}
