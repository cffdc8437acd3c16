//! A disk that takes no more: told, survived, and made good without a restart.
//!
//! The system's limit on the size of files plays the full disk: writing beyond it fails as `ENOSPC` would.

mod common;

use common::*;

fn post(server: &Server, person: &Person, room: &str, number: usize) -> Response {
    let content = format!("{number} {}", "x".repeat(4_000));
    let body = json!({"room": room, "content": content, "id": format!("m{number}")});
    person.post(server, "/chat/chatroom").json(body).send()
}

/// Asserts that the history is this, with no number left out.
fn assert_whole(history: &[Value]) {
    for (at, message) in history.iter().enumerate() {
        assert_eq!(message["seq"], at as u64 + 1);
    }
}

/// The limit is met in the middle of a line: part of it is written.
#[test]
fn a_line_that_fits_only_in_part_is_refused_and_void() {
    let launch = Launch::new().file_blocks(200);
    let server = launch.start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut bens = Socket::connect(&server, &ben);
    bens.drain();
    let mut acked = Vec::new();
    let refused = (0..100).find(|&number| {
        let answer = post(&server, &ann, &room, number);
        if answer.status == 200 {
            acked.push(answer.json());
            return false;
        }
        answer.refused(503, "storage_failed");
        true
    });
    let refused = refused.expect("the file was full in the end");
    assert!(acked.len() > 3, "{}", acked.len());
    assert_eq!(ben.whole_history(&server, &room)[1..], acked[..]);
    server.limit("fsize", None);
    let later = until("the recovery", || {
        let answer = post(&server, &ann, &room, refused);
        (answer.status == 200).then(|| answer.json())
    });
    for message in acked.iter().chain([&later]) {
        assert_eq!(
            &bens.expect("Message"),
            message,
            "what was not stored is not heard"
        );
    }
    bens.expect_nothing();
    assert_eq!(later["seq"].as_u64(), Some(acked.len() as u64 + 2));
    let whole = ben.whole_history(&server, &room);
    assert_whole(&whole);
    server.kill();
    let server = launch.file_blocks(100_000).start();
    assert_eq!(
        ben.whole_history(&server, &room),
        whole,
        "after a kill as before it"
    );
}

#[test]
fn nothing_can_be_written_and_all_can_be_read() {
    let launch = Launch::new().file_blocks(1_000_000);
    let server = launch.start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    ann.say(&server, &room, "before");
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    bens.drain();
    server.limit("fsize", Some(0));
    for number in 0..3 {
        post(&server, &ann, &room, number).refused(503, "storage_failed");
    }
    anns.refused(
        "Message",
        json!({"room": room, "content": "x"}),
        "storage_failed",
    );
    anns.refused("Create", json!({"name": fresh("full")}), "storage_failed");
    anns.refused("Leave", json!(room), "storage_failed");
    let name = fresh("full");
    ann.post(&server, &format!("/chat/create/{name}"))
        .send()
        .refused(503, "storage_failed");
    let body = json!({"name": fresh("new"), "password": PASSWORD});
    server
        .post("/auth/createuser")
        .json(body)
        .send()
        .refused(503, "storage_failed");
    // Reads go on, by all ways, and show nothing that was refused.
    assert_eq!(
        contents(&ben.history(&server, &room, "")["messages"])[1..],
        ["before"]
    );
    let found = ben.get(&server, "/chat/search?q=before").send().ok(200);
    assert_eq!(found["messages"].as_array().map(Vec::len), Some(1));
    assert!(ann.room(&server, &name).is_none());
    let general = ann.room(&server, "general").unwrap();
    assert_eq!(general["member_count"], 2);
    let credentials = json!({"name": ann.name, "password": PASSWORD});
    server.post("/auth/login").json(credentials).send().ok(200);
    let mut fresh_socket = Socket::connect(&server, &ben);
    fresh_socket.ack("Typing", json!({"room": room}));
    let (action, _) = bens.request("History", json!({"room": room}));
    assert_eq!(action, "History");
    assert!(server.is_running());

    server.limit("fsize", None);
    let later = until("the recovery", || {
        let answer = post(&server, &ann, &room, 0);
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(later["seq"], 3);
    assert_eq!(
        bens.expect("Message"),
        later,
        "what was not stored is not heard"
    );
    assert_eq!(anns.say(&room, "as before")["seq"], 4);
    ann.post(&server, &format!("/chat/create/{name}"))
        .send()
        .ok(201);
    register(&server, "eva");
    let whole = ben.whole_history(&server, &room);
    assert_whole(&whole);
    let general = ben.whole_history(&server, "general");
    server.kill();
    let server = launch.start();
    assert_eq!(
        ben.whole_history(&server, &room),
        whole,
        "after a kill as before it"
    );
    assert_eq!(ben.whole_history(&server, "general"), general);
}
