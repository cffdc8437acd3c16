//! A long random life of a store, the same for a seed: events, batches, rotations, checkpoints, stops and kills.
//!
//! Owns what it told the store and what it heard back; the disk double writes down the steps.

use super::double::{MemoryDisk, Step};
use super::power::Random;
use super::*;
use crate::model::UserId;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Files that are small enough for many rotations, and few enough to be read again many thousand times.
pub fn options() -> Options {
    Options {
        journal_bytes: 2_000,
        segment_messages: 40,
        segment_bytes: 2_500,
        read_bytes: 4_096,
        retry: Duration::from_millis(1),
    }
}

/// What was pushed, event by event.
pub struct History {
    /// The state after so many events; the first is that of an empty server.
    pub states: Vec<State>,
    /// Every line of every log.
    pub lines: BTreeMap<LogId, Vec<String>>,
}

impl History {
    fn apply(&mut self, event: &Event) -> Record {
        let mut state = self.states.last().unwrap().clone();
        state.apply(event).unwrap();
        let record = record_of(&state, event);
        if let Some(append) = &record.append {
            let text = String::from_utf8(append.line.json().to_vec()).unwrap();
            self.lines.entry(append.log).or_default().push(text);
        }
        self.states.push(state);
        record
    }
}

/// Writes acks down among the steps of the disk, at the moment at which they happen.
struct Acks {
    disk: MemoryDisk,
    told: Sender<u64>,
}

impl Sink<u64> for Acks {
    fn committed(&mut self, batch: Vec<u64>) {
        let last = *batch.last().unwrap();
        self.disk.note(Step::Acked(last));
        // Who waits for nothing has hung up.
        let _ = self.told.send(last);
    }

    fn failed(&mut self, _: Vec<Failed<u64>>, message: &str) {
        panic!("nothing fails here: {message}");
    }

    fn rolled_back(&mut self, _: State, _: Vec<RecentId>, _: u32) {
        panic!("nothing fails here");
    }

    fn recovered(&mut self) {
        panic!("nothing fails here");
    }

    fn folded(&mut self, _: Vec<(LogId, Seq)>) {}

    fn log(&mut self, event: &str, fields: &[(&str, &str)]) {
        panic!("nothing is worth a line: {event} {fields:?}");
    }
}

/// The store while it is open.
struct Open {
    journal: Journal<u64>,
    told: Receiver<u64>,
}

/// Lives `operations` steps of a random life on a traced disk.
pub fn live(seed: u64, operations: usize) -> (MemoryDisk, History) {
    let disk = MemoryDisk::traced();
    let history = History {
        states: vec![State::new(1)],
        lines: BTreeMap::new(),
    };
    let person = Arc::new(Mutex::new(Person {
        disk: disk.clone(),
        random: Random::new(seed),
        history,
        open: Some(open(&disk)),
    }));
    for _ in 0..operations {
        person.lock().unwrap().act();
        // As the checkpoint's thread would, but on this one, so that every run does the same in the same order.
        let base = person.lock().unwrap().open().journal.base.clone();
        if !base.folding.is_idle() {
            fold(&disk, &person, &base);
        }
    }
    let person = Arc::into_inner(person).expect("nobody interrupts any more");
    let person = person.into_inner().unwrap();
    close(person.open.unwrap().journal);
    (disk, person.history)
}

fn open(disk: &MemoryDisk) -> Open {
    let opened = open_disk(Box::new(disk.clone()), options(), 1).unwrap();
    let (tell, told) = channel();
    let acks = Acks {
        disk: disk.clone(),
        told: tell,
    };
    Open {
        journal: opened.store.start_writer(acks).unwrap(),
        told,
    }
}

/// A checkpoint, between whose operations people go on writing.
fn fold(disk: &MemoryDisk, person: &Arc<Mutex<Person>>, base: &Base) {
    assert!(checkpoint::start_next(&base.folding, None));
    let meanwhile = person.clone();
    disk.interrupt(Some(Arc::new(move || {
        let mut person = meanwhile.lock().unwrap();
        if person.random.below(4) == 0 {
            person.write(1);
        }
    })));
    checkpoint::finish_next(base, 1).unwrap();
    disk.interrupt(None);
}

/// An orderly stop.
fn close(mut journal: Journal<u64>) {
    journal.join(Closing::Complete).unwrap();
    checkpoint::fold_last(&journal.base, 1).unwrap();
}

/// Who writes.
struct Person {
    disk: MemoryDisk,
    random: Random,
    history: History,
    open: Option<Open>,
}

impl Person {
    fn act(&mut self) {
        match self.random.below(40) {
            0 => self.start_again(close),
            1 => self.start_again(drop),
            2..=6 => {
                let count = 2 + self.random.below(4);
                self.write(count);
            }
            _ => self.write(1),
        }
    }

    /// Opens the same files again, after a stop or a kill.
    fn start_again(&mut self, end: fn(Journal<u64>)) {
        end(self.open.take().unwrap().journal);
        self.open = Some(open(&self.disk));
    }

    /// Pushes so many events together, and waits until they are acked and the journal's thread rests.
    fn write(&mut self, count: usize) {
        let mut entries = Vec::new();
        for _ in 0..count {
            let event = self.event();
            entries.push(Entry {
                epoch: 0,
                record: Some(self.history.apply(&event)),
                then: self.history.states.len() as u64 - 1,
            });
        }
        let last = entries.last().unwrap().then;
        self.disk.note(Step::Pushed(last));
        self.push(&mut entries, last);
        // What comes after a batch, a rotation perhaps, is done when the next batch is taken.
        let mut barrier = vec![Entry {
            epoch: 0,
            record: None,
            then: last,
        }];
        self.push(&mut barrier, last);
    }

    fn push(&mut self, entries: &mut Vec<Entry<u64>>, last: u64) {
        let open = self.open();
        open.journal.push(entries);
        let heard = open.told.recv_timeout(PATIENCE);
        assert_eq!(heard.expect("the store says something"), last);
    }

    fn open(&self) -> &Open {
        self.open.as_ref().expect("it is open between starts")
    }

    /// Something that may happen now.
    fn event(&mut self) -> Event {
        let state = self.history.states.last().unwrap().clone();
        let (users, rooms) = (state.users().len(), state.rooms().count());
        let user = |index: usize| state.users()[index].name.clone();
        let place = self.random.below(rooms);
        let room = state.rooms().nth(place).unwrap().1;
        let someone = self.random.below(users.max(1));
        let reader = UserId(someone as u32);
        let read = room.members.get(&reader).copied();
        let announce =
            |content: &str| message(&room.name, room.last_seq + 1, SERVER_NAME, content, None);
        match self.random.below(30) {
            _ if users == 0 => new_user(&state, "user-0"),
            0 if users < 6 => new_user(&state, &format!("user-{users}")),
            1 if rooms < 5 => super::room(&format!("room-{rooms}"), &[&user(someone)]),
            2 | 3 => report(&state, "slow"),
            4 => Event::PasswordChanged {
                user: user(someone),
                password: format!("$argon2id${}", self.random.below(1_000)),
                generation: self.history.states.len() as u32,
            },
            5 => Event::SignedOutEverywhere {
                user: user(someone),
                generation: self.history.states.len() as u32,
            },
            6 if place > 0 => Event::MembersAdded {
                room: room.name.to_string(),
                users: vec![user(someone)],
                announcement: announce("somebody was added"),
            },
            7 if place > 0 => Event::MemberLeft {
                room: room.name.to_string(),
                user: user(someone),
                announcement: announce("somebody left"),
            },
            // Every event changes something, so that the state tells how many happened.
            8..=10 if read.is_some_and(|read| read < room.last_seq) => Event::Read {
                room: room.name.to_string(),
                user: user(someone),
                seq: room.last_seq,
            },
            _ => {
                let content = match self.random.below(12) {
                    0 => "a long one ".repeat(20 + self.random.below(150)),
                    _ => "hi \"there\"\n".repeat(self.random.below(3) + 1),
                };
                let id = self.history.states.len().to_string();
                Event::Message(message(
                    &room.name,
                    room.last_seq + 1,
                    &user(someone),
                    &content,
                    Some(&id),
                ))
            }
        }
    }
}
