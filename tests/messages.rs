//! Messages by HTTP: posting, reading back, finding.

mod common;

use common::people::private_room_of;
use common::*;

fn post(server: &Server, person: &Person, body: Value) -> Response {
    person.post(server, "/chat/chatroom").json(body).send()
}

#[test]
fn a_message_is_answered_as_it_stands() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let before = now_millis();
    let body = json!({"room": room, "content": "hello", "sender": ann.name, "timestamp": 1, "id": "first"});
    let message = post(&server, &ann, body).ok(200);
    assert_eq!(message["room"], room);
    assert_eq!(message["seq"], 2);
    assert_eq!(message["sender"], ann.name);
    assert_eq!(message["content"], "hello");
    assert_eq!(message["id"], "first");
    let time = message["timestamp"].as_u64().expect("whole milliseconds");
    assert!(
        (before..=now_millis()).contains(&time),
        "the server's clock, not the client's"
    );
    let plain = ben.say(&server, &room, "no id");
    assert!(plain.get("id").is_none_or(Value::is_null));
    let history = ben.history(&server, &room, "");
    assert_eq!(seqs(&history["messages"]), [1, 2, 3]);
    assert_eq!(history["messages"][1], message);
    assert_eq!(history["messages"][2], plain);
    assert_eq!(history["messages"][0]["sender"], "Server");
    assert_eq!(history["messages"][0]["event"]["kind"], "created");
}

#[test]
fn a_forged_sender_is_refused() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    for sender in [ben.name.as_str(), "Server", "", "nobody-at-all"] {
        let body = json!({"room": room, "content": "x", "sender": sender});
        post(&server, &ann, body).refused(403, "forbidden");
    }
    let mut socket = Socket::connect(&server, &ann);
    let forged = json!({"room": room, "content": "x", "sender": ben.name});
    socket.refused("Message", forged, "forbidden");
    let honest = json!({"room": room, "content": "x", "sender": ann.name, "timestamp": 5});
    assert_eq!(socket.ack("Message", honest)["seq"], 2);
    assert_eq!(
        ann.history(&server, &room, "")["messages"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn who_may_post_and_read_where() {
    let server = shared();
    let (ann, eva) = (register(&server, "ann"), register(&server, "eva"));
    let public = room_of(&server, &ann, &[]);
    let private = private_room_of(&server, &ann, &[]);
    let into = |room: &str| json!({"room": room, "content": "x"});
    post(&server, &eva, into(&public)).refused(403, "forbidden");
    post(&server, &eva, into(&private)).refused(404, "room_not_found");
    post(&server, &eva, into("no-such-room-at-all")).refused(404, "room_not_found");
    assert_eq!(seqs(&eva.history(&server, &public, "")["messages"]), [1]);
    let history = |room: &str| eva.get(&server, &format!("/chat/history/{room}")).send();
    history(&private).refused(404, "room_not_found");
    history("no-such-room-at-all").refused(404, "room_not_found");
}

#[test]
fn contents_have_limits() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let wide = "é".repeat(8_193);
    let long = "x".repeat(16_385);
    for bad in ["", " ", "\n\t ", "\u{a0}\u{2003}", "a\u{0}b", &long, &wide] {
        let body = json!({"room": room, "content": bad});
        post(&server, &ann, body).refused(400, "bad_content");
    }
    for wrong in [
        json!({"room": room}),
        json!({"content": "x"}),
        json!({"room": room, "content": 7}),
        json!({"room": 7, "content": "x"}),
        json!({"room": room, "content": null}),
        json!({"room": room, "content": "x", "sender": 7}),
        json!({"room": room, "content": "x", "id": 7}),
        json!(["x"]),
    ] {
        post(&server, &ann, wrong).refused(400, "bad_request");
    }
    let surrogate = format!("{{\"room\":\"{room}\",\"content\":\"\\ud800\"}}");
    let answer = ann.post(&server, "/chat/chatroom").body(surrogate).send();
    assert_eq!(answer.status, 400, "half of a surrogate pair is no text");
    assert_eq!(
        ann.room(&server, &room).unwrap()["last_seq"],
        1,
        "nothing was stored"
    );
}

#[test]
fn contents_are_kept_exactly() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let longest = "x".repeat(16_384);
    let widest = "\u{1F98A}".repeat(4_096);
    let exact = [
        "  leading and trailing \r\n\t ",
        "e\u{301} stays decomposed, é composed",
        "quotes \" \\ / <b>&amp;</b> \u{7f}\u{1}\u{1b}[31m",
        "\u{2028}\u{2029}\u{feff}\u{202e}right to left",
        "👩‍👩‍👧‍👦 1️⃣",
        "{\"action\":\"Message\"}",
        "x",
        &longest,
        &widest,
    ];
    for content in exact {
        assert_eq!(ann.say(&server, &room, content)["content"], content);
    }
    let history = ann.history(&server, &room, "limit=200");
    assert_eq!(contents(&history["messages"])[1..], exact);
    // The most escapes that a content can have still fit a body.
    let escapes = "\n".repeat(16_383) + "x";
    assert_eq!(ann.say(&server, &room, &escapes)["content"], escapes);
}

#[test]
fn a_repeated_id_is_stored_once() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let (room, other) = (room_of(&server, &ann, &[&ben]), room_of(&server, &ann, &[]));
    let body =
        |room: &str, content: &str, id: &str| json!({"room": room, "content": content, "id": id});
    let first = post(&server, &ann, body(&room, "once", "same")).ok(200);
    let again = post(&server, &ann, body(&room, "once", "same")).ok(200);
    assert_eq!(again["seq"], first["seq"]);
    assert_eq!(again["timestamp"], first["timestamp"]);
    let different = post(&server, &ann, body(&room, "another text", "same")).ok(200);
    assert_eq!(different["seq"], first["seq"], "the id decides");
    let mut socket = Socket::connect(&server, &ann);
    socket.send(
        json!({"action": "Message", "data": {"room": room, "content": "once"}, "id": "same"}),
    );
    let (action, ack) = socket.reply("same");
    assert_eq!(action, "Ack");
    assert_eq!(
        ack,
        json!({"room": room, "seq": first["seq"], "timestamp": first["timestamp"]})
    );
    let bens = post(&server, &ben, body(&room, "Ben's", "same")).ok(200);
    assert_eq!(bens["seq"], 3, "another user's id is another id");
    let elsewhere = post(&server, &ann, body(&other, "elsewhere", "same")).ok(200);
    assert_eq!(elsewhere["seq"], 2, "another room's id is another id");
    assert_eq!(
        seqs(&ann.history(&server, &room, "")["messages"]),
        [1, 2, 3]
    );
}

#[test]
fn ids_have_at_most_64_bytes() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let body = |id: &str| json!({"room": room, "content": "x", "id": id});
    post(&server, &ann, body(&"i".repeat(64))).ok(200);
    post(&server, &ann, body(&"é".repeat(32))).ok(200);
    post(&server, &ann, body(&"i".repeat(65))).refused(400, "bad_request");
    post(&server, &ann, body(&"é".repeat(33))).refused(400, "bad_request");
    assert_eq!(ann.room(&server, &room).unwrap()["last_seq"], 3);
}

/// Its data has no such field, and unknown fields are ignored.
#[test]
fn an_id_in_the_data_of_a_frame_is_ignored() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut socket = Socket::connect(&server, &ann);
    for id in [
        json!(""),
        json!("x".repeat(65)),
        json!(7),
        json!({}),
        json!("a"),
    ] {
        let data = json!({"room": room, "content": "hi", "id": id});
        socket.ack("Message", data);
    }
    let page = ann.history(&server, &room, "");
    assert_eq!(seqs(&page["messages"]), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn one_id_sent_at_once_by_many_is_stored_once() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let seqs: Vec<u64> = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let body = json!({"room": room, "content": "x", "id": "raced"});
                    post(&server, &ann, body).ok(200)["seq"].as_u64().unwrap()
                })
            })
            .collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    assert_eq!(seqs, [2; 8]);
    assert_eq!(ann.room(&server, &room).unwrap()["last_seq"], 2);
}

#[test]
fn pages_of_history() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    for number in 2..=60 {
        ann.say(&server, &room, &format!("message {number}"));
    }
    let page = |query: &str| {
        let page = ann.history(&server, &room, query);
        (
            seqs(&page["messages"]),
            page["more"].as_bool().expect("more"),
        )
    };
    let range = |from: u64, to: u64| (from..=to).collect::<Vec<u64>>();
    assert_eq!(page(""), (range(11, 60), true), "the newest 50");
    assert_eq!(page("limit=200"), (range(1, 60), false));
    assert_eq!(page("limit=60"), (range(1, 60), false));
    assert_eq!(page("limit=59"), (range(2, 60), true));
    assert_eq!(page("limit=1"), (range(60, 60), true));
    assert_eq!(page("before=11"), (range(1, 10), false));
    assert_eq!(page("before=11&limit=4"), (range(7, 10), true));
    assert_eq!(page("before=11&limit=10"), (range(1, 10), false));
    assert_eq!(page("before=1"), (vec![], false));
    assert_eq!(page("before=1000&limit=2"), (range(59, 60), true));
    assert_eq!(page("after=0&limit=3"), (range(1, 3), true));
    assert_eq!(page("after=57"), (range(58, 60), false));
    assert_eq!(page("after=57&limit=3"), (range(58, 60), false));
    assert_eq!(page("after=57&limit=2"), (range(58, 59), true));
    assert_eq!(page("after=60"), (vec![], false));
    assert_eq!(page("after=1000"), (vec![], false));
    assert_eq!(page("after=10&before=14"), (range(11, 13), false));
    assert_eq!(page("after=10&before=14&limit=2"), (range(11, 12), true));
    assert_eq!(page("after=10&before=14&limit=3"), (range(11, 13), false));
    assert_eq!(page("after=10&before=11"), (vec![], false));
    assert_eq!(page("after=20&before=10"), (vec![], false));
    assert_eq!(page("unknown=1&limit=1"), (range(60, 60), true));
    let far = u64::MAX;
    assert_eq!(page(&format!("after={far}")), (vec![], false));
    assert_eq!(
        page(&format!("before={far}&limit=1")),
        (range(60, 60), true)
    );
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "before=x",
        "after=-1",
        "after=",
        "before=99999999999999999999999",
        "limit=99999999999999999999999",
    ] {
        let path = format!("/chat/history/{room}?{wrong}");
        ann.get(&server, &path).send().refused(400, "bad_request");
    }
    let mut socket = Socket::connect(&server, &ann);
    let (action, data) = socket.request(
        "History",
        json!({"room": room, "after": 10, "before": 14, "limit": 2}),
    );
    assert_eq!(action, "History");
    assert_eq!(data["room"], room);
    assert_eq!(
        (seqs(&data["messages"]), &data["more"]),
        (range(11, 12), &json!(true))
    );
    assert_eq!(
        data["messages"],
        ann.history(&server, &room, "after=10&before=14&limit=2")["messages"]
    );
}

fn search(server: &Server, person: &Person, query: &str) -> Response {
    person.get(server, &format!("/chat/search?{query}")).send()
}

#[test]
fn searching() {
    let server = shared();
    let (ann, eva) = (register(&server, "ann"), register(&server, "eva"));
    let (one, two) = (room_of(&server, &ann, &[]), room_of(&server, &ann, &[&eva]));
    let evas = room_of(&server, &eva, &[]);
    ann.say(&server, &one, "the Quick brown xyzzy fox");
    ann.say(&server, &two, "ŽLUŤOUČKÝ kůň xyzzy");
    ann.say(&server, &one, "XYZZYing, 100% + \"quoted\" \\ line\nbreak");
    eva.say(&server, &evas, "xyzzy of Eva alone");
    let found = |person: &Person, query: &str| {
        let answer = search(&server, person, query).ok(200);
        assert_eq!(answer["complete"], true, "{answer}");
        assert_eq!(answer["more"], false, "{answer}");
        contents(&answer["messages"])
    };
    let first = "the Quick brown xyzzy fox".to_owned();
    let second = "ŽLUŤOUČKÝ kůň xyzzy".to_owned();
    let third = "XYZZYing, 100% + \"quoted\" \\ line\nbreak".to_owned();
    let all = [third.clone(), second.clone(), first.clone()];
    assert_eq!(
        found(&ann, "q=xyzzy"),
        all,
        "newest first, over all rooms of hers"
    );
    assert_eq!(found(&ann, "q=XYZZY"), all);
    assert_eq!(
        found(&ann, &format!("q=xyzzy&room={one}")),
        [third.clone(), first.clone()]
    );
    assert_eq!(
        found(&ann, &format!("q=xyzzy&room={}", one.to_uppercase())).len(),
        2
    );
    assert_eq!(
        found(&ann, &format!("q={}", encode("žluťoučký KŮŇ"))),
        [second.as_str()]
    );
    assert_eq!(found(&ann, "q=quick%20BROWN"), [first.as_str()]);
    assert_eq!(
        found(&ann, "q=quick+brown"),
        [first.as_str()],
        "a form's plus is a space"
    );
    for part in ["100% +", "\"quoted\"", "\\ line", "line\nbreak", "ZZYing"] {
        assert_eq!(
            found(&ann, &format!("q={}", encode(part))),
            [third.as_str()],
            "{part:?}"
        );
    }
    assert_eq!(found(&ann, "q=nowhere-to-be-found"), Vec::<String>::new());
    assert_eq!(
        found(&ann, "q=.*xyzzy"),
        Vec::<String>::new(),
        "no patterns"
    );
    assert_eq!(
        found(&eva, "q=xyzzy"),
        ["xyzzy of Eva alone".to_owned(), second]
    );
    // Field names and the like are no content.
    for part in ["\"sender\"", "timestamp", "content\":"] {
        assert_eq!(
            found(&eva, &format!("q={}", encode(part))),
            Vec::<String>::new(),
            "{part:?}"
        );
    }
}

#[test]
fn pages_of_search() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    for number in 0..55 {
        ann.say(&server, &room, &format!("plugh {number}"));
    }
    let found = |query: &str| {
        let answer = search(&server, &ann, query).ok(200);
        let messages = &answer["messages"];
        assert!(
            messages
                .as_array()
                .unwrap()
                .iter()
                .all(|m| m["room"] == room.as_str())
        );
        (seqs(messages), answer["more"].as_bool().unwrap())
    };
    let newest = |count: u64| (0..count).map(|at| 56 - at).collect::<Vec<u64>>();
    assert_eq!(found("q=plugh"), (newest(50), true));
    assert_eq!(found("q=plugh&limit=55"), (newest(55), false));
    assert_eq!(found("q=plugh&limit=54"), (newest(54), true));
    assert_eq!(found("q=plugh&limit=200"), (newest(55), false));
    assert_eq!(found("q=plugh%2054"), (vec![56], false));
    for wrong in [
        "",
        "q=",
        "limit=5",
        "q=x&limit=0",
        "q=x&limit=201",
        "q=x&limit=no",
    ] {
        search(&server, &ann, wrong).refused(400, "bad_request");
    }
    search(&server, &ann, "q=x&room=no-such-room-at-all").refused(404, "room_not_found");
}

#[test]
fn what_was_left_is_not_searched() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    ann.say(&server, &room, "plover of the past");
    let found = || {
        search(&server, &ben, "q=plover").ok(200)["messages"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(found(), 1);
    ben.post(&server, &format!("/chat/leave/{room}"))
        .send()
        .nothing();
    assert_eq!(found(), 0);
}

#[test]
fn order_is_one_for_all_under_concurrency() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut listeners = [
        Socket::connect(&server, &ann),
        Socket::connect(&server, &ben),
    ];
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let person = if writer % 2 == 0 { &ann } else { &ben };
            let (server, room) = (&server, &room);
            scope.spawn(move || {
                let mut last = 0;
                for number in 0..25 {
                    let message = person.say(server, room, &format!("{writer} {number}"));
                    let seq = message["seq"].as_u64().unwrap();
                    assert!(seq > last, "a writer's own order holds");
                    last = seq;
                }
            });
        }
    });
    let history = ann.whole_history(&server, &room);
    let history: Vec<&Value> = history.iter().collect();
    assert_eq!(history.len(), 101);
    for (at, message) in history.iter().enumerate() {
        assert_eq!(message["seq"], at as u64 + 1);
    }
    for listener in &mut listeners {
        let frames = listener.drain();
        let heard: Vec<&Value> = frames
            .iter()
            .filter(|frame| frame["action"] == "Message")
            .map(|frame| &frame["data"])
            .collect();
        assert_eq!(
            heard,
            history[1..],
            "every member sees the same, live and later"
        );
    }
}
