//! What is private shows to nobody else: not by lists, searches, people, presence or frames, nor by errors.

mod common;

use common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// A message's `id` is looked for in files before the room's members are known; whoever is not in the room must not
/// see by an error that there are files.
#[test]
fn damage_inside_shows_to_nobody_outside() {
    let launch = Launch::new();
    let server = launch.start();
    let [creator, outsider] = ["creator", "outsider"].map(|who| register(&server, who));
    let room = people::private_room_of(&server, &creator, &[]);
    creator.say(&server, &room, SAID);
    server.stop();
    let server = launch.start();
    let damaged = segment_with(launch.data_path(), SAID);
    std::fs::remove_file(&damaged).expect("the file is there");

    let post = |person: &Person, room: &str| {
        let message = json!({"room": room, "content": "may I?", "id": "m"});
        person.post(&server, "/chat/chatroom").json(message).send()
    };
    post(&creator, &room).refused(503, "storage_failed");
    let ghost = room.replacen('r', "q", 1);
    let (told, ghosts) = (
        post(&outsider, &room).whole(),
        post(&outsider, &ghost).whole(),
    );
    assert_eq!(told.replace(&room, "?"), ghosts.replace(&ghost, "?"));
    let message = |room: &str| json!({"room": room, "content": "may I?"});
    Socket::connect(&server, &creator).refused("Message", message(&room), "storage_failed");
    let mut socket = Socket::connect(&server, &outsider);
    let told = socket.refused("Message", message(&room), "room_not_found");
    let ghosts = socket.refused("Message", message(&ghost), "room_not_found");
    assert_eq!(
        told.to_string().replace(&room, "?"),
        ghosts.to_string().replace(&ghost, "?")
    );
}

/// The one file below `rooms` that holds this text.
fn segment_with(data: &Path, text: &str) -> PathBuf {
    let rooms = std::fs::read_dir(data.join("rooms")).expect("the rooms");
    let files = rooms.flat_map(|room| std::fs::read_dir(room.unwrap().path()).expect("a room"));
    let mut files = files.map(|file| file.unwrap().path());
    let holds =
        |file: &PathBuf| http::find(&std::fs::read(file).unwrap(), text.as_bytes()).is_some();
    files.find(holds).expect("a segment with this text")
}
