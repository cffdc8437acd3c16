//! The rules of the hub in their plainest form: no index, no cache, no event, nothing pruned, nothing shared.
//!
//! A world is who exists, what was said in which room, who is in it and how far they read, and who is connected. Each
//! rule answers as the hub must, and leaves in `told` what every connection must hear.

use crate::protocol::{Code, Millis, Room as RoomView, RoomKind, SERVER_NAME, Seq, fold};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub type Answer = Result<Value, Code>;

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
    /// Who is in it, and how far they read.
    pub members: BTreeMap<usize, Seq>,
}

#[derive(Clone)]
pub struct Sent {
    pub sender: String,
    pub id: Option<String>,
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
}

impl World {
    pub fn person(&self, name: &str) -> Option<usize> {
        self.people.iter().position(|p| fold(&p.name) == fold(name))
    }

    pub fn room(&self, name: &str) -> Option<usize> {
        self.rooms.iter().position(|r| fold(&r.name) == fold(name))
    }

    // ---- who may what ---------------------------------------------------------------------------

    pub fn visible(&self, who: usize, room: &str) -> Result<usize, Code> {
        let at = self.room(room).ok_or(Code::RoomNotFound)?;
        let room = &self.rooms[at];
        let may = room.kind == RoomKind::Public || room.members.contains_key(&who);
        may.then_some(at).ok_or(Code::RoomNotFound)
    }

    pub fn own(&self, who: usize, room: &str) -> Result<usize, Code> {
        let at = self.visible(who, room)?;
        let is_in = self.rooms[at].members.contains_key(&who);
        is_in.then_some(at).ok_or(Code::Forbidden)
    }

    fn known(&self, names: &[&str]) -> Result<Vec<usize>, Code> {
        let known = names.iter().map(|name| self.person(name));
        known.collect::<Option<_>>().ok_or(Code::UserNotFound)
    }

    fn writable(&self) -> Result<(), Code> {
        self.disk_works.then_some(()).ok_or(Code::StorageFailed)
    }

    // ---- what happens ---------------------------------------------------------------------------

    pub fn register(&mut self, name: &str) -> Answer {
        self.writable()?;
        if self.person(name).is_some() {
            return Err(Code::UserExists);
        }
        self.people.push(Person {
            name: name.to_owned(),
            password: String::new(),
            generation: 0,
        });
        let newcomer = self.people.len() - 1;
        let user = self.user(newcomer);
        let everyone: Vec<usize> = (0..self.people.len()).collect();
        self.tell(&everyone, "User", &user);
        self.enter(0, &[newcomer], None);
        Ok(user)
    }

    /// A new password, or signing out everywhere: all that they had is dead.
    pub fn revoke(&mut self, who: usize, new_password: Option<&str>) -> Answer {
        self.writable()?;
        let person = &mut self.people[who];
        person.generation += 1;
        if let Some(password) = new_password {
            person.password = password.to_owned();
        }
        for connection in self.connections_of(who) {
            self.told.push((connection, json!("close")));
            self.connections.remove(&connection);
        }
        Ok(Value::Null)
    }

    pub fn create(&mut self, who: usize, name: &str, kind: RoomKind, others: &[&str]) -> Answer {
        if self.room(name).is_some() {
            return Err(Code::RoomExists);
        }
        let others = self.known(others)?;
        self.writable()?;
        Ok(self.make(who, name, kind, others))
    }

    pub fn direct(&mut self, who: usize, others: &[&str]) -> Answer {
        let mut people = self.known(others)?;
        people.push(who);
        people.sort_unstable();
        people.dedup();
        let same =
            |room: &Room| room.kind == RoomKind::Direct && room.members.keys().eq(people.iter());
        if let Some(at) = self.rooms.iter().position(same) {
            return Ok(json!({"created": false, "room": self.view(at, who)}));
        }
        self.writable()?;
        let mut names = (self.rooms.len()..).map(|n| format!("direct-{n}"));
        let name = names.find(|name| self.room(name).is_none()).unwrap();
        let room = self.make(who, &name, RoomKind::Direct, people);
        Ok(json!({"created": true, "room": room}))
    }

    pub fn add(&mut self, who: usize, room: &str, other: &str) -> Answer {
        let at = self.own(who, room)?;
        if self.rooms[at].kind == RoomKind::Direct {
            return Err(Code::Forbidden);
        }
        let other = self.known(&[other])?[0];
        if self.rooms[at].members.contains_key(&other) {
            return Err(Code::AlreadyMember);
        }
        self.writable()?;
        self.enter(at, &[other], Some(who));
        Ok(json!({"room": self.rooms[at].name, "added": self.people[other].name}))
    }

    pub fn join(&mut self, who: usize, room: &str) -> Answer {
        let at = self.visible(who, room)?;
        if !self.rooms[at].members.contains_key(&who) {
            self.writable()?;
            self.enter(at, &[who], None);
        }
        Ok(self.view(at, who))
    }

    pub fn leave(&mut self, who: usize, room: &str) -> Answer {
        let at = self.own(who, room)?;
        if at == 0 || self.rooms[at].kind == RoomKind::Direct {
            return Err(Code::Forbidden);
        }
        self.writable()?;
        let name = self.rooms[at].name.clone();
        let left = json!({"room": name, "user": self.people[who].name});
        self.tell(&self.members(at), "Left", &left);
        self.rooms[at].members.remove(&who);
        self.say(at, SERVER_NAME, None);
        self.tell_last(at);
        Ok(json!({"room": name}))
    }

    pub fn post(&mut self, who: usize, room: &str, id: Option<&str>) -> Answer {
        let at = self.own(who, room)?;
        let sender = self.people[who].name.clone();
        let room = &self.rooms[at];
        let seq = match id.and_then(|id| room.find(&sender, id, room.last_seq())) {
            Some(seq) => seq,
            None => {
                self.writable()?;
                self.say(at, &sender, id);
                self.tell_last(at);
                self.rooms[at].last_seq()
            }
        };
        let room = &self.rooms[at];
        let timestamp = room.messages[seq as usize - 1].timestamp;
        Ok(json!({"room": room.name, "seq": seq, "timestamp": timestamp}))
    }

    pub fn read(&mut self, who: usize, connection: u64, room: &str, seq: Seq) -> Answer {
        let at = self.own(who, room)?;
        let seq = seq.min(self.rooms[at].last_seq());
        if seq > self.rooms[at].members[&who] {
            self.writable()?;
            self.rooms[at].members.insert(who, seq);
            let read = json!({"room": self.rooms[at].name, "seq": seq});
            self.tell(&[who], "Read", &read);
            self.told.retain(|(told, _)| *told != connection);
        }
        Ok(json!({"room": self.rooms[at].name, "seq": self.rooms[at].members[&who]}))
    }

    pub fn typing(&mut self, who: usize, room: &str) -> Answer {
        let at = self.own(who, room)?;
        let mut others = self.members(at);
        others.retain(|&other| other != who);
        let typing = json!({"room": self.rooms[at].name, "user": self.people[who].name});
        self.tell(&others, "Typing", &typing);
        Ok(json!({}))
    }

    /// Room, after which message, through which: what a new connection is to be sent.
    pub fn connect(
        &mut self,
        who: usize,
        connection: u64,
        since: &BTreeMap<String, Seq>,
    ) -> Vec<(String, Seq, Seq)> {
        self.connections.insert(connection, who);
        let mine = self.rooms.iter().filter(|r| r.members.contains_key(&who));
        let missed = mine.map(|room| {
            let alike = |(name, _): &(&String, &Seq)| fold(name) == fold(&room.name);
            let told = since
                .get(&room.name)
                .or_else(|| since.iter().find(alike).map(|found| found.1));
            let after = told.unwrap_or(&room.members[&who]);
            (room.name.clone(), *after, room.last_seq())
        });
        missed.filter(|(_, after, last)| after < last).collect()
    }

    // ---- what the rules have in common ------------------------------------------------------------

    fn make(&mut self, who: usize, name: &str, kind: RoomKind, mut people: Vec<usize>) -> Value {
        people.push(who);
        people.sort_unstable();
        people.dedup();
        self.rooms.push(Room {
            name: name.to_owned(),
            kind,
            creator: self.people[who].name.clone(),
            created: self.now,
            messages: Vec::new(),
            members: BTreeMap::new(),
        });
        let at = self.rooms.len() - 1;
        self.enter(at, &people, Some(who));
        self.view(at, who)
    }

    /// The newcomers get the room, all in it their names and the announcement; direct rooms announce nothing.
    fn enter(&mut self, at: usize, newcomers: &[usize], adder: Option<usize>) {
        let announced = self.rooms[at].kind != RoomKind::Direct;
        if announced {
            self.say(at, SERVER_NAME, None);
        }
        let read = self.rooms[at].last_seq();
        let members = &mut self.rooms[at].members;
        members.extend(newcomers.iter().map(|&newcomer| (newcomer, read)));
        for &newcomer in newcomers {
            let room = self.view(at, newcomer);
            self.tell(&[newcomer], "Room", &room);
        }
        let names: Vec<&str> = newcomers.iter().map(|&n| &*self.people[n].name).collect();
        let mut added = json!({"room": self.rooms[at].name, "added": names});
        if let Some(adder) = adder {
            added["adder"] = json!(self.people[adder].name);
        }
        self.tell(&self.members(at), "Added", &added);
        if announced {
            self.tell_last(at);
        }
    }

    fn say(&mut self, at: usize, sender: &str, id: Option<&str>) {
        self.rooms[at].messages.push(Sent {
            sender: sender.to_owned(),
            id: id.map(str::to_owned),
            timestamp: self.now,
        });
    }

    fn tell_last(&mut self, at: usize) {
        let room = &self.rooms[at];
        let sent = room.messages.last().expect("something was said");
        let mut message = json!({"room": room.name, "seq": room.last_seq(), "sender": sent.sender,
            "timestamp": sent.timestamp});
        if let Some(id) = &sent.id {
            message["id"] = json!(id);
        }
        self.tell(&self.members(at), "Message", &message);
    }

    fn tell(&mut self, people: &[usize], action: &str, data: &Value) {
        for (&connection, who) in &self.connections {
            if people.contains(who) {
                let frame = json!({"action": action, "data": data});
                self.told.push((connection, frame));
            }
        }
    }

    fn members(&self, at: usize) -> Vec<usize> {
        self.rooms[at].members.keys().copied().collect()
    }

    fn connections_of(&self, who: usize) -> Vec<u64> {
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

    fn view(&self, at: usize, who: usize) -> Value {
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
