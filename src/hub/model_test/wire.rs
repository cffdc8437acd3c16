//! Commands as requests, for the hub and for the rules; frames as JSON.

use super::rules::Answer;
use super::world::World;
use super::{Do, IDS, PEOPLE, ROOMS};
use crate::hub::NewMessage;
use crate::hub::core::Core;
use crate::hub::effect::{Audience, ConnectionId, Effect};
use crate::model::{Event, State, UserId};
use crate::protocol::{CreateRequest, Error, Frame, RoomKind, SERVER_NAME};
use crate::store::{Data, Record};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn kind_of(private: bool) -> RoomKind {
    match private {
        true => RoomKind::Private,
        false => RoomKind::Public,
    }
}

fn people(which: &[usize]) -> Vec<&'static str> {
    which.iter().map(|&who| PEOPLE[who]).collect()
}

/// As an HTTP handler has the hub act; the answer as a frame's `Ack` would hold it.
pub fn act(
    core: &mut Core,
    user: UserId,
    what: &Do,
    new: Option<NewMessage>,
) -> Result<Value, Error> {
    match what {
        Do::Create(room, private, others) => {
            let request = CreateRequest {
                name: ROOMS[*room].to_owned(),
                kind: Some(kind_of(*private)),
                users: Some(people(others).into_iter().map(str::to_owned).collect()),
            };
            let room = core.create_room(user, request)?;
            Ok(json!(core.room_for(room, user)))
        }
        Do::Direct(others) => {
            let others: Vec<String> = people(others).into_iter().map(str::to_owned).collect();
            let (room, created) = core.direct_room(user, &others)?;
            Ok(json!({"created": created, "room": core.room_for(room, user)}))
        }
        Do::Add(room, other) => {
            let (room, other) = core.add_user(user, ROOMS[*room], PEOPLE[*other])?;
            Ok(json!({"room": core.room_name(room), "added": core.name(other)}))
        }
        Do::Join(room) => {
            let room = core.join(user, ROOMS[*room])?;
            Ok(json!(core.room_for(room, user)))
        }
        Do::Leave(room) => {
            let room = core.leave(user, ROOMS[*room])?;
            Ok(json!({"room": core.room_name(room)}))
        }
        Do::Post(..) => {
            let posted = core.post(user, new.expect("a message to post"))?;
            let room = core.room_name(posted.room);
            Ok(json!({"room": room, "seq": posted.seq, "timestamp": posted.timestamp}))
        }
        Do::Read(..) | Do::Typing(_) => unreachable!("over a connection only"),
    }
}

/// The same by the rules.
pub fn follow_rule(world: &mut World, who: usize, connection: Option<u64>, what: &Do) -> Answer {
    match what {
        Do::Create(room, private, others) => {
            world.create(who, ROOMS[*room], kind_of(*private), &people(others))
        }
        Do::Direct(others) => world.direct(who, &people(others)),
        Do::Add(room, other) => world.add(who, ROOMS[*room], PEOPLE[*other]),
        Do::Join(room) => world.join(who, ROOMS[*room]),
        Do::Leave(room) => world.leave(who, ROOMS[*room]),
        Do::Post(room, id, replaces, _) => {
            world.post(who, ROOMS[*room], id.map(|id| IDS[id]), *replaces)
        }
        Do::Read(room, seq) => {
            let connection = connection.expect("over a connection only");
            world.read(who, connection, ROOMS[*room], *seq)
        }
        Do::Typing(room) => world.typing(who, ROOMS[*room]),
    }
}

/// The same as a frame from a client, its `id` left out.
pub fn request(what: &Do) -> Value {
    let (action, data) = match what {
        Do::Create(room, private, others) => (
            "Create",
            json!({"name": ROOMS[*room], "kind": kind_of(*private), "users": people(others)}),
        ),
        Do::Add(room, other) => ("Add", json!([ROOMS[*room], PEOPLE[*other]])),
        Do::Join(room) => ("Join", json!(ROOMS[*room])),
        Do::Leave(room) => ("Leave", json!(ROOMS[*room])),
        Do::Post(room, _, replaces, _) => (
            "Message",
            json!({"room": ROOMS[*room], "content": "x", "replaces": replaces}),
        ),
        Do::Read(room, seq) => ("Read", json!({"room": ROOMS[*room], "seq": seq})),
        Do::Typing(room) => ("Typing", json!({"room": ROOMS[*room]})),
        Do::Direct(_) => unreachable!("over HTTP only"),
    };
    json!({"action": action, "data": data})
}

/// The one frame that answers, taken from the effects.
pub fn take_answer(effects: &mut Vec<Effect>, connection: u64) -> Option<Value> {
    let to_it = |effect: &Effect| {
        let only = Audience::Connection(ConnectionId(connection));
        matches!(effect, Effect::Send { to, .. } if *to == only)
    };
    let at = effects.iter().position(to_it)?;
    let Effect::Send { frame, .. } = effects.remove(at) else {
        unreachable!("it is a frame");
    };
    assert!(!effects.iter().any(to_it), "one answer");
    Some(plain(payload(&frame)))
}

/// The frame that must tell this answer; a success without an `id` is not told.
pub fn frame_of(answer: Answer, id: Option<&str>) -> Option<Value> {
    let mut frame = match (answer, id) {
        (Ok(_), None) => return None,
        (Ok(data), _) => json!({"action": "Ack", "data": data}),
        (Err(code), _) => json!({"action": "Error", "data": code.word()}),
    };
    if let Some(id) = id {
        frame["id"] = json!(id);
    }
    Some(frame)
}

pub fn payload(frame: &Frame) -> Value {
    let header = match frame.bytes()[1] {
        126 => 4,
        _ => 2,
    };
    serde_json::from_slice(&frame.bytes()[header..]).expect("a frame is JSON")
}

/// Without the words: an error is its code, and what was said does not count.
pub fn plain(mut frame: Value) -> Value {
    if frame["action"] == "Error" {
        frame["data"] = frame["data"]["code"].take();
    }
    if frame["action"] == "Message" {
        let message = frame["data"]
            .as_object_mut()
            .expect("a message is an object");
        let is_event = message.remove("event").is_some();
        assert_eq!(is_event, message["sender"] == SERVER_NAME);
        message.remove("content");
    }
    frame
}

/// Connection by connection, each in its order.
pub fn in_order(mut heard: Vec<(u64, Value)>) -> Vec<(u64, Value)> {
    heard.sort_by_key(|(connection, _)| *connection);
    heard
}

pub fn names(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("a list of names").iter();
    list.map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Makes true what a record says, as a start does.
pub fn replay(state: &mut State, record: &Record) {
    let json = match &record.data {
        Data::Message(line) => line.json(),
        Data::Json(json) => json,
    };
    let json = std::str::from_utf8(json).expect("a record is UTF-8");
    let event = Event::decode(record.event, json).expect("a record is an event");
    state.apply(&event).expect("it fits what came before");
}
