//! Tests of the store as a whole: what the hub does to it, and what disks do to it.

mod damage;
mod double;
mod failure;
mod forged;
mod format;
mod happy;
mod interrupted;
mod life;
mod marks;
mod migration;
mod paging;
mod power;
mod power_cuts;
mod repairs;
mod sizes;

use super::*;
use crate::model::{Event, RoomRecord, UserRecord};
use crate::protocol::{Error, Message, Report, RoomKind, SERVER_NAME};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Far more than any step takes; reached only where a test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the sink heard.
#[derive(Debug)]
enum Heard {
    Committed(Vec<u64>),
    Failed(Vec<(u64, bool)>),
    RolledBack(Box<State>, Vec<RecentId>, u32),
    Recovered,
    Folded(Vec<(LogId, Seq)>),
    /// The name of the event; its fields are in words.
    Log(String),
}

struct Recorder(Sender<Heard>);

impl Recorder {
    fn say(&self, heard: Heard) {
        // A test that has seen enough has hung up.
        let _ = self.0.send(heard);
    }
}

impl Sink<u64> for Recorder {
    fn committed(&mut self, batch: Vec<u64>) {
        self.say(Heard::Committed(batch));
    }

    fn failed(&mut self, batch: Vec<Failed<u64>>, message: &str) {
        assert!(!message.is_empty());
        self.say(Heard::Failed(
            batch.into_iter().map(|f| (f.then, f.had_record)).collect(),
        ));
    }

    fn rolled_back(&mut self, state: State, recent: Vec<RecentId>, epoch: u32) {
        self.say(Heard::RolledBack(Box::new(state), recent, epoch));
    }

    fn recovered(&mut self) {
        self.say(Heard::Recovered);
    }

    fn folded(&mut self, through: Vec<(LogId, Seq)>) {
        self.say(Heard::Folded(through));
    }

    fn log(&mut self, event: &str, fields: &[(&str, &str)]) {
        assert!(
            fields
                .iter()
                .all(|(name, value)| !name.is_empty() && !value.is_empty())
        );
        self.say(Heard::Log(event.to_owned()));
    }
}

/// A hub in small: the state, and entries that follow from events. `then` counts the entries.
struct Hub {
    state: State,
    epoch: u32,
    count: u64,
    journal: Journal<u64>,
    reader: Reader,
    heard: Receiver<Heard>,
}

impl Hub {
    fn start(opened: Opened) -> Hub {
        let (sender, heard) = channel();
        Hub {
            state: opened.state,
            epoch: 0,
            count: 0,
            reader: opened.store.reader(),
            journal: opened.store.start(Recorder(sender)).unwrap(),
            heard,
        }
    }

    /// Applies the event and pushes it. Returns its `then`.
    fn push(&mut self, event: &Event) -> u64 {
        let entry = self.decide(event);
        self.journal.push(&mut vec![entry]);
        self.count
    }

    fn decide(&mut self, event: &Event) -> Entry<u64> {
        self.state.apply(event).unwrap();
        self.count += 1;
        Entry {
            epoch: self.epoch,
            record: Some(record_of(&self.state, event)),
            then: self.count,
        }
    }

    /// Waits until this entry is committed; panics where it failed.
    fn wait(&self, then: u64) {
        self.wait_for(|heard| match heard {
            Heard::Committed(batch) => batch.contains(&then).then_some(()),
            Heard::Failed(batch) => {
                assert!(batch.iter().all(|f| f.0 != then), "entry {then} failed");
                None
            }
            _ => None,
        });
    }

    /// Hears until `pick` finds what it wants.
    fn wait_for<R>(&self, mut pick: impl FnMut(Heard) -> Option<R>) -> R {
        loop {
            let heard = self
                .heard
                .recv_timeout(PATIENCE)
                .expect("the store says something");
            if let Some(found) = pick(heard) {
                return found;
            }
        }
    }

    fn push_and_wait(&mut self, event: &Event) {
        let then = self.push(event);
        self.wait(then);
    }

    /// The next message into a room.
    fn message(&self, room: &str, sender: &str, content: &str, id: Option<&str>) -> Event {
        let seq = self
            .state
            .room(self.state.find_room(room).unwrap())
            .last_seq
            + 1;
        Event::Message(message(room, seq, sender, content, id))
    }

    fn user(&self, name: &str) -> Event {
        new_user(&self.state, name)
    }

    fn report(&self, issue: &str) -> Event {
        report(&self.state, issue)
    }
}

fn new_user(state: &State, name: &str) -> Event {
    let seq = state.room(state.find_room("general").unwrap()).last_seq + 1;
    Event::UserCreated {
        user: UserRecord {
            name: name.into(),
            display_name: name.into(),
            password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
            generation: 0,
            admin: seq == 1,
            active: true,
            created: 1,
        },
        announcement: message(
            "general",
            seq,
            SERVER_NAME,
            "somebody joined the room",
            None,
        ),
    }
}

fn report(state: &State, issue: &str) -> Event {
    Event::Report(Report {
        seq: state.last_report() + 1,
        name: "Eva".into(),
        signed_in: true,
        issue: issue.into(),
        timestamp: 7,
    })
}

fn room(name: &str, members: &[&str]) -> Event {
    Event::RoomCreated {
        room: RoomRecord {
            name: name.into(),
            kind: RoomKind::Private,
            topic: String::new(),
            creator: members[0].into(),
            created: 3,
            last_seq: 0,
            members: members.iter().map(|&name| (name.to_owned(), 0)).collect(),
            replaced: Default::default(),
        },
        announcement: Some(message(name, 1, SERVER_NAME, "Eva created the room", None)),
    }
}

/// Its time is its number, so that time and order agree.
fn message(room: &str, seq: Seq, sender: &str, content: &str, id: Option<&str>) -> Message {
    Message {
        room: room.into(),
        seq,
        sender: sender.into(),
        content: content.into(),
        timestamp: 1_000 + seq,
        id: id.map(str::to_owned),
        replaces: None,
        edited: None,
        event: None,
    }
}

fn record_of(state: &State, event: &Event) -> Record {
    let append = state.append_of(event).map(|append| Append {
        log: append.log,
        seq: append.seq,
        timestamp: append.timestamp,
        line: MessageFrame::from_json(&append.json),
    });
    let text = serde_json::to_value(event).unwrap();
    let name = text["event"].as_str().unwrap();
    let data = match (&append, event) {
        (Some(append), Event::Message(_)) => Data::Message(append.line.clone()),
        _ => Data::Json(serde_json::to_vec(&text["data"]).unwrap()),
    };
    Record {
        event: NAMES.iter().find(|&&known| known == name).unwrap(),
        data,
        append,
    }
}

const NAMES: [&str; 9] = [
    "UserCreated",
    "PasswordChanged",
    "SignedOutEverywhere",
    "RoomCreated",
    "MembersAdded",
    "MemberLeft",
    "Message",
    "Read",
    "Report",
];

fn small() -> Options {
    Options {
        journal_bytes: 4096,
        segment_messages: 7,
        segment_bytes: limits::SEGMENT_BYTES,
        read_bytes: 200,
        retry: Duration::from_millis(1),
    }
}

/// Every line of a log, read in ways that must agree.
fn all_lines(reader: &Reader, log: LogId) -> Vec<String> {
    let text = |line: &Line| String::from_utf8(line.json().to_vec()).unwrap();
    let last = reader.last_seq(log);
    let lines: Vec<String> = reader
        .read_range(log, 0, u64::MAX)
        .map(|line| text(&line.unwrap()))
        .collect();
    assert_eq!(lines.len() as u64, last);
    let range = PageRange {
        after: Some(0),
        before: None,
        limit: u32::MAX,
    };
    let page = page_of(reader, log, &range).unwrap();
    assert_eq!(page.lines.iter().map(text).collect::<Vec<_>>(), lines);
    lines
}

/// Of all that is there.
fn page_of(reader: &Reader, log: LogId, range: &PageRange) -> Result<Page, Error> {
    reader.page(log, reader.select(log, range, Seq::MAX))
}

/// All that a store knows, to be compared.
fn contents(state: &State, reader: &Reader) -> Vec<(LogId, Vec<String>)> {
    state
        .logs()
        .map(|log| (log, all_lines(reader, log)))
        .collect()
}
