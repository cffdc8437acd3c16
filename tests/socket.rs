//! The WebSocket's opening: who may open one, how one signs in, and what was missed.

mod common;

use common::people::private_room_of;
use common::raw::{RawSocket, upgrade_request};
use common::*;
use std::sync::atomic::{AtomicBool, Ordering};

fn upgrade(server: &Server, headers: &[(&str, &str)]) -> Response {
    let mut connection = Connection::open(server.address);
    connection.send(upgrade_request(&server.address.to_string(), headers).as_bytes());
    connection.response("GET")
}

#[test]
fn three_ways_to_sign_in() {
    let server = shared();
    let ann = register(&server, "ann");
    let check = |welcome: &Value| {
        assert_eq!(welcome["user"]["name"], ann.name);
        assert_eq!(welcome["rooms"][0]["name"], "general");
        assert!(
            welcome["online"]
                .as_array()
                .unwrap()
                .contains(&json!(ann.name))
        );
        assert!(welcome["users"].is_string());
        assert_eq!(welcome["version"], env!("CARGO_PKG_VERSION"));
    };
    check(&Socket::bearer(&server, &ann).1);
    check(&Socket::hello(&server, &ann, Value::Null).1);
    let mut socket = Socket::open(server.address);
    socket.send_text(&ann.token);
    check(&socket.expect("Welcome"));
    let mut socket = Socket::open(server.address);
    let hello = json!({"action": "Hello", "data": {"token": ann.token, "since": {}, "x": 1}});
    socket.send_message(tungstenite::Message::binary(hello.to_string().into_bytes()));
    check(&socket.expect("Welcome"));
    // The bare token in the header too.
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    let mut socket = Socket::upgrade(
        stream,
        server.address,
        &[("Authorization", ann.token.as_str())],
    );
    check(&socket.expect("Welcome"));
    // With an id, Hello is answered by it.
    let mut socket = Socket::open(server.address);
    socket.send(json!({"action": "Hello", "data": {"token": ann.token}, "id": "hello"}));
    check(&socket.expect("Welcome"));
    assert_eq!(
        socket.next(),
        json!({"action": "Ack", "data": {}, "id": "hello"})
    );
}

#[test]
fn bad_headers_are_refused_before_the_upgrade() {
    let server = shared();
    let ann = register(&server, "ann");
    for value in [
        "Bearer nonsense",
        "nonsense",
        "Bearer ",
        "Basic YTpi",
        &format!("Bearer {}x", ann.token),
    ] {
        upgrade(&server, &[("Authorization", value)]).refused(401, "unauthorized");
    }
    ann.post(&server, "/auth/logout").send().nothing();
    let revoked = format!("Bearer {}", ann.token);
    upgrade(&server, &[("Authorization", &revoked)]).refused(401, "unauthorized");
}

#[test]
fn whoever_does_not_say_who_they_are_is_closed_with_4401() {
    let server = shared();
    let ann = register(&server, "ann");
    let out = register(&server, "out");
    out.post(&server, "/auth/logout").send().nothing();
    let first = [
        "nonsense".to_owned(),
        "{".to_owned(),
        "".to_owned(),
        "7".to_owned(),
        format!(" {}", ann.token.replace('.', "")),
        out.token.clone(),
        json!({"action": "Hello", "data": {"token": "nonsense"}}).to_string(),
        json!({"action": "Hello", "data": {"token": out.token}}).to_string(),
        json!({"action": "Hello", "data": {"token": ""}}).to_string(),
        json!({"action": "Hello", "data": {}}).to_string(),
        json!({"action": "Hello"}).to_string(),
        json!({"action": "ListUsers"}).to_string(),
        json!({"action": "Message", "data": {"room": "general", "content": "x"}}).to_string(),
    ];
    for text in first {
        let mut socket = Socket::open(server.address);
        socket.send_text(&text);
        assert_error(&socket.expect("Error"), "unauthorized");
        assert_eq!(socket.expect_close(), Some(4401), "{text}");
    }
    let said = ann.whole_history(&server, "general");
    assert!(said.iter().all(|message| message["content"] != "x"));
}

#[test]
fn a_token_in_the_query_is_no_token() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut connection = Connection::open(server.address);
    let request = upgrade_request(&server.address.to_string(), &[]).replace(
        "/chat/connect",
        &format!("/chat/connect?token={}", ann.token),
    );
    connection.send(request.as_bytes());
    assert_eq!(connection.response("GET").status, 101);
    let mut socket = RawSocket { connection };
    socket.text("{\"action\":\"ListUsers\"}");
    assert_eq!(socket.json()["data"]["code"], "unauthorized");
    assert_eq!(socket.expect_close(), 4401);
}

#[test]
fn origins() {
    let server = Launch::new()
        .with("--allow-origin", "https://intra.example")
        .start();
    let own = format!("http://{}", server.address);
    let port = server.address.port();
    let other_port = format!("http://127.0.0.1:{}", port ^ 1);
    let suffixed = format!("http://127.0.0.1:{port}.evil.example");
    let local = format!("http://localhost:{port}");
    for origin in [&own, "https://intra.example"] {
        assert_eq!(
            upgrade(&server, &[("Origin", origin)]).status,
            101,
            "{origin}"
        );
    }
    for origin in [
        "https://evil.example",
        "http://intra.example",
        "null",
        "http://127.0.0.1",
        &other_port,
        &suffixed,
        &local,
        "",
        "x",
    ] {
        upgrade(&server, &[("Origin", origin)]).refused(403, "bad_origin");
    }
    let by_name = |host: &str, origin: &str| {
        let mut connection = Connection::open(server.address);
        connection.send(upgrade_request(host, &[("Origin", origin)]).as_bytes());
        connection.response("GET").status
    };
    assert_eq!(
        by_name("chat.office", "http://chat.office"),
        101,
        "both at the default port"
    );
    assert_eq!(by_name("chat.office:80", "http://chat.office"), 101);
    assert_eq!(by_name("Chat.Office:8080", "http://chat.office:8080"), 101);
    assert_eq!(by_name("[::1]:8080", "http://[::1]:8080"), 101);
    assert_eq!(by_name("chat.office:8080", "http://chat.office"), 403);
    assert_eq!(
        by_name("chat.office", "http://chat.office.evil.example"),
        403
    );
    assert_eq!(upgrade(&server, &[]).status, 101, "no browser, no origin");
}

#[test]
fn an_upgrade_must_be_one() {
    let server = shared();
    let host = server.address.to_string();
    let good = upgrade_request(&host, &[]);
    let plain = server.get("/chat/connect").send();
    assert!(matches!(plain.status, 400 | 426), "{plain:?}");
    let without = |line: &str| good.replace(line, "");
    let refused = [
        without("Upgrade: websocket\r\n"),
        without("Connection: Upgrade\r\n"),
        without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        without("Sec-WebSocket-Version: 13\r\n"),
        good.replace("websocket", "h2c"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        good.replace("HTTP/1.1", "HTTP/1.0"),
    ];
    for request in refused {
        let mut connection = Connection::open(server.address);
        connection.send(request.as_bytes());
        let answer = connection.response("GET");
        assert!(matches!(answer.status, 400 | 426), "{request}: {answer:?}");
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert_error(&answer.json(), &code);
    }
    let mut connection = Connection::open(server.address);
    connection.send(good.replace("Version: 13", "Version: 8").as_bytes());
    let answer = connection.response("GET");
    assert!(matches!(answer.status, 400 | 426), "{answer:?}");
    assert_eq!(
        answer.header("sec-websocket-version"),
        Some("13"),
        "RFC 6455, section 4.4"
    );
    let mut connection = Connection::open(server.address);
    let odd = good
        .replace("Upgrade: websocket", "UPGRADE: WebSocket")
        .replace("Connection: Upgrade", "Connection: keep-alive, upgrade");
    let extended = odd.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    connection.send(extended.as_bytes());
    let answer = connection.response("GET");
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-extensions"), None);
}

/// The contents of the `Message` frames of a room up to the barrier, and the `Gap`s before them.
fn caught_up(socket: &mut Socket, room: &str) -> (Vec<Value>, Vec<u64>) {
    let (mut gaps, mut seqs) = (Vec::new(), Vec::new());
    for frame in socket.drain() {
        if frame["data"]["room"] != room {
            continue;
        }
        match frame["action"].as_str().unwrap() {
            "Gap" => {
                assert!(seqs.is_empty(), "a gap is told before its room's messages");
                gaps.push(frame["data"].clone());
            }
            "Message" => seqs.push(frame["data"]["seq"].as_u64().unwrap()),
            other => panic!("{other} while catching up"),
        }
    }
    (gaps, seqs)
}

#[test]
fn catching_up_from_the_read_position_and_from_since() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[]);
    for number in 0..3 {
        ann.say(&server, &room, &format!("before Ben {number}"));
    }
    ann.post(&server, &format!("/chat/adduser/{room}/{}", ben.name))
        .send()
        .ok(200);
    let joined = ben.room(&server, &room).unwrap();
    assert_eq!(joined["read_seq"], 5, "the message that made Ben a member");
    for number in 0..3 {
        ann.say(&server, &room, &format!("after {number}"));
    }
    let missed = |since: Value| caught_up(&mut Socket::hello(&server, &ben, since).0, &room);
    assert_eq!(missed(Value::Null), (vec![], vec![6, 7, 8]));
    assert_eq!(missed(json!({})), (vec![], vec![6, 7, 8]));
    assert_eq!(
        missed(json!({"no-such-room-at-all": 3})),
        (vec![], vec![6, 7, 8])
    );
    assert_eq!(missed(json!({&room: null})), (vec![], vec![6, 7, 8]));
    assert_eq!(missed(json!({&room: 7})), (vec![], vec![8]));
    assert_eq!(missed(json!({&room: 8})), (vec![], vec![]));
    assert_eq!(
        missed(json!({&room: 0})),
        (vec![], vec![1, 2, 3, 4, 5, 6, 7, 8])
    );
    assert_eq!(missed(json!({&room: 1_000_000})), (vec![], vec![]));
    let (mut socket, welcome) = Socket::bearer(&server, &ben);
    let known = welcome["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == room.as_str())
        .unwrap();
    assert_eq!(
        (&known["read_seq"], &known["last_seq"]),
        (&json!(5), &json!(8))
    );
    assert_eq!(caught_up(&mut socket, &room), (vec![], vec![6, 7, 8]));
    socket.ack("Read", json!({"room": room, "seq": 7}));
    assert_eq!(
        caught_up(&mut Socket::bearer(&server, &ben).0, &room),
        (vec![], vec![8])
    );
    // One's own messages do not move one's read position.
    ben.say(&server, &room, "mine");
    assert_eq!(missed(Value::Null), (vec![], vec![8, 9]));
}

#[test]
fn messages_are_caught_up_whole() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    ann.say(&server, &room, "one \u{1F98A}\n two");
    let expected = ann.history(&server, &room, "")["messages"].clone();
    let mut socket = Socket::hello(&server, &ben, json!({&room: 0})).0;
    for message in expected.as_array().unwrap() {
        let frame = socket.until(|frame| frame["data"]["room"] == room.as_str());
        assert_eq!(frame, json!({"action": "Message", "data": message}));
    }
}

#[test]
fn more_than_500_missed_messages_leave_a_gap() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    for number in 0..500 {
        anns.write(
            json!({"action": "Message", "data": {"room": room, "content": format!("{number}")}}),
        );
    }
    anns.barrier();
    let range = |from: u64, to: u64| (from..=to).collect::<Vec<u64>>();
    let missed = |since: Value| caught_up(&mut Socket::hello(&server, &ben, since).0, &room);
    assert_eq!(
        missed(json!({&room: 1})),
        (vec![], range(2, 501)),
        "exactly 500"
    );
    let gap = json!({"room": room, "after": 0, "before": 2});
    assert_eq!(missed(json!({&room: 0})), (vec![gap], range(2, 501)));
    for _ in 0..9 {
        anns.say(&room, "one more");
    }
    let gap = json!({"room": room, "after": 3, "before": 11});
    assert_eq!(missed(json!({&room: 3})), (vec![gap], range(11, 510)));
    let gap = json!({"room": room, "after": 1, "before": 11});
    assert_eq!(missed(Value::Null), (vec![gap], range(11, 510)));
    let between = ben.history(&server, &room, "after=3&before=11");
    assert_eq!(
        seqs(&between["messages"]),
        range(4, 10),
        "what the gap says to fetch"
    );
}

/// While others post, many connect: each sees every message once and in order.
#[test]
fn nothing_is_missed_or_doubled_while_connecting() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for person in [&ann, &ben] {
            let (room, server, over) = (&room, &server, &over);
            scope.spawn(move || {
                let mut socket = Socket::connect(server, person);
                while !over.load(Ordering::Relaxed) {
                    socket.say(room, "still talking");
                }
            });
        }
        let listeners: Vec<_> = (0..2)
            .map(|listener| {
                let (server, room) = (&server, &room);
                let person = if listener == 0 { &ann } else { &ben };
                scope.spawn(move || {
                    let mut since = 0;
                    for round in 0..30 {
                        let mut socket = Socket::hello(server, person, json!({room: since})).0;
                        let first = since;
                        while since < first + 5 {
                            let frame = socket.until(|f| f["data"]["room"] == room.as_str());
                            if frame["action"] == "Gap" {
                                assert_eq!(frame["data"]["after"], since);
                                since = frame["data"]["before"].as_u64().unwrap() - 1;
                                continue;
                            }
                            assert_eq!(frame["data"]["seq"], since + 1, "round {round}");
                            since += 1;
                        }
                    }
                })
            })
            .collect();
        let ends: Vec<_> = listeners.into_iter().map(|l| l.join()).collect();
        over.store(true, Ordering::Relaxed);
        for end in ends {
            end.unwrap();
        }
    });
}

#[test]
fn welcome_has_all_rooms_of_the_user_and_no_others() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let path = format!("/chat/direct/{}", ann.name);
    let notes = ann.post(&server, &path).send().ok(201);
    let mine = [
        room_of(&server, &ann, &[]),
        private_room_of(&server, &ben, &[&ann]),
        notes["name"].as_str().unwrap().to_owned(),
    ];
    private_room_of(&server, &ben, &[]);
    room_of(&server, &ben, &[]);
    let (_, welcome) = Socket::bearer(&server, &ann);
    let listed: Vec<&str> = welcome["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["name"].as_str())
        .collect();
    let mut expected = vec!["general"];
    expected.extend(mine.iter().map(String::as_str));
    assert_eq!(sorted(&listed), sorted(&expected));
    for room in welcome["rooms"].as_array().unwrap() {
        let name = room["name"].as_str().unwrap();
        if name != "general" {
            assert_eq!(Some(room), ann.room(&server, name).as_ref());
        }
    }
}
