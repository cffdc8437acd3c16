//! The limit: what a bare loop over as many sockets delivers, with no HTTP, no JSON, no disk and one room.
//!
//! Owns a process of its own, as the server is one: the bench's executable, started with [`ARGUMENT`]. What it sends are
//! the server's frames to the byte, but for their numbers; the same load client receives them.

use super::client::{Client, HANG};
use super::stage::CONTENT;
use super::traffic::latencies;
use crate::common::server::follow;
use melangerie::protocol::{Message, MessageFrame};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Makes the bench's executable be the loop.
pub const ARGUMENT: &str = "bare-loop";
/// Numbers begin here and keep their ten digits.
const FIRST: u64 = 1_000_000_000;
const ROOM: &str = "floor 0";
/// What does not come within this never will.
const PATIENCE: Duration = Duration::from_secs(10);

// ---- the loop ---------------------------------------------------------------------------------------

/// One frame as the server would send it, and where its number stands.
struct Template {
    bytes: Vec<u8>,
    digits: usize,
}

impl Template {
    fn new() -> Template {
        let message = Message {
            room: ROOM.to_owned(),
            seq: FIRST,
            sender: super::office::name(0),
            content: "x".repeat(CONTENT),
            timestamp: 1_790_000_000_000,
            id: Some("0123abcd-12345".to_owned()),
            replaces: None,
            edited: None,
            event: None,
        };
        let bytes = MessageFrame::new(&message).frame().bytes().to_vec();
        let number = FIRST.to_string();
        let digits = memchr::memmem::find(&bytes, number.as_bytes()).expect("its number");
        Template { bytes, digits }
    }

    fn push(&mut self, out: &mut Vec<u8>, seq: u64) {
        let digits = seq.to_string();
        self.bytes[self.digits..][..digits.len()].copy_from_slice(digits.as_bytes());
        out.extend_from_slice(&self.bytes);
    }
}

/// Obeys stdin, a command a line, until it ends: `accept COUNT`, `flood MILLISECONDS MESSAGES-A-CALL`, `pass COUNT`.
pub fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    let mut sockets: Vec<TcpStream> = Vec::new();
    let (mut template, mut seq) = (Template::new(), FIRST);
    for line in std::io::stdin().lines() {
        let line = line.expect("a command");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        match words[0] {
            "accept" => sockets.extend((0..number(1)).map(|_| {
                let (socket, _) = listener.accept().expect("a connection");
                socket.set_nodelay(true).expect("no delay");
                socket
            })),
            "flood" => {
                let time = Duration::from_millis(number(1));
                flood(&mut sockets, &mut template, &mut seq, time, number(2));
            }
            "pass" => pass(&mut sockets, &mut template, &mut seq, number(1)),
            other => panic!("no command {other}"),
        }
        println!("{seq}");
    }
}

/// To each socket in turn, `joined` messages a call, for so long.
fn flood(
    sockets: &mut [TcpStream],
    template: &mut Template,
    seq: &mut u64,
    time: Duration,
    joined: u64,
) {
    let begin = Instant::now();
    let mut bytes = Vec::new();
    while begin.elapsed() < time {
        bytes.clear();
        (0..joined).for_each(|n| template.push(&mut bytes, *seq + n));
        for socket in &mut *sockets {
            socket.write_all(&bytes).expect("the client reads");
        }
        *seq += joined;
    }
}

/// Whenever a frame comes from the first socket, one message to each.
fn pass(sockets: &mut [TcpStream], template: &mut Template, seq: &mut u64, count: u64) {
    let (mut bytes, mut frame) = (Vec::new(), [0; 4 * 1024]);
    for _ in 0..count {
        let read = sockets[0].read(&mut frame).expect("a frame");
        assert!(read > 0, "a frame");
        bytes.clear();
        template.push(&mut bytes, *seq);
        for socket in &mut *sockets {
            socket.write_all(&bytes).expect("the client reads");
        }
        *seq += 1;
    }
}

// ---- its client -------------------------------------------------------------------------------------

/// The loop's process, and connections to it.
pub struct Bare {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    client: Client,
}

impl Bare {
    pub fn with(connections: usize) -> Bare {
        let executable = std::env::current_exe().expect("its own path");
        let mut child = Command::new(executable)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the loop starts");
        let mut bare = Bare {
            commands: child.stdin.take().expect("it is piped"),
            answers: follow(&mut child),
            child,
            client: Client::new(),
        };
        let address: SocketAddr = bare.answer().parse().expect("an address");
        bare.command(&format!("accept {connections}"));
        let room = bare.client.room(ROOM, FIRST - 1);
        // One after the other, so that the first is the loop's first too.
        for number in 0..connections {
            bare.client.begin_bare(address, &[(room, FIRST - 1)]);
            while bare.client.opened <= number {
                bare.client.turn(Some(Duration::from_millis(10)));
            }
        }
        bare.answer();
        bare
    }

    fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the loop runs");
    }

    fn answer(&self) -> String {
        self.answers.recv_timeout(HANG).expect("the loop answers")
    }

    /// Deliveries a second, `joined` messages a call.
    pub fn flood(&mut self, time: Duration, joined: usize) -> f64 {
        let before = self.client.tally.deliveries;
        let begin = Instant::now();
        self.command(&format!("flood {} {joined}", time.as_millis()));
        self.finish();
        let deliveries = self.client.tally.deliveries - before;
        deliveries as f64 / begin.elapsed().as_secs_f64()
    }

    /// As [`Client::pace`], in milliseconds and sorted: to each receiver, and to the last.
    pub fn pace(&mut self, messages: usize, interval: Duration) -> (Vec<f64>, Vec<f64>) {
        self.client.tally.arrivals = Some(Vec::new());
        let first = self.client.rooms[0].last + 1;
        self.command(&format!("pass {messages}"));
        let (begin, mut sent) = (Instant::now(), Vec::new());
        for number in 0..messages as u32 {
            // Later by one interval, so that the loop is waiting for the first.
            let due = begin + interval * (number + 1);
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                self.client.turn(Some(left));
            }
            sent.push((first + u64::from(number), Instant::now()));
            self.client.send(0, "x".repeat(CONTENT).as_bytes());
        }
        self.finish();
        let arrivals = self.client.tally.arrivals.take().unwrap_or_default();
        latencies(sent, &arrivals)
    }

    /// Reads until the loop is done and everything has come.
    fn finish(&mut self) {
        let begin = Instant::now();
        let next: u64 = loop {
            match self.answers.try_recv() {
                Ok(answer) => break answer.parse().expect("a number"),
                Err(_) => self.client.turn(Some(Duration::from_millis(1))),
            }
            assert!(begin.elapsed() < HANG, "the loop answers");
        };
        self.client.rooms[0].last = next - 1;
        let drained = self.client.drain(PATIENCE);
        let tally = &self.client.tally;
        assert!(
            drained && tally.missing == 0 && tally.double == 0,
            "everything came"
        );
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It ends by itself when its commands do; this is sure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
