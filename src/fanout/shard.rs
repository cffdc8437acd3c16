//! One share of the connections: who hears what, and what is due to whom.
//!
//! Frames that are due to the same connection are joined; connections to which the same frames are due share the
//! joined bytes, so that a message to a thousand people is copied once.

use super::Batch;
use crate::hub::{Audience, ConnectionId, Effect, Receiver, SharedFrame};
use crate::limits;
use crate::model::{RoomId, UserId};
use crate::protocol::Frame;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver as Batches;

/// Effects that are taken together at most: joins what is due without letting anybody wait for long.
const EFFECTS_AT_ONCE: usize = 4_096;

/// A connection's place in a shard's table.
type Slot = u32;

struct Connection {
    id: ConnectionId,
    user: UserId,
    rooms: Vec<RoomId>,
    receiver: Arc<dyn Receiver>,
    /// Indices into the frames of the round.
    due: Vec<u32>,
}

pub(super) struct Shard {
    index: u64,
    shards: u64,
    connections: Vec<Option<Connection>>,
    free: Vec<Slot>,
    slots: HashMap<ConnectionId, Slot>,
    rooms: HashMap<RoomId, Vec<Slot>>,
    users: HashMap<UserId, Vec<Slot>>,
    round: Round,
}

/// The frames of the batches that are carried out together.
#[derive(Default)]
struct Round {
    frames: Vec<SharedFrame>,
    /// Who has something due, in the order in which it became due.
    touched: Vec<Slot>,
    bundle: Bundle,
}

/// Frames for one connection, or for many to which the same is due.
#[derive(Default)]
struct Bundle {
    due: Vec<u32>,
    frames: Vec<SharedFrame>,
    bytes: Vec<u8>,
    /// Ends of the sends: so many frames, so many bytes.
    ends: Vec<(usize, usize)>,
}

impl Bundle {
    fn fill(&mut self, due: &[u32], frames: &[SharedFrame]) {
        self.clear();
        self.due.extend_from_slice(due);
        let mut start = (0, 0);
        for &index in due {
            let shared = &frames[index as usize];
            let bytes = shared.frame.bytes();
            let full = self.frames.len() - start.0 >= limits::JOINED_FRAMES
                || self.bytes.len() - start.1 + bytes.len() > limits::JOINED_BYTES;
            if full && self.frames.len() > start.0 {
                start = (self.frames.len(), self.bytes.len());
                self.ends.push(start);
            }
            self.bytes.extend_from_slice(bytes);
            self.frames.push(shared.clone());
        }
        self.ends.push((self.frames.len(), self.bytes.len()));
    }

    fn push_to(&self, receiver: &dyn Receiver) {
        let mut start = (0, 0);
        for &end in &self.ends {
            receiver.push(&self.frames[start.0..end.0], &self.bytes[start.1..end.1]);
            start = end;
        }
    }

    fn clear(&mut self) {
        self.due.clear();
        self.frames.clear();
        self.bytes.clear();
        self.ends.clear();
        // One long answer must not hold its memory for good.
        self.bytes.shrink_to(limits::JOINED_BYTES);
    }
}

impl Shard {
    pub fn new(index: u64, shards: u64) -> Shard {
        Shard {
            index,
            shards,
            connections: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            rooms: HashMap::new(),
            users: HashMap::new(),
            round: Round::default(),
        }
    }

    /// Until the sending side is dropped.
    pub fn run(&mut self, batches: &Batches<Batch>) {
        while let Ok(first) = batches.recv() {
            let mut effects = first.effects.len();
            self.carry_out(&first.effects);
            while effects < EFFECTS_AT_ONCE {
                let Ok(next) = batches.try_recv() else { break };
                effects += next.effects.len();
                self.carry_out(&next.effects);
            }
            self.flush();
        }
    }

    fn carry_out(&mut self, batch: &[Effect]) {
        for effect in batch {
            match effect {
                Effect::Send { to, frame } => self.make_due(*to, frame),
                Effect::Open {
                    connection,
                    user,
                    rooms,
                    receiver,
                } => {
                    if connection.0 % self.shards == self.index {
                        self.open(*connection, *user, rooms, receiver);
                    }
                }
                Effect::Forget { connection } => self.forget(*connection),
                Effect::Enter { room, user } => self.enter(*room, *user),
                Effect::Exit { room, user } => self.exit(*room, *user),
                Effect::CloseUser { user, code, reason } => {
                    let slots = self.users.get(user).cloned().unwrap_or_default();
                    self.close(&slots, *code, reason);
                }
                Effect::CloseAll { code, reason } => {
                    let slots: Vec<Slot> = self.slots.values().copied().collect();
                    self.close(&slots, *code, reason);
                }
            }
        }
    }

    fn make_due(&mut self, to: Audience, frame: &Frame) {
        let index = self.round.frames.len() as u32;
        let (connections, round) = (&mut self.connections, &mut self.round);
        let mut receivers = 0;
        let mut give = |slot: Slot, unless: &dyn Fn(&Connection) -> bool| {
            let Some(connection) = &mut connections[slot as usize] else {
                return;
            };
            if unless(connection) {
                return;
            }
            if connection.due.is_empty() {
                round.touched.push(slot);
            }
            connection.due.push(index);
            receivers += 1;
        };
        let nobody: &dyn Fn(&Connection) -> bool = &|_| false;
        match to {
            Audience::Connection(id) => self
                .slots
                .get(&id)
                .into_iter()
                .for_each(|&slot| give(slot, nobody)),
            Audience::User(user) => {
                self.users
                    .get(&user)
                    .into_iter()
                    .flatten()
                    .for_each(|&slot| give(slot, nobody));
            }
            Audience::OthersOfUser(user, but) => {
                let slots = self.users.get(&user).into_iter().flatten();
                slots.for_each(|&slot| give(slot, &|connection| connection.id == but));
            }
            Audience::Room(room) => {
                self.rooms
                    .get(&room)
                    .into_iter()
                    .flatten()
                    .for_each(|&slot| give(slot, nobody));
            }
            Audience::OthersInRoom(room, but) => {
                let slots = self.rooms.get(&room).into_iter().flatten();
                slots.for_each(|&slot| give(slot, &|connection| connection.user == but));
            }
            Audience::Everyone => self.slots.values().for_each(|&slot| give(slot, nobody)),
        }
        if receivers > 0 {
            let frame = frame.clone();
            self.round.frames.push(SharedFrame { frame, receivers });
        }
    }

    fn open(
        &mut self,
        id: ConnectionId,
        user: UserId,
        rooms: &[RoomId],
        receiver: &Arc<dyn Receiver>,
    ) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            (self.connections.len() - 1) as Slot
        });
        let rooms = rooms.to_vec();
        for &room in &rooms {
            self.rooms.entry(room).or_default().push(slot);
        }
        self.users.entry(user).or_default().push(slot);
        self.slots.insert(id, slot);
        let receiver = receiver.clone();
        self.connections[slot as usize] = Some(Connection {
            id,
            user,
            rooms,
            receiver,
            due: Vec::new(),
        });
    }

    fn forget(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        self.flush_one(slot);
        let Some(connection) = self.connections[slot as usize].take() else {
            return;
        };
        for room in connection.rooms {
            remove_slot(&mut self.rooms, room, slot);
        }
        remove_slot(&mut self.users, connection.user, slot);
        self.free.push(slot);
    }

    fn enter(&mut self, room: RoomId, user: UserId) {
        for &slot in self.users.get(&user).into_iter().flatten() {
            if let Some(connection) = &mut self.connections[slot as usize]
                && !connection.rooms.contains(&room)
            {
                connection.rooms.push(room);
                self.rooms.entry(room).or_default().push(slot);
            }
        }
    }

    fn exit(&mut self, room: RoomId, user: UserId) {
        let slots = self.users.get(&user).cloned().unwrap_or_default();
        for slot in slots {
            if let Some(connection) = &mut self.connections[slot as usize] {
                connection.rooms.retain(|&its| its != room);
                remove_slot(&mut self.rooms, room, slot);
            }
        }
    }

    /// Closes connections behind everything that is due to them.
    fn close(&mut self, slots: &[Slot], code: u16, reason: &str) {
        for &slot in slots {
            self.flush_one(slot);
            let Some(connection) = &self.connections[slot as usize] else {
                continue;
            };
            connection.receiver.close(code, reason);
            let id = connection.id;
            self.forget(id);
        }
    }

    /// Sends everything that is due.
    fn flush(&mut self) {
        let touched = std::mem::take(&mut self.round.touched);
        for &slot in &touched {
            self.flush_one(slot);
        }
        self.round.touched = touched;
        self.round.touched.clear();
        self.round.frames.clear();
        self.round.bundle.clear();
    }

    fn flush_one(&mut self, slot: Slot) {
        let Some(connection) = &mut self.connections[slot as usize] else {
            return;
        };
        if connection.due.is_empty() {
            return;
        }
        let bundle = &mut self.round.bundle;
        if bundle.due != connection.due {
            bundle.fill(&connection.due, &self.round.frames);
        }
        bundle.push_to(&*connection.receiver);
        connection.due.clear();
        // Idle connections are many: a burst must not leave each of them a large list.
        connection.due.shrink_to(limits::JOINED_FRAMES);
    }
}

/// Removes a slot from its list, and the list with its last slot.
fn remove_slot<K: std::hash::Hash + Eq>(lists: &mut HashMap<K, Vec<Slot>>, key: K, slot: Slot) {
    let Some(list) = lists.get_mut(&key) else {
        return;
    };
    if let Some(at) = list.iter().position(|&its| its == slot) {
        list.swap_remove(at);
    }
    if list.is_empty() {
        lists.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Remembers what it was sent, one entry a send.
    #[derive(Default)]
    struct Ear(Mutex<Vec<String>>);

    impl Ear {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Receiver for Ear {
        fn push(&self, frames: &[SharedFrame], joined: &[u8]) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|shared| shared.frame.bytes().to_vec())
                .collect();
            assert_eq!(bytes, joined);
            self.0
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(joined).into_owned());
        }

        fn close(&self, code: u16, _reason: &str) {
            self.0.lock().unwrap().push(format!("close {code}"));
        }
    }

    fn frame(text: &str) -> Frame {
        Frame::raw(text.as_bytes())
    }

    fn send(to: Audience, text: &str) -> Effect {
        Effect::Send {
            to,
            frame: frame(text),
        }
    }

    fn shard_with(ears: &[Arc<Ear>]) -> Shard {
        let mut shard = Shard::new(0, 1);
        for (index, ear) in ears.iter().enumerate() {
            shard.open(
                ConnectionId(index as u64),
                UserId(index as u32 / 2),
                &[RoomId(0)],
                &(ear.clone() as _),
            );
        }
        shard
    }

    fn ears(count: usize) -> Vec<Arc<Ear>> {
        (0..count).map(|_| Arc::new(Ear::default())).collect()
    }

    fn round(shard: &mut Shard, effects: Vec<Effect>) {
        shard.carry_out(&effects);
        shard.flush();
    }

    #[test]
    fn audiences() {
        let ears = ears(4); // Users 0, 0, 1, 1.
        let mut shard = shard_with(&ears);
        let effects = vec![
            send(Audience::Room(RoomId(0)), "r"),
            send(Audience::Connection(ConnectionId(1)), "c"),
            send(Audience::User(UserId(1)), "u"),
            send(Audience::OthersOfUser(UserId(0), ConnectionId(0)), "o"),
            send(Audience::OthersInRoom(RoomId(0), UserId(1)), "t"),
            send(Audience::Everyone, "e"),
            send(Audience::Room(RoomId(9)), "x"),
        ];
        round(&mut shard, effects);
        let heard: Vec<Vec<String>> = ears.iter().map(|ear| ear.take()).collect();
        assert_eq!(heard, [["rte"], ["rcote"], ["rue"], ["rue"]]);
    }

    #[test]
    fn entering_exiting_and_forgetting_take_effect_where_they_stand() {
        let ears = ears(2);
        let mut shard = shard_with(&ears);
        let room = RoomId(5);
        let effects = vec![
            send(Audience::Room(room), "1"),
            Effect::Enter {
                room,
                user: UserId(0),
            },
            Effect::Enter {
                room,
                user: UserId(0),
            },
            send(Audience::Room(room), "2"),
            Effect::Exit {
                room,
                user: UserId(0),
            },
            send(Audience::Room(room), "3"),
            Effect::Forget {
                connection: ConnectionId(0),
            },
            send(Audience::Everyone, "4"),
        ];
        round(&mut shard, effects);
        assert_eq!(ears[0].take(), ["2"]);
        assert_eq!(ears[1].take(), ["24"]);
        assert!(!shard.rooms.contains_key(&room));
    }

    #[derive(Default)]
    struct Counter(Mutex<Vec<u32>>);

    impl Receiver for Counter {
        fn push(&self, frames: &[SharedFrame], _: &[u8]) {
            let receivers = frames.iter().map(|shared| shared.receivers);
            self.0.lock().unwrap().extend(receivers);
        }

        fn close(&self, _: u16, _: &str) {}
    }

    #[test]
    fn each_frame_says_how_many_receive_it() {
        let mut shard = shard_with(&ears(3)); // Users 0, 0, 1.
        let counter = Arc::new(Counter::default());
        let receiver = &(counter.clone() as _);
        shard.open(ConnectionId(3), UserId(1), &[RoomId(0)], receiver);
        let audiences = [
            Audience::Room(RoomId(0)),
            Audience::Connection(ConnectionId(3)),
            Audience::OthersInRoom(RoomId(0), UserId(0)),
            Audience::OthersOfUser(UserId(1), ConnectionId(2)),
            Audience::User(UserId(0)),
            Audience::Everyone,
        ];
        round(&mut shard, audiences.map(|to| send(to, "x")).into());
        assert_eq!(*counter.0.lock().unwrap(), [4, 1, 2, 1, 4]);
    }

    #[test]
    fn a_close_comes_behind_what_is_due() {
        let ears = ears(2);
        let mut shard = shard_with(&ears);
        let close = Effect::CloseUser {
            user: UserId(0),
            code: 4401,
            reason: "",
        };
        round(
            &mut shard,
            vec![
                send(Audience::Everyone, "a"),
                close,
                send(Audience::Everyone, "b"),
            ],
        );
        assert_eq!(ears[0].take(), ["a", "close 4401"]);
        assert!(shard.slots.is_empty() && shard.users.is_empty() && shard.rooms.is_empty());
    }

    #[test]
    fn many_frames_are_sent_in_bounded_pieces_in_order() {
        let ears = ears(1);
        let mut shard = shard_with(&ears);
        let count = limits::JOINED_FRAMES * 2 + 1;
        round(
            &mut shard,
            (0..count)
                .map(|n| send(Audience::Everyone, &format!("{n},")))
                .collect(),
        );
        let heard = ears[0].take();
        assert_eq!(heard.len(), 3);
        assert_eq!(
            heard.concat(),
            (0..count).map(|n| format!("{n},")).collect::<String>()
        );
    }
}
