//! What can happen, and what each event changes.

use super::{Contradiction, LogId, Room, RoomId, RoomRecord, State, User, UserId, UserRecord};
use crate::protocol::{Message, Millis, Report, Seq, fold};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One change of the state; a line of the journal. A change and its announcement are one event, so that a crash
/// never leaves the one without the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data")]
pub enum Event {
    /// A new user, who is in `general` from now on.
    UserCreated {
        user: UserRecord,
        announcement: Message,
    },
    PasswordChanged {
        user: String,
        password: String,
        generation: u32,
    },
    SignedOutEverywhere {
        user: String,
        generation: u32,
    },
    /// `room.members` holds everybody who is in it from the start; `last_seq` is 0.
    RoomCreated {
        room: RoomRecord,
        announcement: Option<Message>,
    },
    MembersAdded {
        room: String,
        users: Vec<String>,
        announcement: Message,
    },
    MemberLeft {
        room: String,
        user: String,
        announcement: Message,
    },
    Message(Message),
    Read {
        room: String,
        user: String,
        seq: Seq,
    },
    Report(Report),
}

/// A line that an event adds to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    pub log: LogId,
    pub seq: Seq,
    pub timestamp: Millis,
    /// The message or report as JSON.
    pub json: Vec<u8>,
}

/// The sender's reference of a message that was stored lately, by which a repetition is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentId {
    pub room: RoomId,
    pub sender: UserId,
    pub id: String,
    pub seq: Seq,
    pub timestamp: Millis,
}

impl Event {
    /// From the two fields of a journal line. The error says what does not fit.
    pub fn decode(event: &str, data: &str) -> Result<Event, serde_json::Error> {
        // Nearly every line is a message: replaying a full journal is bound by this path.
        if event == "Message" {
            return serde_json::from_str(data).map(Event::Message);
        }
        let text = format!(
            r#"{{"event":{},"data":{data}}}"#,
            serde_json::Value::from(event)
        );
        serde_json::from_str(&text)
    }

    /// The two fields of a journal line: the event's name and its data as JSON.
    pub fn encode(&self) -> (&'static str, Vec<u8>) {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            data: &'a serde_json::value::RawValue,
        }
        let line = serde_json::to_vec(self).expect("events always serialise");
        let line: Line<'_> = serde_json::from_slice(&line).expect("an event's JSON has data");
        (self.name(), line.data.get().as_bytes().to_vec())
    }

    /// The name by which the journal knows it.
    pub fn name(&self) -> &'static str {
        match self {
            Event::UserCreated { .. } => "UserCreated",
            Event::PasswordChanged { .. } => "PasswordChanged",
            Event::SignedOutEverywhere { .. } => "SignedOutEverywhere",
            Event::RoomCreated { .. } => "RoomCreated",
            Event::MembersAdded { .. } => "MembersAdded",
            Event::MemberLeft { .. } => "MemberLeft",
            Event::Message(_) => "Message",
            Event::Read { .. } => "Read",
            Event::Report(_) => "Report",
        }
    }

    /// The message or report that the event adds to a log, as JSON.
    pub fn log_json(&self) -> Option<Vec<u8>> {
        let json = match (self, self.message()) {
            (Event::Report(report), _) => serde_json::to_vec(report),
            (_, Some(message)) => serde_json::to_vec(message),
            (_, None) => return None,
        };
        Some(json.expect("messages and reports always serialise"))
    }

    /// The message that the event puts into a room, if it does.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Event::UserCreated { announcement, .. }
            | Event::MembersAdded { announcement, .. }
            | Event::MemberLeft { announcement, .. } => Some(announcement),
            Event::RoomCreated { announcement, .. } => announcement.as_ref(),
            Event::Message(message) => Some(message),
            Event::PasswordChanged { .. }
            | Event::SignedOutEverywhere { .. }
            | Event::Read { .. }
            | Event::Report(_) => None,
        }
    }
}

impl State {
    /// Makes `event` true. Fails, with nothing changed, where it contradicts what is true.
    pub fn apply(&mut self, event: &Event) -> Result<(), Contradiction> {
        match event {
            Event::UserCreated { user, announcement } => {
                self.apply_user_created(user, announcement)
            }
            Event::PasswordChanged {
                user,
                password,
                generation,
            } => {
                let id = self.known_user(user)?;
                let user = &mut self.users[id.0 as usize];
                user.password.clone_from(password);
                user.generation = *generation;
                Ok(())
            }
            Event::SignedOutEverywhere { user, generation } => {
                let id = self.known_user(user)?;
                self.users[id.0 as usize].generation = *generation;
                Ok(())
            }
            Event::RoomCreated { room, announcement } => {
                self.apply_room_created(room, announcement.as_ref())
            }
            Event::MembersAdded {
                room,
                users,
                announcement,
            } => {
                let id = self.known_room(room)?;
                let users = users
                    .iter()
                    .map(|name| self.known_user(name))
                    .collect::<Result<Vec<_>, _>>()?;
                self.apply_message(announcement)?;
                for user in users {
                    self.add_member(id, user, announcement.seq);
                }
                Ok(())
            }
            Event::MemberLeft {
                room,
                user,
                announcement,
            } => {
                let id = self.known_room(room)?;
                let user = self.known_user(user)?;
                self.apply_message(announcement)?;
                self.rooms[id.0 as usize].leave(user);
                self.users[user.0 as usize].rooms.remove(&id);
                Ok(())
            }
            Event::Message(message) => self.apply_message(message),
            Event::Read { room, user, seq } => {
                let id = self.known_room(room)?;
                let user = self.known_user(user)?;
                self.set_read(id, user, *seq)
            }
            Event::Report(report) => {
                if !follows(report.seq, self.last_report) {
                    return Err(Contradiction(format!(
                        "report {} follows report {}",
                        report.seq, self.last_report
                    )));
                }
                self.last_report = report.seq;
                Ok(())
            }
        }
    }

    fn apply_user_created(
        &mut self,
        record: &UserRecord,
        announcement: &Message,
    ) -> Result<(), Contradiction> {
        if self.find_user(&record.name).is_some() {
            return Err(Contradiction(format!(
                "the user {:?} is created twice",
                record.name
            )));
        }
        self.apply_message(announcement)?;
        let general = self.known_room(&announcement.room)?;
        let id = self.insert_user(User::from(record));
        self.add_member(general, id, announcement.seq);
        Ok(())
    }

    fn apply_room_created(
        &mut self,
        record: &RoomRecord,
        announcement: Option<&Message>,
    ) -> Result<(), Contradiction> {
        if self.find_room(&record.name).is_some() {
            return Err(Contradiction(format!(
                "the room {:?} is created twice",
                record.name
            )));
        }
        let room = self.room_from(record)?;
        let is_first =
            |message: &Message| message.seq == 1 && fold(&message.room) == fold(&record.name);
        if record.last_seq != 0 || !announcement.is_none_or(is_first) {
            return Err(Contradiction(format!(
                "the room {:?} is not empty when it is created",
                record.name
            )));
        }
        self.insert_room(room);
        announcement.map_or(Ok(()), |message| self.apply_message(message))
    }

    /// Sequence numbers have no gaps: the message must be the next of its room.
    fn apply_message(&mut self, message: &Message) -> Result<(), Contradiction> {
        let id = self.known_room(&message.room)?;
        let room = &mut self.rooms[id.0 as usize];
        if !follows(message.seq, room.last_seq) {
            return Err(Contradiction(format!(
                "in the room {:?} message {} follows message {}",
                room.name, message.seq, room.last_seq
            )));
        }
        if message
            .replaces
            .is_some_and(|original| original >= message.seq)
        {
            return Err(Contradiction(format!(
                "in the room {:?} message {} replaces a later one",
                room.name, message.seq
            )));
        }
        room.advance(message.replaces);
        Ok(())
    }

    /// Moves a read position; only forward, and never beyond the last message.
    fn set_read(&mut self, room: RoomId, user: UserId, seq: Seq) -> Result<(), Contradiction> {
        let room = &mut self.rooms[room.0 as usize];
        let last = room.last_seq;
        match room.members.get_mut(&user) {
            Some(read) if seq <= last => {
                *read = seq.max(*read);
                Ok(())
            }
            Some(_) => Err(Contradiction(format!(
                "the room {:?} is read beyond its end",
                room.name
            ))),
            None => Err(Contradiction(format!(
                "the room {:?} is read by somebody who is not in it",
                room.name
            ))),
        }
    }

    fn add_member(&mut self, room: RoomId, user: UserId, read: Seq) {
        self.rooms[room.0 as usize].enter(user, read);
        self.users[user.0 as usize].rooms.insert(room);
    }

    pub(super) fn known_user(&self, name: &str) -> Result<UserId, Contradiction> {
        self.find_user(name)
            .ok_or_else(|| Contradiction(format!("there is no user {name:?}")))
    }

    fn known_room(&self, name: &str) -> Result<RoomId, Contradiction> {
        self.find_room(name)
            .ok_or_else(|| Contradiction(format!("there is no room {name:?}")))
    }

    /// Where an applied event stands in a log: which log, at which `seq`, of when.
    pub fn place_of(&self, event: &Event) -> Option<(LogId, Seq, Millis)> {
        if let Event::Report(report) = event {
            return Some((LogId::Reports, report.seq, report.timestamp));
        }
        let message = event.message()?;
        let room = self.find_room(&message.room)?;
        Some((LogId::Room(room), message.seq, message.timestamp))
    }

    /// The line that an applied event adds to a log, for a replay; the hub has it encoded already.
    pub fn append_of(&self, event: &Event) -> Option<Append> {
        let (log, seq, timestamp) = self.place_of(event)?;
        let json = event.log_json()?;
        Some(Append {
            log,
            seq,
            timestamp,
            json,
        })
    }

    /// The sender's reference that an applied event carries.
    pub fn recent_id_of(&self, event: &Event) -> Option<RecentId> {
        let Event::Message(message) = event else {
            return None;
        };
        Some(RecentId {
            room: self.find_room(&message.room)?,
            sender: self.find_user(&message.sender)?,
            id: message.id.clone()?,
            seq: message.seq,
            timestamp: message.timestamp,
        })
    }
}

/// The next without a gap; nothing follows the greatest number.
fn follows(seq: Seq, last: Seq) -> bool {
    last.checked_add(1) == Some(seq)
}

/// The room as it stands when its creating event is applied.
impl State {
    pub(super) fn room_from(&self, record: &RoomRecord) -> Result<Room, Contradiction> {
        let mut room = Room::new(&record.name, record.kind, &record.creator, record.created);
        room.topic.clone_from(&record.topic);
        room.last_seq = record.last_seq;
        room.replaced = Arc::new(record.replaced.clone());
        for (name, &read) in &record.members {
            let user = self.known_user(name)?;
            room.members.insert(user, read);
        }
        Ok(room)
    }
}
