//! What follows from a decision once it is durable: frames for audiences, changes of who hears what, answers.
//!
//! The hub makes effects, the journal carries them without looking inside, the fan-out carries them out. None of
//! them knows what a socket is: a connection is a [`Receiver`].

use super::read_model::Change;
use super::turns::Turn;
use crate::model::{RoomId, UserId};
use crate::protocol::{Code, Error, Frame, reply_frame};
use std::sync::Arc;

/// A WebSocket connection; never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The sending end of a connection, as the fan-out sees it.
///
/// 1. `push` never blocks. 2. It never reorders: frames leave in the order in which they were pushed.
/// 3. A receiver that falls behind beyond its bound is cut off, and nobody else notices.
pub trait Receiver: Send + Sync {
    /// `joined` is the bytes of all `frames`, one after the other.
    fn push(&self, frames: &[SharedFrame], joined: &[u8]);
    /// Sends a close frame behind everything that was pushed; what is pushed later is dropped.
    fn close(&self, code: u16, reason: &str);
}

/// A frame that is sent to so many: what waits of it is in memory once for all of them.
#[derive(Clone)]
pub struct SharedFrame {
    pub frame: Frame,
    /// At least one; an estimate will do.
    pub receivers: u32,
}

impl SharedFrame {
    /// One that nobody else receives.
    pub fn own(frame: &Frame) -> SharedFrame {
        SharedFrame {
            frame: frame.clone(),
            receivers: 1,
        }
    }
}

/// Who receives a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Connection(ConnectionId),
    /// All connections of a user.
    User(UserId),
    /// All connections of the user but one.
    OthersOfUser(UserId, ConnectionId),
    /// All connections of all members.
    Room(RoomId),
    /// All connections of all members but this one's.
    OthersInRoom(RoomId, UserId),
    Everyone,
}

/// A line for `log.txt`: the event's name, and keys with values.
pub type LogLine = (&'static str, Vec<(&'static str, String)>);

/// One thing that the fan-out does.
pub enum Effect {
    Send {
        to: Audience,
        frame: Frame,
    },
    /// From here on the connection hears what its user and these rooms hear.
    Open {
        connection: ConnectionId,
        user: UserId,
        rooms: Vec<RoomId>,
        receiver: Arc<dyn Receiver>,
    },
    /// The connection is gone.
    Forget {
        connection: ConnectionId,
    },
    /// From here on the user's connections hear the room.
    Enter {
        room: RoomId,
        user: UserId,
    },
    /// From here on they do not.
    Exit {
        room: RoomId,
        user: UserId,
    },
    /// Closes and forgets all connections of a user.
    CloseUser {
        user: UserId,
        code: u16,
        reason: &'static str,
    },
    /// Closes everybody: the server stops.
    CloseAll {
        code: u16,
        reason: &'static str,
    },
}

/// Whom to tell how a command ended.
pub enum Reply {
    /// A connection's thread that waits: told whether what was decided is durable.
    Call(Box<dyn FnOnce(Result<(), Error>) + Send>),
    /// A frame's connection: its answer is among the effects; where they are void, it gets an `Error` with the `id`.
    Frame {
        connection: ConnectionId,
        id: Option<String>,
    },
}

/// What one command led to.
#[derive(Default)]
pub struct Outcome {
    /// For the read model, ahead of all that follows.
    pub change: Option<Change>,
    pub effects: Vec<Effect>,
    pub reply: Option<Reply>,
    pub log: Option<LogLine>,
    /// Of the frame that led to it; dropped when its effects are carried out.
    pub turn: Option<Turn>,
}

impl Outcome {
    /// What remains of an outcome that was decided but could not be made durable: its caller is told, and
    /// connections that are gone are forgotten. Where nothing had to be made durable and nobody waits (presence,
    /// typing), it stands as it is.
    pub fn unmade(mut self, had_record: bool) -> Outcome {
        self.change = None;
        let Some(reply) = self.reply.take() else {
            if had_record {
                self.effects
                    .retain(|effect| matches!(effect, Effect::Forget { .. }));
                self.log = None;
            }
            return self;
        };
        let error = storage_failed();
        let mut effects = Vec::new();
        match reply {
            Reply::Call(tell) => tell(Err(error)),
            Reply::Frame { connection, id } => effects.push(Effect::Send {
                to: Audience::Connection(connection),
                frame: error_frame(&error, id.as_deref()),
            }),
        }
        Outcome {
            effects,
            turn: self.turn,
            ..Outcome::default()
        }
    }
}

/// What a caller is told whose command could not be made durable.
pub fn storage_failed() -> Error {
    Error::new(
        Code::StorageFailed,
        "The server cannot write to its disk now. Nothing is lost that was confirmed; send this again later, \
         with the same id.",
    )
}

/// An `Error` frame, with the `id` of the frame that it answers.
pub fn error_frame(error: &Error, id: Option<&str>) -> Frame {
    let data = serde_json::value::RawValue::from_string(
        String::from_utf8(error.to_json()).expect("JSON is UTF-8"),
    )
    .expect("an error's JSON is JSON");
    reply_frame("Error", &data, id)
}
