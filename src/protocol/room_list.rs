//! `[Room]`, put together when it is sent.
//!
//! Somebody's rooms may be thousands, each with the names of a hundred members, and everybody else in them is sent the same
//! names. So all of a room that everybody sees alike is one piece of JSON, which all lists share; a list adds what
//! changes with each message and each reader.

use super::pieces::{Part, Pieces};
use super::{Millis, Room, RoomKind, Seq};
use serde::Serialize;
use std::iter::{once, repeat};
use std::sync::Arc;

/// What all who may see a [`Room`] see alike: all but `last_seq` and `read_seq`.
#[derive(Serialize)]
struct SharedRoom<'a> {
    name: &'a str,
    kind: RoomKind,
    topic: &'a str,
    member_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<&'a [String]>,
    created: Millis,
    creator: &'a str,
}

/// A room in a list for one person.
#[derive(Clone, Debug)]
pub struct ListedRoom {
    /// What [`ListedRoom::shared`] gave.
    pub shared: Arc<str>,
    pub last_seq: Seq,
    pub read_seq: Seq,
}

impl ListedRoom {
    /// Of a room as one sees it who may see it: the beginning of its JSON in everybody's list.
    pub fn shared(room: &Room) -> Arc<str> {
        let shared = SharedRoom {
            name: &room.name,
            kind: room.kind,
            topic: &room.topic,
            member_count: room.member_count,
            members: room.members.as_deref(),
            created: room.created,
            creator: &room.creator,
        };
        let mut json = serde_json::to_string(&shared).expect("protocol types always serialise");
        // More fields follow.
        json.pop();
        json.into()
    }

    /// What follows the shared piece.
    fn own(&self) -> String {
        let (last, read) = (self.last_seq, self.read_seq);
        format!(r#","last_seq":{last},"read_seq":{read}}}"#)
    }
}

impl From<&Room> for ListedRoom {
    fn from(room: &Room) -> ListedRoom {
        ListedRoom {
            shared: ListedRoom::shared(room),
            last_seq: room.last_seq,
            read_seq: room.read_seq,
        }
    }
}

/// `[Room]` in parts, of which only the short ones are its own; those are made when they are due.
pub fn room_parts(rooms: Vec<ListedRoom>) -> impl Iterator<Item = Part> {
    let commas = once("").chain(repeat(","));
    let parts = rooms.into_iter().zip(commas).flat_map(|(room, comma)| {
        let own = room.own();
        [
            Part::Fixed(comma),
            Part::Shared(room.shared),
            Part::Own(own),
        ]
    });
    let bracket = |bracket| once(Part::Fixed(bracket));
    bracket("[").chain(parts).chain(bracket("]"))
}

/// How many bytes the [`room_parts`] have together.
pub fn rooms_length(rooms: &[ListedRoom]) -> usize {
    let lengths = rooms
        .iter()
        .map(|room| room.shared.len() + room.own().len());
    "[]".len() + lengths.sum::<usize>() + rooms.len().saturating_sub(1)
}

/// `[Room]`
pub fn rooms_json(rooms: Vec<ListedRoom>) -> Pieces {
    let length = rooms_length(&rooms);
    Pieces::new(Vec::new(), room_parts(rooms), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, members: Option<&[&str]>) -> Room {
        Room {
            name: name.to_owned(),
            kind: RoomKind::Private,
            topic: "\"quoted\"\n\u{e9}".to_owned(),
            member_count: 7,
            members: members.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            last_seq: Seq::MAX,
            read_seq: Seq::MAX - 1,
            created: Millis::MAX,
            creator: "Eva".to_owned(),
        }
    }

    #[test]
    fn a_list_of_pieces_is_a_list_of_rooms() {
        let rooms = [
            room("large", None),
            room("empty", Some(&[])),
            room("small", Some(&["Eva", "\u{d6}mer"])),
        ];
        for count in 0..=rooms.len() {
            let listed: Vec<ListedRoom> = rooms[..count].iter().map(ListedRoom::from).collect();
            let pieces = rooms_json(listed);
            let length = pieces.length();
            let json = pieces.into_bytes();
            assert_eq!(json.len(), length);
            let read: Vec<Room> = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, rooms[..count]);
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(value, serde_json::json!(rooms[..count]), "field by field");
        }
    }
}
