//! What happens when nothing happens. Each test takes as long as the contract says, and spends it waiting; so all of them
//! wait side by side, in one test, since on a small machine the test runner would have them wait in a queue.

mod common;

use common::raw::{CLOSE, PING, TEXT, frame_bytes};
use common::*;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn deadlines_hold() {
    let tests: [(&str, fn()); 5] = [
        (
            "heads and sign-ins have ten seconds",
            heads_and_sign_ins_have_ten_seconds,
        ),
        ("bodies have thirty seconds", bodies_have_thirty_seconds),
        (
            "a silent peer is gone after 75 seconds",
            a_silent_peer_is_gone_after_75_seconds,
        ),
        (
            "a backlog ends by its age too",
            a_backlog_ends_by_its_age_too,
        ),
        (
            "nobody is given up because the server slept",
            nobody_is_given_up_because_the_server_slept,
        ),
    ];
    let running = tests.map(|(name, test)| {
        let thread = thread::Builder::new().name(name.to_owned());
        (name, thread.spawn(test).expect("a thread"))
    });
    let ended = running.map(|(name, thread)| (name, thread.join().is_err()));
    let failed: Vec<&str> = ended
        .into_iter()
        .filter_map(|(name, failed)| failed.then_some(name))
        .collect();
    assert!(failed.is_empty(), "{failed:?}; see above");
}

/// Ten seconds each, waited for together: a head that is not finished, and a socket that does not say who it is.
fn heads_and_sign_ins_have_ten_seconds() {
    let server = shared();
    let ann = register(&server, "ann");
    let begin = Instant::now();
    let mut slow_head = Connection::open(server.address);
    slow_head.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    let mut dripping = Connection::open(server.address);
    dripping.send(b"GET /health HTTP/1.1\r\nHost: x\r\n");
    let host = server.address.to_string();
    let unknown = || RawSocket::upgrade(Connection::open(server.address), &host, &[]);
    let (mut silent, mut hesitant) = (unknown(), unknown());
    thread::scope(|scope| {
        scope.spawn(|| {
            // A byte now and then does not extend the deadline.
            while begin.elapsed() < Duration::from_secs(9) {
                dripping.send(b"X");
                thread::sleep(Duration::from_millis(500));
            }
            timed_out(&mut dripping, begin);
        });
        scope.spawn(|| timed_out(&mut slow_head, begin));
        scope.spawn(|| {
            // A good token, but a byte of it now and then, and the rest too late.
            let token = frame_bytes(0x80 | TEXT, None, ann.token.as_bytes());
            let (first, rest) = token.split_at(21);
            for byte in first {
                hesitant.connection.send(&[*byte]);
                thread::sleep(Duration::from_millis(500));
            }
            hesitant.connection.send(rest);
            not_signed_in(&mut hesitant, begin);
        });
        not_signed_in(&mut silent, begin);
    });
}

fn not_signed_in(socket: &mut RawSocket, begin: Instant) {
    assert_error(&socket.json()["data"], "unauthorized");
    assert_eq!(socket.expect_close(), 4408);
    assert!(
        begin.elapsed() > Duration::from_secs(9),
        "ten seconds are allowed"
    );
}

fn timed_out(connection: &mut Connection, begin: Instant) {
    let answer = connection.response("GET");
    assert_eq!(answer.status, 408);
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    assert_error(&answer.json(), &code);
    connection.expect_end();
    assert!(
        begin.elapsed() > Duration::from_secs(9),
        "ten seconds are allowed"
    );
}

fn bodies_have_thirty_seconds() {
    let server = shared();
    let begin = Instant::now();
    let mut connection = Connection::open(server.address);
    connection.send(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    while begin.elapsed() < Duration::from_secs(28) {
        connection.send(b" ");
        thread::sleep(Duration::from_secs(1));
    }
    let answer = connection.response("POST");
    assert_eq!(answer.status, 408);
    connection.expect_end();
    assert!(
        begin.elapsed() > Duration::from_secs(29),
        "thirty seconds are allowed"
    );
}

/// A peer that answers no ping is gone after 75 seconds, and its absence is told; one that answers stays.
fn a_silent_peer_is_gone_after_75_seconds() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let begin = Instant::now();
    let mut silent = RawSocket::signed_in(&server, &ann);
    let mut attentive = Socket::connect(&server, &ben).hearing_all();
    let frame = thread::scope(|scope| {
        let listener = scope.spawn(move || {
            attentive.until(|frame| {
                frame["action"] == "Presence"
                    && names(&frame["data"]["offline"]).contains(&ann.name)
            })
        });
        let mut pings = 0;
        while let Some((_, opcode, _)) = silent.read() {
            if opcode == PING {
                pings += 1;
            }
            if opcode == CLOSE {
                break;
            }
        }
        assert!(pings >= 1, "the server pings");
        assert!(
            begin.elapsed() > Duration::from_secs(70),
            "75 seconds are allowed"
        );
        listener.join().unwrap()
    });
    assert!(begin.elapsed() < Duration::from_secs(79), "{frame}");
}

/// Far more than the system's own buffers take, far less than the bound of bytes: time alone ends the connection.
fn a_backlog_ends_by_its_age_too() {
    let server = Launch::new().with("--backlog-bytes", "67108864").start();
    let (ann, slow) = (register(&server, "ann"), register(&server, "slow"));
    let room = room_of(&server, &ann, &[&slow]);
    let stream = http::stream_from(server.address, "127.0.0.1".parse().unwrap(), Some(4 * 1024));
    let slows = RawSocket::over(Connection::over(stream), &server, &slow);
    let mut anns = Socket::connect(&server, &ann);
    let online = || names(&ann.get(&server, "/chat/online").send().ok(200));
    let begin = Instant::now();
    for _ in 0..800 {
        anns.say(&room, &"x".repeat(16_000));
        anns.drain();
    }
    let full = Instant::now();
    while online().contains(&slow.name) {
        assert!(full.elapsed() < HANG, "never cut");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(
        begin.elapsed() > Duration::from_secs(29),
        "thirty seconds are allowed"
    );
    assert!(
        full.elapsed() < Duration::from_secs(45),
        "thirty seconds are the bound"
    );
    drop(slows);
}

/// The server, or the machine that it runs on, sleeps for longer than a peer may be silent: that is nobody's fault but
/// its own. Once everybody was cut as soon as it woke, whatever they had sent meanwhile.
fn nobody_is_given_up_because_the_server_slept() {
    let server = Launch::new().with("--backlog-bytes", "67108864").start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut silent = RawSocket::signed_in(&server, &ben);
    let small = http::stream_from(server.address, "127.0.0.1".parse().unwrap(), Some(4 * 1024));
    let mut behind = RawSocket::over(Connection::over(small), &server, &ben);
    for _ in 0..800 {
        anns.say(&room, &"x".repeat(16_000));
        anns.drain();
    }
    let host = server.address.to_string();
    let mut unknown = RawSocket::upgrade(Connection::open(server.address), &host, &[]);
    server.signal("STOP");
    thread::sleep(Duration::from_secs(80));
    unknown.text(&ben.token);
    server.signal("CONT");
    assert_eq!(unknown.json()["action"], "Welcome", "it was in time");
    let mut attentive = |socket: &mut RawSocket, content: &str| {
        anns.say(&room, content);
        while socket.json()["data"]["content"] != content {}
    };
    attentive(&mut silent, "awake");
    attentive(&mut behind, "awake, and read");
    // A peer that is really gone is noticed as ever; see above for how soon.
    let online = names(&ann.get(&server, "/chat/online").send().ok(200));
    assert_eq!(online, sorted(&[&ann.name, &ben.name]));
}
