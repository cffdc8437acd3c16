//! Stopping: whatever was taken is answered before the sockets close, and what was not answered was not taken.
//!
//! `MELANGERIE_STOP_ROUNDS` says how often the server is stopped while people write.

mod common;

use common::raw::{CLOSE, TEXT, frame_bytes};
use common::*;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The contract's bound on stopping.
const END: Duration = Duration::from_secs(5);

/// What became of a message that was sent, by its `id`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Acked(u64),
    Refused,
    Unanswered,
}

type Fates = BTreeMap<String, Fate>;

#[test]
fn who_has_not_signed_in_is_told_that_the_server_stops() {
    let server = Launch::new().start();
    let mut nobody = Socket::open(server.address);
    server.signal("TERM");
    assert_eq!(nobody.expect_close(), Some(1001));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn signals_end_it_in_order() {
    for (signal, launch) in [
        ("TERM", Launch::new()),
        ("INT", Launch::new()),
        // The terminal was closed.
        ("HUP", Launch::new()),
        ("TERM", Launch::new().option("--writer-threads")),
    ] {
        let server = launch.start();
        let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
        let room = room_of(&server, &ann, &[&ben]);
        let mut anns = Socket::connect(&server, &ann);
        let mut bens = Socket::connect(&server, &ben);
        let _unknown = Socket::open(server.address);
        let mut idle = Connection::open(server.address);
        idle.send(b"GET /health HTTP/1.1\r\n");
        anns.say(&room, "before the end");
        // Posted without waiting: what is acked below must be there afterwards.
        for number in 0..50 {
            let id = format!("late {number}");
            anns.write(
                json!({"action": "Message", "data": {"room": room, "content": id}, "id": id}),
            );
        }
        anns.flush();
        let begin = std::time::Instant::now();
        server.signal(signal);
        let (acked, code) = anns.acks_until_close();
        assert_eq!(code, Some(1001), "SIG{signal}");
        assert_eq!(bens.expect_close(), Some(1001), "SIG{signal}");
        assert_eq!(server.wait().code(), Some(0), "SIG{signal}");
        assert!(
            begin.elapsed().as_secs() < 5,
            "within 5 seconds: {:?}",
            begin.elapsed()
        );
        let server = launch.start();
        let there = contents(&json!(ann.whole_history(&server, &room)));
        assert!(there.contains(&"before the end".to_owned()));
        for id in acked {
            assert!(there.contains(&id), "{id} was acked and is lost");
        }
    }
}

#[test]
fn an_unread_connection_does_not_hold_up_the_end() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let stream = http::stream_from(server.address, "127.0.0.1".parse().unwrap(), Some(4 * 1024));
    let _unread = RawSocket::over(Connection::over(stream), &server, &ann);
    let mut socket = Socket::connect(&server, &ann);
    for _ in 0..200 {
        socket.say(&room, &"x".repeat(16_000));
    }
    let begin = std::time::Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begin.elapsed().as_secs() < 6, "{:?}", begin.elapsed());
}

/// Messages of one socket that wait for their answers: more than the server takes from one at once.
const WINDOW: usize = 200;

/// Sends messages with an open window until the server closes; says what became of each.
fn flood(mut socket: RawSocket, room: &str, name: &str, tell: &Sender<()>) -> Fates {
    let stream = socket.connection.stream();
    let (answered, answers) = channel();
    let mut fates = Fates::new();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send_until_over(answers, stream, room, name));
        let code = loop {
            let Some((_, opcode, payload)) = socket.read() else {
                break None;
            };
            match opcode {
                CLOSE => break Some(u16::from_be_bytes([payload[0], payload[1]])),
                TEXT if note(&payload, &mut fates) => {
                    let _ = (answered.send(()), tell.send(()));
                }
                _ => {}
            }
        };
        drop(answered);
        assert_eq!(code, Some(1001), "{name}: a close frame is the end");
        for id in sending.join().expect("the sender does not panic") {
            fates.entry(id).or_insert(Fate::Unanswered);
        }
    });
    fates
}

/// Until nobody hears answers any more.
fn send_until_over(
    answers: Receiver<()>,
    mut stream: TcpStream,
    room: &str,
    name: &str,
) -> Vec<String> {
    let mut sent = Vec::new();
    for number in 0.. {
        if number >= WINDOW && answers.recv().is_err() {
            break;
        }
        let id = format!("{name}-{number}");
        let data = json!({"room": room, "content": format!("content of {id}")});
        let frame = json!({"action": "Message", "data": data, "id": id}).to_string();
        sent.push(id);
        let bytes = frame_bytes(0x80 | TEXT, None, frame.as_bytes());
        if stream.write_all(&bytes).is_err() {
            break;
        }
    }
    sent
}

/// Whether the frame is an answer, which is noted then.
fn note(payload: &[u8], fates: &mut Fates) -> bool {
    let frame: Value = serde_json::from_slice(payload).expect("JSON");
    let Some(id) = frame["id"]
        .as_str()
        .filter(|_| frame["action"] != "Message")
    else {
        return false;
    };
    let fate = match frame["action"].as_str() {
        Some("Ack") => Fate::Acked(frame["data"]["seq"].as_u64().expect("a seq")),
        Some("Error") => {
            assert_error(&frame["data"], "overloaded");
            Fate::Refused
        }
        other => panic!("{other:?} is no answer"),
    };
    let before = fates.insert(id.to_owned(), fate);
    assert_eq!(before, None, "{id} is answered once");
    true
}

/// Posts one message after the other until the server is gone; says what became of each.
fn post_until_gone(
    server: &Server,
    person: &Person,
    room: &str,
    name: &str,
    tell: &Sender<()>,
) -> Fates {
    let mut fates = Fates::new();
    let mut connection = None;
    loop {
        let id = format!("{name}-{}", fates.len());
        let body = json!({"room": room, "content": format!("content of {id}"), "id": id});
        let request = Request::new(server.address, "POST", "/chat/chatroom")
            .token(&person.token)
            .json(body);
        let mut open = match connection.take() {
            Some(open) => open,
            None => match TcpStream::connect(server.address) {
                Ok(stream) => Connection::over(stream),
                Err(_) => return fates,
            },
        };
        open.send(&request.bytes());
        let fate = match open.answer("POST") {
            None => Fate::Unanswered,
            Some(answer) if answer.status == 503 => {
                answer.refused(503, "overloaded");
                Fate::Refused
            }
            Some(answer) => {
                if answer.header("connection") != Some("close") {
                    connection = Some(open);
                }
                Fate::Acked(answer.ok(200)["seq"].as_u64().expect("a seq"))
            }
        };
        fates.insert(id, fate);
        let _ = tell.send(());
    }
}

/// The ids in a room, in the order of their seqs.
fn stored(server: &Server, person: &Person, room: &str) -> HashMap<String, Vec<u64>> {
    let mut stored: HashMap<String, Vec<u64>> = HashMap::new();
    for message in person.whole_history(server, room) {
        if let Some(id) = message["id"].as_str() {
            assert_eq!(message["content"], format!("content of {id}"));
            let seq = message["seq"].as_u64().expect("a seq");
            stored.entry(id.to_owned()).or_default().push(seq);
        }
    }
    stored
}

/// What was acked is there, and nothing else.
fn check(stored: &HashMap<String, Vec<u64>>, fates: &Fates) {
    for (id, fate) in fates {
        let expected = match fate {
            Fate::Acked(seq) => Some(vec![*seq]),
            Fate::Refused | Fate::Unanswered => None,
        };
        assert_eq!(stored.get(id).cloned(), expected, "{id}: {fate:?}");
    }
}

/// Sends again what has no ack; every message is there once then.
fn send_again(server: &Server, person: &Person, room: &str, fates: &mut Fates) {
    let mut socket = Socket::connect(server, person);
    for (id, fate) in fates.iter_mut() {
        if matches!(fate, Fate::Acked(_)) {
            continue;
        }
        let data = json!({"room": room, "content": format!("content of {id}")});
        socket.send(json!({"action": "Message", "data": data, "id": id}));
        let (action, data) = socket.reply(id);
        assert_eq!(action, "Ack", "{data}");
        *fate = Fate::Acked(data["seq"].as_u64().expect("a seq"));
    }
    check(&stored(server, person, room), fates);
}

#[test]
fn what_is_stored_was_acked_before_the_end_and_what_is_not_was_not() {
    let rounds = std::env::var("MELANGERIE_STOP_ROUNDS").ok();
    let rounds: u32 = rounds.map_or(4, |text| text.parse().expect("a number of rounds"));
    let launches = [
        Launch::new(),
        Launch::new().option("--writer-threads"),
        Launch::new().with("--journal-bytes", "65536"),
    ];
    let (mut acked, mut refused, mut unanswered) = (0, 0, 0);
    for round in 0..rounds {
        let launch = &launches[round as usize % launches.len()];
        let server = launch.start();
        let ann = register(&server, &format!("ann{round}"));
        let room = room_of(&server, &ann, &[]);
        let mut fates = write_and_stop(&server, &ann, &room, 40 + round * 97 % 400);
        drop(server);
        for fate in fates.values() {
            match fate {
                Fate::Acked(_) => acked += 1,
                Fate::Refused => refused += 1,
                Fate::Unanswered => unanswered += 1,
            }
        }
        let server = launch.start();
        check(&stored(&server, &ann, &room), &fates);
        send_again(&server, &ann, &room, &mut fates);
    }
    println!(
        "stopping: {rounds} rounds, {acked} acked and there, {refused} refused, {unanswered} not taken; \\
         none lost, none doubled, none stored without an ack"
    );
}

/// Everybody writes until the server, which is told to stop after so many answers, has ended.
fn write_and_stop(server: &Server, person: &Person, room: &str, moment: u32) -> Fates {
    let (tell, answers) = channel();
    std::thread::scope(|scope| {
        let mut writers = Vec::new();
        for number in 0..6 {
            let (tell, socket) = (tell.clone(), RawSocket::signed_in(server, person));
            let name = format!("socket{number}");
            writers.push(scope.spawn(move || flood(socket, room, &name, &tell)));
        }
        for number in 0..3 {
            let (tell, name) = (tell.clone(), format!("http{number}"));
            writers.push(scope.spawn(move || post_until_gone(server, person, room, &name, &tell)));
        }
        drop(tell);
        for _ in 0..moment {
            answers.recv_timeout(HANG).expect("somebody writes");
        }
        let begin = Instant::now();
        assert_eq!(server.stop().code(), Some(0));
        assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
        let fates = writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"));
        fates.flatten().collect()
    })
}

/// Messages that are missed and not read, more than the socket takes.
const MISSED: usize = 400;

#[test]
fn who_is_still_catching_up_hears_of_what_they_sent() {
    for launch in [Launch::new(), Launch::new().option("--writer-threads")] {
        let server = launch.start();
        let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
        let (read, missed) = (room_of(&server, &ann, &[]), room_of(&server, &ben, &[&ann]));
        let mut bens = Socket::connect(&server, &ben);
        for _ in 0..MISSED {
            bens.say(&missed, &"x".repeat(16_000));
        }
        let stream = http::stream_from(server.address, "127.0.0.1".parse().unwrap(), Some(4096));
        let mut anns = RawSocket::over(Connection::over(stream), &server, &ann);
        let mut fates = Fates::new();
        for number in 0..100 {
            let id = format!("behind {number}");
            let data = json!({"room": read, "content": format!("content of {id}")});
            anns.text(&json!({"action": "Message", "data": data, "id": id}).to_string());
            fates.insert(id, Fate::Unanswered);
        }
        until("the last message", || {
            (ann.room(&server, &read)?["last_seq"].as_u64()? > 100).then_some(())
        });
        std::thread::scope(|scope| {
            let stopping = scope.spawn(|| assert_eq!(server.stop().code(), Some(0)));
            let mut noted = Fates::new();
            while let Some((_, opcode, payload)) = anns.read() {
                if opcode == TEXT {
                    note(&payload, &mut noted);
                }
                if opcode == CLOSE {
                    break;
                }
            }
            stopping.join().expect("it stops");
            fates.append(&mut noted);
        });
        check(&stored(&launch.start(), &ann, &read), &fates);
    }
}

/// A second signal changes nothing, receivers that do not read hold nothing up, and what is half sent is dropped.
#[test]
fn slow_receivers_and_half_requests_do_not_hold_up_the_end() {
    let launch = Launch::new().with("--backlog-bytes", "67108864");
    let server = launch.start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let slow: Vec<RawSocket> = (0..50)
        .map(|_| {
            let source = "127.0.0.1".parse().unwrap();
            let stream = http::stream_from(server.address, source, Some(4096));
            RawSocket::over(Connection::over(stream), &server, &ann)
        })
        .collect();
    let halves: [&[u8]; 4] = [
        b"",
        b"GET /hea",
        b"POST /chat/chatroom HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"room\":",
        b"GET /chat/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n",
    ];
    let half_open: Vec<Connection> = halves
        .iter()
        .cycle()
        .take(20)
        .map(|half| {
            let mut connection = Connection::open(server.address);
            connection.send(half);
            connection
        })
        .collect();
    let mut socket = Socket::connect(&server, &ann);
    let last = (0..200)
        .map(|_| socket.say(&room, &"x".repeat(16_000)))
        .last();
    let begin = Instant::now();
    server.signal("INT");
    server.signal("INT");
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
    drop((slow, half_open));
    let room = ann.room(&launch.start(), &room).expect("it is there");
    assert_eq!(room["last_seq"], last.expect("an ack")["seq"]);
}

/// A pipe in the place of the file that is to be written takes as long as a disk that hangs. Once failed under load as
/// `the_first_line_tells_the_address`, since folding took longer than a stop may.
#[test]
fn a_disk_too_slow_for_folding_does_not_make_the_end_a_failure() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    ann.say(&server, "general", "before the end");
    let general = server.data.join("rooms/000000");
    std::fs::create_dir_all(&general).expect("a directory");
    let pipe = general.join("000000001.jsonl.tmp");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let begin = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(begin.elapsed() < END, "{:?}", begin.elapsed());
    assert!(server.log().contains("folding, to the next start"));
    std::fs::remove_file(pipe).expect("it is there");
    let server = launch.start();
    let there = contents(&json!(ann.whole_history(&server, "general")));
    assert!(there.contains(&"before the end".to_owned()));
    assert_eq!(server.stop().code(), Some(0));
}
