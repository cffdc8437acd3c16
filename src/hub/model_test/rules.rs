//! The rules of the hub in their plainest form.
//!
//! Each answers as the hub must, changes the world, and leaves in `told` what every connection must hear.

use super::world::{Person, Room, World};
use crate::protocol::{Code, RoomKind, SERVER_NAME, Seq, fold};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub type Answer = Result<Value, Code>;

impl World {
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

    /// Whose text may be replaced: one's own message that is not itself the new text of another.
    pub fn replaceable(&self, who: usize, at: usize, seq: Seq) -> Result<(), Code> {
        let room = &self.rooms[at];
        let mut durable = room.messages[..room.durable as usize].iter().zip(1..);
        match durable.find(|(_, stands)| *stands == seq) {
            Some((sent, _)) if sent.replaces.is_some() => Err(Code::BadRequest),
            Some((sent, _)) if sent.sender == self.people[who].name => Ok(()),
            Some(_) => Err(Code::Forbidden),
            None => Err(Code::BadRequest),
        }
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
        self.say(at, SERVER_NAME, None, None);
        self.tell_last(at);
        Ok(json!({"room": name}))
    }

    /// What replaces another's text is a message like any other.
    pub fn post(
        &mut self,
        who: usize,
        room: &str,
        id: Option<&str>,
        replaces: Option<Seq>,
    ) -> Answer {
        let at = self.own(who, room)?;
        let sender = self.people[who].name.clone();
        let room = &self.rooms[at];
        let seq = match id.and_then(|id| room.find(&sender, id, room.last_seq())) {
            Some(seq) => seq,
            None => {
                replaces.map_or(Ok(()), |seq| self.replaceable(who, at, seq))?;
                self.writable()?;
                self.say(at, &sender, id, replaces);
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
            durable: 0,
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
            self.say(at, SERVER_NAME, None, None);
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
}
