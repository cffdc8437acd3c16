//! `Welcome`, put together when it is sent.
//!
//! It names everybody who is online, and one's rooms with their members. When thousands come back at once, each of them is
//! told the thousands: so the names lie in pieces that all these frames share, and of a frame that is being sent only
//! what is next has bytes of its own. Somebody in thousands of rooms is told megabytes, on as many connections as they
//! please, and need not read.

use super::frame::text_header;
use super::pieces::{Part, Pieces};
use super::room_list::{room_parts, rooms_length};
use super::{ListedRoom, User};
use serde::Serialize;
use std::iter::once;
use std::sync::Arc;

/// A piece of a [`NameList`] is full with about so many bytes.
const PIECE_BYTES: usize = 4 * 1024;

/// Names as a JSON array. A clone shares all but the last piece.
#[derive(Clone, Debug, Default)]
pub struct NameList {
    full: Arc<Vec<Arc<str>>>,
    open: String,
}

impl NameList {
    pub fn push(&mut self, name: &str) {
        if self.open.len() >= PIECE_BYTES {
            let piece = std::mem::take(&mut self.open);
            Arc::make_mut(&mut self.full).push(piece.into());
        }
        if !self.open.is_empty() || !self.full.is_empty() {
            self.open.push(',');
        }
        self.open
            .push_str(&serde_json::to_string(name).expect("a string always serialises"));
    }

    /// `["Eva","Ben"]`
    pub fn json(&self) -> Vec<u8> {
        let mut json = b"[".to_vec();
        self.parts()
            .for_each(|part| json.extend_from_slice(part.as_bytes()));
        json.push(b']');
        json
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        let full = self.full.iter().map(|piece| &**piece);
        full.chain([self.open.as_str()])
    }

    fn into_parts(self) -> impl Iterator<Item = Part> {
        let full = self.full;
        let parts = (0..full.len()).map(move |at| Part::Shared(full[at].clone()));
        parts.chain(once(Part::Own(self.open)))
    }
}

/// Data of `Welcome`, the first frame after authentication, all but `rooms` and `online`.
#[derive(Serialize)]
pub struct Welcome<'a> {
    pub user: &'a User,
    /// The `ETag` of `GET /chat/users`.
    pub users: &'a str,
    pub version: &'a str,
}

impl Welcome<'_> {
    pub fn with(&self, rooms: Vec<ListedRoom>, online: NameList) -> WelcomeFrame {
        let mut data = serde_json::to_string(self).expect("protocol types always serialise");
        // More fields follow.
        data.pop();
        WelcomeFrame {
            data,
            rooms,
            online,
        }
    }
}

/// The frame that greets a connection.
#[derive(Debug)]
pub struct WelcomeFrame {
    data: String,
    rooms: Vec<ListedRoom>,
    online: NameList,
}

impl WelcomeFrame {
    /// The frame, header included.
    pub fn into_pieces(self) -> Pieces {
        const BETWEEN: &str = r#","online":["#;
        const AFTER: &str = "]}}";
        let before = format!(r#"{{"action":"Welcome","data":{},"rooms":"#, self.data);
        let names: usize = self.online.parts().map(str::len).sum();
        let around = before.len() + BETWEEN.len() + AFTER.len();
        let payload = around + rooms_length(&self.rooms) + names;
        let parts = once(Part::Own(before)).chain(room_parts(self.rooms));
        let parts = parts.chain(once(Part::Fixed(BETWEEN)));
        let parts = parts.chain(self.online.into_parts());
        let parts = parts.chain(once(Part::Fixed(AFTER)));
        Pieces::new(text_header(payload), parts, payload)
    }
}

#[cfg(test)]
impl WelcomeFrame {
    /// For somebody in so many rooms, each with this topic; the number of a room is that of its last message.
    pub fn of_rooms(rooms: super::Seq, topic: &str, online: NameList) -> WelcomeFrame {
        let room = |seq| ListedRoom {
            shared: format!(r#"{{"name":"room {seq}","topic":"{topic}""#).into(),
            last_seq: seq,
            read_seq: seq / 10,
        };
        let user = User {
            name: "Eva".to_owned(),
            display_name: "Eva".to_owned(),
            admin: false,
            active: true,
        };
        let welcome = Welcome {
            user: &user,
            users: "tag",
            version: "1",
        };
        welcome.with((0..rooms).map(room).collect(), online)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_several_pieces_are_one_array_and_a_clone_stays_as_it_is() {
        let mut list = NameList::default();
        assert_eq!(list.json(), b"[]");
        let names: Vec<String> = (0..2_000).map(|n| format!("user-{n}\u{e9}")).collect();
        names.iter().for_each(|name| list.push(name));
        assert!(list.full.len() > 2, "{}", list.full.len());
        let clone = list.clone();
        list.push("late");
        let read = |list: &NameList| serde_json::from_slice::<Vec<String>>(&list.json()).unwrap();
        assert_eq!(read(&clone), names);
        assert_eq!(read(&list).last().unwrap(), "late");
    }

    #[test]
    fn a_long_frame_comes_in_pieces() {
        const MOST: usize = 5_000;
        /// One of the names.
        const LONGEST: usize = PIECE_BYTES + 20;
        let mut online = NameList::default();
        (0..500).for_each(|n| online.push(&format!("user-{n}")));
        let mut pieces = WelcomeFrame::of_rooms(100, "", online).into_pieces();
        let mut whole = Vec::new();
        loop {
            let mut piece = Vec::new();
            let more = pieces.push_some(&mut piece, MOST);
            // A part that is longer comes alone; else as many come as there is room for.
            assert!(piece.len() <= MOST.max(LONGEST), "{}", piece.len());
            assert!(!more || piece.len() + LONGEST > MOST);
            whole.extend(piece);
            if !more {
                break;
            }
        }
        assert_eq!(pieces.length(), 0);
        let payload = whole.split_off(4);
        assert_eq!(whole, text_header(payload.len()));
        let frame: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(frame["action"], "Welcome");
        let rooms = frame["data"]["rooms"].as_array().unwrap();
        assert_eq!((rooms.len(), &rooms[99]["last_seq"]), (100, &99.into()));
        assert_eq!(frame["data"]["online"].as_array().unwrap().len(), 500);
    }
}
