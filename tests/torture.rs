//! People write while the server is killed again and again, and checkpoints run all the time. Whatever was acked is
//! there afterwards, once, where the ack said.
//!
//! `MELANGERIE_TORTURE_ROUNDS` says how often it is killed.

mod common;

use common::server::{bare, run_to_the_end};
use common::*;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;
use tungstenite::client::IntoClientRequest;

/// Messages that a writer sends before it waits for an ack.
const WINDOW: usize = 8;

/// A message that was sent, and of which nobody knows whether it is stored.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    room: String,
    content: String,
}

/// Somebody who writes, and what they know of it.
struct Writer {
    person: Person,
    rooms: Vec<String>,
    by_socket: bool,
    count: usize,
    open: Vec<Sent>,
    /// Where each acked message is said to be, by its id: room, `seq`, content.
    acked: HashMap<String, (String, u64, String)>,
}

impl Writer {
    fn next(&mut self) -> Sent {
        self.count += 1;
        let sent = Sent {
            id: format!("{}-{}", self.person.name, self.count),
            room: self.rooms[self.count % self.rooms.len()].clone(),
            content: format!("{} ", self.count).repeat(1 + self.count * 7 % 40),
        };
        self.open.push(sent.clone());
        sent
    }

    fn ack(&mut self, id: &str, seq: u64) {
        let at = self.open.iter().position(|sent| sent.id == id);
        let sent = self.open.remove(at.expect("an ack is for what was sent"));
        let before = self.acked.insert(sent.id, (sent.room, seq, sent.content));
        assert!(before.is_none(), "{id} is acked once");
    }

    /// Sends what is open again, then new messages, until the connection breaks; with `most` new ones at the most.
    fn write(&mut self, address: SocketAddr, most: usize, moments: &Sender<()>) {
        let result = match self.by_socket {
            true => self.write_frames(address, most, moments),
            false => self.write_requests(address, most, moments),
        };
        // Without an answer the connection was broken, which is what the test is about.
        result.unwrap_or_default();
    }

    fn write_frames(
        &mut self,
        address: SocketAddr,
        most: usize,
        moments: &Sender<()>,
    ) -> Option<()> {
        let url = format!("ws://{address}/chat/connect");
        let mut request = url.into_client_request().expect("a request");
        let bearer = format!("Bearer {}", self.person.token);
        let headers = request.headers_mut();
        headers.insert("Authorization", bearer.parse().expect("a header"));
        let stream = connect(address)?;
        let (mut socket, _) = tungstenite::client(request, stream).ok()?;
        let mut waiting = self.open.clone();
        let mut made = 0;
        loop {
            while self.open.len() < WINDOW && made < most {
                made += 1;
                waiting.push(self.next());
            }
            if self.open.is_empty() {
                return Some(());
            }
            for sent in waiting.drain(..) {
                let data = json!({"room": sent.room, "content": sent.content});
                let frame = json!({"action": "Message", "data": data, "id": sent.id});
                socket
                    .send(tungstenite::Message::text(frame.to_string()))
                    .ok()?;
                let _ = moments.send(());
            }
            let frame = socket.read().ok()?;
            let Ok(frame) = serde_json::from_slice::<Value>(&frame.into_data()) else {
                continue;
            };
            assert_ne!(frame["action"], "Error", "{frame}");
            if frame["action"] == "Ack" {
                let id = frame["id"].as_str().expect("an id");
                self.ack(id, frame["data"]["seq"].as_u64().expect("a seq"));
                let _ = moments.send(());
            }
        }
    }

    fn write_requests(
        &mut self,
        address: SocketAddr,
        most: usize,
        moments: &Sender<()>,
    ) -> Option<()> {
        let mut stream = connect(address)?;
        let mut waiting = self.open.clone();
        for _ in 0..most {
            if waiting.is_empty() {
                waiting.push(self.next());
            }
            for sent in waiting.drain(..) {
                let body = json!({"room": sent.room, "content": sent.content, "id": sent.id});
                let request = Request::new(address, "POST", "/chat/chatroom")
                    .token(&self.person.token)
                    .json(body);
                stream.write_all(&request.bytes()).ok()?;
                let _ = moments.send(());
                let message = answer(&mut stream)?;
                assert_eq!(message["id"], sent.id, "{message}");
                self.ack(&sent.id, message["seq"].as_u64().expect("a seq"));
                let _ = moments.send(());
            }
        }
        Some(())
    }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(HANG)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// The body of the next answer, which must be a good one; none where the connection breaks.
fn answer(stream: &mut TcpStream) -> Option<Value> {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200"), "{text}");
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().expect("a length"))
            });
            if body.len() >= length.expect("a length") {
                return serde_json::from_str(body).ok();
            }
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&part[..count]),
        }
    }
}

/// What the server has, as far as it was read: each room's ids in the order of their seqs; "" where one has none.
type Found = BTreeMap<String, Vec<(String, String)>>;

/// Reads what is new in each room; seqs must go on without a gap.
fn read_on(server: &Server, reader: &Person, found: &mut Found) {
    for (room, lines) in found {
        loop {
            let query = format!("after={}&limit=200", lines.len());
            let page = reader.history(server, room, &query);
            for message in page["messages"].as_array().expect("messages") {
                assert_eq!(message["seq"], lines.len() as u64 + 1, "{room}: {message}");
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                let content = message["content"].as_str().expect("a content").to_owned();
                lines.push((id, content));
            }
            if page["more"] == false {
                break;
            }
        }
    }
}

/// Counts what is acked and not where it should be, and what is there more than once.
fn compare(writers: &[Writer], found: &Found) -> (usize, usize) {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for (id, _) in found.values().flatten().filter(|(id, _)| !id.is_empty()) {
        *times.entry(id).or_default() += 1;
    }
    let is_there = |(id, (room, seq, content)): (&String, &(String, u64, String))| {
        let line = found[room].get(*seq as usize - 1);
        line.is_some_and(|(there, said)| there == id && said == content)
    };
    let acked = writers.iter().flat_map(|writer| &writer.acked);
    let lost = acked.filter(|entry| !is_there(*entry)).count();
    (lost, times.values().filter(|&&count| count > 1).count())
}

/// The same numbers in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

#[test]
fn killed_again_and_again_it_loses_nothing_and_doubles_nothing() {
    let rounds = std::env::var("MELANGERIE_TORTURE_ROUNDS").ok();
    let rounds: u32 = rounds.map_or(5, |text| text.parse().expect("a number of rounds"));
    let begin = Instant::now();
    let mut random = Random(0x6d65_6c61_6e67_6572);
    let launch = Launch::new().with("--journal-bytes", "8192");
    let server = launch.start();
    let people: Vec<Person> = (0..4).map(|_| register(&server, "writer")).collect();
    let others: Vec<&Person> = people[1..].iter().collect();
    let rooms: Vec<String> = (0..3)
        .map(|_| room_of(&server, &people[0], &others))
        .collect();
    let mut found: Found = rooms
        .iter()
        .map(|room| (room.clone(), Vec::new()))
        .collect();
    let reader = people[0].clone();
    let mut writers: Vec<Writer> = people
        .into_iter()
        .enumerate()
        .map(|(index, person)| Writer {
            person,
            rooms: rooms.clone(),
            by_socket: index % 2 == 0,
            count: 0,
            open: Vec::new(),
            acked: HashMap::new(),
        })
        .collect();
    let mut server = Some(server);
    for round in 1..=rounds {
        let running = server.take().expect("it runs between rounds");
        write_and_kill(&running, &mut writers, 1 + random.below(400));
        drop(running);
        let again = launch.start();
        read_on(&again, &reader, &mut found);
        let (lost, doubled) = compare(&writers, &found);
        assert_eq!((lost, doubled), (0, 0), "round {round}");
        server = Some(again);
    }
    let server = server.expect("it runs after the last round");
    finish(&server, &mut writers);
    // From the beginning, as a client that has never been here would.
    found.values_mut().for_each(Vec::clear);
    read_on(&server, &reader, &mut found);
    let (lost, doubled) = compare(&writers, &found);
    let acked: usize = writers.iter().map(|writer| writer.acked.len()).sum();
    let ids = found.values().flatten().filter(|(id, _)| !id.is_empty());
    println!(
        "torture: {rounds} rounds in {} s, {acked} acked, {} recovered, {lost} lost, {doubled} duplicated",
        begin.elapsed().as_secs(),
        ids.clone().count()
    );
    assert_eq!((lost, doubled), (0, 0));
    assert_eq!(ids.count(), acked, "whatever was sent is there, once");
    server.kill();
    let data = launch.data_path().to_str().expect("UTF-8");
    let output = run_to_the_end(bare(launch.home(), &["check", "--data", data]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Everybody writes until the server is killed, after so many messages sent and acks heard.
fn write_and_kill(server: &Server, writers: &mut [Writer], moment: u64) {
    let (tell, moments) = channel();
    std::thread::scope(|scope| {
        for writer in writers {
            let tell = tell.clone();
            scope.spawn(move || writer.write(server.address, usize::MAX, &tell));
        }
        drop(tell);
        for _ in 0..moment {
            moments.recv_timeout(HANG).expect("somebody writes");
        }
        server.kill();
    });
}

/// Everybody sends what is open, and hears that it is stored.
fn finish(server: &Server, writers: &mut [Writer]) {
    let (tell, moments) = channel();
    for writer in writers {
        writer.write(server.address, 1, &tell);
        assert!(writer.open.is_empty(), "{:?} are not acked", writer.open);
    }
    drop(moments);
}
