//! Violations of RFC 6455, and what is none: by the byte.

mod common;

use common::raw::*;
use common::*;

fn connected(server: &Server) -> RawSocket {
    let person = register(server, "raw");
    RawSocket::signed_in(server, &person)
}

/// A frame of `ListUsers` padded to this many bytes.
fn padded(length: usize) -> String {
    let start = "{\"action\":\"ListUsers\",\"id\":\"pad\",\"x\":\"";
    format!("{start}{}\"}}", "x".repeat(length - start.len() - 2))
}

#[test]
fn violations_close_with_the_code_that_the_rfc_names() {
    for server in both_ways() {
        let ann = register(&server, "ann");
        violate(&server, &ann);
        Socket::connect(&server, &ann).barrier();
    }
}

fn violate(server: &Server, ann: &Person) {
    let text = b"{\"action\":\"ListUsers\"}";
    let unmasked = {
        let mut bytes = vec![0x81, text.len() as u8];
        bytes.extend_from_slice(text);
        bytes
    };
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("an unmasked frame", unmasked, 1002),
        ("a reserved bit", frame_bytes(0xc1, None, text), 1002),
        ("another reserved bit", frame_bytes(0x91, None, text), 1002),
        ("a reserved opcode", frame_bytes(0x83, None, text), 1002),
        (
            "a reserved control opcode",
            frame_bytes(0x8b, None, b""),
            1002,
        ),
        ("a fragmented ping", frame_bytes(0x09, None, b"x"), 1002),
        ("a long ping", frame_bytes(0x89, None, &[b'x'; 126]), 1002),
        (
            "a continuation of nothing",
            frame_bytes(0x80, None, text),
            1002,
        ),
        (
            "a text inside a text",
            [frame_bytes(0x01, None, b"{"), frame_bytes(0x81, None, b"}")].concat(),
            1002,
        ),
        (
            "text that is not UTF-8",
            frame_bytes(0x81, None, b"{\"action\":\"\xff\"}"),
            1007,
        ),
        (
            "text that is not UTF-8 in its second part",
            [
                frame_bytes(0x01, None, b"\"\xc3"),
                frame_bytes(0x80, None, b"\x28\""),
            ]
            .concat(),
            1007,
        ),
        ("a close of one byte", frame_bytes(0x88, None, b"x"), 1002),
        (
            "a close with a code that nobody may send",
            frame_bytes(0x88, None, &1005u16.to_be_bytes()),
            1002,
        ),
        (
            "a close with an unknown code",
            frame_bytes(0x88, None, &999u16.to_be_bytes()),
            1002,
        ),
    ];
    for (what, bytes, code) in cases {
        let mut socket = RawSocket::signed_in(server, ann);
        socket.connection.send(&bytes);
        assert_eq!(socket.expect_close(), code, "{what}");
    }
}

#[test]
fn messages_above_64_kib_close_with_1009() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut socket = RawSocket::signed_in(&server, &ann);
    socket.text(&padded(64 * 1024));
    let answer = socket.answer();
    assert_eq!(
        (&answer["action"], &answer["id"]),
        (&json!("List"), &json!("pad")),
        "64 KiB are allowed"
    );
    socket.text(&padded(64 * 1024 + 1));
    assert_eq!(socket.expect_close(), 1009);
    // Judged by what the header claims, before it comes.
    for claimed in [65_537, 1 << 31, i64::MAX as u64] {
        let mut socket = RawSocket::signed_in(&server, &ann);
        socket
            .connection
            .send(&frame_bytes(0x81, Some(claimed), b"{"));
        assert_eq!(socket.expect_close(), 1009, "{claimed}");
    }
    // In parts that are each small.
    let mut socket = RawSocket::signed_in(&server, &ann);
    socket.frame(false, TEXT, &[b'x'; 30_000]);
    socket.frame(false, CONTINUATION, &[b'x'; 30_000]);
    socket.frame(true, CONTINUATION, &[b'x'; 30_000]);
    assert_eq!(socket.expect_close(), 1009);
    // Binary frames likewise.
    let mut socket = RawSocket::signed_in(&server, &ann);
    socket.frame(true, BINARY, &vec![b'x'; 65_537]);
    assert_eq!(socket.expect_close(), 1009);
}

#[test]
fn fragments_and_pings_between_them() {
    let server = shared();
    let mut socket = connected(&server);
    let text = "{\"action\":\"ListUsers\",\"id\":\"žluť\"}".as_bytes();
    // The cut goes through a character.
    let cut = http::find(text, "ž".as_bytes()).unwrap() + 1;
    socket.frame(false, TEXT, &text[..cut]);
    socket.frame(true, PING, b"between");
    socket.frame(false, CONTINUATION, b"");
    socket.frame(true, CONTINUATION, &text[cut..]);
    let mut pong = None;
    let answer = loop {
        let (_, opcode, payload) = socket.read().expect("a frame");
        if opcode == PONG {
            pong = Some(payload);
            continue;
        }
        let frame: Value = serde_json::from_slice(&payload).expect("JSON");
        if frame["id"] == "žluť" {
            break frame;
        }
    };
    assert_eq!(answer["action"], "List");
    assert_eq!(
        pong.as_deref(),
        Some(&b"between"[..]),
        "the pong comes before the answer"
    );
}

#[test]
fn pings_are_answered_with_their_payload() {
    let server = shared();
    let mut socket = connected(&server);
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        socket.frame(true, PING, payload);
        let pong = loop {
            let (_, opcode, payload) = socket.read().expect("a frame");
            if opcode == PONG {
                break payload;
            }
        };
        assert_eq!(pong, payload);
    }
    socket.frame(true, PONG, b"unasked");
    socket.text("{\"action\":\"ListUsers\",\"id\":\"alive\"}");
    assert_eq!(socket.answer()["id"], "alive");
}

#[test]
fn closing_is_answered() {
    for server in both_ways() {
        close_in_every_way(&server);
    }
}

fn close_in_every_way(server: &Server) {
    for code in [1000u16, 1001, 3000, 4999] {
        let mut socket = connected(server);
        socket.frame(true, CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
        loop {
            let (_, opcode, payload) = socket.read().expect("a close");
            if opcode == CLOSE {
                assert_eq!(payload[..2], code.to_be_bytes(), "the code is echoed");
                break;
            }
        }
        socket.connection.expect_end();
    }
    let mut socket = connected(server);
    socket.frame(true, CLOSE, b"");
    loop {
        let (_, opcode, _) = socket.read().expect("a close");
        if opcode == CLOSE {
            break;
        }
    }
    socket.connection.expect_end();
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
fn a_frame_may_come_byte_by_byte() {
    let server = shared();
    let mut socket = connected(&server);
    for byte in frame_bytes(0x81, None, b"{\"action\":\"ListUsers\",\"id\":\"slow\"}") {
        socket.connection.send(&[byte]);
    }
    assert_eq!(socket.answer()["id"], "slow");
}
