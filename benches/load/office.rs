//! Data directories to begin with: people, rooms and messages, written by the server's own store.
//!
//! Hashing 5,000 passwords takes minutes, sending 1,000,000 messages takes more; both are measured elsewhere. So an
//! office is written as the hub would have had it written, through the library, before the server starts.

use super::client::HANG;
use melangerie::auth::password::Hasher;
use melangerie::auth::token::Signer;
use melangerie::model::{Event, RecentId, Replaced, RoomRecord, State, UserRecord};
use melangerie::protocol::{Message, MessageFrame, Millis, RoomEvent, RoomKind, Seq};
use melangerie::store::{self, Append, Data, Entry, Failed, Journal, Options, Record, Sink};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `JWT_SECRET` of every server under test, so that tokens can be signed here.
pub const SECRET: &str = "a secret of the benches, 32 bytes";
/// The first message's time; one a millisecond follows.
const BEGIN: Millis = 1_790_000_000_000;
/// Entries that are handed to the journal together.
const BATCH: usize = 4_096;

/// A data directory that is being filled.
pub struct Office {
    state: State,
    journal: Journal<()>,
    pending: Vec<Entry<()>>,
    directory: PathBuf,
    password: String,
    clock: Millis,
}

impl Office {
    /// An empty one, in a directory that is made. Journals are folded at the server's own size.
    pub fn open(directory: &Path) -> Office {
        Office::open_with(directory, Options::default())
    }

    pub fn open_with(directory: &Path, options: Options) -> Office {
        let opened = store::open(directory, options, BEGIN).expect("an empty directory opens");
        let hasher = Hasher::new();
        Office {
            state: opened.state,
            journal: opened.store.start(MustHold).expect("threads"),
            pending: Vec::new(),
            directory: directory.to_owned(),
            password: hasher.hash("correct horse battery").expect("a hash"),
            clock: BEGIN,
        }
    }

    /// `count` more people, called [`name`] of their numbers.
    pub fn hire(&mut self, count: usize) {
        let first = self.state.users().len();
        for number in first..first + count {
            let name = name(number);
            let user = UserRecord {
                name: name.clone(),
                display_name: name.clone(),
                password: self.password.clone(),
                generation: 0,
                admin: number == 0,
                active: true,
                created: self.clock,
            };
            let announcement = self.announcement("general", RoomEvent::Joined { user: name });
            self.happen(&Event::UserCreated { user, announcement });
        }
    }

    /// A room with these people in it, who have read nothing but its announcement.
    pub fn furnish(&mut self, room: &str, kind: RoomKind, members: impl Iterator<Item = usize>) {
        let members: BTreeMap<String, Seq> = members.map(|number| (name(number), 1)).collect();
        let creator = members.keys().next().expect("somebody is in it").clone();
        let event = RoomEvent::Created {
            user: creator.clone(),
            users: Vec::new(),
        };
        // It does not stand in the state yet, so its first number is said here.
        let mut announcement = self.announcement("general", event);
        room.clone_into(&mut announcement.room);
        announcement.seq = 1;
        let room = RoomRecord {
            name: room.to_owned(),
            kind,
            topic: String::new(),
            creator,
            created: self.clock,
            last_seq: 0,
            members,
            replaced: Replaced::default(),
        };
        self.happen(&Event::RoomCreated {
            room,
            announcement: Some(announcement),
        });
    }

    /// One message more in a room.
    pub fn write(&mut self, room: &str, sender: usize, content: String, id: Option<String>) {
        let message = Message {
            sender: name(sender),
            content,
            id,
            ..self.announcement(
                room,
                RoomEvent::Joined {
                    user: String::new(),
                },
            )
        };
        self.happen(&Event::Message(Message {
            event: None,
            ..message
        }));
    }

    fn announcement(&mut self, room: &str, event: RoomEvent) -> Message {
        let id = self.state.find_room(room).expect("the room exists");
        self.clock += 1;
        Message {
            room: room.to_owned(),
            seq: self.state.room(id).last_seq + 1,
            sender: melangerie::protocol::SERVER_NAME.to_owned(),
            content: event.sentence(),
            timestamp: self.clock,
            id: None,
            replaces: None,
            edited: None,
            event: Some(event),
        }
    }

    fn happen(&mut self, event: &Event) {
        self.state.apply(event).expect("the office makes sense");
        let append = self.state.append_of(event);
        let record = match (event, append) {
            (Event::Message(message), Some(append)) => {
                let line = MessageFrame::from_json(&append.json);
                Record {
                    event: event.name(),
                    data: Data::Message(line.clone()),
                    append: Some(Append {
                        log: append.log,
                        seq: message.seq,
                        timestamp: message.timestamp,
                        line,
                    }),
                }
            }
            (_, append) => {
                let (name, data) = event.encode();
                Record {
                    event: name,
                    data: Data::Json(data),
                    append: append.map(|append| Append {
                        log: append.log,
                        seq: append.seq,
                        timestamp: append.timestamp,
                        line: MessageFrame::from_json(&append.json),
                    }),
                }
            }
        };
        self.pending.push(Entry {
            epoch: 0,
            record: Some(record),
            then: (),
        });
        if self.pending.len() >= BATCH {
            self.journal.push(&mut self.pending);
        }
    }

    /// The last message's number in each room, by name.
    pub fn last_seqs(&self) -> BTreeMap<String, Seq> {
        let rooms = self.state.rooms();
        rooms
            .map(|(_, room)| (room.name.to_string(), room.last_seq))
            .collect()
    }

    /// As after an orderly stop: everything is folded. A stop leaves to the next start what would take seconds to fold, and an
    /// office is written faster than it is folded; so this is a stop, a start and a stop.
    pub fn close(mut self) {
        self.journal.push(&mut self.pending);
        self.journal.close().expect("everything is durable");
        let opened = store::open(&self.directory, Options::default(), BEGIN);
        let journal: Journal<()> = opened
            .expect("what was written opens")
            .store
            .start(MustHold)
            .expect("threads");
        let begin = Instant::now();
        while journals(&self.directory) > 1 {
            assert!(begin.elapsed() < HANG, "the office is not folded");
            std::thread::sleep(Duration::from_millis(5));
        }
        journal.close().expect("everything is folded");
        assert_eq!(journals(&self.directory), 1, "everything is folded");
    }

    /// As after `kill -9`: everything is durable, and what the last journal holds is folded by nobody.
    pub fn kill(mut self) {
        self.journal.push(&mut self.pending);
        drop(self.journal);
    }
}

/// The name of the person with this number.
pub fn name(number: usize) -> String {
    format!("user-{number:05}")
}

/// A token for the person with this number, as the server would issue it now.
pub fn token(number: usize) -> String {
    token_of(&name(number))
}

pub fn token_of(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.expect("the clock stands after 1970").as_secs();
    Signer::new(SECRET.as_bytes()).issue(name, 0, seconds)
}

/// How many journals there are.
fn journals(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).expect("the data directory");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("journal-")).count()
}

/// Nothing may fail while an office is written.
struct MustHold;

impl Sink<()> for MustHold {
    fn committed(&mut self, _: Vec<()>) {}
    fn failed(&mut self, _: Vec<Failed<()>>, message: &str) {
        panic!("the office cannot be written: {message}");
    }
    fn rolled_back(&mut self, _: State, _: Vec<RecentId>, _: u32) {
        panic!("the office cannot be written");
    }
    fn recovered(&mut self) {}
    fn folded(&mut self, _: Vec<(melangerie::model::LogId, Seq)>) {}
    fn log(&mut self, _: &str, _: &[(&str, &str)]) {}
}
