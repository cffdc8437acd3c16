//! The facts: users, rooms, members, read positions, and how an event changes them.
//!
//! Pure: no I/O, no clock, no threads. The hub decides which events happen; the store keeps them and replays them
//! at start. Both change the state through [`State::apply`] and nothing else, so what was decided once is
//! rebuilt to the letter. Names in events and snapshots are names as first written: people read these files.

mod event;
mod records;
mod rooms;
mod users;

pub use event::{Append, Event, RecentId};
pub use records::{RoomRecord, UserRecord};
pub use rooms::{GENERAL, Readable, Replaced, Room};
pub use users::User;

use crate::protocol::{Millis, RoomKind, SERVER_NAME, Seq, fold};
use std::collections::{BTreeSet, HashMap};

/// A user's place in the table of users; never reused, and not known outside the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u32);

/// A room's place in the table of rooms; also the name of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// A sequence of messages or reports, kept in segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    Room(RoomId),
    Reports,
}

/// An event that does not fit the state it is applied to: the files contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction(pub String);

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Contradiction {}

/// All that is true now. Cloning it is for tests and for the start: the server has two, of which neither is ever copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    users: Vec<User>,
    rooms: Vec<Room>,
    users_by_name: HashMap<String, UserId>,
    rooms_by_name: HashMap<String, RoomId>,
    /// Direct rooms by their exact set of people.
    direct: HashMap<BTreeSet<UserId>, RoomId>,
    last_report: Seq,
}

impl State {
    /// Nobody yet, and the room that always exists.
    pub fn new(created: Millis) -> State {
        let mut state = State::empty();
        state.insert_room(Room::new(GENERAL, RoomKind::Public, SERVER_NAME, created));
        state
    }

    fn empty() -> State {
        State {
            users: Vec::new(),
            rooms: Vec::new(),
            users_by_name: HashMap::new(),
            rooms_by_name: HashMap::new(),
            direct: HashMap::new(),
            last_report: 0,
        }
    }

    pub fn user(&self, id: UserId) -> &User {
        &self.users[id.0 as usize]
    }

    pub fn room(&self, id: RoomId) -> &Room {
        &self.rooms[id.0 as usize]
    }

    /// Ignoring case.
    pub fn find_user(&self, name: &str) -> Option<UserId> {
        self.users_by_name.get(&*fold(name)).copied()
    }

    /// Ignoring case.
    pub fn find_room(&self, name: &str) -> Option<RoomId> {
        self.rooms_by_name.get(&*fold(name)).copied()
    }

    /// The direct room of exactly these people.
    pub fn find_direct(&self, people: &BTreeSet<UserId>) -> Option<RoomId> {
        self.direct.get(people).copied()
    }

    pub fn users(&self) -> &[User] {
        &self.users
    }

    pub fn rooms(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.rooms
            .iter()
            .enumerate()
            .map(|(index, room)| (RoomId(index as u32), room))
    }

    pub fn last_report(&self) -> Seq {
        self.last_report
    }

    /// The last `seq` of a log; 0 where it is empty.
    pub fn last_seq(&self, log: LogId) -> Seq {
        match log {
            LogId::Room(id) => self.room(id).last_seq,
            LogId::Reports => self.last_report,
        }
    }

    /// Every log there is.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        let rooms = (0..self.rooms.len()).map(|index| LogId::Room(RoomId(index as u32)));
        rooms.chain([LogId::Reports])
    }

    /// The id that the next room gets.
    pub fn next_room(&self) -> RoomId {
        RoomId(self.rooms.len() as u32)
    }

    /// Gives out the next `seq` of a room: what applying a message to it does, without looking it up by name.
    pub fn advance(&mut self, room: RoomId, replaces: Option<Seq>) -> Seq {
        self.rooms[room.0 as usize].advance(replaces)
    }

    fn insert_user(&mut self, user: User) -> UserId {
        let id = UserId(self.users.len() as u32);
        self.users_by_name.insert(fold(&user.name).into_owned(), id);
        self.users.push(user);
        id
    }

    fn insert_room(&mut self, room: Room) -> RoomId {
        let id = self.next_room();
        self.rooms_by_name.insert(fold(&room.name).into_owned(), id);
        if room.kind == RoomKind::Direct {
            self.direct
                .insert(room.members.keys().copied().collect(), id);
        }
        for &user in room.members.keys() {
            self.users[user.0 as usize].rooms.insert(id);
        }
        self.rooms.push(room);
        id
    }
}
