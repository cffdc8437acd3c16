//! Receivers that do not take what they are sent: one, a thousand, for a while, for good.

use crate::common::http::stream_from;
use crate::common::{Connection, Person, RawSocket, Server, json};
use crate::load::Usage;
use crate::report::{Measured, Report};
use crate::scene::{self, IDLE_BYTES, ROOM, Scene, THREAD_BYTES, mib};
use melangerie::limits;
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Somebody signed in whose socket keeps next to nothing for them, so that what they do not read stays with the server.
pub struct Reluctant {
    socket: RawSocket,
    /// The same socket once more, past what was read ahead.
    stream: TcpStream,
}

impl Reluctant {
    pub fn come(server: &Server, person: &Person) -> Reluctant {
        let stream = stream_from(server.address, [127, 0, 0, 1].into(), Some(4 * 1024));
        let again = stream.try_clone().expect("a descriptor");
        let bearer = format!("Bearer {}", person.token);
        let (connection, host) = (Connection::over(stream), server.address.to_string());
        let headers = [("Authorization", bearer.as_str())];
        Reluctant {
            socket: RawSocket::upgrade(connection, &host, &headers),
            stream: again,
        }
    }

    /// A byte, where there is one. False where the connection has ended.
    fn sip(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        match self.stream.read(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// What a connection takes that is behind, beside the bytes that wait: a writer with its batch, which may end with a
/// frame of any length, and the places of what waits, in frames of this length, in a queue.
pub fn behind(frame: usize) -> usize {
    const QUEUE_ENTRY: usize = 48;
    THREAD_BYTES + 2 * 64 * 1024 + limits::BACKLOG_BYTES / frame * QUEUE_ENTRY
}

/// What is said while they do not listen. All of it is the same for all, and is in memory once.
const CONTENT: usize = 16_000;
const MESSAGES: usize = 1_500;

/// So many people who take a byte a second, or none at all, while others talk.
fn slow(count: usize, sips: bool, scenario: &str) -> Report {
    let mut scene = Scene::set(scene::early(), count + 3, count + 3, &[]);
    let mut crowd: Vec<Reluctant> = (0..count)
        .map(|number| Reluctant::come(&scene.server, &scene::person(3 + number)))
        .collect();
    let (begin, mut last) = (Instant::now(), Instant::now());
    let mut looks = Measured::default();
    let pid = scene.server.pid();
    scene.flood(MESSAGES, CONTENT, |number| {
        // About a hundred a second.
        std::thread::sleep(Duration::from_millis(8));
        if sips && last.elapsed() > Duration::from_secs(1) {
            last = Instant::now();
            crowd.retain_mut(Reluctant::sip);
        }
        if number % 20 == 0 {
            looks.look(pid);
        }
        number % 20 != 0 || scene.online() > 3
    });
    let cut = begin.elapsed();
    assert!(
        scene.online() <= 3,
        "only the pair and the speaker were left"
    );
    drop(crowd);
    merge(&mut scene.measured, looks);
    let mut measured = scene.end();
    measured.notes = format!("the last was cut off after {:.0} s", cut.as_secs_f64());
    let per_receiver = IDLE_BYTES + behind(CONTENT);
    Report {
        scenario: scenario.to_owned(),
        holds: "cut off at 4 MiB or 30 s; nobody else notices",
        bound: format!(
            "{} MiB said within 30 s, once for all + {count} × {} KiB",
            mib(MESSAGES * CONTENT) as usize,
            per_receiver / 1024
        ),
        bound_mib: mib(MESSAGES * CONTENT + count * per_receiver) + scene::house(CONTENT),
        measured,
    }
}

fn merge(into: &mut Measured, looks: Measured) {
    into.worst = looks.worst;
    into.kernel_mib = looks.kernel_mib;
}

pub fn one_stopped() -> Report {
    slow(1, false, "a receiver that stops reading")
}

pub fn one_sipping() -> Report {
    slow(1, true, "a receiver that reads a byte a second")
}

pub fn thousand_stopped() -> Report {
    slow(1_000, false, "1,000 receivers that stop reading")
}

pub fn thousand_sipping() -> Report {
    slow(1_000, true, "1,000 receivers that read a byte a second")
}

/// One account with more connections than there are writers, all of which catch up at next to no pace; and somebody who
/// falls behind for a moment beside them.
pub fn catching_up() -> Report {
    const MISSED: usize = 400;
    const EACH: usize = 8_000;
    let count = limits::WRITER_THREADS + 76;
    let missed = vec!["y".repeat(EACH); MISSED];
    let mut scene = Scene::set(scene::early(), 5, 5, &missed);
    let crowd: Vec<Reluctant> = (0..count)
        .map(|_| Reluctant::come(&scene.server, &scene::person(3)))
        .collect();
    let mut late = Reluctant::come(&scene.server, &scene::person(4)).socket;
    // What it missed itself is read, so that it is live.
    read_until(&mut late, MISSED as u64 + 1);
    scene.look();
    let (from, more) = (MISSED as u64 + 1, 250);
    // On a machine that has no time, fewer: who is behind for half a minute is cut off.
    let (begin, mut said) = (Instant::now(), 0);
    scene.flood(more, CONTENT, |_| {
        said += 1;
        begin.elapsed() < limits::BACKLOG_AGE / 3
    });
    scene.look();
    // That is more than its socket takes, and less than a backlog; it reads on, and has all of it.
    read_until(&mut late, from + said);
    let threads = Usage::of(scene.server.pid()).threads;
    drop((crowd, late));
    let mut measured = scene.end();
    measured.notes = format!("{threads} threads at the end; whoever was behind has everything");
    Report {
        scenario: format!("{count} connections of one account that catch up and take nothing"),
        holds: "half of the writers are left to those who are only behind",
        bound: format!(
            "{count} × ({} KiB, a piece of 64 KiB, a part of a segment of 128 KiB) + {:.0} MiB said meanwhile",
            (IDLE_BYTES + THREAD_BYTES) / 1024,
            mib(more * CONTENT)
        ),
        bound_mib: mib(count * (IDLE_BYTES + THREAD_BYTES + (64 + 128) * 1024) + more * CONTENT)
            + scene::house(CONTENT),
        measured,
    }
}

/// Reads until this number of the room, and asserts that none is missing; answers the last.
fn read_until(socket: &mut RawSocket, wanted: u64) -> u64 {
    let mut last = None;
    loop {
        let frame = socket.json();
        if frame["action"] != "Message" || frame["data"]["room"] != ROOM {
            continue;
        }
        let seq = frame["data"]["seq"].as_u64().expect("a seq");
        assert!(
            last.is_none_or(|last| last + 1 == seq),
            "{seq} after {last:?}"
        );
        last = Some(seq);
        if seq >= wanted {
            return seq;
        }
    }
}

/// One account asks for a long page on each of its many connections, and reads none.
pub fn answers() -> Report {
    const COUNT: usize = 300;
    let missed = vec!["z".repeat(limits::CONTENT_BYTES); limits::PAGE_MESSAGES_MAX as usize];
    let mut scene = Scene::set(scene::early(), 4, 4, &missed);
    let mut crowd = Vec::new();
    for _ in 0..COUNT {
        let mut socket = Reluctant::come(&scene.server, &scene::person(3)).socket;
        let data =
            json!({"room": ROOM, "before": missed.len() + 2, "limit": limits::PAGE_MESSAGES_MAX});
        socket.text(&json!({"action": "History", "data": data, "id": "page"}).to_string());
        crowd.push(socket);
        scene.look();
    }
    scene.flood(20, CONTENT, |_| true);
    scene.look();
    drop(crowd);
    let mut measured = scene.end();
    let page = missed.len() * (limits::CONTENT_BYTES + 256);
    measured.notes = format!(
        "a page has {:.1} MiB, so that all would be {:.0}",
        mib(page),
        mib(page * COUNT)
    );
    // While it is made: the segment, the part of it, the page as JSON, and as a frame.
    let making = limits::READINGS_OF_USER * 4 * page;
    // What is missed by a connection that catches up is read a part of a segment at a time.
    let catching_up = COUNT * (64 + 128) * 1024;
    Report {
        scenario: format!(
            "{COUNT} connections of one account that ask for the longest page and read nothing"
        ),
        holds: "what waits is bounded for all connections together; who holds more than their share is cut off",
        bound: format!(
            "2 × {} MiB + 8 × 4 × a page + {COUNT} × ({} KiB, a piece, a part of a segment)",
            limits::WAITING_BYTES / 1024 / 1024,
            (IDLE_BYTES + THREAD_BYTES) / 1024
        ),
        bound_mib: mib(2 * limits::WAITING_BYTES
            + making
            + catching_up
            + COUNT * (IDLE_BYTES + THREAD_BYTES))
            + scene::house(limits::CONTENT_BYTES),
        measured,
    }
}
