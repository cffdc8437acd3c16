//! Rooms as they are heard: who is told what when one is made, joined, left.

mod common;

use common::people::private_room_of;
use common::*;

#[test]
fn creating() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let mut anns = Socket::connect(&server, &ann);
    let mut second = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let mut evas = Socket::connect(&server, &eva);
    for kind in ["public", "private"] {
        let name = fresh("created");
        let made = anns.ack(
            "Create",
            json!({"name": name, "kind": kind, "users": [ben.name]}),
        );
        assert_eq!(made["name"], name);
        assert_eq!(made["kind"], kind);
        assert_eq!(names(&made["members"]), sorted(&[&ann.name, &ben.name]));
        for socket in [&mut anns, &mut second, &mut bens] {
            check_creation(&socket.drain(), &name, &ann.name, &[&ann.name, &ben.name]);
        }
        evas.expect_nothing();
    }
    let plain = anns.ack("Create", json!({"name": fresh("plain")}));
    assert_eq!(
        (&plain["kind"], &plain["member_count"]),
        (&json!("public"), &json!(1))
    );
    anns.refused("Create", json!({"name": plain["name"]}), "room_exists");
    anns.refused("Create", json!({"name": "two  spaces"}), "bad_name");
    anns.refused(
        "Create",
        json!({"name": fresh("x"), "kind": "direct"}),
        "bad_request",
    );
    anns.refused(
        "Create",
        json!({"name": fresh("x"), "kind": 7}),
        "bad_request",
    );
    anns.refused(
        "Create",
        json!({"name": fresh("x"), "users": "ben"}),
        "bad_request",
    );
    anns.refused("Create", json!({}), "bad_request");
    anns.refused(
        "Create",
        json!({"name": fresh("x"), "users": ["nobody-at-all"]}),
        "user_not_found",
    );
}

/// `Room` before the first message; `Added` with all members at once; one announcement.
fn check_creation(frames: &[Value], room: &str, creator: &str, members: &[&str]) {
    let actions: Vec<&str> = frames
        .iter()
        .map(|f| f["action"].as_str().unwrap())
        .collect();
    let at = |action: &str| {
        let count = actions.iter().filter(|a| **a == action).count();
        assert_eq!(count, 1, "one {action}: {actions:?}");
        actions.iter().position(|a| *a == action).unwrap()
    };
    assert_eq!(actions.len(), 3, "{frames:?}");
    assert!(at("Room") < at("Message"), "{actions:?}");
    assert_eq!(frames[at("Room")]["data"]["name"], room);
    let added = &frames[at("Added")]["data"];
    assert_eq!(added["room"], room, "a name, not a room");
    assert_eq!(added["adder"], creator);
    assert_eq!(names(&added["added"]), sorted(members));
    let message = &frames[at("Message")]["data"];
    assert_eq!(
        (&message["sender"], &message["seq"]),
        (&json!("Server"), &json!(1))
    );
}

#[test]
fn creating_by_http_is_heard_too() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let name = private_room_of(&server, &ann, &[&ben]);
    for socket in [&mut anns, &mut bens] {
        check_creation(&socket.drain(), &name, &ann.name, &[&ann.name, &ben.name]);
    }
}

#[test]
fn direct_rooms_come_without_announcement() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let mut bens = Socket::connect(&server, &ben);
    let room = ann
        .post(&server, &format!("/chat/direct/{}", ben.name))
        .send()
        .ok(201);
    let name = room["name"].as_str().unwrap();
    ann.say(&server, name, "psst");
    let frames = bens.drain();
    let told = frames
        .iter()
        .position(|f| f["action"] == "Room")
        .expect("a Room");
    let message = frames
        .iter()
        .position(|f| f["action"] == "Message")
        .expect("the message");
    assert!(told < message);
    assert_eq!(frames[told]["data"]["name"], name);
    assert_eq!(frames[told]["data"]["kind"], "direct");
    assert_eq!(frames[message]["data"]["content"], "psst");
    assert_eq!(frames[message]["data"]["seq"], 1);
    assert_eq!(
        frames.iter().filter(|f| f["action"] == "Message").count(),
        1
    );
}

#[test]
fn adding() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let mut evas = Socket::connect(&server, &eva);
    for socket in [&mut anns, &mut bens] {
        socket.drain();
    }
    evas.refused("Add", json!([room, eva.name]), "forbidden");
    let ack = anns.ack("Add", json!([room, eva.name]));
    assert_eq!(ack["room"], room);
    assert!(
        ack["added"] == json!(eva.name) || ack["added"] == json!([eva.name]),
        "{ack}"
    );
    for (socket, is_new) in [(&mut anns, false), (&mut bens, false), (&mut evas, true)] {
        let frames = socket.drain();
        let added: Vec<&Value> = frames.iter().filter(|f| f["action"] == "Added").collect();
        assert_eq!(added.len(), 1, "{frames:?}");
        assert_eq!(
            added[0]["data"],
            json!({"room": room, "adder": ann.name, "added": [eva.name]})
        );
        let message = frames
            .iter()
            .position(|f| f["action"] == "Message")
            .expect("an announcement");
        assert_eq!(frames[message]["data"]["seq"], 2);
        assert_eq!(frames[message]["data"]["sender"], "Server");
        let told = frames.iter().position(|f| f["action"] == "Room");
        if is_new {
            assert!(told.expect("a Room") < message, "{frames:?}");
        } else {
            assert_eq!(
                frames.len(),
                2,
                "names, never a list of members, for all: {frames:?}"
            );
        }
    }
    anns.refused("Add", json!([room, eva.name]), "already_member");
    anns.refused("Add", json!([room, "nobody-at-all"]), "user_not_found");
    anns.refused(
        "Add",
        json!(["no-such-room-at-all", eva.name]),
        "room_not_found",
    );
    for wrong in [
        json!(room),
        json!([room]),
        json!([room, eva.name, 7]),
        json!({"room": room}),
        Value::Null,
    ] {
        anns.refused("Add", wrong, "bad_request");
    }
}

#[test]
fn joining_and_leaving() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[]);
    let mut anns = Socket::connect(&server, &ann);
    anns.drain();
    let mut bens = Socket::connect(&server, &ben);
    let mut second = Socket::connect(&server, &ben);
    let joined = bens.ack("Join", json!(room.to_uppercase()));
    assert_eq!(joined["name"], room);
    assert_eq!(joined["member_count"], 2);
    let added = json!({"action": "Added", "data": {"room": room, "added": [ben.name]}});
    for socket in [&mut bens, &mut second] {
        let frames = socket.drain();
        let told = frames
            .iter()
            .position(|f| f["action"] == "Room")
            .expect("a Room");
        let message = frames
            .iter()
            .position(|f| f["action"] == "Message")
            .expect("an announcement");
        assert!(told < message, "{frames:?}");
        assert!(frames.contains(&added), "no adder: {frames:?}");
        assert_eq!(frames[told]["data"]["read_seq"], 2, "joined by message 2");
    }
    let frames = anns.drain();
    assert!(frames.contains(&added) && frames.len() == 2, "{frames:?}");
    let again = bens.ack("Join", json!(room));
    assert_eq!(again["last_seq"], 2, "joining again changes nothing");
    for socket in [&mut anns, &mut bens, &mut second] {
        socket.expect_nothing();
    }

    assert_eq!(bens.ack("Leave", json!(room)), json!({"room": room}));
    let left = json!({"action": "Left", "data": {"room": room, "user": ben.name}});
    for socket in [&mut bens, &mut second] {
        assert!(socket.drain().contains(&left));
    }
    let frames = anns.drain();
    assert!(frames.contains(&left), "{frames:?}");
    let message = frames
        .iter()
        .find(|f| f["action"] == "Message")
        .expect("an announcement");
    assert_eq!(
        (&message["data"]["sender"], &message["data"]["seq"]),
        (&json!("Server"), &json!(3))
    );
    anns.say(&room, "without Ben");
    bens.expect_nothing();
    bens.refused("Leave", json!(room), "forbidden");
    bens.refused("Leave", json!("general"), "forbidden");
    bens.refused("Leave", json!("no-such-room-at-all"), "room_not_found");
    bens.refused("Join", json!("no-such-room-at-all"), "room_not_found");
    bens.refused("Join", json!({"room": room}), "bad_request");
    bens.refused(
        "Message",
        json!({"room": room, "content": "x"}),
        "forbidden",
    );
}

#[test]
fn newcomers_join_general_before_everybodys_eyes() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let mut anns = Socket::connect(&server, &ann).hearing_all();
    anns.drain();
    let ben = register(&server, "ben");
    let frames = anns.drain();
    let user = json!({"name": ben.name, "display_name": ben.name, "admin": false, "active": true});
    assert!(
        frames.contains(&json!({"action": "User", "data": user})),
        "{frames:?}"
    );
    let added = json!({"action": "Added", "data": {"room": "general", "added": [ben.name]}});
    assert!(frames.contains(&added), "{frames:?}");
    let message = frames
        .iter()
        .find(|f| f["action"] == "Message")
        .expect("an announcement");
    assert_eq!(message["data"]["room"], "general");
    assert_eq!(message["data"]["sender"], "Server");
    assert!(
        frames.iter().all(|f| f["action"] != "Room"),
        "no room for 5,000 at once: {frames:?}"
    );
}

#[test]
fn presence_counts_connections() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let mut bens = Socket::connect(&server, &ben).hearing_all();
    let mut change = |name: &str, list: &str| {
        let frame = bens.until(|frame| {
            let data = &frame["data"];
            frame["action"] == "Presence"
                && (names(&data["online"]).contains(&name.to_owned())
                    || names(&data["offline"]).contains(&name.to_owned()))
        });
        assert!(
            names(&frame["data"][list]).contains(&name.to_owned()),
            "{frame}"
        );
    };
    let (first, welcome) = Socket::bearer(&server, &ann);
    assert_eq!(names(&welcome["online"]), sorted(&[&ann.name, &ben.name]));
    change(&ann.name, "online");
    // Neither a second connection nor the end of one of two changes anything: Ann's next change is her absence.
    let second = Socket::connect(&server, &ann);
    first.close();
    second.close();
    change(&ann.name, "offline");
    let abrupt = Socket::connect(&server, &ann);
    change(&ann.name, "online");
    drop(abrupt);
    change(&ann.name, "offline");
}
