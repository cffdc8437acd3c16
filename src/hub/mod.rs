//! The hub: one thread that alone changes users, rooms, members and sequence numbers.
//!
//! It takes commands in order, decides, and passes what follows to the journal. The order in which it takes them is
//! the order that everybody sees, so nothing here is locked. It does no I/O and knows no socket. Whoever calls waits
//! until what was decided is durable: a [`Hub`] call that returns `Ok` survives a power cut. What only looks at the state does
//! not ask the thread: it looks at the [`ReadModel`], which is the state as far as it is durable.

mod accounts;
mod core;
mod directory;
mod effect;
mod messages;
#[cfg(test)]
mod model_test;
mod people;
mod presence;
mod queue;
mod read_model;
mod recent;
mod rooms;
mod sessions;
#[cfg(test)]
mod tests;
mod thread;
mod turns;
mod view;

pub use accounts::{Account, CLOSE_UNAUTHORIZED, Credentials, user_exists};
pub use effect::{
    Audience, ConnectionId, Effect, LogLine, Outcome, Receiver, Reply, SharedFrame, error_frame,
};
pub use messages::{LookedUp, NewMessage, Original, Posted};
pub use people::UserList;
pub use read_model::ReadModel;
pub use sessions::{Attached, Missed, Positions, Since, empty_ack};
pub use thread::{HubThread, Inbox};
pub use turns::{Turn, Turns};

use crate::auth::token::Claims;
use crate::limits;
use crate::model::{self, LogId, Readable, RoomId, State, UserId};
use crate::protocol::{
    Code, CreateRequest, Error, Message, MessageRequest, Pieces, Room, Seq, UserAction, rooms_json,
};
use crate::store::Reader;
use core::Core;
use directory::Directory;
use queue::Queue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use thread::Command;

/// What an operator decided about people.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Off for load tests and migrations.
    pub rate_limits: bool,
    /// Nobody but the very first user may register.
    pub registration_closed: bool,
}

impl Settings {
    /// Whether somebody may register now: the first one always may, else nobody could run a closed server.
    fn may_register(&self, state: &State) -> Result<(), Error> {
        if self.registration_closed && state.inhabited() {
            let message = "Registration is closed on this server. Ask whoever runs it.";
            return Err(Error::new(Code::RegistrationClosed, message));
        }
        Ok(())
    }
}

/// A handle to the hub's thread, for any thread. What changes something waits for its turn and for durability.
#[derive(Clone)]
pub struct Hub {
    queue: Arc<Queue<Command>>,
    directory: Arc<Directory>,
    reader: Reader,
    read_model: ReadModel,
    settings: Settings,
    connections: Arc<AtomicU64>,
}

impl Hub {
    /// Whether anybody has an account.
    pub fn inhabited(&self) -> bool {
        self.read_model.look(State::inhabited)
    }

    pub fn account_exists(&self, name: &str) -> bool {
        self.read_model.look(|state| state.user_exists(name))
    }

    /// Whether somebody may register now: `registration_closed` where not.
    pub fn may_register(&self) -> Result<(), Error> {
        self.read_model
            .look(|state| self.settings.may_register(state))
    }

    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        self.read_model.look(|state| state.credentials(name))
    }

    pub fn create_user(&self, name: String, phc: String) -> Result<Account, Error> {
        self.ask(move |core| core.create_user(name, phc))
    }

    /// The user of a token; `unauthorized` where it is dead.
    pub fn account(&self, claims: &Claims) -> Result<Account, Error> {
        self.look_as(claims, |state, user| Ok(state.account(user)))
    }

    /// `old_phc` is the hash against which the old password was verified.
    pub fn set_password(
        &self,
        claims: &Claims,
        old_phc: String,
        new_phc: String,
    ) -> Result<Account, Error> {
        let claims = claims.clone();
        self.ask(move |core| core.set_password(&claims, &old_phc, new_phc))
    }

    pub fn sign_out_everywhere(&self, claims: &Claims) -> Result<(), Error> {
        let claims = claims.clone();
        self.ask(move |core| core.sign_out_everywhere(&claims))
    }

    /// `[Room]` as JSON: the caller's.
    pub fn rooms_of(&self, claims: &Claims) -> Result<Pieces, Error> {
        let rooms = self.look_as(claims, |state, user| Ok(state.user(user).rooms.clone()))?;
        let rooms: Vec<RoomId> = rooms.into_iter().collect();
        self.list_rooms(claims, &rooms, |room, user| room.has(user))
    }

    /// `[Room]` as JSON: the public ones.
    pub fn public_rooms(&self, claims: &Claims) -> Result<Pieces, Error> {
        let rooms = self.look_as(claims, |state, _| Ok(state.public_rooms()))?;
        self.list_rooms(claims, &rooms, |room, _| room.is_public())
    }

    /// Those of the rooms that the caller may still see. A few at a look, since what becomes durable meanwhile waits for
    /// that, and there may be thousands, each with a hundred names that nobody has asked for yet.
    fn list_rooms(
        &self,
        claims: &Claims,
        rooms: &[RoomId],
        may_see: impl Fn(&model::Room, UserId) -> bool,
    ) -> Result<Pieces, Error> {
        let mut list = Vec::with_capacity(rooms.len());
        for some in rooms.chunks(limits::ROOMS_AT_A_LOOK) {
            self.look_as(claims, |state, user| {
                let seen = some.iter().filter(|&&id| may_see(state.room(id), user));
                list.extend(seen.map(|&id| state.listed(id, user)));
                Ok(())
            })?;
        }
        Ok(rooms_json(list))
    }

    pub fn users(&self, claims: &Claims) -> Result<UserList, Error> {
        let claims = claims.clone();
        self.ask_again(move |core| core.caller(&claims).map(|_| core.users()))
    }

    /// `[name]` as JSON: who has a connection now.
    pub fn online(&self, claims: &Claims) -> Result<Vec<u8>, Error> {
        let claims = claims.clone();
        self.ask_again(move |core| core.caller(&claims).map(|_| core.online()))
    }

    /// `[name]` as JSON: a public room's members, or one's own room's.
    pub fn members(&self, claims: &Claims, room: &str) -> Result<Vec<u8>, Error> {
        let members = self.look_as(claims, |state, user| state.members(user, room))?;
        Ok(to_json(&members))
    }

    pub fn create_room(&self, claims: &Claims, request: CreateRequest) -> Result<Room, Error> {
        let claims = claims.clone();
        self.account(&claims)?;
        let request = self.with_users_found(request)?;
        self.ask(move |core| {
            let user = core.caller(&claims)?;
            let room = core.create_room(user, request)?;
            Ok(core.room_for(room, user))
        })
    }

    /// The direct room of exactly these people and the caller, and whether it is new.
    pub fn direct_room(&self, claims: &Claims, users: Vec<String>) -> Result<(Room, bool), Error> {
        let claims = claims.clone();
        self.account(&claims)?;
        let users = self.find_users(&users)?;
        self.ask(move |core| {
            let user = core.caller(&claims)?;
            let (room, created) = core.direct_room(user, &users)?;
            Ok((core.room_for(room, user), created))
        })
    }

    fn with_users_found(&self, request: CreateRequest) -> Result<CreateRequest, Error> {
        let users = request.users.as_deref().unwrap_or_default();
        Ok(CreateRequest {
            users: Some(self.find_users(users)?),
            ..request
        })
    }

    /// Those whom the names mean, each once and as first written; `user_not_found` where one means nobody. Found before the hub is
    /// asked, on the thread of whoever asks: a frame holds ten thousand names, and the hub's thread and queue are everybody's.
    fn find_users(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let mut found = BTreeMap::new();
        for some in names.chunks(limits::NAMES_AT_A_LOOK) {
            self.read_model.look(|state| {
                some.iter().try_for_each(|name| {
                    let user = state.user_named(name)?;
                    let first_written = || state.name(user).to_owned();
                    found.entry(user).or_insert_with(first_written);
                    Ok::<(), Error>(())
                })
            })?;
        }
        Ok(found.into_values().collect())
    }

    pub fn add_user(&self, claims: &Claims, room: &str, added: &str) -> Result<Room, Error> {
        let (claims, room, added) = (claims.clone(), room.to_owned(), added.to_owned());
        self.ask(move |core| {
            let user = core.caller(&claims)?;
            let (room, _) = core.add_user(user, &room, &added)?;
            Ok(core.room_for(room, user))
        })
    }

    pub fn join(&self, claims: &Claims, room: &str) -> Result<Room, Error> {
        let (claims, room) = (claims.clone(), room.to_owned());
        self.ask(move |core| {
            let user = core.caller(&claims)?;
            let room = core.join(user, &room)?;
            Ok(core.room_for(room, user))
        })
    }

    pub fn leave(&self, claims: &Claims, room: &str) -> Result<(), Error> {
        let (claims, room) = (claims.clone(), room.to_owned());
        self.ask(move |core| {
            let user = core.caller(&claims)?;
            core.leave(user, &room).map(|_| ())
        })
    }

    /// Stores a message; answers it as JSON, as it stands: a repeated one as it was stored first.
    pub fn post(&self, claims: &Claims, new: NewMessage) -> Result<Vec<u8>, Error> {
        let claims = claims.clone();
        let posted = self.ask(move |core| {
            let user = core.caller(&claims)?;
            core.post(user, new)
        })?;
        let line = self.reader.line(LogId::Room(posted.room), posted.seq)?;
        let line = line.ok_or_else(|| {
            Error::new(
                Code::Internal,
                "The message is stored but cannot be read back.",
            )
        })?;
        Ok(line.json().to_vec())
    }

    /// As [`Hub::look_up`], for the user of a token.
    pub fn look_up_for<G>(
        &self,
        claims: &Claims,
        request: &MessageRequest,
        reading: impl Fn() -> G,
    ) -> Result<LookedUp, Error> {
        let (log, sender) = self.writable(claims, &request.room)?;
        self.look_up(
            log,
            &sender,
            request.id.as_deref(),
            request.replaces,
            reading,
        )
    }

    /// The log of a room that the caller is in, and the caller's name as first written.
    pub fn writable(&self, claims: &Claims, room: &str) -> Result<(LogId, String), Error> {
        self.look_as(claims, |state, user| {
            let room = state.own_room(user, room)?;
            Ok((LogId::Room(room), state.name(user).to_owned()))
        })
    }

    /// The log of a room that the caller may read.
    pub fn readable(&self, claims: &Claims, room: &str) -> Result<Readable, Error> {
        self.look_as(claims, |state, user| state.readable(user, room))
    }

    /// The logs of one of the caller's rooms, or of all of them.
    pub fn searchable(&self, claims: &Claims, room: Option<&str>) -> Result<Vec<Readable>, Error> {
        self.look_as(claims, |state, user| state.searchable(user, room))
    }

    pub fn report(&self, name: String, signed_in: bool, issue: String) -> Result<(), Error> {
        self.ask(move |core| core.report(name, signed_in, issue))
    }

    /// The log of reports, for the admin.
    pub fn may_read_reports(&self, claims: &Claims) -> Result<LogId, Error> {
        self.look_as(claims, |state, user| state.may_read_reports(user))?;
        Ok(LogId::Reports)
    }

    // ---- connections ----------------------------------------------------------------------------

    /// A name for a connection that is about to say who it is.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// As [`Hub::find_users`]: a frame holds thousands of names that mean nothing.
    fn find_positions(&self, since: Since) -> Positions {
        let mut positions = Positions::new();
        let mut since = since.into_iter().peekable();
        while since.peek().is_some() {
            let some = since.by_ref().take(limits::NAMES_AT_A_LOOK);
            self.read_model
                .look(|state| state.add_positions(some, &mut positions));
        }
        positions
    }

    /// Lets a connection in. Whatever comes of it, [`Hub::disconnect`] must follow in the end.
    pub fn connect(
        &self,
        connection: ConnectionId,
        claims: &Claims,
        since: Option<Since>,
        receiver: Arc<dyn Receiver>,
    ) -> Result<Attached, Error> {
        let claims = claims.clone();
        let since = since.map(|since| self.find_positions(since));
        self.ask(move |core| core.connect(connection, &claims, since.as_ref(), receiver))
    }

    /// The connection is gone. Does not wait.
    pub fn disconnect(&self, connection: ConnectionId) {
        // A hub that has stopped has sent everybody away.
        let _ = self.queue.push(Command::Disconnect { connection });
    }

    /// Passes on a frame, in its turn; what it leads to comes to the connection's receiver. Waits only while the hub's
    /// queue is full. The error says that the server has stopped taking any, or that a room is to have users who are none.
    pub fn frame(
        &self,
        connection: ConnectionId,
        turn: Turn,
        id: Option<String>,
        action: UserAction,
        looked_up: LookedUp,
    ) -> Result<(), Error> {
        let action = match action {
            UserAction::Create(request) => UserAction::Create(self.with_users_found(request)?),
            other => other,
        };
        let frame = Command::Frame {
            connection,
            turn,
            id,
            action,
            looked_up,
        };
        self.queue.push(frame).map_err(|_| stopping())
    }

    /// Everybody, for a connection that is signed in.
    pub fn users_on(&self, connection: ConnectionId) -> Result<UserList, Error> {
        self.ask_again(move |core| core.user_of(connection).map(|_| core.users()))
    }

    /// The log of a room, whoever may know of it.
    pub fn log_of(&self, room: &str) -> Option<LogId> {
        self.directory.find(room)
    }

    /// What the files say of a message that is to be sent: to be done by the sender's thread, before the hub is asked.
    /// `reading` is held while they are read, which most messages do not ask for.
    pub fn look_up<G>(
        &self,
        log: LogId,
        sender: &str,
        id: Option<&str>,
        replaces: Option<Seq>,
        reading: impl Fn() -> G,
    ) -> Result<LookedUp, Error> {
        let mut looked_up = LookedUp {
            log: Some(log),
            ..LookedUp::default()
        };
        if let Some(id) = id {
            let known = self.reader.find_id(log, sender, id, &reading)?;
            (looked_up.found, looked_up.covered) = (known.found, known.covered);
        }
        if let Some(original) = replaces {
            let _reading = reading();
            looked_up.original = self.look_at_original(log, sender, original)?;
        }
        Ok(looked_up)
    }

    fn look_at_original(&self, log: LogId, sender: &str, seq: Seq) -> Result<Original, Error> {
        let Some(line) = self.reader.line(log, seq)? else {
            return Ok(Original::None);
        };
        let message: Option<Message> = serde_json::from_slice(line.json()).ok();
        Ok(match message {
            Some(message) if message.replaces.is_some() => Original::None,
            Some(message) if message.sender == sender => Original::Own,
            Some(_) => Original::Foreign,
            None => Original::None,
        })
    }

    // ---- asking ---------------------------------------------------------------------------------

    /// Has the hub's thread decide, and waits until that is durable.
    fn ask<T, F>(&self, decide: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Core) -> Result<T, Error> + Send + 'static,
    {
        let (sender, answer) = sync_channel(1);
        let call = Command::Call(Box::new(move |core| {
            let decided = decide(core);
            Reply::Call(Box::new(move |durable| {
                // A caller that is gone needs no answer.
                let _ = sender.send(durable.and(decided));
            }))
        }));
        self.queue.push(call).map_err(|_| stopping())?;
        answer.recv().unwrap_or_else(|_| Err(stopping()))
    }

    /// Looks at what is durable, for the user of a token; `unauthorized` where it is dead.
    fn look_as<T>(
        &self,
        claims: &Claims,
        look: impl FnOnce(&State, UserId) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.read_model
            .look(|state| look(state, state.caller(claims)?))
    }

    /// As [`Hub::ask`] for what changes nothing and is the hub's alone: asked again when a failed write made the first
    /// answer void.
    fn ask_again<T, F>(&self, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Core) -> Result<T, Error> + Send + Sync + 'static,
    {
        const TRIES: usize = 5;
        let look = Arc::new(look);
        let mut answer = self.ask_shared(&look);
        for _ in 1..TRIES {
            match &answer {
                Err(error) if error.code == Code::StorageFailed => answer = self.ask_shared(&look),
                _ => break,
            }
        }
        answer
    }

    fn ask_shared<T, F>(&self, look: &Arc<F>) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Core) -> Result<T, Error> + Send + Sync + 'static,
    {
        let look = look.clone();
        self.ask(move |core| look(core))
    }
}

/// What is answered to whatever comes while the server stops.
fn stopping() -> Error {
    Error::new(
        Code::Overloaded,
        "The server is stopping. Send this again when it is back, with the same id.",
    )
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("protocol types always serialise")
}
