//! Deciding about messages: who may send, which number a message gets, how far somebody has read, who types.

use super::core::Core;
use super::effect::Audience;
use super::effect::ConnectionId;
use super::read_model::Change;
use super::recent::Known;
use crate::model::{Event, LogId, RoomId, UserId};
use crate::protocol::{
    Code, Error, Frame, Message, MessageFrame, MessageRequest, Millis, ReadPosition, RoomAndUser,
    Seq, fold, text_frame,
};
use crate::store::{Append, Data, Record};

/// A message to be sent, and what the sender's thread found of its `id` in the segments.
#[derive(Debug)]
pub struct NewMessage {
    pub request: MessageRequest,
    pub looked_up: LookedUp,
}

/// What the store's segments say of an `id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// The room that was looked into, if the sender's thread knew it.
    pub log: Option<LogId>,
    pub found: Option<(Seq, Millis)>,
    /// Everything up to here was looked at.
    pub covered: Seq,
    /// With `replaces`: what was found there.
    pub original: Original,
}

/// The message whose text another one is to replace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Original {
    /// There is none, or it is itself the new text of another.
    #[default]
    None,
    /// The sender's own.
    Own,
    /// Somebody else's.
    Foreign,
}

/// Where a message stands: just now, or since its first sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    pub room: RoomId,
    pub seq: Seq,
    pub timestamp: Millis,
}

impl Core {
    pub fn post(&mut self, user: UserId, new: NewMessage) -> Result<Posted, Error> {
        let NewMessage { request, looked_up } = new;
        request.check()?;
        let room = self.own_room(user, &request.room)?;
        if let Some(sender) = &request.sender
            && fold(sender) != fold(self.name(user))
        {
            let message = "\"sender\" is not you. Leave it out, or sign in as that user.";
            return Err(Error::new(Code::Forbidden, message));
        }
        if let Some(id) = &request.id
            && let Some((seq, timestamp)) = self.sent_before(room, user, id, looked_up)?
        {
            return Ok(Posted {
                room,
                seq,
                timestamp,
            });
        }
        if request.replaces.is_some() {
            check_original(looked_up, room)?;
        }
        self.may_write()?;
        self.take_from_bucket(user)?;
        Ok(self.append_message(room, user, request))
    }

    fn sent_before(
        &self,
        room: RoomId,
        user: UserId,
        id: &str,
        looked: LookedUp,
    ) -> Result<Option<(Seq, Millis)>, Error> {
        let looked_here = looked.log == Some(LogId::Room(room));
        if let (true, Some(found)) = (looked_here, looked.found) {
            return Ok(Some(found));
        }
        let covered = if looked_here { looked.covered } else { 0 };
        match self.recent.find(room, user, id, covered) {
            Known::New => Ok(None),
            Known::Stored(seq, timestamp) => Ok(Some((seq, timestamp))),
            Known::LookAgain => {
                let message =
                    "The server was busy with older messages. Send this again with the same id.";
                Err(Error::new(Code::Overloaded, message))
            }
        }
    }

    fn take_from_bucket(&mut self, user: UserId) -> Result<(), Error> {
        let now = self.now.instant;
        let Some(buckets) = self.buckets_of(user) else {
            return Ok(());
        };
        buckets.messages.take(now).map_err(|wait| {
            Error::rate_limited(
                "You are sending too fast. Wait a moment and send this again.",
                wait,
            )
        })
    }

    /// The path of every message: no look-up by name twice, one encoding for the journal and all who receive it.
    fn append_message(&mut self, room: RoomId, user: UserId, request: MessageRequest) -> Posted {
        let replaces = request.replaces;
        let seq = self.state.advance(room, replaces);
        let timestamp = self.now.millis;
        let message = Message {
            room: self.room_name(room).to_owned(),
            seq,
            sender: self.name(user).to_owned(),
            content: request.content,
            timestamp,
            id: request.id,
            replaces,
            edited: None,
            event: None,
        };
        let line = MessageFrame::new(&message);
        if let Some(id) = &message.id {
            self.recent.insert(room, user, id, seq, timestamp);
        }
        self.send(Audience::Room(room), line.frame().clone());
        let append = Append {
            log: LogId::Room(room),
            seq,
            timestamp,
            line: line.clone(),
        };
        let record = Record {
            event: "Message",
            data: Data::Message(line),
            append: Some(append),
        };
        self.stage(record, Change::Message(room, replaces));
        Posted {
            room,
            seq,
            timestamp,
        }
    }

    /// Moves a read position forward; answers where it stands.
    pub fn read(
        &mut self,
        user: UserId,
        from: ConnectionId,
        room: &str,
        seq: Seq,
    ) -> Result<(RoomId, Seq), Error> {
        let id = self.own_room(user, room)?;
        let target = self.state.room(id);
        let stands = target.members[&user];
        let wanted = seq.min(target.last_seq);
        if wanted <= stands {
            return Ok((id, stands));
        }
        self.may_write()?;
        let room = target.name.to_string();
        let frame = text_frame(
            "Read",
            &ReadPosition {
                room: &room,
                seq: wanted,
            },
        );
        self.decide(Event::Read {
            room,
            user: self.name(user).to_owned(),
            seq: wanted,
        });
        self.send(Audience::OthersOfUser(user, from), frame);
        Ok((id, wanted))
    }

    /// Tells the others in the room; beyond the user's rate nobody is told, which is no error.
    pub fn typing(&mut self, user: UserId, room: &str) -> Result<(), Error> {
        let id = self.own_room(user, room)?;
        let now = self.now.instant;
        if self
            .buckets_of(user)
            .is_some_and(|buckets| buckets.typing.take(now).is_err())
        {
            return Ok(());
        }
        let frame: Frame = {
            let (room, user) = (&self.state.room(id).name, self.name(user));
            text_frame("Typing", &RoomAndUser { room, user })
        };
        self.send(Audience::OthersInRoom(id, user), frame);
        Ok(())
    }
}

/// Only one's own text is replaced, and the original is named, however often that happens.
fn check_original(looked_up: LookedUp, room: RoomId) -> Result<(), Error> {
    match looked_up.original {
        Original::Own if looked_up.log == Some(LogId::Room(room)) => Ok(()),
        Original::Foreign => {
            let message = "That message is somebody else's. You can change your own.";
            Err(Error::new(Code::Forbidden, message))
        }
        Original::Own | Original::None => {
            let message = "There is no message of this number here whose text can be replaced.";
            Err(Error::new(Code::BadRequest, message))
        }
    }
}
