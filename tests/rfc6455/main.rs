//! RFC 6455, case by case as the Autobahn suite has them: what is sent, byte for byte, and what must come back.
//!
//! Autobahn wants echoes. Melangerie echoes nothing, but a message that is no action is answered by exactly one `Error`
//! frame, which repeats the message's `id` where it has one: so each message is answered, in its place among the
//! pongs, and an `id` shows that its text came through whole. A case passes when the answers are these and no others.
//!
//! Each case is sent in one write, frame by frame, and in pieces down to single bytes, to a server that sends straight
//! into its sockets and to one that has a writer thread for each; cases that need nobody signed in, to a
//! connection on which nobody is, too.

mod case;
mod closing;
#[path = "../common/mod.rs"]
mod common;
mod sizes;
mod table;
mod utf8;

use case::{Answer, Case};
use common::raw::*;
use common::*;
use std::collections::BTreeSet;
use table::table;

/// How the bytes of a case arrive, which must make no difference.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Delivery {
    /// All in one write.
    Whole,
    /// A write for each frame.
    Frames,
    /// Single bytes; larger pieces of what is long.
    Pieces,
    /// In one write, while nobody is signed in.
    BeforeSigningIn,
}

/// Cases longer than this are not sent byte by byte.
const LONG: usize = 2_000;
/// Pieces of long cases: a prime, so that they meet the ends of no frame.
const PIECE: usize = 997;

#[test]
fn sent_straight_into_the_socket() {
    hold_all(&Server::start());
}

#[test]
fn sent_by_a_writer_thread() {
    hold_all(&Launch::new().option("--writer-threads").start());
}

fn hold_all(server: &Server) {
    let person = register(server, "raw");
    let mut wrong = Vec::new();
    for case in table() {
        for delivery in [
            Delivery::Whole,
            Delivery::Frames,
            Delivery::Pieces,
            Delivery::BeforeSigningIn,
        ] {
            if delivery == Delivery::BeforeSigningIn && case.needs_a_user() {
                continue;
            }
            if let Err(difference) = hold(server, &person, delivery, &case) {
                wrong.push(format!("{} ({delivery:?}): {difference}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // Whatever was sent, it harmed nobody else.
    Socket::connect(server, &person).barrier();
}

/// How many cases Autobahn's fuzzing client (version 0.8) has in each of its sections. Those on compression, 12 and 13, are
/// `extensions_and_subprotocols_are_declined`.
const AUTOBAHN: [(&str, usize); 45] = [
    ("1.1", 8),
    ("1.2", 8),
    ("2", 11),
    ("3", 7),
    ("4.1", 5),
    ("4.2", 5),
    ("5", 20),
    ("6.1", 3),
    ("6.2", 4),
    ("6.3", 2),
    ("6.4", 4),
    ("6.5", 5),
    ("6.6", 11),
    ("6.7", 4),
    ("6.8", 2),
    ("6.9", 4),
    ("6.10", 3),
    ("6.11", 5),
    ("6.12", 8),
    ("6.13", 5),
    ("6.14", 10),
    ("6.15", 1),
    ("6.16", 3),
    ("6.17", 5),
    ("6.18", 5),
    ("6.19", 5),
    ("6.20", 7),
    ("6.21", 8),
    ("6.22", 34),
    ("6.23", 7),
    ("7.1", 6),
    ("7.3", 6),
    ("7.5", 1),
    ("7.7", 13),
    ("7.9", 9),
    ("7.13", 2),
    ("9.1", 6),
    ("9.2", 6),
    ("9.3", 9),
    ("9.4", 9),
    ("9.5", 6),
    ("9.6", 6),
    ("9.7", 6),
    ("9.8", 6),
    ("10.1", 1),
];

#[test]
fn the_table_has_every_case_of_autobahn() {
    let all = AUTOBAHN
        .iter()
        .flat_map(|&(section, count)| (1..=count).map(move |n| format!("{section}.{n}")));
    let all: BTreeSet<String> = all.collect();
    let mut held = BTreeSet::new();
    for case in table() {
        let (numbers, _) = case
            .name
            .split_once(": ")
            .expect("a row's name begins with numbers");
        let numbers = numbers
            .split(", ")
            .filter(|number| !number.starts_with('§'));
        held.extend(numbers.map(str::to_owned));
    }
    assert_eq!(held, all);
}

/// Plays one case; an error says where the answers differ from what the table requires.
fn hold(server: &Server, person: &Person, delivery: Delivery, case: &Case) -> Result<(), String> {
    let connection = Connection::open(server.address);
    let mut socket = if delivery == Delivery::BeforeSigningIn {
        RawSocket::upgrade(connection, &server.address.to_string(), &[])
    } else {
        let mut socket = RawSocket::over(connection, server, person);
        // A connection that is closed while it catches up hears no answers that wait behind that.
        still_open(&mut socket)?;
        socket
    };
    deliver(&mut socket, delivery, case);
    for expected in &case.answers {
        let answer = next(&mut socket);
        if answer.as_ref() != Some(expected) {
            return Err(format!("expected {expected:?}, got {answer:?}"));
        }
    }
    if case.closes() {
        if !case.client_closes {
            socket.frame(true, CLOSE, &[]);
        }
        return match next(&mut socket) {
            None => Ok(()),
            Some(more) => Err(format!("{more:?} after the close frame")),
        };
    }
    if delivery == Delivery::BeforeSigningIn {
        return Ok(());
    }
    still_open(&mut socket)
}

/// Whether the connection goes on, and nothing came that was not due.
fn still_open(socket: &mut RawSocket) -> Result<(), String> {
    socket.text("{\"action\":\"\",\"id\":\"still open\"}");
    match next(socket) {
        Some(Answer::ErrorTo(id)) if id == "still open" => Ok(()),
        other => Err(format!("{other:?} where nothing was due")),
    }
}

fn deliver(socket: &mut RawSocket, delivery: Delivery, case: &Case) {
    let whole = case.sent.concat();
    match delivery {
        Delivery::Whole | Delivery::BeforeSigningIn => socket.connection.send(&whole),
        Delivery::Frames => {
            for frame in &case.sent {
                socket.connection.send(frame);
            }
        }
        Delivery::Pieces => {
            let size = if whole.len() > LONG { PIECE } else { 1 };
            for piece in whole.chunks(size) {
                socket.connection.send(piece);
            }
        }
    }
}

/// The next answer, past what the chat itself has to say; none at the end of the connection.
fn next(socket: &mut RawSocket) -> Option<Answer> {
    loop {
        let (fin, opcode, payload) = socket.read()?;
        assert!(fin, "the server sends whole messages");
        match opcode {
            TEXT => {
                let frame: Value = serde_json::from_slice(&payload).expect("JSON");
                match (frame["action"] == "Error", frame["id"].as_str()) {
                    (true, Some(id)) => return Some(Answer::ErrorTo(id.to_owned())),
                    (true, None) => return Some(Answer::Error),
                    _ => {}
                }
            }
            PONG => return Some(Answer::Pong(payload)),
            CLOSE if payload.is_empty() => return Some(Answer::EmptyClose),
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                std::str::from_utf8(&payload[2..]).expect("a reason is UTF-8");
                return Some(Answer::Close(code));
            }
            PING => {}
            other => panic!("the server sent opcode {other}"),
        }
    }
}

/// What a client offers beyond RFC 6455 is declined by silence (sections 9.1 and 4.2.2), and stays forbidden. Autobahn's
/// cases 12 and 13 are such offers.
#[test]
fn extensions_and_subprotocols_are_declined() {
    let server = shared();
    let mut connection = Connection::open(server.address);
    let offers = [
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
    ];
    connection.send(upgrade_request(&server.address.to_string(), &offers).as_bytes());
    let response = connection.response("GET");
    assert_eq!(response.status, 101);
    assert_eq!(response.header("sec-websocket-extensions"), None);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    let mut socket = RawSocket { connection };
    socket
        .connection
        .send(&frame_bytes(0xc1, None, b"\xca\x48\xcd\xc9\xc9\x07\x00"));
    assert_eq!(socket.expect_close(), 1002);
}

#[test]
fn a_violator_is_gone_and_nobody_else_noticed() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut bens = Socket::connect(&server, &ben);
    bens.drain();
    let mut anns = RawSocket::signed_in(&server, &ann);
    anns.connection.send(&frame_bytes(0xff, None, b"x"));
    assert_eq!(anns.expect_close(), 1002);
    ann.say(&server, &room, "still here");
    assert_eq!(bens.expect("Message")["content"], "still here");
    bens.expect_nothing();
    let online = || names(&ben.get(&server, "/chat/online").send().ok(200));
    until("Ann's absence", || {
        (online() == [ben.name.clone()]).then_some(())
    });
}

#[test]
fn a_frame_sent_with_the_upgrade_is_not_lost() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut connection = Connection::open(server.address);
    let mut bytes = upgrade_request(&server.address.to_string(), &[]).into_bytes();
    bytes.extend(frame_bytes(0x81, None, ann.token.as_bytes()));
    bytes.extend(frame_bytes(
        0x81,
        None,
        b"{\"action\":\"ListUsers\",\"id\":\"early\"}",
    ));
    connection.send(&bytes);
    assert_eq!(connection.response("GET").status, 101);
    let mut socket = RawSocket { connection };
    assert_eq!(socket.json()["action"], "Welcome");
    assert_eq!(socket.answer()["id"], "early");
}

#[test]
fn a_violation_sent_with_the_upgrade_is_one() {
    let server = shared();
    let mut connection = Connection::open(server.address);
    let mut bytes = upgrade_request(&server.address.to_string(), &[]).into_bytes();
    bytes.extend(frame_bytes(0x89, None, b"heard"));
    bytes.extend([0x81, 0x02, b'{', b'}']);
    connection.send(&bytes);
    assert_eq!(connection.response("GET").status, 101);
    let mut socket = RawSocket { connection };
    assert_eq!(socket.read(), Some((true, PONG, b"heard".to_vec())));
    assert_eq!(socket.expect_close(), 1002);
}
