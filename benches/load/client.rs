//! Thousands of connections on one thread.
//!
//! Owns the sockets: connecting, upgrading, `Hello`, reading whole frames, answering pings. One buffer serves all
//! sockets; only half a frame is ever kept with a connection. What is sent when is `traffic`'s to say.

use super::tally::{Place, Room, Tally};
use super::wire::{self, Dialect, Heard, Known};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Nothing waits longer: a guard against hanging, never a measure of speed.
pub const HANG: Duration = Duration::from_secs(60);
/// Read at once at most: it stays in the processor's cache.
const BUFFER_BYTES: usize = 64 * 1024;
/// A frame longer than this is not kept until it is whole, where its beginning tells what it is.
const LONG_FRAME: usize = 4 * 1024;
/// Enough of a frame to know it by.
const BEGINNING: usize = 64;

/// What a connection says when it begins, and what it is to hear.
pub struct Plan {
    pub token: String,
    /// The rooms that it is to hear, by [`Client::room`], and the last message that it has in each.
    pub since: Vec<(u32, u64)>,
    /// In the `Authorization` header rather than in `Hello`; then `since` must be the read positions.
    pub by_header: bool,
}

impl Plan {
    pub fn new(token: String, since: Vec<(u32, u64)>) -> Plan {
        Plan {
            token,
            since,
            by_header: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Connecting,
    Upgrading,
    Greeting,
    Open,
    /// By the other side, with the code of its close frame where there was one.
    Closed(Option<u16>),
}

pub struct Connection {
    stream: TcpStream,
    pub phase: Phase,
    /// Half a frame.
    partial: Vec<u8>,
    /// A long frame that is being passed over, and how much of it is still to come.
    long: Option<(Known, usize)>,
    /// What the socket did not take yet.
    out: Vec<u8>,
    /// Sent when the upgrade is through.
    greeting: Vec<u8>,
    pub places: Vec<Place>,
    /// The place that heard last.
    latest: usize,
    pub sender: Option<u32>,
}

/// An answer to one of our frames.
pub struct Reply {
    /// The number in our `id`.
    pub number: u64,
    pub seq: u64,
}

pub struct Client {
    pub(super) dialect: Dialect,
    poll: Poll,
    events: Events,
    pub connections: Vec<Connection>,
    pub rooms: Vec<Room>,
    pub tally: Tally,
    buffer: Vec<u8>,
    /// Those that came with the last read.
    pub(super) replies: Vec<Reply>,
    pub opened: usize,
    /// Tells this client's `id`s from another's on the same server.
    pub(super) run: u32,
    random: u64,
    pub(super) traffic: super::traffic::Traffic,
}

impl Client {
    pub fn new() -> Client {
        Client::speaking(Dialect::Melangerie)
    }

    pub fn speaking(dialect: Dialect) -> Client {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("random bytes");
        let random = u64::from_ne_bytes(seed) | 1;
        Client {
            dialect,
            poll: Poll::new().expect("an epoll descriptor"),
            events: Events::with_capacity(1_024),
            connections: Vec::new(),
            rooms: Vec::new(),
            tally: Tally::default(),
            buffer: vec![0; BUFFER_BYTES],
            replies: Vec::new(),
            opened: 0,
            run: random as u32,
            random,
            traffic: super::traffic::Traffic::default(),
        }
    }

    /// The room with this name, whose newest message has the number `last`.
    pub fn room(&mut self, name: &str, last: u64) -> u32 {
        self.rooms.push(Room {
            name: name.as_bytes().to_vec(),
            last,
            receivers: 0,
            had: 0,
        });
        (self.rooms.len() - 1) as u32
    }

    /// Connects, upgrades and greets all of `plans`, at most `at_once` under way, and returns how long it took until
    /// the last was welcomed. What they catch up with may still be coming.
    pub fn connect(
        &mut self,
        address: SocketAddr,
        plans: impl Iterator<Item = Plan>,
        at_once: usize,
    ) -> Duration {
        let begin = Instant::now();
        let mut plans = plans.peekable();
        let mut under_way = self.connections.len() - self.opened;
        let mut progress = (self.opened, begin);
        while plans.peek().is_some() || under_way > 0 {
            while under_way < at_once
                && let Some(plan) = plans.next()
            {
                self.begin(address, &plan);
                under_way += 1;
            }
            self.turn(Some(Duration::from_millis(100)));
            under_way = self.connections.len() - self.opened;
            if self.opened > progress.0 {
                progress = (self.opened, Instant::now());
            }
            assert!(
                self.tally.closed == 0 && progress.1.elapsed() < HANG,
                "{} of {} connections are open, {} were closed: {:?}",
                self.opened,
                self.connections.len(),
                self.tally.closed,
                self.tally.errors
            );
        }
        begin.elapsed()
    }

    /// Begins one connection; [`Client::turn`] goes on with it.
    pub fn begin(&mut self, address: SocketAddr, plan: &Plan) -> usize {
        let by_header = plan.by_header.then_some(plan.token.as_str());
        let out = self.dialect.upgrade(&address.to_string(), by_header);
        let mut greeting = Vec::new();
        if !plan.by_header && self.dialect == Dialect::Melangerie {
            let hello = self.hello(plan);
            let key = self.key();
            wire::push_masked(&mut greeting, &hello, key);
        }
        self.add(address, Phase::Connecting, out, greeting, &plan.since)
    }

    /// Begins a connection that is no WebSocket's: frames come at once.
    pub fn begin_bare(&mut self, address: SocketAddr, since: &[(u32, u64)]) -> usize {
        self.add(address, Phase::Connecting, Vec::new(), Vec::new(), since)
    }

    fn add(
        &mut self,
        address: SocketAddr,
        phase: Phase,
        out: Vec<u8>,
        greeting: Vec<u8>,
        since: &[(u32, u64)],
    ) -> usize {
        let index = self.connections.len();
        let mut stream = TcpStream::connect(address).expect("a socket");
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(index), interest)
            .expect("a place in epoll");
        let place = |&(room, last)| Place {
            room,
            next: last + 1,
        };
        for &(room, last) in since {
            let room = &mut self.rooms[room as usize];
            room.receivers += 1;
            room.had += last;
        }
        self.connections.push(Connection {
            stream,
            phase,
            partial: Vec::new(),
            long: None,
            out,
            greeting,
            places: since.iter().map(place).collect(),
            latest: 0,
            sender: None,
        });
        index
    }

    fn hello(&self, plan: &Plan) -> Vec<u8> {
        let name = |room: u32| String::from_utf8_lossy(&self.rooms[room as usize].name);
        let since: Vec<String> = plan
            .since
            .iter()
            .map(|&(room, last)| format!(r#""{}":{last}"#, name(room)))
            .collect();
        let (token, since) = (&plan.token, since.join(","));
        format!(r#"{{"action":"Hello","data":{{"token":"{token}","since":{{{since}}}}}}}"#)
            .into_bytes()
    }

    /// A masking key: any 32 bits that the other side cannot foresee (RFC 6455, section 5.3).
    pub(super) fn key(&mut self) -> [u8; 4] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random as u32).to_ne_bytes()
    }

    /// Waits until something happens, `timeout` at most, and does what is to be done.
    pub fn turn(&mut self, timeout: Option<Duration>) {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            let index = event.token().0;
            if event.is_writable() {
                self.writable(index);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.readable(index);
            }
        }
        self.events = events;
    }

    fn writable(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if connection.phase == Phase::Connecting {
            if let Ok(Some(error)) = connection.stream.take_error() {
                panic!("connection {index} was refused: {error}");
            }
            if connection.stream.peer_addr().is_err() {
                return;
            }
            connection.stream.set_nodelay(true).expect("no delay");
            connection.phase = Phase::Upgrading;
            if connection.out.is_empty() {
                connection.phase = Phase::Open;
                self.opened += 1;
            }
        }
        self.flush(index);
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        while !connection.out.is_empty() {
            match connection.stream.write(&connection.out) {
                Ok(count) => drop(connection.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.close(index, None),
            }
        }
    }

    /// A masked text frame; it waits where the socket does not take it. [`Client::flush`] sends it.
    pub fn push(&mut self, index: usize, payload: &[u8]) {
        let key = self.key();
        wire::push_masked(&mut self.connections[index].out, payload, key);
    }

    pub fn send(&mut self, index: usize, payload: &[u8]) {
        self.push(index, payload);
        self.flush(index);
    }

    fn close(&mut self, index: usize, code: Option<u16>) {
        let connection = &mut self.connections[index];
        if !matches!(connection.phase, Phase::Closed(_)) {
            connection.phase = Phase::Closed(code);
            self.tally.closed += 1;
        }
    }

    /// Reads until the socket is empty. A read that does not fill the buffer has emptied it (epoll(7)).
    fn readable(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let connection = &mut self.connections[index];
            let kept = connection.partial.len();
            buffer[..kept].copy_from_slice(&connection.partial);
            let count = match connection.stream.read(&mut buffer[kept..]) {
                Ok(0) => {
                    self.close(index, None);
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.close(index, None);
                    break;
                }
            };
            self.connections[index].partial.clear();
            self.tally.bytes += count as u64;
            let filled = kept + count;
            let used = self.take(index, &buffer[..filled]);
            let rest = &buffer[used..filled];
            self.connections[index].partial.extend_from_slice(rest);
            if used == 0 && filled == buffer.len() {
                buffer.resize(buffer.len() * 2, 0);
            } else if filled < buffer.len() {
                break;
            }
        }
        self.buffer = buffer;
        if !self.replies.is_empty() {
            self.answered(index);
            self.replies.clear();
        }
        self.flush(index);
    }

    /// Takes what is whole of `bytes`, and returns how much that is.
    fn take(&mut self, index: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.connections[index].phase == Phase::Upgrading {
            match self.take_upgrade(index, bytes) {
                0 => return 0,
                count => used = count,
            }
        }
        let at = self.tally.arrivals.is_some().then(Instant::now);
        loop {
            used += self.pass_over(index, &bytes[used..]);
            let rest = &bytes[used..];
            let Some(header) = wire::header(rest) else {
                return used;
            };
            let payload = &rest[header.length..];
            if payload.len() >= header.payload {
                self.hear(index, header.opcode, &payload[..header.payload], at);
                used += header.length + header.payload;
            } else if header.payload > LONG_FRAME
                && payload.len() >= BEGINNING
                && let Some(known) = wire::beginning(payload)
            {
                self.connections[index].long = Some((known, header.payload - payload.len()));
                return bytes.len();
            } else {
                return used;
            }
        }
    }

    /// The rest of a long frame, or what is here of it; at its end it counts as heard.
    fn pass_over(&mut self, index: usize, bytes: &[u8]) -> usize {
        let connection = &mut self.connections[index];
        match &mut connection.long {
            None => 0,
            Some((_, left)) if *left > bytes.len() => {
                *left -= bytes.len();
                bytes.len()
            }
            Some((known, left)) => {
                let (known, end) = (*known, *left);
                connection.long = None;
                self.hear_known(index, known);
                end
            }
        }
    }

    fn take_upgrade(&mut self, index: usize, bytes: &[u8]) -> usize {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return 0;
        };
        assert!(
            bytes.starts_with(b"HTTP/1.1 101 "),
            "connection {index} was not upgraded: {}",
            String::from_utf8_lossy(&bytes[..end])
        );
        let connection = &mut self.connections[index];
        connection.phase = Phase::Greeting;
        connection.out.append(&mut connection.greeting);
        end + 4
    }

    fn hear(&mut self, index: usize, opcode: u8, payload: &[u8], at: Option<Instant>) {
        let connection = &mut self.connections[index];
        match opcode {
            0x1 => {}
            0x8 => {
                let code = payload
                    .get(..2)
                    .map(|code| u16::from_be_bytes([code[0], code[1]]));
                return self.close(index, code);
            }
            0x9 => {
                let key = self.key();
                return wire::push_pong(&mut self.connections[index].out, payload, key);
            }
            0xa => return,
            other => panic!("a frame with opcode {other}"),
        }
        match self.dialect.hear(payload) {
            Heard::Message { room, seq } => {
                let rooms = &mut self.rooms;
                let is_it = |place: &Place| rooms[place.room as usize].name == room;
                if !connection.places.get(connection.latest).is_some_and(is_it) {
                    match connection.places.iter().position(is_it) {
                        Some(found) => connection.latest = found,
                        // Of a room that this bench does not look at.
                        None => return,
                    }
                }
                let place = &mut connection.places[connection.latest];
                let room = &mut rooms[place.room as usize];
                self.tally.message(place, room, seq, at);
            }
            Heard::Ack { id, seq } => {
                let digits = id.rsplit(|&byte| byte == b'-').next().unwrap_or_default();
                let number = std::str::from_utf8(digits)
                    .ok()
                    .and_then(|text| text.parse().ok());
                self.replies.push(Reply {
                    number: number.expect("our id"),
                    seq: seq.unwrap_or(0),
                });
            }
            Heard::Answer(answer) => self.push(index, answer),
            Heard::Error(frame) => self.tally.error(frame),
            Heard::Known(known) => self.hear_known(index, known),
        }
    }

    fn hear_known(&mut self, index: usize, known: Known) {
        match known {
            Known::Welcome => {
                self.connections[index].phase = Phase::Open;
                self.opened += 1;
            }
            Known::Gap => self.tally.gaps += 1,
            Known::History => self.tally.pages += 1,
            Known::Other => {}
        }
    }

    /// Deliveries that are due and did not come yet: every connection hears every room to its newest message.
    pub fn missing_now(&self) -> u64 {
        let due = |room: &Room| room.receivers * room.last - room.had;
        let due: u64 = self.rooms.iter().map(due).sum();
        due - self.tally.deliveries - self.tally.missing
    }

    /// Goes on until every connection has heard everything. False where nothing came for `patience` before that.
    pub fn drain(&mut self, patience: Duration) -> bool {
        let mut last = (self.tally.bytes, Instant::now());
        loop {
            if self.missing_now() == 0 {
                return true;
            }
            self.turn(Some(Duration::from_millis(20)));
            if self.tally.bytes > last.0 {
                last = (self.tally.bytes, Instant::now());
            } else if last.1.elapsed() > patience {
                return false;
            }
        }
    }

    /// Goes on until nothing has come for `quiet`.
    pub fn settle(&mut self, quiet: Duration) {
        let mut last = (self.tally.bytes, Instant::now());
        while last.1.elapsed() < quiet {
            self.turn(Some(quiet / 4));
            if self.tally.bytes > last.0 {
                last = (self.tally.bytes, Instant::now());
            }
        }
    }

    /// Goes on for so long, answering pings.
    pub fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(Some(left));
        }
    }
}

impl Drop for Client {
    /// By reset, so that thousands of ports are free again at once.
    fn drop(&mut self) {
        for connection in &self.connections {
            // One that is closed already has nothing to set.
            let _ = socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
