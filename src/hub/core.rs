//! What the hub's thread owns, and the tools by which it decides: who calls, what they may see, how a decision is
//! staged. Does no I/O and reads no clock: the time comes with each command.

use super::Settings;
use super::directory::Directory;
use super::effect::{Audience, ConnectionId, Effect, LogLine, Outcome, storage_failed};
use super::people::People;
use super::presence::Presence;
use super::read_model::{Change, apply};
use super::recent::RecentIds;
use crate::auth::throttle::Bucket;
use crate::limits;
use crate::model::{Event, LogId, RecentId, RoomId, State, UserId};
use crate::protocol::{
    Code, Error, Frame, Message, MessageFrame, Millis, RoomEvent, SERVER_NAME, Seq,
};
use crate::store::{Append, Data, Entry, Record};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

/// The state and all that is known beside it.
pub struct Core {
    pub(super) state: State,
    pub(super) settings: Settings,
    pub(super) connections: HashMap<ConnectionId, Session>,
    directory: Arc<Directory>,
    pub(super) presence: Presence,
    pub(super) people: People,
    pub(super) recent: RecentIds,
    pub(super) buckets: HashMap<UserId, Buckets>,
    pub(super) now: Now,
    pub(super) storage_works: bool,
    pub(super) stopping: bool,
    pub(super) epoch: u32,
    staged: Staged,
}

/// A connection that has said who it is. It is dead, though its thread may not know yet, as soon as its user's tokens
/// are of another generation; and alive again where that turns out not to be durable.
pub(super) struct Session {
    pub user: UserId,
    pub generation: u32,
}

/// What one user may do per second.
pub(super) struct Buckets {
    pub messages: Bucket,
    /// Rooms made, entered, left.
    pub rooms: Bucket,
    pub typing: Bucket,
}

/// The time of a command: one clock for people, one for intervals.
#[derive(Clone, Copy)]
pub struct Now {
    pub millis: Millis,
    pub instant: Instant,
}

/// What the command in hand has led to so far.
#[derive(Default)]
struct Staged {
    record: Option<Record>,
    change: Option<Change>,
    effects: Vec<Effect>,
    log: Option<LogLine>,
}

/// What one may ask of a state one may ask of the hub's.
impl Deref for Core {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Core {
    pub fn new(
        state: State,
        recent: Vec<RecentId>,
        settings: Settings,
        directory: Arc<Directory>,
        now: Now,
    ) -> Core {
        Core {
            people: People::new(&state),
            state,
            settings,
            connections: HashMap::new(),
            directory,
            presence: Presence::default(),
            recent: RecentIds::new(recent),
            buckets: HashMap::new(),
            now,
            storage_works: true,
            stopping: false,
            epoch: 0,
            staged: Staged::default(),
        }
    }

    /// The durable state, after a write failed: what was decided since is void.
    pub fn roll_back(&mut self, state: State, epoch: u32) {
        self.people = People::new(&state);
        self.directory.reset(&state);
        self.state = state;
        self.recent.roll_back(&self.state);
        self.epoch = epoch;
        self.storage_works = false;
        // A user whose account was not made durable is nobody; their connections were never confirmed.
        let known = self.state.users().len();
        let is_known = |user: UserId| (user.0 as usize) < known;
        self.connections.retain(|_, session| is_known(session.user));
        let alive = self
            .connections
            .values()
            .filter(|s| is_alive(&self.state, s));
        self.presence
            .recount(is_known, alive.map(|session| session.user));
    }

    // ---- who calls, and what they may see -------------------------------------------------------

    /// The user of a connection; `unauthorized` where they were signed out meanwhile.
    pub fn user_of(&self, connection: ConnectionId) -> Result<UserId, Error> {
        match self.connections.get(&connection) {
            Some(session) if is_alive(&self.state, session) => Ok(session.user),
            _ => Err(signed_out()),
        }
    }

    pub fn room_name(&self, room: RoomId) -> &str {
        &self.state.room(room).name
    }

    pub(super) fn directory_insert(&self, room: RoomId) {
        self.directory.insert(self.room_name(room), room);
    }

    /// The buckets of a user, or none where rates are not limited.
    pub(super) fn buckets_of(&mut self, user: UserId) -> Option<&mut Buckets> {
        if !self.settings.rate_limits {
            return None;
        }
        let now = self.now.instant;
        let full = || Bucket::new(limits::MESSAGE_BURST, limits::MESSAGES_PER_SECOND, now);
        Some(self.buckets.entry(user).or_insert_with(|| Buckets {
            messages: full(),
            rooms: full(),
            typing: Bucket::new(limits::TYPING_BURST, limits::TYPING_PER_SECOND, now),
        }))
    }

    // ---- deciding -------------------------------------------------------------------------------

    /// Nothing new is decided while the disk does not take it, or when the server stops.
    pub fn may_write(&self) -> Result<(), Error> {
        if self.stopping {
            return Err(super::stopping());
        }
        if self.storage_works {
            Ok(())
        } else {
            Err(storage_failed())
        }
    }

    /// Makes an event true and stages its record. At most one a command.
    pub fn decide(&mut self, event: Event) {
        let line = event.log_json().map(|json| MessageFrame::from_json(&json));
        let (name, data) = match (&event, &line) {
            (Event::Message(_), Some(line)) => (event.name(), Data::Message(line.clone())),
            _ => {
                let (name, json) = event.encode();
                (name, Data::Json(json))
            }
        };
        apply(&mut self.state, &event);
        let place = self.state.place_of(&event);
        let append = place.zip(line).map(|((log, seq, timestamp), line)| Append {
            log,
            seq,
            timestamp,
            line,
        });
        let record = Record {
            event: name,
            data,
            append,
        };
        self.stage(record, Change::Event(Box::new(event)));
    }

    /// What becomes durable, and what that changes.
    pub(super) fn stage(&mut self, record: Record, change: Change) {
        debug_assert!(self.staged.record.is_none(), "a command makes one event");
        self.staged.record = Some(record);
        self.staged.change = Some(change);
    }

    /// The frame of the message that the staged event appends.
    pub(super) fn staged_message(&self) -> Option<Frame> {
        let append = self.staged.record.as_ref()?.append.as_ref()?;
        matches!(append.log, LogId::Room(_)).then(|| append.line.frame().clone())
    }

    pub fn send(&mut self, to: Audience, frame: Frame) {
        self.effect(Effect::Send { to, frame });
    }

    pub fn effect(&mut self, effect: Effect) {
        self.staged.effects.push(effect);
    }

    pub fn log(&mut self, event: &'static str, fields: Vec<(&'static str, String)>) {
        self.staged.log = Some((event, fields));
    }

    /// The message by which a room announces what happens to it.
    pub fn announcement(&self, room: RoomId, event: RoomEvent) -> Message {
        let (name, seq) = (
            self.room_name(room).to_owned(),
            self.state.room(room).last_seq + 1,
        );
        self.announce(name, seq, event)
    }

    /// As [`Core::announcement`], for a room that is just being made.
    pub fn announce(&self, room: String, seq: Seq, event: RoomEvent) -> Message {
        Message {
            room,
            seq,
            sender: SERVER_NAME.to_owned(),
            content: event.sentence(),
            timestamp: self.now.millis,
            id: None,
            replaces: None,
            edited: None,
            event: Some(event),
        }
    }

    /// What the command led to, as an entry for the journal; none where it led to nothing.
    pub fn take_entry(&mut self, reply: Option<super::effect::Reply>) -> Option<Entry<Outcome>> {
        let Staged {
            record,
            change,
            effects,
            log,
        } = std::mem::take(&mut self.staged);
        if record.is_none() && effects.is_empty() && reply.is_none() && log.is_none() {
            return None;
        }
        Some(Entry {
            epoch: self.epoch,
            record,
            then: Outcome {
                change,
                effects,
                reply,
                log,
                turn: None,
            },
        })
    }
}

pub(super) fn is_alive(state: &State, session: &Session) -> bool {
    let user = state.user(session.user);
    user.generation == session.generation && user.active
}

pub(super) fn signed_out() -> Error {
    Error::new(Code::Unauthorized, "You are signed out. Sign in again.")
}

/// A name in an answer, cut: it came from outside and may be long.
pub(super) fn shown(name: &str) -> String {
    format!(
        "{:?}",
        name.chars()
            .take(limits::ROOM_NAME_CHARS)
            .collect::<String>()
    )
}
