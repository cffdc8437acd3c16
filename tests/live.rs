//! The frames of a connection that is open: what each action answers, and who hears of it.

mod common;

use common::*;

#[test]
fn a_message_reaches_every_connection_of_every_member() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut second = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let mut evas = Socket::connect(&server, &eva);
    for socket in [&mut anns, &mut second, &mut bens] {
        socket.drain();
    }
    let before = now_millis();
    anns.send(json!({"action": "Message", "data": {"room": room.to_uppercase(), "content": "hi"}, "id": "m1"}));
    let (action, ack) = anns.reply("m1");
    assert_eq!(action, "Ack");
    let time = ack["timestamp"].as_u64().unwrap();
    assert!((before..=now_millis()).contains(&time));
    assert_eq!(ack, json!({"room": room, "seq": 2, "timestamp": time}));
    let message = json!({"room": room, "seq": 2, "sender": ann.name, "content": "hi", "timestamp": time, "id": "m1"});
    for socket in [&mut anns, &mut second, &mut bens] {
        assert_eq!(socket.next(), json!({"action": "Message", "data": message}));
        socket.expect_nothing();
    }
    evas.expect_nothing();
    // By HTTP likewise; and one without an id is not acked.
    let by_http = ben.say(&server, &room, "by http");
    assert_eq!(anns.expect("Message"), by_http);
    anns.send(json!({"action": "Message", "data": {"room": room, "content": "no id"}}));
    assert_eq!(anns.expect("Message")["content"], "no id");
    anns.expect_nothing();
    assert_eq!(
        contents(&json!([bens.expect("Message"), bens.expect("Message")])),
        ["by http", "no id"]
    );
}

#[test]
fn a_repeated_message_is_acked_with_the_first_and_heard_once() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut bens = Socket::connect(&server, &ben);
    let frame =
        json!({"action": "Message", "data": {"room": room, "content": "once"}, "id": "again"});
    let mut acks = Vec::new();
    for _ in 0..2 {
        let mut anns = Socket::connect(&server, &ann);
        for _ in 0..2 {
            anns.send(frame.clone());
            acks.push(anns.reply("again"));
        }
    }
    for ack in &acks {
        assert_eq!(ack, &acks[0]);
    }
    assert_eq!(bens.expect("Message")["seq"], 2);
    bens.expect_nothing();
}

#[test]
fn frames_may_be_binary() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut socket = Socket::connect(&server, &ann);
    let frame =
        json!({"action": "Message", "data": {"room": room, "content": "binary"}, "id": "b"});
    socket.send_message(tungstenite::Message::binary(frame.to_string().into_bytes()));
    assert_eq!(socket.reply("b").1["seq"], 2);
}

#[test]
fn read_positions() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    for _ in 0..4 {
        ann.say(&server, &room, "x");
    }
    let mut bens = Socket::connect(&server, &ben);
    let mut second = Socket::connect(&server, &ben);
    let mut anns = Socket::connect(&server, &ann);
    for socket in [&mut bens, &mut second, &mut anns] {
        socket.drain();
    }
    let at = |seq: u64| json!({"room": room, "seq": seq});
    assert_eq!(bens.ack("Read", at(3)), at(3));
    assert_eq!(second.next(), json!({"action": "Read", "data": at(3)}));
    bens.expect_nothing();
    anns.expect_nothing();
    assert_eq!(bens.ack("Read", at(2)), at(3), "never back");
    second.expect_nothing();
    let beyond = bens.ack("Read", at(1_000));
    assert!(
        beyond["seq"].as_u64().unwrap() <= 5,
        "never beyond the last: {beyond}"
    );
    let stands = ben.room(&server, &room).unwrap();
    assert_eq!(
        stands["read_seq"], beyond["seq"],
        "the ack tells the position that stands"
    );
    bens.ack("Read", at(5));
    assert_eq!(ben.room(&server, &room).unwrap()["read_seq"], 5);
    assert!(
        ann.room(&server, &room).unwrap()["read_seq"]
            .as_u64()
            .unwrap()
            <= 1,
        "each has their own"
    );
    bens.refused(
        "Read",
        json!({"room": "no-such-room-at-all", "seq": 1}),
        "room_not_found",
    );
    let other = room_of(&server, &ann, &[]);
    bens.refused("Read", json!({"room": other, "seq": 1}), "forbidden");
    for wrong in [
        json!({"room": room}),
        json!({"room": room, "seq": -1}),
        json!({"room": room, "seq": "1"}),
        json!([]),
    ] {
        bens.refused("Read", wrong, "bad_request");
    }
}

#[test]
fn typing() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut second = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let mut evas = Socket::connect(&server, &eva);
    for socket in [&mut anns, &mut second, &mut bens] {
        socket.drain();
    }
    assert_eq!(anns.ack("Typing", json!({"room": room})), json!({}));
    assert_eq!(
        bens.next(),
        json!({"action": "Typing", "data": {"room": room, "user": ann.name}})
    );
    for socket in [&mut anns, &mut second, &mut bens, &mut evas] {
        socket.expect_nothing();
    }
    evas.refused("Typing", json!({"room": room}), "forbidden");
    evas.refused(
        "Typing",
        json!({"room": "no-such-room-at-all"}),
        "room_not_found",
    );
    anns.refused("Typing", json!({}), "bad_request");
    assert_eq!(
        ann.room(&server, &room).unwrap()["last_seq"],
        1,
        "typing is no message"
    );
}

#[test]
fn pings_of_clients_are_acked() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut socket = Socket::connect(&server, &ann);
    socket.send(json!({"action": "Ping", "id": "alive"}));
    assert_eq!(socket.reply("alive"), ("Ack".to_owned(), json!({})));
    socket.send(json!({"action": "Ping"}));
    socket.expect_nothing();
}

#[test]
fn lists_and_histories_come_with_the_id_asked() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut socket = Socket::connect(&server, &ann);
    let (action, list) = socket.request("ListUsers", Value::Null);
    assert_eq!(action, "List");
    let me = json!({"name": ann.name, "display_name": ann.name, "admin": false, "active": true});
    let mine: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|u| u["name"] == ann.name.as_str())
        .collect();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0]["display_name"], me["display_name"]);
    socket.send(json!({"action": "ListUsers", "id": "bare"}));
    assert_eq!(socket.reply("bare").0, "List", "no data is needed");
    socket.send(json!({"action": "ListUsers"}));
    let unasked = socket.next();
    assert_eq!(unasked["action"], "List");
    assert!(unasked.get("id").is_none());
    let (action, history) = socket.request("History", json!({"room": room}));
    assert_eq!(action, "History");
    assert_eq!(
        (&history["room"], &history["more"]),
        (&json!(room), &json!(false))
    );
    assert_eq!(
        history["messages"],
        ann.history(&server, &room, "")["messages"]
    );
    for wrong in [
        json!({"room": room, "limit": 0}),
        json!({"room": room, "limit": 201}),
        json!({"room": room, "before": "x"}),
        json!({"room": room, "after": -1}),
        json!({}),
        Value::Null,
    ] {
        socket.refused("History", wrong, "bad_request");
    }
    socket.refused(
        "History",
        json!({"room": "no-such-room-at-all"}),
        "room_not_found",
    );
    socket.expect_nothing();
}

#[test]
fn bad_frames_cost_their_sender_an_error_and_nobody_else_anything() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    for socket in [&mut anns, &mut bens] {
        socket.drain();
    }
    for (text, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("nonsense", "bad_json"),
        ("{\"action\":\"Message\",}", "bad_json"),
        ("[]", "bad_request"),
        ("null", "bad_request"),
        ("7", "bad_request"),
        ("{}", "bad_request"),
        ("{\"action\":7}", "bad_request"),
        ("{\"action\":\"Fly\"}", "bad_request"),
        ("{\"action\":\"message\",\"data\":{}}", "bad_request"),
        ("{\"action\":\"Welcome\",\"data\":{}}", "bad_request"),
        ("{\"action\":\"Message\"}", "bad_request"),
        (
            "{\"action\":\"Message\",\"data\":{\"room\":\"general\"}}",
            "bad_request",
        ),
        (
            "{\"action\":\"Message\",\"data\":\"general\"}",
            "bad_request",
        ),
        ("{\"action\":\"ListUsers\",\"id\":7}", "bad_request"),
        ("{\"action\":\"ListUsers\",\"id\":{}}", "bad_request"),
    ] {
        anns.send_text(text);
        let frame = anns.next();
        assert_eq!(frame["action"], "Error", "{text}: {frame}");
        assert_error(&frame["data"], code);
        assert!(frame.get("id").is_none(), "{text}: {frame}");
    }
    anns.send_message(tungstenite::Message::binary(
        b"{\"action\":\"\xff\"}".to_vec(),
    ));
    assert_error(&anns.expect("Error"), "bad_json");
    anns.send(json!({"action": "ListUsers", "id": "i".repeat(65)}));
    assert_error(&anns.expect("Error"), "bad_request");
    anns.send(json!({"action": "Typing", "data": {"room": room}, "id": "i".repeat(64)}));
    assert_eq!(anns.reply(&"i".repeat(64)).0, "Ack");
    anns.send(json!({"action": "Fly", "id": "with an id"}));
    assert_eq!(anns.reply("with an id").0, "Error");
    for content in ["", " \n ", "nul \u{0}", &"x".repeat(16_385)] {
        anns.refused(
            "Message",
            json!({"room": room, "content": content}),
            "bad_content",
        );
    }
    anns.send(json!({"action": "Message", "data": {"room": room, "content": ""}}));
    let untold = anns.next();
    assert_eq!(
        untold["action"], "Error",
        "errors are told without an id too"
    );
    anns.expect_nothing();
    assert_eq!(bens.expect("Typing")["room"], room);
    bens.expect_nothing();
    assert_eq!(
        anns.say(&room, &"x".repeat(16_384))["seq"],
        2,
        "the connection stays"
    );
}

#[test]
fn every_frame_with_an_id_is_answered_once() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut socket = Socket::connect(&server, &ann);
    let frames = [
        json!({"action": "Message", "data": {"room": room, "content": "x"}}),
        json!({"action": "Read", "data": {"room": room, "seq": 1}}),
        json!({"action": "Typing", "data": {"room": room}}),
        json!({"action": "ListUsers"}),
        json!({"action": "History", "data": {"room": room}}),
        json!({"action": "Join", "data": room}),
        json!({"action": "Create", "data": {"name": fresh("answered")}}),
        json!({"action": "Report", "data": "an issue"}),
        json!({"action": "Fly", "data": 7}),
        json!({"action": "Leave", "data": "general"}),
    ];
    for (number, frame) in frames.iter().cycle().take(50).enumerate() {
        let mut frame = frame.clone();
        frame["id"] = json!(format!("once {number}"));
        if frame["action"] == "Create" {
            frame["data"]["name"] = json!(fresh("answered"));
        }
        socket.write(frame);
    }
    socket.flush();
    let mut answers = std::collections::HashMap::new();
    for frame in socket.drain() {
        if let Some(id) = frame["id"].as_str() {
            assert!(
                answers
                    .insert(id.to_owned(), frame["action"].clone())
                    .is_none(),
                "{id} twice"
            );
        }
    }
    let expected = [
        "Ack", "Ack", "Ack", "List", "History", "Ack", "Ack", "Ack", "Error", "Error",
    ];
    for number in 0..50 {
        let answer = answers.get(&format!("once {number}"));
        assert_eq!(
            answer,
            Some(&json!(expected[number % 10])),
            "frame {number}"
        );
    }
}
