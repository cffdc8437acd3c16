//! Deciding about rooms: creating, direct ones, adding, joining, leaving.

use super::core::Core;
use super::effect::{Audience, Effect};
use crate::model::{Event, GENERAL, RoomId, RoomRecord, UserId};
use crate::protocol::{
    Added, Code, CreateRequest, Error, RoomAndUser, RoomEvent, RoomKind, check_new_room_name,
    text_frame,
};
use std::collections::BTreeSet;

impl Core {
    pub fn create_room(&mut self, user: UserId, request: CreateRequest) -> Result<RoomId, Error> {
        check_new_room_name(&request.name)?;
        let kind = request.kind.unwrap_or(RoomKind::Public);
        if kind == RoomKind::Direct {
            let message = "A direct room has no name: ask for it with POST /chat/direct and the people in it.";
            return Err(Error::new(Code::BadRequest, message));
        }
        if self.state.find_room(&request.name).is_some() {
            return Err(room_exists(&request.name));
        }
        let mut others = BTreeSet::new();
        for name in request.users.iter().flatten() {
            others.insert(self.state.user_named(name)?);
        }
        others.remove(&user);
        self.may_write()?;
        self.count_change(user)?;
        let event = RoomEvent::Created {
            user: self.name(user).to_owned(),
            users: self.names(&others),
        };
        others.insert(user);
        Ok(self.make_room(user, request.name, kind, &others, Some(event)))
    }

    /// The direct room of exactly these people and the caller, and whether it is new.
    pub fn direct_room(&mut self, user: UserId, users: &[String]) -> Result<(RoomId, bool), Error> {
        let mut people = BTreeSet::from([user]);
        for name in users {
            people.insert(self.state.user_named(name)?);
        }
        if let Some(room) = self.state.find_direct(&people) {
            return Ok((room, false));
        }
        self.may_write()?;
        self.count_change(user)?;
        let name = self.free_direct_name();
        Ok((
            self.make_room(user, name, RoomKind::Direct, &people, None),
            true,
        ))
    }

    /// Direct rooms share the names of all rooms; somebody may have taken the first choice.
    fn free_direct_name(&self) -> String {
        let number = self.state.next_room().0 as usize;
        let mut names = (number..).map(|n| format!("direct-{n}"));
        names
            .find(|name| self.state.find_room(name).is_none())
            .expect("numbers do not end")
    }

    fn make_room(
        &mut self,
        creator: UserId,
        name: String,
        kind: RoomKind,
        people: &BTreeSet<UserId>,
        event: Option<RoomEvent>,
    ) -> RoomId {
        let announcement = event.map(|event| self.announce(name.clone(), 1, event));
        let read = announcement.as_ref().map_or(0, |message| message.seq);
        let members = people
            .iter()
            .map(|&member| (self.name(member).to_owned(), read))
            .collect();
        let creator_name = self.name(creator).to_owned();
        let record = RoomRecord {
            name,
            kind,
            topic: String::new(),
            creator: creator_name.clone(),
            created: self.now.millis,
            last_seq: 0,
            members,
            replaced: Default::default(),
        };
        let fields = vec![
            ("room", record.name.clone()),
            ("kind", kind_word(kind)),
            ("creator", creator_name),
        ];
        self.decide(Event::RoomCreated {
            room: record,
            announcement,
        });
        let id = self
            .state
            .find_room(&fields[0].1)
            .expect("the room was just created");
        self.directory_insert(id);
        for &member in people {
            self.effect(Effect::Enter {
                room: id,
                user: member,
            });
            let frame = text_frame("Room", &self.room_for(id, member));
            self.send(Audience::User(member), frame);
        }
        self.send_added(
            id,
            Some(creator),
            &people.iter().copied().collect::<Vec<_>>(),
        );
        self.send_staged_message(id);
        self.log("room_created", fields);
        id
    }

    pub fn add_user(
        &mut self,
        user: UserId,
        room: &str,
        added: &str,
    ) -> Result<(RoomId, UserId), Error> {
        let id = self.own_room(user, room)?;
        if self.state.room(id).kind == RoomKind::Direct {
            return Err(direct_is_fixed());
        }
        let other = self.state.user_named(added)?;
        if self.state.room(id).has(other) {
            let message = format!("{} is in the room already.", self.name(other));
            return Err(Error::new(Code::AlreadyMember, message));
        }
        self.may_write()?;
        self.count_change(user)?;
        let (adder, name) = (self.name(user).to_owned(), self.name(other).to_owned());
        self.enter(
            id,
            other,
            Some(user),
            RoomEvent::Added {
                user: adder,
                users: vec![name],
            },
        );
        Ok((id, other))
    }

    pub fn join(&mut self, user: UserId, room: &str) -> Result<RoomId, Error> {
        let id = self.visible_room(user, room)?;
        if !self.state.room(id).has(user) {
            self.may_write()?;
            self.count_change(user)?;
            let name = self.name(user).to_owned();
            self.enter(id, user, None, RoomEvent::Joined { user: name });
        }
        Ok(id)
    }

    fn enter(&mut self, id: RoomId, user: UserId, adder: Option<UserId>, event: RoomEvent) {
        let announcement = self.announcement(id, event);
        let (room, name) = (self.room_name(id).to_owned(), self.name(user).to_owned());
        self.decide(Event::MembersAdded {
            room: room.clone(),
            users: vec![name.clone()],
            announcement,
        });
        self.effect(Effect::Enter { room: id, user });
        let frame = text_frame("Room", &self.room_for(id, user));
        self.send(Audience::User(user), frame);
        self.send_added(id, adder, &[user]);
        self.send_staged_message(id);
        self.log("room_entered", vec![("room", room), ("user", name)]);
    }

    pub fn leave(&mut self, user: UserId, room: &str) -> Result<RoomId, Error> {
        let id = self.own_room(user, room)?;
        let (name, kind) = (self.room_name(id).to_owned(), self.state.room(id).kind);
        if name == GENERAL {
            let message = "Everybody is in \"general\"; nobody leaves it.";
            return Err(Error::new(Code::Forbidden, message));
        }
        if kind == RoomKind::Direct {
            return Err(direct_is_fixed());
        }
        self.may_write()?;
        self.count_change(user)?;
        let leaver = self.name(user).to_owned();
        let announcement = self.announcement(
            id,
            RoomEvent::Left {
                user: leaver.clone(),
            },
        );
        self.decide(Event::MemberLeft {
            room: name.clone(),
            user: leaver.clone(),
            announcement,
        });
        let left = text_frame(
            "Left",
            &RoomAndUser {
                room: &name,
                user: &leaver,
            },
        );
        self.send(Audience::Room(id), left);
        self.effect(Effect::Exit { room: id, user });
        self.send_staged_message(id);
        self.log("room_left", vec![("room", name), ("user", leaver)]);
        Ok(id)
    }

    /// Each change puts a message into a room, or makes one, for good; so they have a rate too.
    fn count_change(&mut self, user: UserId) -> Result<(), Error> {
        let now = self.now.instant;
        let Some(buckets) = self.buckets_of(user) else {
            return Ok(());
        };
        buckets.rooms.take(now).map_err(|wait| {
            Error::rate_limited(
                "You are changing rooms too fast. Wait a moment and try again.",
                wait,
            )
        })
    }

    fn send_added(&mut self, id: RoomId, adder: Option<UserId>, added: &[UserId]) {
        let frame = {
            let added: Vec<&str> = added.iter().map(|&user| self.name(user)).collect();
            let adder = adder.map(|user| self.name(user));
            text_frame(
                "Added",
                &Added {
                    room: &self.state.room(id).name,
                    adder,
                    added: &added,
                },
            )
        };
        self.send(Audience::Room(id), frame);
    }

    /// The announcement that the staged event carries, to everybody who is in the room now.
    pub(super) fn send_staged_message(&mut self, room: RoomId) {
        if let Some(frame) = self.staged_message() {
            self.send(Audience::Room(room), frame);
        }
    }

    fn names(&self, users: &BTreeSet<UserId>) -> Vec<String> {
        users
            .iter()
            .map(|&user| self.name(user).to_owned())
            .collect()
    }
}

fn kind_word(kind: RoomKind) -> String {
    match kind {
        RoomKind::Public => "public",
        RoomKind::Private => "private",
        RoomKind::Direct => "direct",
    }
    .to_owned()
}

fn room_exists(name: &str) -> Error {
    Error::new(
        Code::RoomExists,
        format!("The room name {name:?} is taken. Choose another one."),
    )
}

fn direct_is_fixed() -> Error {
    let message =
        "A direct room belongs to the people it was made for: nobody is added and nobody leaves.";
    Error::new(Code::Forbidden, message)
}
