//! The wire: every JSON body and WebSocket frame, both ways, and nothing else.
//!
//! Owns the shapes, the names of errors, and what makes a name, a password or a content valid. Knows no state,
//! no socket and no file. `docs/protocol.md` says the same in words; `tests/fixtures/frames.jsonl` holds one of each.

mod error;
mod frame;
mod looks;
mod names;
mod pieces;
mod request;
mod room_list;
mod welcome;

pub use error::{Code, Error};
pub use frame::{Frame, MessageFrame, reply_frame, text_frame};
pub use names::{
    RESERVED_NAMES, SERVER_NAME, check_content, check_new_room_name, check_new_user_name,
    check_password, check_report, check_room_name, check_user_name, fold,
};
pub use pieces::Pieces;
pub use request::{
    ClientFrame, CreateRequest, CredentialsRequest, Hello, HistoryRequest, MessageRequest,
    PasswordRequest, ReadRequest, ReportRequest, TypingRequest, UserAction, parse_body,
    parse_client_frame,
};
pub use room_list::{ListedRoom, rooms_json};
pub use welcome::{NameList, Welcome, WelcomeFrame};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, by the server's clock.
pub type Millis = u64;
/// A message's place in its room: 1, 2, 3 … without gaps. 0 stands before the first.
pub type Seq = u64;

/// A person, as everybody may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub display_name: String,
    pub admin: bool,
    pub active: bool,
}

/// Who may find and read a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Anyone may find, read and join it.
    Public,
    /// Only its members know of it.
    Private,
    /// A fixed set of people; nobody is added and nobody leaves.
    Direct,
}

/// A room, as one of its members (or, where public, anybody) sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub name: String,
    pub kind: RoomKind,
    pub topic: String,
    pub member_count: usize,
    /// The members' names in the order in which they came, where there are at most
    /// [`crate::limits::LISTED_MEMBERS`] of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    pub last_seq: Seq,
    /// The caller's read position; for somebody who is not a member, 0.
    pub read_seq: Seq,
    pub created: Millis,
    pub creator: String,
}

/// A message: what a person wrote, or what the server announces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub room: String,
    pub seq: Seq,
    pub sender: String,
    pub content: String,
    pub timestamp: Millis,
    /// The sender's own reference, by which a repetition is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The sender's earlier message whose text this one replaces; what was said stays in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Seq>,
    /// In answers: when the text was replaced, by the newest message that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Millis>,
    /// On messages from [`SERVER_NAME`]: what happened, for clients that put it in their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<RoomEvent>,
}

/// What a message from the server announces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RoomEvent {
    Created { user: String, users: Vec<String> },
    Joined { user: String },
    Added { user: String, users: Vec<String> },
    Left { user: String },
}

impl RoomEvent {
    /// The sentence that clients show which know nothing of events.
    pub fn sentence(&self) -> String {
        match self {
            RoomEvent::Created { user, users } if users.is_empty() => {
                format!("{user} created the room")
            }
            RoomEvent::Created { user, users } => {
                format!("{user} created the room and added {}", join_names(users))
            }
            RoomEvent::Joined { user } => format!("{user} joined the room"),
            RoomEvent::Added { user, users } => format!("{user} added {}", join_names(users)),
            RoomEvent::Left { user } => format!("{user} left the room"),
        }
    }
}

/// Up to ten names in a sentence, then how many more there are: a message's content has a bound.
fn join_names(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A report to whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub seq: Seq,
    /// Who reported: the token's user, or what an anonymous reporter called themselves.
    pub name: String,
    /// Whether `name` was proved by a token.
    pub signed_in: bool,
    pub issue: String,
    pub timestamp: Millis,
}

/// Data of `Gap`: between `after` and `before` (neither included) there are messages to fetch.
#[derive(Serialize)]
pub struct Gap<'a> {
    pub room: &'a str,
    pub after: Seq,
    pub before: Seq,
}

/// Data of a `Message`'s `Ack`.
#[derive(Serialize)]
pub struct MessageAck<'a> {
    pub room: &'a str,
    pub seq: Seq,
    pub timestamp: Millis,
}

/// Data of `Read`, as a frame to the user's other connections and as an `Ack`.
#[derive(Serialize)]
pub struct ReadPosition<'a> {
    pub room: &'a str,
    pub seq: Seq,
}

/// Data of `Added`.
#[derive(Serialize)]
pub struct Added<'a> {
    pub room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adder: Option<&'a str>,
    pub added: &'a [&'a str],
}

/// Data of `Left` and of `Typing`.
#[derive(Serialize)]
pub struct RoomAndUser<'a> {
    pub room: &'a str,
    pub user: &'a str,
}

/// Data of an `Add`'s `Ack`.
#[derive(Serialize)]
pub struct AddedOne<'a> {
    pub room: &'a str,
    pub added: &'a str,
}

/// Data of a `Leave`'s `Ack`.
#[derive(Serialize)]
pub struct RoomOnly<'a> {
    pub room: &'a str,
}

/// Data of `Presence`: the changes since the last one.
#[derive(Serialize)]
pub struct Presence<'a> {
    pub online: &'a [&'a str],
    pub offline: &'a [&'a str],
}

/// The answer to signing in, registering, renewing and changing the password.
#[derive(Serialize)]
pub struct SignedIn<'a> {
    pub token: &'a str,
    pub user: &'a User,
}
