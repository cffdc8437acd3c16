//! A slow or dead receiver delays nobody, is cut off, and catches up. Both ways of draining sockets are held to it.

mod common;

use common::http::stream_from;
use common::*;

const BACKLOG: usize = 128 * 1024;

fn launch(way: &str) -> Server {
    let launch = Launch::new().with("--backlog-bytes", &BACKLOG.to_string());
    match way {
        "direct" => launch.start(),
        way => launch.option(way).start(),
    }
}

/// Signed in over a socket whose own buffer is small, so that what is not read stays with the server.
fn reluctant(server: &Server, person: &Person) -> RawSocket {
    let source = "127.0.0.1".parse().unwrap();
    let stream = stream_from(server.address, source, Some(4 * 1024));
    RawSocket::over(Connection::over(stream), server, person)
}

fn a_slow_receiver_is_cut_and_catches_up(way: &str) {
    let server = launch(way);
    let (ann, ben, slow) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "slow"),
    );
    let room = room_of(&server, &ann, &[&ben, &slow]);
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben).hearing_all();
    let mut slows = reluctant(&server, &slow);
    anns.drain();
    let content = "x".repeat(16_000);
    let mut sent = 0;
    let is_online = |server: &Server| {
        names(&ben.get(server, "/chat/online").send().ok(200)).contains(&slow.name)
    };
    // Each round is acked to Ann and heard by Ben while nobody takes what is meant for the slow one.
    while is_online(&server) {
        assert!(sent < 20_000, "the slow receiver was never cut");
        for _ in 0..4 {
            anns.say(&room, &content);
            sent += 1;
            bens.until(|frame| {
                frame["action"] == "Message" && frame["data"]["room"] == room.as_str()
            });
        }
        anns.drain();
    }
    bens.drain();
    // What it got is a beginning without a hole; then the connection ends.
    let mut last = 0;
    while let Some((seq, _)) = next_message(&mut slows, &room) {
        if last != 0 {
            assert_eq!(seq, last + 1);
        }
        last = seq;
    }
    assert!(last < sent + 1, "it was cut before the end");
    let mut back = Socket::hello(&server, &slow, json!({&room: last})).0;
    let mut expected = last + 1;
    for frame in back.drain() {
        if frame["data"]["room"] != room.as_str() {
            continue;
        }
        if frame["action"] == "Gap" {
            assert_eq!(frame["data"]["after"], last);
            expected = frame["data"]["before"].as_u64().unwrap();
            continue;
        }
        assert_eq!(frame["data"]["seq"], expected);
        expected += 1;
    }
    assert_eq!(expected, sent + 2, "caught up to the last message");
    anns.say(&room, "live again");
    assert_eq!(back.expect("Message")["content"], "live again");
}

/// The next message of the room, or none at the end of the connection, which may come in the middle of a frame.
fn next_message(socket: &mut RawSocket, room: &str) -> Option<(u64, Value)> {
    loop {
        let head = socket.connection.bytes(2);
        if head.len() < 2 {
            return None;
        }
        let wide = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let more = socket.connection.bytes(wide);
        if more.len() < wide {
            return None;
        }
        let length = match wide {
            0 => usize::from(head[1]),
            _ => more
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte)),
        };
        let payload = socket.connection.bytes(length);
        if payload.len() < length || head[0] & 0x0f == raw::CLOSE {
            return None;
        }
        if head[0] & 0x0f != raw::TEXT {
            continue;
        }
        let frame: Value = serde_json::from_slice(&payload).expect("JSON");
        if frame["action"] == "Message" && frame["data"]["room"] == room {
            return Some((frame["data"]["seq"].as_u64().unwrap(), frame));
        }
    }
}

#[test]
fn a_slow_receiver_is_cut_and_catches_up_sent_directly() {
    a_slow_receiver_is_cut_and_catches_up("direct");
}

#[test]
fn a_slow_receiver_is_cut_and_catches_up_by_writer_threads() {
    a_slow_receiver_is_cut_and_catches_up("--writer-threads");
}

/// 500 missed messages are sixty times the backlog that is allowed, and the receiver takes its time.
fn catching_up_goes_at_the_receivers_pace(way: &str) {
    let server = launch(way);
    let (ann, slow) = (register(&server, "ann"), register(&server, "slow"));
    let room = room_of(&server, &ann, &[&slow]);
    let mut anns = Socket::connect(&server, &ann);
    let content = "x".repeat(16_000);
    for _ in 0..480 {
        anns.say(&room, &content);
        anns.expect("Message");
    }
    let mut slows = reluctant(&server, &slow);
    // While nothing is read, life goes on; what is said now follows what was missed.
    for number in 0..5 {
        anns.say(&room, &format!("live {number}"));
    }
    let mut contents = Vec::new();
    for expected in 2..=486 {
        let (seq, frame) =
            next_message(&mut slows, &room).unwrap_or_else(|| panic!("cut off before {expected}"));
        assert_eq!(seq, expected);
        contents.push(frame["data"]["content"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        contents[480..],
        ["live 0", "live 1", "live 2", "live 3", "live 4"]
    );
    anns.say(&room, "and on");
    assert_eq!(
        next_message(&mut slows, &room).expect("still connected").0,
        487
    );
}

#[test]
fn catching_up_goes_at_the_receivers_pace_sent_directly() {
    catching_up_goes_at_the_receivers_pace("direct");
}

#[test]
fn catching_up_goes_at_the_receivers_pace_by_writer_threads() {
    catching_up_goes_at_the_receivers_pace("--writer-threads");
}

#[test]
fn the_dead_and_the_broken_disturb_nobody() {
    for way in ["direct", "--writer-threads"] {
        let server = launch(way);
        let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
        let room = room_of(&server, &ann, &[&ben]);
        let mut anns = Socket::connect(&server, &ann);
        let mut bens = Socket::connect(&server, &ben);
        bens.drain();
        for round in 0..30 {
            let gone = reluctant(&server, &ben);
            anns.say(&room, &format!("round {round}"));
            drop(gone);
            assert_eq!(bens.expect("Message")["content"], format!("round {round}"));
        }
        bens.expect_nothing();
    }
}

/// 200 messages of escapes are three times the bound on a backlog; one's own question does not cut one off.
#[test]
fn a_page_larger_than_the_backlog_arrives() {
    for way in ["direct", "--writer-threads"] {
        let server = match way {
            "direct" => Server::start(),
            way => Launch::new().option(way).start(),
        };
        let ann = register(&server, "ann");
        let room = room_of(&server, &ann, &[]);
        let mut anns = Socket::connect(&server, &ann);
        let content = "\u{1}".repeat(10_800);
        for _ in 0..199 {
            anns.say(&room, &content);
            anns.expect("Message");
        }
        let (action, page) = anns.request("History", json!({"room": room, "limit": 200}));
        assert_eq!(action, "History");
        assert_eq!(
            page["messages"].as_array().map(Vec::len),
            Some(200),
            "{way}"
        );
        assert_eq!(
            ann.history(&server, &room, "limit=200")["messages"],
            page["messages"]
        );
        anns.barrier();
    }
}

/// Five of the longest pages may wait. With the sixth the oldest of whoever holds most is given up, and nobody waits.
#[test]
fn accounts_that_read_no_pages_take_from_each_other() {
    const GREEDY: usize = 6;
    let server = Server::start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let content = "\u{1}".repeat(10_800);
    for _ in 0..199 {
        ann.say(&server, &room, &content);
    }
    let path = format!("/chat/history/{room}?limit=200");
    let mut greedy = Vec::new();
    for _ in 0..GREEDY {
        let person = register(&server, "greedy");
        let stream = stream_from(server.address, [127, 0, 0, 1].into(), Some(4 * 1024));
        let mut connection = Connection::over(stream);
        connection.send(&person.get(&server, &path).bytes());
        assert_eq!(connection.bytes(12), b"HTTP/1.1 200", "it is being sent");
        greedy.push(connection);
    }
    let page = ann.history(&server, &room, "limit=200");
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(200));
    // Each of the characters has six bytes in JSON.
    let all = 199 * 6 * content.len();
    let came = greedy[0].bytes(all).len();
    assert!(came < all, "{came} bytes");
}

/// While they catch up they may take as long as they like over that, and may ask for pages meanwhile.
#[test]
fn accounts_that_read_no_frames_keep_no_page_from_others() {
    let server = Server::start();
    let ann = register(&server, "ann");
    // Two of the longest pages are read at once.
    let greedy = [register(&server, "greedy"), register(&server, "greedy")];
    let room = room_of(&server, &ann, &[&greedy[0], &greedy[1]]);
    let content = "\u{1}".repeat(10_800);
    for _ in 0..199 {
        ann.say(&server, &room, &content);
    }
    let mut anns = Socket::connect(&server, &ann);
    anns.drain();
    let ask = json!({"action": "History", "data": {"room": room, "limit": 200}});
    let said = json!({"action": "Message", "data": {"room": room, "content": "asked"}});
    let asked = greedy.map(|person| {
        let mut socket = reluctant(&server, &person);
        for frame in [&ask, &said, &ask] {
            socket.text(&frame.to_string());
        }
        assert_eq!(anns.expect("Message")["content"], "asked");
        socket
    });
    // The first of their pages wait for them to read; the second ones come to that about now.
    for _ in 0..8 {
        let page = ann.history(&server, &room, "limit=200");
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(200));
    }
    drop(asked);
}
