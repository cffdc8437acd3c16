//! Requests that do not come: heads and bodies that trickle, connections that say nothing.

use crate::common::{Connection, RawSocket};
use crate::load::stage::launch;
use crate::report::Report;
use crate::scene::{self, Scene, THREAD_BYTES, mib};
use melangerie::limits;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const COUNT: usize = 2_000;

/// A connection, and what came back on it.
struct Trickle {
    stream: TcpStream,
    heard: Vec<u8>,
    ended: Option<Duration>,
}

/// Each connection begins with `first` and goes on with a byte a second, if there is one, until the server has ended
/// it. Answers what each heard, and when the first and the last was ended.
fn trickle(
    scene: &mut Scene,
    first: &[u8],
    byte: Option<u8>,
    upgrade: bool,
) -> (Vec<Trickle>, [Duration; 2]) {
    let address = scene.server.address;
    let begin = Instant::now();
    let mut all: Vec<Trickle> = (0..COUNT)
        .map(|_| {
            let mut connection = Connection::open(address);
            if upgrade {
                connection = RawSocket::upgrade(connection, &address.to_string(), &[]).connection;
            }
            connection.send(first);
            let stream = connection.into_stream();
            stream.set_nonblocking(true).expect("a socket");
            Trickle {
                stream,
                heard: Vec::new(),
                ended: None,
            }
        })
        .collect();
    while all.iter().any(|one| one.ended.is_none()) {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "some are still there"
        );
        for one in &mut all {
            one.go_on(byte, begin);
        }
        scene.look();
        std::thread::sleep(Duration::from_secs(1));
    }
    let ends = all.iter().filter_map(|one| one.ended);
    let (earliest, latest) = (ends.clone().min(), ends.max());
    (
        all,
        [earliest.unwrap_or_default(), latest.unwrap_or_default()],
    )
}

impl Trickle {
    fn go_on(&mut self, byte: Option<u8>, begin: Instant) {
        if self.ended.is_some() {
            return;
        }
        if let (Some(byte), true) = (byte, self.heard.is_empty()) {
            // Where it was ended, reading tells.
            let _ = self.stream.write(&[byte]);
        }
        let mut buffer = [0; 4 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => break,
            }
        }
        self.ended = Some(begin.elapsed());
    }

    fn is_answered(&self, status: &str) -> bool {
        self.heard
            .starts_with(format!("HTTP/1.1 {status} ").as_bytes())
    }
}

fn report(
    scene: Scene,
    scenario: &str,
    holds: &'static str,
    each: usize,
    ends: [Duration; 2],
) -> Report {
    let mut measured = scene.end();
    measured.notes = format!(
        "ended after {:.0} to {:.0} s",
        ends[0].as_secs_f64(),
        ends[1].as_secs_f64()
    );
    Report {
        scenario: format!("{COUNT} {scenario}"),
        holds,
        bound: format!("{COUNT} × {} KiB", each / 1024),
        bound_mib: mib(COUNT * each) + scene::house(500),
        measured,
    }
}

pub fn slow_heads() -> Report {
    let mut scene = Scene::set(launch(), 3, 3, &[]);
    let first = format!(
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: {}",
        "x".repeat(15_000)
    );
    let (all, ends) = trickle(&mut scene, first.as_bytes(), Some(b'x'), false);
    assert!(all.iter().all(|one| one.is_answered("408")), "each is told");
    drop(all);
    let each = THREAD_BYTES + limits::REQUEST_HEAD_BYTES + 2 * 1024;
    report(
        scene,
        "request heads of 15 KB that go on with a byte a second",
        "408 after 10 s",
        each,
        ends,
    )
}

pub fn slow_bodies() -> Report {
    let mut scene = Scene::set(launch(), 3, 3, &[]);
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        limits::REQUEST_BODY_BYTES
    );
    let first = format!("{head}{}", " ".repeat(60_000));
    let (all, ends) = trickle(&mut scene, first.as_bytes(), Some(b' '), false);
    assert!(all.iter().all(|one| one.is_answered("408")), "each is told");
    drop(all);
    let each = THREAD_BYTES + limits::REQUEST_HEAD_BYTES + limits::REQUEST_BODY_BYTES + 2 * 1024;
    report(
        scene,
        "request bodies of 60 KB that go on with a byte a second",
        "408 after 30 s",
        each,
        ends,
    )
}

pub fn silent() -> Report {
    let mut scene = Scene::set(launch(), 3, 3, &[]);
    let (all, ends) = trickle(&mut scene, b"", None, false);
    assert!(all.iter().all(|one| one.heard.is_empty()), "nobody asked");
    drop(all);
    report(
        scene,
        "connections that say nothing",
        "closed after 60 s",
        THREAD_BYTES + 4 * 1024,
        ends,
    )
}

pub fn silent_sockets() -> Report {
    let mut scene = Scene::set(launch(), 3, 3, &[]);
    let (all, ends) = trickle(&mut scene, b"", None, true);
    let code = 4408u16.to_be_bytes();
    let told = |one: &Trickle| one.heard.windows(2).any(|two| two == code);
    assert!(all.iter().all(told), "each is told");
    drop(all);
    report(
        scene,
        "WebSockets that do not sign in",
        "4408 after 10 s",
        THREAD_BYTES + 8 * 1024,
        ends,
    )
}
