//! Connections: coming with a token, hearing what was missed, going; and the frames they send.

use super::core::{Core, Session, is_alive};
use super::effect::{Audience, ConnectionId, Effect, Receiver, Reply, error_frame};
use super::messages::{LookedUp, NewMessage};
use crate::auth::token::Claims;
use crate::model::{LogId, RoomId, UserId};
use crate::protocol::{
    AddedOne, Error, Frame, MessageAck, Presence, ReadPosition, RoomOnly, Seq, UserAction, Welcome,
    WelcomeFrame, reply_frame, text_frame,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Per room the last message that a client has.
pub type Since = BTreeMap<String, Seq>;
/// The same by the rooms that there are.
pub type Positions = HashMap<RoomId, Seq>;

/// A connection that was let in: its first frame, and what it missed.
pub struct Attached {
    /// The user's name, as first written.
    pub user: String,
    pub welcome: WelcomeFrame,
    pub missed: Vec<Missed>,
}

/// Messages of a room that a connection has not seen: after `after`, through `through`. What comes later it hears
/// live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    pub log: LogId,
    /// The room's own: many connections may wait long with thousands of these.
    pub room: Arc<str>,
    pub after: Seq,
    pub through: Seq,
}

impl Core {
    pub fn connect(
        &mut self,
        connection: ConnectionId,
        claims: &Claims,
        since: Option<&Positions>,
        receiver: Arc<dyn Receiver>,
    ) -> Result<Attached, Error> {
        let user = self.caller(claims)?;
        if self.stopping {
            self.may_write()?;
        }
        let name = self.name(user).to_owned();
        let generation = claims.generation;
        self.connections
            .insert(connection, Session { user, generation });
        self.presence.opened(user, &name);
        let rooms: Vec<RoomId> = self.state.user(user).rooms.iter().copied().collect();
        let missed = rooms
            .iter()
            .filter_map(|&room| self.missed(user, room, since))
            .collect();
        let welcome = self.welcome(user, &rooms);
        self.effect(Effect::Open {
            connection,
            user,
            rooms,
            receiver,
        });
        Ok(Attached {
            user: name,
            welcome,
            missed,
        })
    }

    fn missed(&self, user: UserId, id: RoomId, since: Option<&Positions>) -> Option<Missed> {
        let room = self.state.room(id);
        let told = since.and_then(|since| since.get(&id)).copied();
        let after = told.unwrap_or(room.members[&user]);
        (after < room.last_seq).then(|| Missed {
            log: LogId::Room(id),
            room: room.name.clone(),
            after,
            through: room.last_seq,
        })
    }

    /// All that it says is as it is now, but nothing long is copied or written out: others wait for this thread.
    fn welcome(&mut self, user: UserId, rooms: &[RoomId]) -> WelcomeFrame {
        let state = &self.state;
        let online = self.presence.online(|user| &state.user(user).name);
        let rooms = rooms.iter().map(|&room| state.listed(room, user)).collect();
        let welcome = Welcome {
            user: &state.user(user).public(),
            users: &self.people.etag(),
            version: env!("CARGO_PKG_VERSION"),
        };
        welcome.with(rooms, online)
    }

    pub fn disconnect(&mut self, connection: ConnectionId) {
        if let Some(session) = self.connections.remove(&connection)
            && is_alive(&self.state, &session)
        {
            self.presence.closed(session.user);
        }
        self.effect(Effect::Forget { connection });
    }

    /// The names of those who have a connection now, as JSON.
    pub fn online(&mut self) -> Vec<u8> {
        let state = &self.state;
        self.presence.online(|user| &state.user(user).name).json()
    }

    /// Tells everybody who came and who went since the last time.
    pub fn announce_presence(&mut self) {
        let (came, went) = self.presence.take_changes();
        if came.is_empty() && went.is_empty() {
            return;
        }
        let online: Vec<&str> = came.iter().map(|&user| self.name(user)).collect();
        let offline: Vec<&str> = went.iter().map(|&user| self.name(user)).collect();
        let frame = text_frame(
            "Presence",
            &Presence {
                online: &online,
                offline: &offline,
            },
        );
        self.send(Audience::Everyone, frame);
    }

    /// Carries out a frame; the reply goes to its connection, with its `id`. Where that was signed out meanwhile, the
    /// reply finds nobody, unless the signing out was not made durable: then it asks to send the frame again.
    pub fn frame(
        &mut self,
        connection: ConnectionId,
        id: Option<String>,
        action: UserAction,
        looked_up: LookedUp,
    ) -> Reply {
        // Who asks for a list gets one, with an `id` or without.
        let wants_answer = id.is_some() || matches!(action, UserAction::ListUsers);
        let answer = self
            .user_of(connection)
            .and_then(|user| self.act(user, connection, id.as_deref(), action, looked_up));
        let answer = match answer {
            Ok(answer) => wants_answer.then_some(answer),
            Err(error) => Some(error_frame(&error, id.as_deref())),
        };
        if let Some(frame) = &answer {
            self.send(Audience::Connection(connection), frame.clone());
        }
        Reply::Frame { connection, id }
    }

    fn act(
        &mut self,
        user: UserId,
        from: ConnectionId,
        id: Option<&str>,
        action: UserAction,
        looked_up: LookedUp,
    ) -> Result<Frame, Error> {
        match action {
            UserAction::Message(mut request) => {
                request.id = id.map(str::to_owned);
                let posted = self.post(user, NewMessage { request, looked_up })?;
                let data = MessageAck {
                    room: self.room_name(posted.room),
                    seq: posted.seq,
                    timestamp: posted.timestamp,
                };
                Ok(ack(&data, id))
            }
            UserAction::Read(request) => {
                let (room, seq) = self.read(user, from, &request.room, request.seq)?;
                let room = self.room_name(room);
                Ok(ack(&ReadPosition { room, seq }, id))
            }
            UserAction::Typing(request) => {
                self.typing(user, &request.room)?;
                Ok(empty_ack(id))
            }
            UserAction::Create(request) => {
                let room = self.create_room(user, request)?;
                Ok(ack(&self.room_for(room, user), id))
            }
            UserAction::Join(room) => {
                let room = self.join(user, &room)?;
                Ok(ack(&self.room_for(room, user), id))
            }
            UserAction::Leave(room) => {
                let room = self.leave(user, &room)?;
                let room = self.room_name(room);
                Ok(ack(&RoomOnly { room }, id))
            }
            UserAction::Add { room, user: added } => {
                let (room, added) = self.add_user(user, &room, &added)?;
                let (room, added) = (self.room_name(room), self.name(added));
                Ok(ack(&AddedOne { room, added }, id))
            }
            UserAction::Report(issue) => {
                let name = self.name(user).to_owned();
                self.report(name, true, issue)?;
                Ok(empty_ack(id))
            }
            UserAction::ListUsers
            | UserAction::History(_)
            | UserAction::Hello(_)
            | UserAction::Ping => {
                unreachable!("the connection's own thread answers these")
            }
        }
    }
}

fn ack<T: Serialize>(data: &T, id: Option<&str>) -> Frame {
    reply_frame("Ack", data, id)
}

/// The `Ack` of what makes nothing to tell of.
pub fn empty_ack(id: Option<&str>) -> Frame {
    ack(&serde_json::Map::new(), id)
}
