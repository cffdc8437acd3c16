//! Texts that replace earlier ones: a message of its own for the order, the newest text for who reads.

mod common;

use common::people::private_room_of;
use common::*;

fn search(person: &Person, server: &Server, query: &str) -> Vec<(u64, String)> {
    let found = person
        .get(server, &format!("/chat/search?q={query}"))
        .send()
        .ok(200);
    let messages = found["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|m| {
            (
                m["seq"].as_u64().unwrap(),
                m["content"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn edit(person: &Person, server: &Server, room: &str, seq: u64, content: &str) -> Response {
    let body = json!({"room": room, "content": content, "replaces": seq});
    person.post(server, "/chat/chatroom").json(body).send()
}

/// Before and after segments hold the messages, and after a crash.
#[test]
fn whoever_reads_gets_the_newest_text() {
    let launch = Launch::new().with("--journal-bytes", "4096");
    let mut server = launch.start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let first = ann.say(&server, &room, "helo world")["seq"]
        .as_u64()
        .unwrap();
    let other = ben.say(&server, &room, "hi ann")["seq"].as_u64().unwrap();
    let mut bens = Socket::connect(&server, &ben);
    let answer = edit(&ann, &server, &room, first, "hello, world").ok(200);
    assert_eq!(
        (&answer["replaces"], &answer["seq"]),
        (&json!(first), &json!(other + 1))
    );
    let live =
        bens.until(|frame| frame["action"] == "Message" && frame["data"]["replaces"] == first);
    assert_eq!(live["data"]["content"], "hello, world");
    for round in 0..3 {
        let seqs_before = seqs(&json!(ann.whole_history(&server, &room)));
        let content = format!("hello {round}");
        let newest = edit(&ann, &server, &room, first, &content).ok(200);
        for person in [&ann, &ben] {
            let history = person.whole_history(&server, &room);
            let all = seqs(&json!(history));
            assert_eq!(
                all,
                (1..=all.len() as u64).collect::<Vec<_>>(),
                "numbers have no gaps"
            );
            assert_eq!(all.len(), seqs_before.len() + 1);
            let original = &history[first as usize - 1];
            assert_eq!(original["content"], json!(content));
            assert_eq!(original["edited"], newest["timestamp"]);
            assert_eq!(original["sender"], json!(ann.name));
            assert_eq!(history[other as usize - 1]["content"], "hi ann");
            assert!(history[other as usize - 1].get("edited").is_none());
            let mut socket = Socket::connect(&server, person);
            let data = json!({"room": room, "before": other, "limit": 1});
            let page = socket.request("History", data).1;
            assert_eq!(page["messages"][0], *original);
        }
        assert_eq!(
            search(&ben, &server, "helo"),
            [],
            "what was replaced is not found"
        );
        let found = search(&ben, &server, "hello");
        assert_eq!(found, [(newest["seq"].as_u64().unwrap(), content)]);
        // Enough to fold several journals.
        for _ in 0..20 {
            ben.say(&server, &room, &"x".repeat(1_000));
        }
        match round {
            0 => server.kill(),
            _ => drop(server.stop()),
        }
        server = launch.start();
    }
}

/// Pages that were answered before are kept.
#[test]
fn a_page_that_many_ask_for_follows_what_happens() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = private_room_of(&server, &ann, &[&ben]);
    let mut contents = vec!["one".to_owned(), "two".to_owned()];
    let first = ann.say(&server, &room, &contents[0])["seq"]
        .as_u64()
        .unwrap();
    ann.say(&server, &room, &contents[1]);
    let target = format!("/chat/history/{room}?before={}&limit=2", first + 2);
    let page = |person: &Person| -> Vec<String> {
        let page = person.get(&server, &target).send().ok(200);
        let messages = page["messages"].as_array().unwrap().iter();
        let said = messages.map(|message| message["content"].as_str().unwrap().to_owned());
        said.collect()
    };
    for round in 0..3 {
        for person in [&ann, &ben, &ann, &ben] {
            assert_eq!(page(person), contents);
        }
        contents[0] = format!("one, again {round}");
        edit(&ann, &server, &room, first, &contents[0]).ok(200);
        assert_eq!(page(&ben), contents);
    }
    ben.post(&server, &format!("/chat/leave/{room}"))
        .send()
        .nothing();
    ben.get(&server, &target)
        .send()
        .refused(404, "room_not_found");
    ann.post(&server, "/auth/logout").send();
    ann.get(&server, &target)
        .send()
        .refused(401, "unauthorized");
}

#[test]
fn only_ones_own_message_in_that_room_is_replaced() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let (room, other) = (room_of(&server, &ann, &[&ben]), room_of(&server, &ann, &[]));
    let bens = ben.say(&server, &room, "mine")["seq"].as_u64().unwrap();
    edit(&ann, &server, &room, bens, "yours").refused(403, "forbidden");
    edit(&ann, &server, &room, 1, "the announcement").refused(403, "forbidden");
    edit(&ann, &server, &room, 99, "to come").refused(400, "bad_request");
    edit(&ann, &server, &room, 0, "before all").refused(400, "bad_request");
    let own = ann.say(&server, &other, "here")["seq"].as_u64().unwrap();
    let again = edit(&ann, &server, &other, own, "there").ok(200)["seq"]
        .as_u64()
        .unwrap();
    edit(&ann, &server, &other, again, "everywhere").refused(400, "bad_request");
    edit(&ben, &server, "no such room", own, "x").refused(404, "room_not_found");
    let mut socket = Socket::connect(&server, &ann);
    let data = json!({"room": room, "content": "yours", "replaces": bens});
    socket.refused("Message", data, "forbidden");
    let data = json!({"room": room, "content": "yours", "replaces": "x"});
    socket.refused("Message", data, "bad_request");
    let texts = contents(&ben.history(&server, &room, "")["messages"]);
    assert_eq!(texts.last().map(String::as_str), Some("mine"));
}

#[test]
fn a_repeated_edit_is_stored_once() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let seq = ann.say(&server, &room, "one")["seq"].clone();
    let body = json!({"room": room, "content": "two", "replaces": seq, "id": "edit-1"});
    let post = || {
        ann.post(&server, "/chat/chatroom")
            .json(body.clone())
            .send()
            .ok(200)
    };
    assert_eq!(post(), post());
    assert_eq!(ann.whole_history(&server, &room).len(), 3);
}
