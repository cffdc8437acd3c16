//! What the rules are about: who exists, what was said in which room, who is in it and how far they read, who is
//! connected; and how it looks and is told. No index, no cache, no event, nothing pruned, nothing shared.

use crate::protocol::{Millis, Room as RoomView, RoomKind, Seq, fold};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct World {
    pub now: Millis,
    pub disk_works: bool,
    /// In the order of their registration; a person is known by the place in it, as a room is.
    pub people: Vec<Person>,
    pub rooms: Vec<Room>,
    /// Whose each connection is.
    pub connections: BTreeMap<u64, usize>,
    /// Who must hear what, from the rule that was followed last.
    pub told: Vec<(u64, Value)>,
}

#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub password: String,
    pub generation: u32,
}

#[derive(Clone)]
pub struct Room {
    pub name: String,
    pub kind: RoomKind,
    pub creator: String,
    pub created: Millis,
    /// Message 1 stands first.
    pub messages: Vec<Sent>,
    /// How many of them are durable, so that their senders know their numbers.
    pub durable: Seq,
    /// Who is in it, and how far they read.
    pub members: BTreeMap<usize, Seq>,
}

#[derive(Clone)]
pub struct Sent {
    pub sender: String,
    pub id: Option<String>,
    /// The earlier message whose text this one is from now on.
    pub replaces: Option<Seq>,
    pub timestamp: Millis,
}

impl Room {
    pub fn last_seq(&self) -> Seq {
        self.messages.len() as Seq
    }

    /// Where this sender's message with this id stands among the first `through`.
    pub fn find(&self, sender: &str, id: &str, through: Seq) -> Option<Seq> {
        let mut first = self.messages[..through as usize].iter();
        let found = first.position(|sent| sent.sender == sender && sent.id.as_deref() == Some(id));
        found.map(|at| at as Seq + 1)
    }

    /// Where the text of each message stands whose text is not its own any more.
    pub fn replaced(&self) -> BTreeMap<Seq, Seq> {
        let texts = self.messages.iter().zip(1..);
        texts
            .filter_map(|(sent, seq)| Some((sent.replaces?, seq)))
            .collect()
    }
}

impl World {
    pub fn person(&self, name: &str) -> Option<usize> {
        self.people.iter().position(|p| fold(&p.name) == fold(name))
    }

    pub fn room(&self, name: &str) -> Option<usize> {
        self.rooms.iter().position(|r| fold(&r.name) == fold(name))
    }

    pub fn say(&mut self, at: usize, sender: &str, id: Option<&str>, replaces: Option<Seq>) {
        self.rooms[at].messages.push(Sent {
            sender: sender.to_owned(),
            id: id.map(str::to_owned),
            replaces,
            timestamp: self.now,
        });
    }

    pub fn tell_last(&mut self, at: usize) {
        let room = &self.rooms[at];
        let sent = room.messages.last().expect("something was said");
        let mut message = json!({"room": room.name, "seq": room.last_seq(), "sender": sent.sender,
            "timestamp": sent.timestamp});
        if let Some(id) = &sent.id {
            message["id"] = json!(id);
        }
        if let Some(original) = sent.replaces {
            message["replaces"] = json!(original);
        }
        self.tell(&self.members(at), "Message", &message);
    }

    pub fn tell(&mut self, people: &[usize], action: &str, data: &Value) {
        for (&connection, who) in &self.connections {
            if people.contains(who) {
                let frame = json!({"action": action, "data": data});
                self.told.push((connection, frame));
            }
        }
    }

    pub fn members(&self, at: usize) -> Vec<usize> {
        self.rooms[at].members.keys().copied().collect()
    }

    pub fn connections_of(&self, who: usize) -> Vec<u64> {
        let mine = self.connections.iter().filter(|(_, whose)| **whose == who);
        mine.map(|(connection, _)| *connection).collect()
    }

    // ---- how it looks ---------------------------------------------------------------------------

    pub fn user(&self, who: usize) -> Value {
        let name = &self.people[who].name;
        json!({"name": name, "display_name": name, "admin": who == 0, "active": true})
    }

    pub fn view_of(&self, at: usize, who: usize) -> RoomView {
        let room = &self.rooms[at];
        RoomView {
            name: room.name.clone(),
            kind: room.kind,
            topic: String::new(),
            member_count: room.members.len(),
            members: Some(self.member_names(at)),
            last_seq: room.last_seq(),
            read_seq: room.members.get(&who).copied().unwrap_or(0),
            created: room.created,
            creator: room.creator.clone(),
        }
    }

    pub fn view(&self, at: usize, who: usize) -> Value {
        json!(self.view_of(at, who))
    }

    pub fn member_names(&self, at: usize) -> Vec<String> {
        let members = self.rooms[at].members.keys();
        members.map(|&who| self.people[who].name.clone()).collect()
    }

    pub fn rooms_where(&self, who: usize, shown: impl Fn(&Room) -> bool) -> Vec<RoomView> {
        let shown = (0..self.rooms.len()).filter(|&at| shown(&self.rooms[at]));
        shown.map(|at| self.view_of(at, who)).collect()
    }

    pub fn online(&self) -> Vec<&str> {
        let mut who: Vec<usize> = self.connections.values().copied().collect();
        who.sort_unstable();
        who.dedup();
        who.into_iter().map(|who| &*self.people[who].name).collect()
    }
}
