//! What can be put together of a damaged directory: users, rooms and lines, with holes in them.
//!
//! Owns the rules of a repair: what follows from what is readable, and what takes the place of what is not. Forgives
//! what a start refuses, and counts what it cost. Opens no file.

use super::segments::Segment;
use crate::model::{Event, GENERAL, LogId, RoomId, RoomRecord, UserRecord};
use crate::protocol::{Message, Millis, Report, RoomEvent, RoomKind, SERVER_NAME, Seq, fold};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in the place of a message that is lost.
const LOST_MESSAGE: &str = "A message that stood here was lost: its file was damaged.";
/// What stands in the place of a report that is lost.
const LOST_REPORT: &str = "A report that stood here was lost: its file was damaged.";

/// Most messages and reports, of all that a directory has, in whose place a repair puts something. A number that says that
/// more are missing is no proof of them, and would fill memory and disk.
pub const MOST_LOST: u64 = 1_000_000;

/// Where a line stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub file: &'a str,
    pub line: u64,
}

/// A room's messages or the reports.
#[derive(Default)]
pub struct DraftLog {
    /// Undamaged segments, by their first `seq`.
    pub kept: BTreeMap<Seq, Segment>,
    /// Lines of damaged segments and of journals: JSON without checksum.
    pub lines: BTreeMap<Seq, Vec<u8>>,
    pub last: Seq,
    /// `last` before the journals were read.
    pub folded: Seq,
    /// The lines with which it did not go on where it was, in words.
    leaps: BTreeMap<Seq, String>,
}

impl DraftLog {
    fn has(&self, seq: Seq) -> bool {
        let before = self.kept.range(..=seq).next_back();
        self.lines.contains_key(&seq) || before.is_some_and(|(_, kept)| seq <= kept.last())
    }

    /// False where the line is known already.
    pub fn add(&mut self, seq: Seq, json: &[u8], place: Place) -> bool {
        if seq > self.last.saturating_add(1) {
            let words = format!("{}, line {}", place.file, place.line);
            self.leaps.entry(seq).or_insert(words);
        }
        self.last = self.last.max(seq);
        if self.has(seq) {
            return false;
        }
        self.lines.insert(seq, json.to_vec());
        true
    }

    /// What is in neither, as ranges.
    fn missing(&self) -> Vec<(Seq, Seq)> {
        let kept = self.kept.values().map(|kept| (kept.first, kept.last()));
        let mut there: Vec<(Seq, Seq)> = kept
            .chain(self.lines.keys().map(|&seq| (seq, seq)))
            .collect();
        there.sort_unstable();
        let mut missing = Vec::new();
        let mut next = 1;
        let end = self.last.saturating_add(1);
        for (first, last) in there.into_iter().chain([(end, end)]) {
            if first > next {
                missing.push((next, first - 1));
            }
            next = next.max(last.saturating_add(1));
        }
        missing
    }

    fn count_missing(&self) -> u64 {
        let missing = self.missing().into_iter();
        missing.fold(0, |sum, (first, last)| sum.saturating_add(last - first + 1))
    }

    /// Ends before the gap with which more than `most` are missing. Returns where that gap began, how long it is, and what
    /// stood behind it: how many lines, and where the first.
    fn cut(&mut self, most: u64) -> Option<Cut> {
        let mut lost: u64 = 0;
        let gap = self.missing().into_iter().find(|&(first, last)| {
            lost = lost.saturating_add(last - first + 1);
            lost > most
        });
        let (first, last) = gap?;
        let lines = self.lines.split_off(&first).len() as u64;
        let kept = self.kept.split_off(&first);
        self.last = first - 1;
        self.folded = self.folded.min(self.last);
        Some(Cut {
            first,
            missing: last - first + 1,
            behind: kept.values().fold(lines, |sum, kept| sum + kept.messages),
            place: self
                .leaps
                .range(first..)
                .next()
                .map(|(_, place)| place.clone()),
        })
    }

    /// The time of what stands before `seq`, else behind it.
    fn time_at(&self, seq: Seq) -> Option<Millis> {
        let before = self.lines.range(..seq).next_back();
        let kept = self.kept.range(..seq).next_back();
        let last_kept = kept.map_or(0, |(_, kept)| kept.last());
        match (before, kept) {
            (Some((&at, json)), _) if at > last_kept => timestamp(json),
            (_, Some((_, kept))) => Some(kept.newest),
            _ => {
                let behind = self.lines.range(seq..).next();
                let behind = behind.and_then(|(_, json)| timestamp(json));
                behind.or_else(|| self.kept.values().next().map(|kept| kept.oldest))
            }
        }
    }
}

/// What a log was cut at.
pub struct Cut {
    pub first: Seq,
    pub missing: u64,
    pub behind: u64,
    pub place: Option<String>,
}

/// The timestamp in a message's or report's JSON.
pub fn timestamp(json: &[u8]) -> Option<Millis> {
    #[derive(serde::Deserialize)]
    struct Timed {
        timestamp: Millis,
    }
    let timed: Timed = serde_json::from_slice(json).ok()?;
    Some(timed.timestamp)
}

/// A room, and whether its record is what was written.
pub struct DraftRoom {
    pub record: RoomRecord,
    /// Put together from messages.
    pub rebuilt: bool,
    /// Its record is from `state.json`, so what is in segments is in it already. Of any other room the journals tell all
    /// again, whoever has folded them; an interrupted repair has.
    pub recorded: bool,
}

impl DraftRoom {
    /// One of which only the name is known: nobody may find it who is not in it.
    pub fn unknown(name: &str) -> DraftRoom {
        DraftRoom {
            record: empty_room(name),
            rebuilt: true,
            recorded: false,
        }
    }

    pub fn known(record: RoomRecord) -> DraftRoom {
        DraftRoom {
            record,
            rebuilt: false,
            recorded: true,
        }
    }
}

/// Everything that is known so far.
#[derive(Default)]
pub struct Draft {
    pub users: Vec<UserRecord>,
    /// By id.
    pub rooms: Vec<DraftRoom>,
    pub logs: BTreeMap<LogId, DraftLog>,
    /// Accounts of which only the name is known, lower case.
    pub nameless: BTreeSet<String>,
}

impl Draft {
    pub fn log(&mut self, log: LogId) -> &mut DraftLog {
        self.logs.entry(log).or_default()
    }

    fn user(&mut self, name: &str) -> Option<&mut UserRecord> {
        let key = fold(name);
        self.users.iter_mut().find(|user| fold(&user.name) == key)
    }

    pub fn find_room(&self, name: &str) -> Option<RoomId> {
        let key = fold(name);
        let found = self
            .rooms
            .iter()
            .position(|room| fold(&room.record.name) == key);
        found.map(|index| RoomId(index as u32))
    }

    /// An account of this name, made up where it is unknown.
    fn ensure_user(&mut self, name: &str) {
        if name == SERVER_NAME || self.user(name).is_some() {
            return;
        }
        self.nameless.insert(fold(name).into_owned());
        self.users.push(UserRecord {
            name: name.to_owned(),
            display_name: name.to_owned(),
            password: String::new(),
            generation: 0,
            admin: false,
            active: true,
            created: 0,
        });
    }

    /// A room of this name, made up where it is unknown.
    fn ensure_room(&mut self, name: &str) -> RoomId {
        self.find_room(name).unwrap_or_else(|| {
            self.rooms.push(DraftRoom::unknown(name));
            RoomId(self.rooms.len() as u32 - 1)
        })
    }

    /// Whoever wrote in a room was in it.
    fn ensure_member(&mut self, room: RoomId, name: &str, read: Seq) {
        if name == SERVER_NAME {
            return;
        }
        self.ensure_user(name);
        let name = self.user(name).expect("made just now").name.clone();
        let members = &mut self.rooms[room.0 as usize].record.members;
        members.entry(name).or_insert(read);
    }

    fn record(&mut self, room: RoomId) -> &mut RoomRecord {
        &mut self.rooms[room.0 as usize].record
    }

    /// Adds a message; false where it was known already, and so what follows from it.
    fn add_message(&mut self, message: &Message, json: &[u8], place: Place) -> bool {
        let room = self.ensure_room(&message.room);
        let log = self.log(LogId::Room(room));
        let fresh = log.add(message.seq, json, place) || !self.rooms[room.0 as usize].recorded;
        if fresh {
            self.ensure_member(room, &message.sender, message.seq);
        }
        fresh
    }

    /// Makes true what an event says, as far as it is not yet. `json` is what it adds to a log.
    pub fn apply(&mut self, event: &Event, json: &[u8], place: Place) {
        let fresh = event
            .message()
            .is_none_or(|message| self.add_message(message, json, place));
        match event {
            Event::UserCreated { user, announcement } => self.create_user(user, announcement),
            Event::RoomCreated { room, .. } => self.create_room(room),
            Event::PasswordChanged {
                user,
                password,
                generation,
            } => {
                self.ensure_user(user);
                let found = self.user(user).expect("made just now");
                if *generation >= found.generation {
                    found.password.clone_from(password);
                    found.generation = *generation;
                    self.nameless.remove(&*fold(user));
                }
            }
            Event::SignedOutEverywhere { user, generation } => {
                self.ensure_user(user);
                let found = self.user(user).expect("made just now");
                found.generation = found.generation.max(*generation);
            }
            Event::MembersAdded {
                room,
                users,
                announcement,
            } if fresh => {
                let room = self.ensure_room(room);
                users
                    .iter()
                    .for_each(|user| self.ensure_member(room, user, announcement.seq));
            }
            Event::MemberLeft { room, user, .. } if fresh => {
                let room = self.ensure_room(room);
                self.record(room).members.remove(user);
            }
            Event::Read { room, user, seq } => {
                let room = self.ensure_room(room);
                self.ensure_member(room, user, *seq);
                if let Some(read) = self.record(room).members.get_mut(user) {
                    *read = (*seq).max(*read);
                }
            }
            Event::Report(report) => {
                self.log(LogId::Reports).add(report.seq, json, place);
            }
            Event::Message(_) | Event::MembersAdded { .. } | Event::MemberLeft { .. } => {}
        }
    }

    fn create_user(&mut self, record: &UserRecord, announcement: &Message) {
        if self.user(&record.name).is_none() {
            self.users.push(record.clone());
        } else if self.nameless.remove(&*fold(&record.name)) {
            let found = self.user(&record.name).expect("it was just found");
            let generation = found.generation;
            found.clone_from(record);
            found.generation = generation.max(record.generation);
        }
        let general = self.ensure_room(&announcement.room);
        self.ensure_member(general, &record.name, announcement.seq);
    }

    fn create_room(&mut self, record: &RoomRecord) {
        let id = self.ensure_room(&record.name);
        for name in record.members.keys() {
            self.ensure_user(name);
        }
        let room = &mut self.rooms[id.0 as usize];
        if std::mem::take(&mut room.rebuilt) {
            let members = std::mem::take(&mut room.record.members);
            room.record.clone_from(record);
            room.record.members.extend(members);
        }
    }

    /// An unreadable line that seems to be this event: where it would be the next of its log, a place is left for it.
    pub fn leave_place(&mut self, event: &Event) {
        let (log, seq) = match (event, event.message()) {
            (Event::Report(report), _) => (LogId::Reports, report.seq),
            (_, Some(message)) => match self.find_room(&message.room) {
                Some(room) => (LogId::Room(room), message.seq),
                None => return,
            },
            _ => return,
        };
        let log = self.log(log);
        if log.last.checked_add(1) == Some(seq) {
            log.last = seq;
        }
    }

    /// The rooms that were put together from messages.
    pub fn rebuilt_rooms(&self) -> Vec<RoomId> {
        let rooms = (0..).zip(&self.rooms).filter(|(_, room)| room.rebuilt);
        rooms.map(|(id, _)| RoomId(id)).collect()
    }

    /// Learns from a room's own messages who is in it and who may find it.
    pub fn learn(&mut self, room: RoomId) {
        let lines: Vec<Message> = self
            .log(LogId::Room(room))
            .lines
            .values()
            .filter_map(|json| serde_json::from_slice(json).ok())
            .collect();
        if let Some(first) = lines.first() {
            let record = self.record(room);
            record.created = first.timestamp;
            record.creator.clone_from(&first.sender);
        }
        // Only direct rooms have no announcements, and only public ones are joined.
        let announced = lines.iter().any(|message| message.event.is_some());
        let mut kind = if announced {
            RoomKind::Private
        } else {
            RoomKind::Direct
        };
        for message in &lines {
            match &message.event {
                Some(RoomEvent::Created { user, .. }) => {
                    self.record(room).creator.clone_from(user);
                }
                Some(RoomEvent::Joined { .. }) => kind = RoomKind::Public,
                _ => {}
            }
            self.learn_members(room, message);
        }
        if self.record(room).name == GENERAL {
            kind = RoomKind::Public;
        }
        self.record(room).kind = kind;
    }

    /// Learns who is in a room from those of its messages that its record does not include.
    pub fn learn_beyond(&mut self, room: RoomId) {
        let log = self.log(LogId::Room(room));
        let beyond = log.lines.range(log.folded.saturating_add(1)..);
        let lines: Vec<Message> = beyond
            .filter_map(|(_, json)| serde_json::from_slice(json).ok())
            .collect();
        for message in &lines {
            self.learn_members(room, message);
        }
    }

    /// Who is in a room by one of its messages.
    fn learn_members(&mut self, room: RoomId, message: &Message) {
        self.ensure_member(room, &message.sender, message.seq);
        match &message.event {
            Some(RoomEvent::Created { user, users } | RoomEvent::Added { user, users }) => {
                for user in users.iter().chain([user]) {
                    self.ensure_member(room, user, message.seq);
                }
            }
            Some(RoomEvent::Joined { user }) => self.ensure_member(room, user, message.seq),
            Some(RoomEvent::Left { user }) => {
                self.record(room).members.remove(user);
            }
            None => {}
        }
    }

    /// Which texts were replaced: by messages that are there, and by none that is lost.
    fn complete_replaced(&mut self) {
        for (id, room) in (0..).zip(&mut self.rooms) {
            let Some(log) = self.logs.get(&LogId::Room(RoomId(id))) else {
                continue;
            };
            let replaced = &mut room.record.replaced;
            replaced.retain(|_, by| log.has(*by));
            for (&by, json) in &log.lines {
                if let Some(original) = replaces(json) {
                    let newest = replaced.entry(original).or_insert(by);
                    *newest = by.max(*newest);
                }
            }
        }
    }

    /// Cuts logs so that no more is missing than may be filled: those first of which the most is missing.
    pub fn cut(&mut self) -> Vec<(LogId, Cut)> {
        let mut missing: Vec<(u64, LogId)> = self
            .logs
            .iter()
            .map(|(&log, draft)| (draft.count_missing(), log))
            .collect();
        missing.sort_unstable();
        let mut left = MOST_LOST;
        let mut cuts = Vec::new();
        for (_, log) in missing {
            let draft = self.log(log);
            cuts.extend(draft.cut(left).map(|cut| (log, cut)));
            left -= draft.count_missing();
        }
        cuts
    }

    /// Makes everything whole: members that exist, read positions within bounds, `general` with everybody in it, a line
    /// in every place.
    pub fn complete(&mut self) -> Vec<(LogId, Vec<(Seq, Seq)>)> {
        let general = self.ensure_room(GENERAL);
        let created = self.record(general).created;
        self.record(general).kind = RoomKind::Public;
        for index in 0..self.rooms.len() {
            let room = RoomId(index as u32);
            let last = self.log(LogId::Room(room)).last;
            self.record(room).last_seq = last;
            let members: Vec<String> = self.record(room).members.keys().cloned().collect();
            members.iter().for_each(|name| self.ensure_user(name));
            for read in self.record(room).members.values_mut() {
                *read = (*read).min(last);
            }
        }
        let last = self.record(general).last_seq;
        let names: Vec<String> = self.users.iter().map(|user| user.name.clone()).collect();
        names
            .iter()
            .for_each(|name| self.ensure_member(general, name, last));
        self.complete_replaced();
        let rooms: Vec<String> = self
            .rooms
            .iter()
            .map(|room| room.record.name.clone())
            .collect();
        let mut lost = Vec::new();
        for (&log, draft) in &mut self.logs {
            let missing = draft.missing();
            for seq in missing.iter().flat_map(|&(first, last)| first..=last) {
                let time = draft.time_at(seq).unwrap_or(created);
                draft.lines.insert(seq, placeholder(log, &rooms, seq, time));
            }
            if !missing.is_empty() {
                lost.push((log, missing));
            }
        }
        lost
    }
}

/// The earlier message whose text a message replaces.
fn replaces(json: &[u8]) -> Option<Seq> {
    // Few do, and a room may have many lines.
    memchr::memmem::find(json, br#","replaces":"#)?;
    let message: Message = serde_json::from_slice(json).ok()?;
    message.replaces
}

/// What stands in the place of a lost line.
fn placeholder(log: LogId, rooms: &[String], seq: Seq, timestamp: Millis) -> Vec<u8> {
    let json = match log {
        LogId::Room(id) => serde_json::to_vec(&Message {
            room: rooms[id.0 as usize].clone(),
            seq,
            sender: SERVER_NAME.to_owned(),
            content: LOST_MESSAGE.to_owned(),
            timestamp,
            id: None,
            replaces: None,
            edited: None,
            event: None,
        }),
        LogId::Reports => serde_json::to_vec(&Report {
            seq,
            name: SERVER_NAME.to_owned(),
            signed_in: false,
            issue: LOST_REPORT.to_owned(),
            timestamp,
        }),
    };
    json.expect("messages and reports always serialise")
}

fn empty_room(name: &str) -> RoomRecord {
    RoomRecord {
        name: name.to_owned(),
        kind: RoomKind::Private,
        topic: String::new(),
        creator: SERVER_NAME.to_owned(),
        created: 0,
        last_seq: 0,
        members: BTreeMap::new(),
        replaced: BTreeMap::new(),
    }
}
