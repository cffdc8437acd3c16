//! What one may ask of a state: who calls, what they may see and read. Asked of the state that the hub decides on, and of
//! the durable one that every thread reads. Changes nothing.

use super::accounts::{Account, Credentials};
use super::core::{Session, is_alive, shown, signed_out};
use super::sessions::Positions;
use crate::auth::token::Claims;
use crate::limits;
use crate::model::{LogId, Readable, RoomId, State, UserId};
use crate::protocol::{Code, Error, ListedRoom, Room, Seq};

impl State {
    /// The user of a token, if it is alive.
    pub fn caller(&self, claims: &Claims) -> Result<UserId, Error> {
        let id = self.find_user(&claims.sub).ok_or_else(signed_out)?;
        let session = Session {
            user: id,
            generation: claims.generation,
        };
        if is_alive(self, &session) {
            Ok(id)
        } else {
            Err(signed_out())
        }
    }

    pub fn name(&self, user: UserId) -> &str {
        &self.user(user).name
    }

    /// The user of that name, ignoring case.
    pub fn user_named(&self, name: &str) -> Result<UserId, Error> {
        let unknown = || {
            let message = format!("There is no user {}.", shown(name));
            Error::new(Code::UserNotFound, message)
        };
        self.find_user(name).ok_or_else(unknown)
    }

    /// Adds what a client has: names that it made up are left out, and of several forms of a name the exact one counts. Each
    /// name is looked up once, so that a long list costs its length and not that of the list of rooms as well.
    pub fn add_positions(
        &self,
        since: impl Iterator<Item = (String, Seq)>,
        positions: &mut Positions,
    ) {
        for (name, seq) in since {
            let Some(room) = self.find_room(&name) else {
                continue;
            };
            if *name == *self.room(room).name {
                positions.insert(room, seq);
            } else {
                positions.entry(room).or_insert(seq);
            }
        }
    }

    /// A room that the user may know of: public, or their own.
    pub fn visible_room(&self, user: UserId, name: &str) -> Result<RoomId, Error> {
        match self.find_room(name) {
            Some(id) if self.room(id).is_public() || self.room(id).has(user) => Ok(id),
            _ => Err(room_not_found(name)),
        }
    }

    /// A room that the user is in.
    pub fn own_room(&self, user: UserId, name: &str) -> Result<RoomId, Error> {
        let id = self.visible_room(user, name)?;
        if self.room(id).has(user) {
            return Ok(id);
        }
        let message = format!("You are not in the room {name:?}. Join it first.");
        Err(Error::new(Code::Forbidden, message))
    }

    /// A room as this user sees it.
    pub fn room_for(&self, id: RoomId, user: UserId) -> Room {
        let room = self.room(id);
        let few = room.members.len() <= limits::LISTED_MEMBERS;
        let names = || {
            room.members
                .keys()
                .map(|&member| self.name(member).to_owned())
                .collect()
        };
        let members = (few && (room.is_public() || room.has(user))).then(names);
        Room {
            name: room.name.to_string(),
            kind: room.kind,
            topic: room.topic.clone(),
            member_count: room.members.len(),
            members,
            last_seq: room.last_seq,
            read_seq: room.read_by(user),
            created: room.created,
            creator: room.creator.clone(),
        }
    }

    /// The same for a list, of a room that this user may see: cheap, however many members it has.
    pub fn listed(&self, id: RoomId, user: UserId) -> ListedRoom {
        let room = self.room(id);
        debug_assert!(room.is_public() || room.has(user), "all lists share it");
        let make = || ListedRoom::shared(&self.room_for(id, user));
        ListedRoom {
            shared: room.shown.get_or_make(make),
            last_seq: room.last_seq,
            read_seq: room.read_by(user),
        }
    }

    pub fn public_rooms(&self) -> Vec<RoomId> {
        let public = self.rooms().filter(|(_, room)| room.is_public());
        public.map(|(id, _)| id).collect()
    }

    pub fn members(&self, user: UserId, name: &str) -> Result<Vec<String>, Error> {
        let room = self.room(self.visible_room(user, name)?);
        Ok(room
            .members
            .keys()
            .map(|&member| self.name(member).to_owned())
            .collect())
    }

    pub fn credentials(&self, name: &str) -> Option<Credentials> {
        let user = self.user(self.find_user(name)?);
        Some(Credentials {
            name: user.name.clone(),
            phc: user.password.clone(),
            generation: user.generation,
        })
    }

    pub fn account(&self, user: UserId) -> Account {
        let user = self.user(user);
        Account {
            user: user.public(),
            generation: user.generation,
        }
    }

    pub fn inhabited(&self) -> bool {
        !self.users().is_empty()
    }

    pub fn user_exists(&self, name: &str) -> bool {
        self.find_user(name).is_some()
    }

    /// A room's log and name, for one who may read it.
    pub fn readable(&self, user: UserId, room: &str) -> Result<Readable, Error> {
        Ok(self.readable_room(self.visible_room(user, room)?))
    }

    fn readable_room(&self, id: RoomId) -> Readable {
        let room = self.room(id);
        Readable {
            log: LogId::Room(id),
            name: room.name.clone(),
            last_seq: room.last_seq,
            replaced: room.replaced.clone(),
        }
    }

    /// The logs to search: one room of the user's, or all of them.
    pub fn searchable(&self, user: UserId, room: Option<&str>) -> Result<Vec<Readable>, Error> {
        if let Some(room) = room {
            return Ok(vec![self.readable_room(self.own_room(user, room)?)]);
        }
        Ok(self
            .user(user)
            .rooms
            .iter()
            .map(|&room| self.readable_room(room))
            .collect())
    }

    pub fn may_read_reports(&self, user: UserId) -> Result<(), Error> {
        if self.user(user).admin {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "Only the admin reads reports."))
    }
}

/// The same words for a room that does not exist and one that the caller may not know of.
fn room_not_found(name: &str) -> Error {
    Error::new(
        Code::RoomNotFound,
        format!("There is no room {} that you can see.", shown(name)),
    )
}
