//! The search against a naive one, over segments and tails.

use super::*;
use crate::model::RoomId;
use crate::protocol::{Message, MessageFrame};
use crate::store::{Append, Data, Entry, Failed, Journal, Options, Record, Sink, open};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

struct Ears(Sender<u64>);

impl Sink<u64> for Ears {
    fn committed(&mut self, batch: Vec<u64>) {
        for then in batch {
            let _ = self.0.send(then);
        }
    }

    fn failed(&mut self, _: Vec<Failed<u64>>, message: &str) {
        panic!("{message}");
    }

    fn rolled_back(&mut self, _: crate::model::State, _: Vec<crate::model::RecentId>, _: u32) {}
    fn recovered(&mut self) {}
    fn folded(&mut self, _: Vec<(LogId, Seq)>) {}
    fn log(&mut self, event: &str, fields: &[(&str, &str)]) {
        panic!("{event} {fields:?}");
    }
}

/// Two rooms; some of their messages in segments, the rest in memory.
struct Office {
    _dir: tempfile::TempDir,
    journal: Journal<u64>,
    reader: Reader,
    heard: Receiver<u64>,
    said: Vec<Message>,
}

const LOGS: [LogId; 2] = [LogId::Room(RoomId(0)), LogId::Room(RoomId(1))];

fn office(contents: &[&str]) -> Office {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        segment_messages: 5,
        segment_bytes: 400,
        ..Options::default()
    };
    let mut office = start(dir, options());
    office.push(r#"{"name":"other","kind":"public","topic":"","creator":"Server","created":1,"last_seq":0,"members":{}}"#);
    let half = contents.len() / 2;
    contents[..half]
        .iter()
        .for_each(|content| office.say(content));
    let said = std::mem::take(&mut office.said);
    office.journal.close().unwrap();
    let mut office = start(office._dir, options());
    office.said = said;
    contents[half..]
        .iter()
        .for_each(|content| office.say(content));
    let last = office.said.len() as u64;
    while office.heard.recv_timeout(PATIENCE).unwrap() != last {}
    office
}

fn start(dir: tempfile::TempDir, options: Options) -> Office {
    let opened = open(dir.path(), options, 1).unwrap();
    let (sender, heard) = channel();
    Office {
        _dir: dir,
        reader: opened.store.reader(),
        journal: opened.store.start(Ears(sender)).unwrap(),
        heard,
        said: Vec::new(),
    }
}

impl Office {
    /// Creates the second room.
    fn push(&mut self, room: &str) {
        let data = format!(r#"{{"room":{room},"announcement":null}}"#);
        self.journal.push(&mut vec![Entry {
            epoch: 0,
            record: Some(Record {
                event: "RoomCreated",
                data: Data::Json(data.into_bytes()),
                append: None,
            }),
            then: 0,
        }]);
    }

    /// By turns in both rooms, now and then by the server.
    fn say(&mut self, content: &str) {
        let count = self.said.len();
        let room = ["general", "other"][count % 2];
        let message = Message {
            room: room.into(),
            seq: 1 + (count / 2) as u64,
            sender: if count % 7 == 6 {
                SERVER_NAME
            } else {
                "content"
            }
            .into(),
            content: content.into(),
            // In the middle the clock is set back, so that neither room has its newest message last.
            timestamp: 100 + (count % 23 / 3) as u64,
            id: Some("general".into()),
            replaces: None,
            edited: None,
            event: None,
        };
        let line = MessageFrame::new(&message);
        let append = Append {
            log: LOGS[count % 2],
            seq: message.seq,
            timestamp: message.timestamp,
            line: line.clone(),
        };
        self.said.push(message);
        self.journal.push(&mut vec![Entry {
            epoch: 0,
            record: Some(Record {
                event: "Message",
                data: Data::Message(line),
                append: Some(append),
            }),
            then: self.said.len() as u64,
        }]);
    }

    fn find(&self, logs: &[LogId], query: &str, limit: u32) -> serde_json::Value {
        let deadline = Instant::now() + PATIENCE;
        let json = search(&self.reader, &rooms(logs), query, limit, deadline).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

/// Rooms in which no text was replaced.
fn rooms(logs: &[LogId]) -> Vec<Readable> {
    let room = |&log| Readable {
        log,
        name: "".into(),
        last_seq: Seq::MAX,
        replaced: Default::default(),
    };
    logs.iter().map(room).collect()
}

const CONTENTS: [&str; 40] = [
    "Hello World",
    "hello again",
    "say \"hello\" twice",
    "back\\slash",
    "two\nlines",
    "\u{212a}elvin",
    "kelvin",
    "İstanbul",
    "istanbul",
    "ΣΊΣΥΦΟΣ",
    "σίσυφος",
    "ÄÖÜ",
    "äöü",
    "Привет, мир",
    "ПРИВЕТ",
    "日本語",
    "nothing",
    "seq",
    "timestamp",
    "\",\"timestamp\":7",
    "content",
    "general",
    "crc",
    "n",
    "\\n",
    "\n",
    "tab\there",
    "\u{1}control",
    "Hello",
    "HELLO",
    "hello",
    "emoji 😀",
    "Straße",
    "STRASSE",
    "Ohm \u{2126}",
    "ohm ω",
    "end",
    "the end",
    "The END",
    "x",
];

#[test]
fn it_finds_what_a_naive_search_finds() {
    let office = office(&CONTENTS);
    for query in CONTENTS.iter().flat_map(|content| {
        [
            content,
            &content[..content.chars().next().unwrap().len_utf8()],
        ]
    }) {
        let mut expected: Vec<&Message> = office.said.iter().collect();
        expected.retain(|message| {
            message.sender != SERVER_NAME && folded(&message.content).contains(&folded(query))
        });
        expected.sort_by_key(|message| Reverse((message.timestamp, message.seq)));
        for limit in [1, 3, 200] {
            let answer = office.find(&LOGS, query, limit);
            assert_eq!(answer["complete"], true);
            assert_eq!(answer["more"], expected.len() > limit as usize, "{query:?}");
            let found: Vec<Message> = serde_json::from_value(answer["messages"].clone()).unwrap();
            let keys = |m: &Message| (m.timestamp, m.seq);
            let most = expected.len().min(limit as usize);
            assert_eq!(
                found.iter().map(keys).collect::<Vec<_>>(),
                expected[..most].iter().map(|m| keys(m)).collect::<Vec<_>>(),
                "{query:?}"
            );
            for message in &found {
                assert!(office.said.contains(message), "{message:?}");
            }
        }
    }
}

fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

#[test]
fn only_the_named_rooms_are_searched() {
    let office = office(&CONTENTS);
    for (index, log) in LOGS.into_iter().enumerate() {
        let answer = office.find(&[log], "e", 200);
        let found = answer["messages"].as_array().unwrap();
        assert!(!found.is_empty());
        assert!(
            found
                .iter()
                .all(|message| message["room"] == ["general", "other"][index])
        );
    }
    assert_eq!(office.find(&[], "e", 5)["messages"], serde_json::json!([]));
    assert_eq!(
        office.find(&[LogId::Room(RoomId(7))], "e", 5)["more"],
        false
    );
}

#[test]
fn nothing_is_found_after_what_one_may_read() {
    let office = office(&CONTENTS);
    let mut rooms = rooms(&LOGS);
    rooms[0].last_seq = 3;
    rooms[1].last_seq = (CONTENTS.len() / 2) as Seq - 3;
    let deadline = Instant::now() + PATIENCE;
    let json = search(&office.reader, &rooms, "e", 200, deadline).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for (index, room) in ["general", "other"].into_iter().enumerate() {
        let all = answer["messages"].as_array().unwrap().iter();
        let found = all.filter(|message| message["room"] == room);
        let newest = found.map(|message| message["seq"].as_u64().unwrap()).max();
        assert!(
            newest.is_some_and(|seq| seq <= rooms[index].last_seq),
            "{room}: {newest:?}"
        );
    }
}

#[test]
fn at_the_deadline_it_says_how_far_it_got() {
    let office = office(&CONTENTS);
    let json = search(&office.reader, &rooms(&LOGS), "nowhere", 5, Instant::now()).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(answer["complete"], false);
    assert_eq!(
        answer["searched_back_to"],
        office.said.iter().map(|said| said.timestamp).max().unwrap()
    );
}
