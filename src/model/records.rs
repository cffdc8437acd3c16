//! Users and rooms as `state.json` and the journal hold them: by name, complete, readable.

use super::{Contradiction, Replaced, Room, State, User};
use crate::protocol::{Millis, RoomKind, Seq};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    pub name: String,
    pub display_name: String,
    /// A PHC string: argon2id with its parameters, salt and hash.
    pub password: String,
    pub generation: u32,
    pub admin: bool,
    pub active: bool,
    pub created: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecord {
    pub name: String,
    pub kind: RoomKind,
    pub topic: String,
    pub creator: String,
    pub created: Millis,
    pub last_seq: Seq,
    /// Read position by user name.
    pub members: BTreeMap<String, Seq>,
    /// Messages whose text was replaced, and the newest message that did.
    #[serde(default, skip_serializing_if = "Replaced::is_empty")]
    pub replaced: Replaced,
}

impl From<&UserRecord> for User {
    fn from(record: &UserRecord) -> User {
        User {
            name: record.name.clone(),
            display_name: record.display_name.clone(),
            password: record.password.clone(),
            generation: record.generation,
            admin: record.admin,
            active: record.active,
            created: record.created,
            rooms: BTreeSet::new(),
        }
    }
}

impl From<&User> for UserRecord {
    fn from(user: &User) -> UserRecord {
        UserRecord {
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            password: user.password.clone(),
            generation: user.generation,
            admin: user.admin,
            active: user.active,
            created: user.created,
        }
    }
}

impl State {
    /// Everything, in the order of the ids: users, rooms, the last report's number.
    pub fn to_records(&self) -> (Vec<UserRecord>, Vec<RoomRecord>, Seq) {
        let users = self.users.iter().map(UserRecord::from).collect();
        let rooms = self.rooms.iter().map(|room| self.record_of(room)).collect();
        (users, rooms, self.last_report)
    }

    fn record_of(&self, room: &Room) -> RoomRecord {
        let member = |(&user, &read)| (self.user(user).name.clone(), read);
        RoomRecord {
            name: room.name.to_string(),
            kind: room.kind,
            topic: room.topic.clone(),
            creator: room.creator.clone(),
            created: room.created,
            last_seq: room.last_seq,
            members: room.members.iter().map(member).collect(),
            replaced: (*room.replaced).clone(),
        }
    }

    /// The reverse of [`State::to_records`]. A name twice, an unknown member, or no `general` is a contradiction.
    pub fn from_records(
        users: &[UserRecord],
        rooms: &[RoomRecord],
        last_report: Seq,
    ) -> Result<State, Contradiction> {
        let mut state = State::empty();
        state.last_report = last_report;
        for user in users {
            if state.find_user(&user.name).is_some() {
                return Err(Contradiction(format!(
                    "the user {:?} stands twice",
                    user.name
                )));
            }
            state.insert_user(User::from(user));
        }
        for record in rooms {
            if state.find_room(&record.name).is_some() {
                return Err(Contradiction(format!(
                    "the room {:?} stands twice",
                    record.name
                )));
            }
            let room = state.room_from(record)?;
            state.insert_room(room);
        }
        if state.find_room(super::GENERAL).is_none() {
            return Err(Contradiction("there is no room \"general\"".to_owned()));
        }
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;
    use crate::protocol::{Message, SERVER_NAME};

    fn announcement(room: &str, seq: Seq) -> Message {
        Message {
            room: room.into(),
            seq,
            sender: SERVER_NAME.into(),
            content: "something happened".into(),
            timestamp: 5,
            id: None,
            replaces: None,
            edited: None,
            event: None,
        }
    }

    fn with_user(state: &mut State, name: &str) {
        let seq = state.room(state.find_room("general").unwrap()).last_seq + 1;
        let user = UserRecord {
            name: name.into(),
            display_name: name.into(),
            password: "$argon2id$".into(),
            generation: 0,
            admin: false,
            active: true,
            created: 1,
        };
        let event = Event::UserCreated {
            user,
            announcement: announcement("general", seq),
        };
        state.apply(&event).unwrap();
    }

    #[test]
    fn records_rebuild_the_state() {
        let mut state = State::new(1);
        with_user(&mut state, "Eva");
        with_user(&mut state, "mira");
        let room = RoomRecord {
            name: "Front Office".into(),
            kind: RoomKind::Direct,
            topic: String::new(),
            creator: "Eva".into(),
            created: 2,
            last_seq: 0,
            members: [("Eva".to_owned(), 0), ("mira".to_owned(), 0)].into(),
            replaced: Replaced::default(),
        };
        state
            .apply(&Event::RoomCreated {
                room,
                announcement: None,
            })
            .unwrap();
        let (users, rooms, reports) = state.to_records();
        assert_eq!(State::from_records(&users, &rooms, reports).unwrap(), state);
        assert!(state.find_room("front OFFICE").is_some());
    }

    fn created(name: &str, last_seq: Seq, announcement: Option<Message>) -> Event {
        let room = RoomRecord {
            name: name.into(),
            kind: RoomKind::Public,
            topic: String::new(),
            creator: "Eva".into(),
            created: 2,
            last_seq,
            members: BTreeMap::new(),
            replaced: Replaced::default(),
        };
        Event::RoomCreated { room, announcement }
    }

    #[test]
    fn nothing_follows_the_greatest_number() {
        let state = State::new(1);
        let (users, mut rooms, _) = state.to_records();
        rooms[0].last_seq = Seq::MAX;
        let mut state = State::from_records(&users, &rooms, Seq::MAX).unwrap();
        for seq in [0, 1, Seq::MAX] {
            let message = Event::Message(announcement("general", seq));
            assert!(state.apply(&message).is_err(), "{seq}");
        }
    }

    #[test]
    fn contradictions_change_nothing() {
        let mut state = State::new(1);
        with_user(&mut state, "Eva");
        let before = state.clone();
        let read = |seq| Event::Read {
            room: "general".into(),
            user: "Eva".into(),
            seq,
        };
        for event in [
            Event::Message(announcement("general", 3)),
            Event::Message(announcement("nowhere", 1)),
            read(2),
            Event::MemberLeft {
                room: "general".into(),
                user: "x".into(),
                announcement: announcement("general", 2),
            },
            created("end", u64::MAX, None),
            created("other", 0, Some(announcement("general", 2))),
            created("other", 0, Some(announcement("other", 2))),
        ] {
            assert!(state.apply(&event).is_err(), "{event:?}");
            assert_eq!(state, before);
        }
        assert!(state.apply(&read(1)).is_ok());
    }

    #[test]
    fn events_survive_their_line() {
        for event in [
            Event::Message(announcement("general", 2)),
            Event::Read {
                room: "general".into(),
                user: "Eva".into(),
                seq: 1,
            },
        ] {
            let (name, data) = event.encode();
            let data = String::from_utf8(data).unwrap();
            assert_eq!(Event::decode(name, &data).unwrap(), event);
        }
        assert!(Event::decode("Fly", "{}").is_err());
    }
}
