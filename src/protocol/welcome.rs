//! `Welcome`, put together when it is sent.
//!
//! It names everybody who is online, and one's rooms with their members. When thousands come back at once, each of them is
//! told the thousands: so the names lie in pieces that all these frames share, and only a frame that is being sent has
//! bytes of its own.

use super::frame::push_text_frame;
use super::{ListedRoom, RoomParts, User};
use serde::Serialize;
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

    fn parts(&self) -> impl Iterator<Item = &str> + Clone {
        let full = self.full.iter().map(|piece| &**piece);
        full.chain([self.open.as_str()])
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
        let mut data = serde_json::to_vec(self).expect("protocol types always serialise");
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
    data: Vec<u8>,
    rooms: Vec<ListedRoom>,
    online: NameList,
}

impl WelcomeFrame {
    /// Appends the frame, header included.
    pub fn push_to(&self, bytes: &mut Vec<u8>) {
        let rooms = RoomParts::of(&self.rooms);
        let names = self.online.parts().map(str::as_bytes);
        let before = [
            br#"{"action":"Welcome","data":"#,
            &*self.data,
            br#","rooms":"#,
        ];
        let parts = before.into_iter().chain(rooms.iter());
        let parts = parts.chain([&br#","online":["#[..]]).chain(names);
        push_text_frame(bytes, parts.chain([&b"]}}"[..]]));
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
}
