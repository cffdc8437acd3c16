//! What is private shows to nobody else: not by lists, searches, people, presence or frames.

mod common;

use common::*;
use std::collections::BTreeMap;

/// What is said in the rooms that hide, and searched for.
const SAID: &str = "quince";

/// All that somebody can find out without knowing what to ask for, and by asking for these rooms.
fn found_out(server: &Server, person: &Person, rooms: &[&str]) -> Vec<String> {
    let lists = ["/chat/list", "/chat/rooms", "/chat/users", "/chat/online"];
    let search = format!("/chat/search?q={SAID}");
    let mut found: Vec<String> = lists
        .into_iter()
        .chain([search.as_str()])
        .map(|path| person.get(server, path).send().whole())
        .collect();
    let since: BTreeMap<&str, u64> = rooms.iter().map(|room| (*room, 0)).collect();
    let (mut socket, welcome) = Socket::hello(server, person, json!(since));
    found.push(welcome.to_string());
    found.push(format!("{:?}", socket.drain()));
    socket.close();
    found
}

#[test]
fn what_is_private_shows_to_nobody_else() {
    let server = Server::start();
    let [admin, outsider, creator, member] =
        ["admin", "outsider", "creator", "member"].map(|who| register(&server, who));
    let mut inside = Socket::connect(&server, &creator);
    let mut outside =
        [&admin, &outsider].map(|person| Socket::connect(&server, person).hearing_all());
    let _stays = Socket::connect(&server, &member);
    // Who came last is told last; until then presence is still to come.
    for socket in &mut outside {
        socket.until(|frame| {
            frame["action"] == "Presence" && names(&frame["data"]["online"]).contains(&member.name)
        });
    }
    let rooms = ["secret garden", "direct-1"];
    let before = [&admin, &outsider].map(|person| found_out(&server, person, &rooms));
    for socket in &mut outside {
        socket.drain();
    }

    let [private, direct] = rooms;
    let with = format!("/chat/direct/{}", member.name);
    let made = creator.post(&server, &with).send().ok(201);
    assert_eq!(made["name"], direct);
    inside.ack(
        "Create",
        json!({"name": private, "kind": "private", "users": [member.name]}),
    );
    for room in rooms {
        inside.ack("Typing", json!({"room": room}));
        inside.ack("Message", json!({"room": room, "content": SAID}));
        inside.ack("Read", json!({"room": room, "seq": 1}));
        member.say(&server, room, SAID);
    }
    member
        .post(&server, "/chat/leave/secret%20garden")
        .send()
        .nothing();
    inside.ack("Add", json!([private, member.name]));

    for socket in &mut outside {
        socket.expect_nothing();
    }
    let after = [&admin, &outsider].map(|person| found_out(&server, person, &rooms));
    assert_eq!(after, before);
}
