//! The people of a long day: who talks, listens, comes and goes, reads, makes rooms, registers, and misbehaves.
//!
//! Owns what each of them does and what must come of it. Each runs on a thread of its own at a fixed pace, with blocking
//! sockets, until the day is over; what goes wrong for one of them is told at the end of the day.

use crate::common::http::stream_from;
use crate::common::people::register_exactly;
use crate::common::{
    Connection, PASSWORD, Person, RawSocket, Server, Socket, Value, encode, json, raw,
};
use crate::dice::Dice;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the day is made of.
pub struct Day {
    pub server: Server,
    pub over: AtomicBool,
    /// Everybody of the house; all of them are in all `rooms`.
    pub people: Vec<Person>,
    pub rooms: Vec<String>,
    pub counts: Counts,
}

/// How often what happened.
#[derive(Default)]
pub struct Counts {
    pub messages: AtomicU64,
    pub heard: AtomicU64,
    pub connections: AtomicU64,
    pub pages: AtomicU64,
    pub rooms: AtomicU64,
    pub accounts: AtomicU64,
    pub sign_ins: AtomicU64,
    pub reports: AtomicU64,
    pub slow: AtomicU64,
    pub bad: AtomicU64,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One of the things that people do, again and again: with the day, their number among those who do it, and how often
/// they have done it.
pub type Act = fn(&Day, &mut Dice, u64) -> Result<(), String>;

impl Day {
    /// Does it at this pace until the day is over.
    pub fn repeat(&self, pace: Duration, seed: u64, act: Act) -> Result<(), String> {
        let mut dice = Dice::new(seed);
        let mut next = Instant::now();
        let mut turn = 0;
        while !self.over.load(Ordering::Relaxed) {
            act(self, &mut dice, turn)?;
            turn += 1;
            next = (next + pace).max(Instant::now());
            self.rest(next.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// Sleeps, but not beyond the end of the day.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.over.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// An address of this machine that nobody has used in the last minutes.
fn source(dice: &mut Dice) -> String {
    format!(
        "127.{}.{}.{}",
        1 + dice.below(200),
        dice.below(250),
        1 + dice.below(250)
    )
}

/// The last message heard in each room: none may be missing and none may come twice.
#[derive(Default)]
struct Timeline(BTreeMap<String, u64>);

impl Timeline {
    fn hear(&mut self, frame: &Value) -> Result<(), String> {
        let data = &frame["data"];
        let Some(room) = data["room"].as_str() else {
            return Ok(());
        };
        match frame["action"].as_str() {
            Some("Message") => {
                let seq = data["seq"].as_u64().ok_or("a message has a seq")?;
                let before = self.0.insert(room.to_owned(), seq);
                if before.is_some_and(|before| before + 1 != seq) {
                    return Err(format!("{seq} in {room} came after {before:?}"));
                }
            }
            Some("Gap") => {
                let before = data["before"].as_u64().ok_or("a gap has an end")?;
                self.0.insert(room.to_owned(), before - 1);
            }
            _ => {}
        }
        Ok(())
    }
}

// ---- talking and listening ------------------------------------------------------------------------

/// Ten messages a second from one person, each acked; some long, some of them changes of an earlier one.
pub fn talk(day: &Day, number: u64) -> Result<(), String> {
    let mut dice = Dice::new(1_000 + number);
    let me = &day.people[number as usize];
    let mut socket = Socket::connect(&day.server, me);
    let mut next = Instant::now();
    let mut turn = 0u64;
    while !day.is_over() {
        let room = dice.pick(&day.rooms);
        let length = match dice.below(40) {
            0 => 8_000,
            _ => 20 + dice.below(300) as usize,
        };
        let data = json!({"room": room, "content": "word ".repeat(length / 5 + 1)});
        let (answer, data) = socket.request("Message", data);
        if answer != "Ack" {
            return Err(format!("a message was refused: {data}"));
        }
        count(&day.counts.messages);
        turn += 1;
        if turn.is_multiple_of(20) {
            socket.ack("Read", json!({"room": room, "seq": data["seq"]}));
            socket.send(json!({"action": "Typing", "data": {"room": room}}));
        }
        socket.forget();
        next = (next + Duration::from_millis(100)).max(Instant::now());
        day.rest(next.saturating_duration_since(Instant::now()));
    }
    socket.close();
    Ok(())
}

/// Hears everything, in every room, without a hole.
pub fn listen(day: &Day, number: u64) -> Result<(), String> {
    let me = &day.people[day.people.len() - 1 - number as usize];
    let mut socket = Socket::connect(&day.server, me).hearing_all();
    let mut timeline = Timeline::default();
    while !day.is_over() {
        for frame in socket.drain() {
            timeline.hear(&frame)?;
            count(&day.counts.heard);
        }
        day.rest(Duration::from_millis(250));
    }
    socket.close();
    Ok(())
}

/// Comes back with what it has, stays a moment, and goes: politely, or as if the cable was pulled.
pub fn come_and_go(day: &Day, number: u64) -> Result<(), String> {
    let mut dice = Dice::new(2_000 + number);
    let me = &day.people[30 + number as usize];
    let mut timeline = Timeline::default();
    while !day.is_over() {
        let since = json!(timeline.0);
        let mut socket = Socket::hello(&day.server, me, since).0.hearing_all();
        count(&day.counts.connections);
        let until = Instant::now() + Duration::from_millis(200 + dice.below(3_000));
        while Instant::now() < until && !day.is_over() {
            for frame in socket.drain() {
                timeline.hear(&frame)?;
            }
            day.rest(Duration::from_millis(50));
        }
        match dice.below(2) {
            0 => socket.close(),
            _ => drop(socket),
        }
        day.rest(Duration::from_millis(dice.below(1_000)));
    }
    Ok(())
}

/// Takes nothing for a while; then it is gone, or reads on as far as it gets.
pub fn read_slowly(day: &Day, number: u64) -> Result<(), String> {
    let mut dice = Dice::new(3_000 + number);
    let me = &day.people[40 + number as usize];
    let loopback: IpAddr = [127, 0, 0, 1].into();
    while !day.is_over() {
        let stream = stream_from(day.server.address, loopback, Some(4 * 1024));
        let mut socket = RawSocket::over(Connection::over(stream), &day.server, me);
        count(&day.counts.slow);
        day.rest(Duration::from_secs(5 + dice.below(60)));
        if dice.below(2) == 0 {
            // Cut off by now, or not: either is fine, but what comes is frames.
            for _ in 0..200 {
                if socket.connection.bytes(64).len() < 64 {
                    break;
                }
            }
        }
    }
    Ok(())
}

// ---- reading and arranging ------------------------------------------------------------------------

/// History, searches, lists and pages of the client, over connections that are kept and over such that are not.
pub fn look_around(day: &Day, dice: &mut Dice, turn: u64) -> Result<(), String> {
    let me = dice.pick(&day.people);
    let room = encode(dice.pick::<String>(&day.rooms));
    let path = match turn % 8 {
        0 => format!("/chat/history/{room}?limit=50"),
        1 => format!(
            "/chat/history/{room}?before={}&limit=200",
            1 + dice.below(9_000)
        ),
        2 => format!("/chat/search?q=word+word&room={room}&limit=20"),
        3 => "/chat/search?q=nowhere&limit=20".to_owned(),
        4 => "/chat/users".to_owned(),
        5 => "/chat/list".to_owned(),
        6 => "/chat/online".to_owned(),
        _ => "/".to_owned(),
    };
    let answer = me.get(&day.server, &path).send();
    count(&day.counts.pages);
    match answer.status {
        200 => Ok(()),
        status => Err(format!("{path} was answered {status}: {}", answer.text())),
    }
}

/// Joins, leaves, adds; now and then a new room.
pub fn arrange(day: &Day, dice: &mut Dice, turn: u64) -> Result<(), String> {
    let (me, you) = (&day.people[50], &day.people[51]);
    let made = format!("made {}", turn / 30);
    let name = encode(&made);
    let (path, good): (String, &[u16]) = match turn % 30 {
        0 => {
            count(&day.counts.rooms);
            (format!("/chat/create/{name}"), &[201])
        }
        1 => (
            format!("/chat/adduser/{name}/{}", encode(&you.name)),
            &[200],
        ),
        2 => (format!("/chat/leave/{name}"), &[204]),
        3 => (
            format!("/chat/direct/{}", encode(&dice.pick(&day.people).name)),
            &[200, 201],
        ),
        at if at % 2 == 0 => (format!("/chat/join/{name}"), &[200]),
        _ => (format!("/chat/leave/{name}"), &[204]),
    };
    let answer = me.post(&day.server, &path).send();
    match good.contains(&answer.status) {
        true => Ok(()),
        false => Err(format!("{path}: {} {}", answer.status, answer.text())),
    }
}

/// Registers, signs in, rightly and wrongly, asks for names, renews, changes the password, reports.
pub fn sign_in(day: &Day, dice: &mut Dice, turn: u64) -> Result<(), String> {
    let server = &day.server;
    let from = source(dice);
    let person = dice.pick(&day.people);
    let sign_in = |password: &str| {
        let body = json!({"name": person.name, "password": password});
        server.post("/auth/login").from(&from).json(body).send()
    };
    let (answer, expected) = match turn % 10 {
        0 if turn.is_multiple_of(30) => {
            count(&day.counts.accounts);
            let body = json!({"name": format!("newcomer-{turn}"), "password": PASSWORD});
            (
                server
                    .post("/auth/createuser")
                    .from(&from)
                    .json(body)
                    .send(),
                201,
            )
        }
        0 | 1 => (
            server
                .get(&format!("/auth/checkuser/{}", encode(&person.name)))
                .from(&from)
                .send(),
            200,
        ),
        2 => (sign_in("not this one"), 401),
        3 => (person.post(server, "/auth/renew").send(), 200),
        4 => {
            count(&day.counts.reports);
            let body = json!({"name": "somebody", "issue": "something is slow"});
            (server.post("/report").from(&from).json(body).send(), 200)
        }
        _ => {
            count(&day.counts.sign_ins);
            (sign_in(PASSWORD), 200)
        }
    };
    match answer.status == expected {
        true => Ok(()),
        false => Err(format!(
            "signing in: {} instead of {expected}: {}",
            answer.status,
            answer.text()
        )),
    }
}

/// Somebody whose password changes, which ends every session they had.
pub fn change_password(day: &Day, _: &mut Dice, turn: u64) -> Result<(), String> {
    let server = &day.server;
    let person = match turn {
        0 => register_exactly(server, "forgetful"),
        _ => {
            let body = json!({"name": "forgetful", "password": PASSWORD});
            Person::of(&server.post("/auth/login").json(body).send().ok(200))
        }
    };
    let mut socket = Socket::connect(server, &person);
    let body = json!({"old": PASSWORD, "new": PASSWORD});
    person
        .post(server, "/auth/password")
        .json(body)
        .send()
        .ok(200);
    match socket.expect_close() {
        Some(4401) => Ok(()),
        other => Err(format!("a dead session was closed with {other:?}")),
    }
}

// ---- misbehaving ----------------------------------------------------------------------------------

/// What no client sends, on sockets and in requests; each is answered or closed, and costs nobody else anything.
pub fn misbehave(day: &Day, dice: &mut Dice, turn: u64) -> Result<(), String> {
    count(&day.counts.bad);
    let server = &day.server;
    let host = server.address.to_string();
    let mut connection = Connection::open(server.address);
    match turn % 9 {
        0 => connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        1 => connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
        2 => connection
            .send(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"),
        3 => connection.send(&vec![b'x'; 20_000]),
        // Gone in the middle of a head, or of a body.
        4 => {
            connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Sl");
            return Ok(());
        }
        5 => {
            let head = "POST /report HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{\"na";
            connection.send(head.as_bytes());
            return Ok(());
        }
        6 => {
            let mut socket = RawSocket::over(connection, server, dice.pick(&day.people));
            for bad in [
                "{",
                "[]",
                r#"{"action":"Fly","data":{}}"#,
                r#"{"action":"Message","data":{"room":"nowhere","content":"x"}}"#,
            ] {
                socket.text(bad);
                if socket.answer()["action"] != "Error" {
                    return Err(format!("{bad} was no error"));
                }
            }
            return Ok(());
        }
        7 => {
            let mut socket = RawSocket::over(connection, server, dice.pick(&day.people));
            // Not masked (RFC 6455, section 5.1).
            socket.connection.send(&[0x81, 0x02, b'{', b'}']);
            return match socket.expect_close() {
                1002 => Ok(()),
                code => Err(format!("an unmasked frame was closed with {code}")),
            };
        }
        _ => {
            let mut socket = RawSocket::upgrade(connection, &host, &[]);
            socket.frame(true, raw::TEXT, &vec![b'x'; 70_000]);
            return match socket.expect_close() {
                1009 => Ok(()),
                code => Err(format!("too long a message was closed with {code}")),
            };
        }
    }
    match connection.answer("GET") {
        Some(answer) if answer.status >= 400 => Ok(()),
        other => Err(format!("a bad request was answered {other:?}")),
    }
}
