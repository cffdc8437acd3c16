//! `tests/fixtures/frames.jsonl` has one sample of each frame; the server's types read and write exactly these. The
//! client's tests read the same file, so neither side can change a frame alone.

use melangerie::protocol::{
    Added, AddedOne, ClientFrame, Code, Error, Gap, ListedRoom, Message, MessageAck, MessageFrame,
    NameList, Presence, ReadPosition, Room, RoomAndUser, RoomOnly, SERVER_NAME, User, UserAction,
    Welcome, parse_client_frame, reply_frame,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

struct Sample {
    name: String,
    frame: Value,
}

/// The samples of one direction.
fn samples(direction: &str) -> Vec<Sample> {
    let file = include_str!("fixtures/frames.jsonl");
    let all = file.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let name = line["name"].as_str().expect("a name").to_owned();
        let way = line["direction"].as_str().expect("a direction").to_owned();
        assert!(["client", "server"].contains(&way.as_str()), "{name}");
        let frame = line["frame"].clone();
        (way, Sample { name, frame })
    });
    all.filter(|(way, _)| way == direction)
        .map(|(_, sample)| sample)
        .collect()
}

fn actions(samples: &[Sample]) -> BTreeSet<&str> {
    samples
        .iter()
        .filter_map(|sample| sample.frame["action"].as_str())
        .collect()
}

#[test]
fn names_are_unique() {
    for direction in ["client", "server"] {
        let samples = samples(direction);
        let names: BTreeSet<_> = samples.iter().map(|sample| &sample.name).collect();
        assert_eq!(names.len(), samples.len(), "{direction}");
    }
}

#[test]
fn every_action_has_a_sample() {
    let client = samples("client");
    let expected = [
        "Add",
        "Create",
        "Hello",
        "History",
        "Join",
        "Leave",
        "ListUsers",
        "Ping",
        "Message",
        "Read",
        "Report",
        "Typing",
    ];
    assert_eq!(actions(&client), BTreeSet::from(expected));
    let server = samples("server");
    let expected = [
        "Ack", "Added", "Error", "Gap", "History", "Left", "List", "Message", "Presence", "Read",
        "Room", "Typing", "User", "Welcome",
    ];
    assert_eq!(actions(&server), BTreeSet::from(expected));
}

#[test]
fn every_client_frame_is_understood() {
    for sample in samples("client") {
        let bytes = serde_json::to_vec(&sample.frame).unwrap();
        let ClientFrame { id, action } = parse_client_frame(&bytes);
        let action = action.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        assert_eq!(
            id.as_deref(),
            sample.frame["id"].as_str(),
            "{}",
            sample.name
        );
        let (name, data) = understood(&action);
        assert_eq!(name, sample.frame["action"], "{}", sample.name);
        let mut expected = sample.frame.get("data").cloned().unwrap_or(Value::Null);
        if let Some(fields) = expected.as_object_mut() {
            // Accepted and not used: the server's clock counts.
            fields.remove("timestamp");
        }
        assert_eq!(data, expected, "{}", sample.name);
    }
}

/// What the server understood, in JSON again: nothing is lost and nothing is invented.
fn understood(action: &UserAction) -> (&'static str, Value) {
    match action {
        UserAction::Hello(hello) => (
            "Hello",
            present(json!({"token": hello.token, "since": hello.since})),
        ),
        UserAction::Message(m) => (
            "Message",
            present(json!({"room": m.room, "content": m.content, "sender": m.sender})),
        ),
        UserAction::Read(read) => ("Read", json!({"room": read.room, "seq": read.seq})),
        UserAction::Typing(typing) => ("Typing", json!({"room": typing.room})),
        UserAction::Create(create) => (
            "Create",
            present(json!({"name": create.name, "kind": create.kind, "users": create.users})),
        ),
        UserAction::Join(room) => ("Join", json!(room)),
        UserAction::Leave(room) => ("Leave", json!(room)),
        UserAction::Add { room, user } => ("Add", json!([room, user])),
        UserAction::History(h) => (
            "History",
            present(
                json!({"room": h.room, "before": h.before, "after": h.after, "limit": h.limit}),
            ),
        ),
        UserAction::Ping => ("Ping", Value::Null),
        UserAction::ListUsers => ("ListUsers", Value::Null),
        UserAction::Report(issue) => ("Report", json!(issue)),
    }
}

/// Without the fields that are absent.
fn present(mut data: Value) -> Value {
    let fields = data.as_object_mut().expect("an object");
    fields.retain(|_, value| !value.is_null());
    data
}

#[test]
fn every_server_frame_is_what_the_server_writes() {
    for sample in samples("server") {
        let Some(action) = sample.frame["action"].as_str() else {
            continue;
        };
        let data = &sample.frame["data"];
        let id = sample.frame["id"].as_str();
        let written = match action {
            "Ack" => frame_of_ack(&sample.name, data, id),
            "Message" => {
                let message: Message = read(data);
                payload(MessageFrame::new(&message).frame().bytes())
            }
            _ => frame_of(action, &sample.name, data, id),
        };
        assert_eq!(written, sample.frame, "{}", sample.name);
    }
}

fn frame_of(action: &str, name: &str, data: &Value, id: Option<&str>) -> Value {
    let room = data["room"].as_str().unwrap_or_default();
    let user = data["user"].as_str().unwrap_or_default();
    match action {
        "Welcome" => welcome(data),
        "Gap" => {
            let (after, before) = (number(&data["after"]), number(&data["before"]));
            write(
                action,
                &Gap {
                    room,
                    after,
                    before,
                },
                id,
            )
        }
        "Error" => {
            let error: Value = serde_json::from_slice(&error(data).to_json()).unwrap();
            write(action, &error, id)
        }
        "Room" => write(action, &read::<Room>(data), id),
        "Added" => {
            let (adder, added) = (data["adder"].as_str(), &*texts(&data["added"]));
            write(action, &Added { room, adder, added }, id)
        }
        "Left" | "Typing" => write(action, &RoomAndUser { room, user }, id),
        "Read" => {
            let seq = number(&data["seq"]);
            write(action, &ReadPosition { room, seq }, id)
        }
        "Presence" => {
            let (online, offline) = (&*texts(&data["online"]), &*texts(&data["offline"]));
            write(action, &Presence { online, offline }, id)
        }
        "User" => write(action, &read::<User>(data), id),
        "List" => write(action, &read::<Vec<User>>(data), id),
        "History" => {
            let messages: Vec<Message> = read(&data["messages"]);
            let more = data["more"].as_bool().expect("more");
            let page = json!({"room": room, "messages": messages, "more": more});
            write(action, &page, id)
        }
        _ => panic!("{name} has no type"),
    }
}

fn frame_of_ack(name: &str, data: &Value, id: Option<&str>) -> Value {
    let room = data["room"].as_str().unwrap_or_default();
    let seq = data["seq"].as_u64().unwrap_or_default();
    match name.strip_prefix("Ack of ").expect("an Ack says of what") {
        "Hello, Typing and Report" => write("Ack", &json!({}), id),
        "Message" => {
            let timestamp = number(&data["timestamp"]);
            let ack = MessageAck {
                room,
                seq,
                timestamp,
            };
            write("Ack", &ack, id)
        }
        "Create and Join" => write("Ack", &read::<Room>(data), id),
        "Add" => {
            let added = data["added"].as_str().expect("added");
            write("Ack", &AddedOne { room, added }, id)
        }
        "Leave" => write("Ack", &RoomOnly { room }, id),
        "Read" => write("Ack", &ReadPosition { room, seq }, id),
        other => panic!("there is no Ack of {other}"),
    }
}

/// `Welcome` is put together when it is sent.
fn welcome(data: &Value) -> Value {
    let user: User = read(&data["user"]);
    let rooms: Vec<Room> = read(&data["rooms"]);
    let mut online = NameList::default();
    texts(&data["online"])
        .iter()
        .for_each(|name| online.push(name));
    let welcome = Welcome {
        user: &user,
        users: data["users"].as_str().expect("users"),
        version: data["version"].as_str().expect("version"),
    };
    let rooms = rooms.iter().map(ListedRoom::from).collect();
    let bytes = welcome.with(rooms, online).into_pieces().into_bytes();
    payload(&bytes)
}

fn error(data: &Value) -> Error {
    let message = data["message"].as_str().expect("a message");
    let code = match data["code"].as_str().expect("a code") {
        "bad_json" => Code::BadJson,
        "room_not_found" => Code::RoomNotFound,
        "rate_limited" => {
            return Error::rate_limited(
                message,
                Duration::from_millis(number(&data["retry_after_ms"])),
            );
        }
        other => panic!("no sample has the code {other}"),
    };
    Error::new(code, message)
}

#[test]
fn the_types_themselves_round_trip() {
    let mut seen = 0;
    for sample in samples("server") {
        let written = match sample.name.split_once(" type") {
            Some(("User", _)) => round_trip::<User>(&sample.frame),
            Some(("Room", _)) => round_trip::<Room>(&sample.frame),
            Some(("Message", _)) => round_trip::<Message>(&sample.frame),
            _ => continue,
        };
        assert_eq!(written, sample.frame, "{}", sample.name);
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn announcements_say_what_their_event_says() {
    let mut kinds = BTreeSet::new();
    for sample in samples("server") {
        let data = &sample.frame["data"];
        let Some(kind) = data["event"]["kind"].as_str() else {
            continue;
        };
        kinds.insert(kind.to_owned());
        let message: Message = read(data);
        assert_eq!(message.sender, SERVER_NAME);
        assert_eq!(
            Some(message.content),
            message.event.map(|event| event.sentence())
        );
    }
    let expected = ["added", "created", "joined", "left"].map(str::to_owned);
    assert_eq!(kinds, BTreeSet::from(expected));
}

fn read<T: DeserializeOwned>(data: &Value) -> T {
    serde_json::from_value(data.clone()).unwrap_or_else(|e| panic!("{e}: {data}"))
}

fn round_trip<T: DeserializeOwned + Serialize>(data: &Value) -> Value {
    serde_json::to_value(read::<T>(data)).unwrap()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn texts(value: &Value) -> Vec<&str> {
    let texts = value.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().expect("a text")).collect()
}

fn write<T: Serialize + ?Sized>(action: &str, data: &T, id: Option<&str>) -> Value {
    payload(reply_frame(action, data, id).bytes())
}

/// The JSON in a frame of a server (RFC 6455, section 5.2: unmasked).
fn payload(frame: &[u8]) -> Value {
    assert_eq!(frame[0], 0x81, "a final text frame");
    let (length, start) = match frame[1] {
        126 => (usize::from(u16::from_be_bytes([frame[2], frame[3]])), 4),
        short => (usize::from(short), 2),
    };
    assert_eq!(frame.len(), start + length);
    serde_json::from_slice(&frame[start..]).unwrap()
}
