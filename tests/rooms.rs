//! Rooms: making, finding, joining, leaving them, and who may know of them.

mod common;

use common::people::{private_room_of, register_exactly};
use common::*;

fn create(server: &Server, person: &Person, path: &str) -> Response {
    person.post(server, &format!("/chat/create/{path}")).send()
}

#[test]
fn a_new_room_has_its_creator_and_the_users_named() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "Ann"),
        register(&server, "Ben"),
        register(&server, "Eva"),
    );
    let name = fresh("Plans");
    let before = now_millis();
    let path = format!("{name}/{}/{}", ben.name.to_uppercase(), eva.name);
    let room = create(&server, &ann, &path).ok(201);
    assert_eq!(room["name"], name);
    assert_eq!(room["kind"], "public");
    assert!(room["topic"].is_string());
    assert_eq!(room["member_count"], 3);
    assert_eq!(
        names(&room["members"]),
        sorted(&[&ann.name, &ben.name, &eva.name])
    );
    assert_eq!(room["creator"], ann.name);
    assert_eq!(room["last_seq"], 1, "one announcement");
    assert!((before..=now_millis()).contains(&room["created"].as_u64().unwrap()));
    assert!(room["read_seq"].as_u64().unwrap() <= 1);
    for person in [&ann, &ben, &eva] {
        assert_eq!(person.room(&server, &name).unwrap()["member_count"], 3);
    }
    let history = ann.history(&server, &name, "");
    assert_eq!(seqs(&history["messages"]), [1]);
    assert_eq!(history["messages"][0]["sender"], "Server");
    assert_eq!(history["more"], false);
}

#[test]
fn naming_oneself_or_somebody_twice_adds_once() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let name = fresh("twice");
    let room = create(
        &server,
        &ann,
        &format!("{name}/{b}/{b}/{}", ann.name, b = ben.name),
    )
    .ok(201);
    assert_eq!(names(&room["members"]), sorted(&[&ann.name, &ben.name]));
    assert_eq!(room["member_count"], 2);
}

#[test]
fn names_of_rooms() {
    let server = shared();
    let ann = register(&server, "ann");
    let (long, too_long) = ("r".repeat(64), "r".repeat(65));
    let bad = [
        " plans",
        "plans ",
        "my  plans",
        "a\tb",
        "a\nb",
        "a@b",
        "a#b",
        "a\u{a0}b",
        "...",
        "- -",
        "e\u{301}",
        "a\u{200b}b",
        "🦊",
        "Server",
        "SYSTEM",
        "all",
        "here",
        "Me",
        &too_long,
    ];
    for name in bad {
        create(&server, &ann, &encode(name)).refused(400, "bad_name");
    }
    for name in ["my own plans", "Žluťoučký kůň", "大家", "a.b_c-d", &long] {
        let room = create(&server, &ann, &encode(name)).ok(201);
        assert_eq!(room["name"], name);
        let history = ann.history(&server, name, "");
        assert_eq!(seqs(&history["messages"]), [1], "{name}");
        create(&server, &ann, &encode(&name.to_uppercase())).refused(409, "room_exists");
    }
    let answer = ann
        .get(&server, "/chat/members/MY%20OWN%20plans")
        .send()
        .ok(200);
    assert_eq!(names(&answer), [ann.name.as_str()]);
    let message = ann.say(&server, "MY OWN PLANS", "found whatever the case");
    assert_eq!(message["room"], "my own plans", "answered as first written");
}

#[test]
fn one_unknown_user_and_nothing_is_created() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let name = fresh("nothing");
    let path = format!("{name}/{}/nobody-at-all", ben.name);
    create(&server, &ann, &path).refused(404, "user_not_found");
    assert!(ann.room(&server, &name).is_none());
    assert!(ben.room(&server, &name).is_none());
    let history = ann.get(&server, &format!("/chat/history/{name}")).send();
    history.refused(404, "room_not_found");
    create(&server, &ann, &name).ok(201);
}

#[test]
fn kinds() {
    let server = shared();
    let ann = register(&server, "ann");
    for wrong in ["kind=direct", "kind=secret", "kind=", "kind=Public"] {
        let path = format!("{}?{wrong}", fresh("kind"));
        create(&server, &ann, &path).refused(400, "bad_request");
    }
    for kind in ["public", "private"] {
        let path = format!("{}?kind={kind}", fresh("kind"));
        assert_eq!(create(&server, &ann, &path).ok(201)["kind"], kind);
    }
}

#[test]
fn a_taken_name_is_told_even_where_the_room_is_private() {
    let server = shared();
    let (ann, eva) = (register(&server, "ann"), register(&server, "eva"));
    let name = private_room_of(&server, &ann, &[]);
    create(&server, &eva, &name).refused(409, "room_exists");
    create(&server, &eva, &name.to_uppercase()).refused(409, "room_exists");
    create(&server, &eva, "general").refused(409, "room_exists");
}

/// They are put together from several looks at what is durable.
#[test]
fn long_lists_of_rooms_are_whole_and_in_order() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let mut public = vec!["general".to_owned()];
    let mut anns = public.clone();
    for number in 0..50 {
        let (creator, kind) = match number % 3 {
            0 => (&ben, "public"),
            1 => (&ann, "public"),
            _ => (&ann, "private"),
        };
        let name = format!("room {number}");
        create(&server, creator, &format!("{}?kind={kind}", encode(&name))).ok(201);
        if kind == "public" {
            public.push(name.clone());
        }
        if creator.name == ann.name {
            anns.push(name);
        }
    }
    for (path, expected) in [("/chat/rooms", public), ("/chat/list", anns)] {
        let rooms = ann.get(&server, path).send().ok(200);
        let listed = rooms.as_array().unwrap().iter();
        let listed: Vec<&str> = listed.map(|room| room["name"].as_str().unwrap()).collect();
        assert_eq!(listed, expected, "{path}");
    }
}

#[test]
fn lists_of_rooms() {
    let server = shared();
    let (ann, eva) = (register(&server, "ann"), register(&server, "eva"));
    let public = room_of(&server, &ann, &[]);
    let private = private_room_of(&server, &ann, &[]);
    let direct = ann
        .post(&server, &format!("/chat/direct/{}", eva.name))
        .send();
    assert!(matches!(direct.status, 200 | 201));
    let direct = direct.json()["name"].as_str().unwrap().to_owned();
    let list = |person: &Person, path: &str| -> Vec<String> {
        let rooms = person.get(&server, path).send().ok(200);
        let rooms = rooms.as_array().unwrap().clone();
        rooms
            .iter()
            .map(|room| room["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let anns = list(&ann, "/chat/list");
    for room in ["general", &public, &private, &direct] {
        assert_eq!(
            anns.iter().filter(|name| *name == room).count(),
            1,
            "{room}: {anns:?}"
        );
    }
    let evas = list(&eva, "/chat/list");
    assert!(evas.contains(&direct) && evas.contains(&"general".to_owned()));
    assert!(!evas.contains(&public) && !evas.contains(&private));
    for person in [&ann, &eva] {
        let rooms = list(person, "/chat/rooms");
        assert!(rooms.contains(&public) && rooms.contains(&"general".to_owned()));
        assert!(
            !rooms.contains(&private) && !rooms.contains(&direct),
            "{rooms:?}"
        );
    }
    let rooms = eva.get(&server, "/chat/rooms").send().ok(200);
    let found = rooms
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == public.as_str())
        .unwrap();
    assert_eq!(found["member_count"], 1);
    assert_eq!(found["kind"], "public");
    assert!(found["last_seq"].is_u64() && found["read_seq"].is_u64());
}

#[test]
fn direct_rooms_are_one_for_each_set_of_people() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let direct = |person: &Person, users: &str| {
        person
            .post(&server, &format!("/chat/direct/{users}"))
            .send()
    };
    let first = direct(&ann, &ben.name).ok(201);
    assert_eq!(first["kind"], "direct");
    assert_eq!(first["last_seq"], 0, "direct rooms have no announcements");
    assert_eq!(names(&first["members"]), sorted(&[&ann.name, &ben.name]));
    for (person, users) in [
        (&ann, ben.name.clone()),
        (&ben, ann.name.to_uppercase()),
        (&ann, format!("{}/{}", ann.name, ben.name)),
        (&ann, format!("{b}/{b}", b = ben.name)),
    ] {
        assert_eq!(direct(person, &users).ok(200)["name"], first["name"]);
    }
    let three = direct(&eva, &format!("{}/{}", ben.name, ann.name)).ok(201);
    assert_ne!(three["name"], first["name"]);
    assert_eq!(three["member_count"], 3);
    let same = direct(&ann, &format!("{}/{}", eva.name, ben.name)).ok(200);
    assert_eq!(same["name"], three["name"]);
    let notes = direct(&ann, &ann.name).ok(201);
    assert_eq!(names(&notes["members"]), [ann.name.as_str()]);
    assert_eq!(direct(&ann, &ann.name).ok(200)["name"], notes["name"]);
    direct(&ann, "nobody-at-all").refused(404, "user_not_found");
    let name = first["name"].as_str().unwrap();
    assert_eq!(ann.say(&server, name, "just us")["seq"], 1);
    let got = ben.history(&server, name, "");
    assert_eq!(contents(&got["messages"]), ["just us"]);
}

/// Whatever direct rooms are called, somebody may have given a public room that name before.
#[test]
fn direct_rooms_find_a_free_name() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let direct = |users: &str| {
        ann.post(&server, &format!("/chat/direct/{users}"))
            .send()
            .ok(201)
    };
    let first = direct(&ben.name)["name"].as_str().unwrap().to_owned();
    let (word, number) = first.rsplit_once('-').expect("a word and a number");
    let number: u32 = number.parse().unwrap();
    for next in 1..4 {
        let name = format!("{}-{}", word.to_uppercase(), number + next);
        create(&server, &ann, &name).ok(201);
    }
    let notes = direct(&ann.name);
    assert_eq!(notes["kind"], "direct");
    assert_eq!(names(&notes["members"]), [ann.name.as_str()]);
    create(&server, &ben, notes["name"].as_str().unwrap()).refused(409, "room_exists");
}

#[test]
fn notes_to_oneself_need_no_name() {
    let server = shared();
    let ann = register(&server, "ann");
    let notes = ann.post(&server, "/chat/direct").send();
    assert!(matches!(notes.status, 200 | 201), "{}", notes.text());
    assert_eq!(names(&notes.json()["members"]), [ann.name.as_str()]);
}

#[test]
fn nobody_is_added_to_a_direct_room_or_leaves_it() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let room = ann
        .post(&server, &format!("/chat/direct/{}", ben.name))
        .send()
        .ok(201);
    let name = room["name"].as_str().unwrap();
    ann.post(&server, &format!("/chat/adduser/{name}/{}", eva.name))
        .send()
        .refused(403, "forbidden");
    ann.post(&server, &format!("/chat/leave/{name}"))
        .send()
        .refused(403, "forbidden");
    assert_eq!(ann.room(&server, name).unwrap()["member_count"], 2);
    let mut socket = Socket::connect(&server, &ann);
    socket.refused("Add", json!([name, eva.name]), "forbidden");
    socket.refused("Leave", json!(name), "forbidden");
}

#[test]
fn adding_people() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    for kind in ["public", "private"] {
        let name = fresh("adding");
        create(&server, &ann, &format!("{name}?kind={kind}")).ok(201);
        let add = |person: &Person, room: &str, user: &str| {
            person
                .post(&server, &format!("/chat/adduser/{room}/{user}"))
                .send()
        };
        if kind == "public" {
            add(&eva, &name, &ben.name).refused(403, "forbidden");
            add(&eva, &name, &eva.name).refused(403, "forbidden");
        } else {
            add(&eva, &name, &ben.name).refused(404, "room_not_found");
            add(&eva, &name, &eva.name).refused(404, "room_not_found");
        }
        let room = add(&ann, &name.to_uppercase(), &ben.name.to_uppercase()).ok(200);
        assert_eq!(room["name"], name);
        assert_eq!(names(&room["members"]), sorted(&[&ann.name, &ben.name]));
        assert_eq!(room["last_seq"], 2, "one announcement more");
        add(&ann, &name, &ben.name).refused(409, "already_member");
        add(&ann, &name, &ann.name).refused(409, "already_member");
        add(&ann, &name, "nobody-at-all").refused(404, "user_not_found");
        add(&ann, "no-such-room-at-all", &ben.name).refused(404, "room_not_found");
        assert_eq!(add(&ben, &name, &eva.name).ok(200)["member_count"], 3);
        let history = eva.history(&server, &name, "");
        assert_eq!(seqs(&history["messages"]), [1, 2, 3]);
        for message in history["messages"].as_array().unwrap() {
            assert_eq!(message["sender"], "Server");
        }
    }
}

#[test]
fn joining_and_joining_again() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let name = room_of(&server, &ann, &[]);
    let join = |room: &str| ben.post(&server, &format!("/chat/join/{room}")).send();
    let room = join(&name.to_uppercase()).ok(200);
    assert_eq!(names(&room["members"]), sorted(&[&ann.name, &ben.name]));
    assert_eq!(room["last_seq"], 2);
    let again = join(&name).ok(200);
    assert_eq!(again["last_seq"], 2, "joining again changes nothing");
    assert_eq!(again["member_count"], 2);
    join("no-such-room-at-all").refused(404, "room_not_found");
    assert_eq!(join("general").ok(200)["name"], "general");
    let private = private_room_of(&server, &ann, &[]);
    join(&private).refused(404, "room_not_found");
}

#[test]
fn leaving() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let name = room_of(&server, &ann, &[&ben]);
    let leave =
        |person: &Person, room: &str| person.post(&server, &format!("/chat/leave/{room}")).send();
    leave(&ben, &name).nothing();
    assert!(ben.room(&server, &name).is_none());
    leave(&ben, &name).refused(403, "forbidden");
    let history = ann.history(&server, &name, "");
    assert_eq!(seqs(&history["messages"]), [1, 2]);
    assert_eq!(history["messages"][1]["sender"], "Server");
    assert_eq!(
        names(&ann.room(&server, &name).unwrap()["members"]),
        [ann.name.as_str()]
    );
    leave(&ann, "no-such-room-at-all").refused(404, "room_not_found");
    let back = ben
        .post(&server, &format!("/chat/join/{name}"))
        .send()
        .ok(200);
    assert_eq!(back["last_seq"], 3);

    let private = private_room_of(&server, &ann, &[&ben]);
    leave(&ben, &private).nothing();
    leave(&ben, &private).refused(404, "room_not_found");
    let history = ben.get(&server, &format!("/chat/history/{private}")).send();
    history.refused(404, "room_not_found");
    leave(&ben, "GENERAL").refused(403, "forbidden");
}

#[test]
fn members() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let public = room_of(&server, &ann, &[&ben]);
    let private = private_room_of(&server, &ann, &[&ben]);
    let members =
        |person: &Person, room: &str| person.get(&server, &format!("/chat/members/{room}")).send();
    let both = sorted(&[&ann.name, &ben.name]);
    assert_eq!(names(&members(&ann, &public).ok(200)), both);
    assert_eq!(
        names(&members(&eva, &public).ok(200)),
        both,
        "anybody may look"
    );
    assert_eq!(names(&members(&ben, &private).ok(200)), both);
    members(&eva, &private).refused(404, "room_not_found");
}

/// Whoever is not in a private or direct room gets, byte for byte, what a room that is not there gets.
#[test]
fn hidden_rooms_answer_like_rooms_that_are_not_there() {
    let server = shared();
    let (ann, ben, eva) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "eva"),
    );
    let private = private_room_of(&server, &ann, &[&ben]);
    ann.say(&server, &private, "a secret word");
    let direct = ann
        .post(&server, &format!("/chat/direct/{}", ben.name))
        .send()
        .ok(201);
    let direct = direct["name"].as_str().unwrap().to_owned();
    let missing = "nothing-0";
    let asks = |room: &str| -> Vec<(u16, String)> {
        let plain = |text: &str| text.replace(room, "ROOM");
        let mut answers = Vec::new();
        for path in [
            "history/R",
            "history/R?limit=0",
            "members/R",
            "search?q=secret&room=R",
        ] {
            let answer = eva
                .get(&server, &format!("/chat/{}", path.replace('R', room)))
                .send();
            answers.push((answer.status, plain(answer.text())));
        }
        for path in [
            "join/R",
            "leave/R",
            "adduser/R/U",
            "adduser/R/nobody-at-all",
        ] {
            let path = path.replace('R', room).replace('U', &eva.name);
            let answer = eva.post(&server, &format!("/chat/{path}")).send();
            answers.push((answer.status, plain(answer.text())));
        }
        for body in [
            json!({"room": room, "content": "x"}),
            json!({"room": room, "content": ""}),
            json!({"room": room, "content": "x", "sender": ann.name}),
        ] {
            let answer = eva.post(&server, "/chat/chatroom").json(body).send();
            answers.push((answer.status, plain(answer.text())));
        }
        let mut socket = Socket::hello(&server, &eva, json!({room: 0})).0;
        for (action, data) in [
            ("Message", json!({"room": room, "content": "x"})),
            ("Read", json!({"room": room, "seq": 1})),
            ("Typing", json!({"room": room})),
            ("Join", json!(room)),
            ("Leave", json!(room)),
            ("Add", json!([room, eva.name])),
            ("Add", json!([room, "nobody-at-all"])),
            ("History", json!({"room": room})),
        ] {
            let (answer, data) = socket.request(action, data);
            answers.push((0, format!("{answer} {}", plain(&data.to_string()))));
        }
        socket.expect_nothing();
        answers
    };
    let nothing = asks(missing);
    assert_eq!(asks(&private), nothing);
    assert_eq!(asks(&direct), nothing);
    assert!(nothing[0].1.contains("room_not_found"), "{nothing:?}");
    let everywhere = eva.get(&server, "/chat/search?q=secret").send().ok(200);
    assert_eq!(everywhere["messages"], json!([]));
}

/// 101 people: a room lists its members up to 100 of them, then tells their number alone.
#[test]
fn large_rooms_tell_a_number() {
    let server = Server::start();
    let people: Vec<Person> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let server = &server;
                scope.spawn(move || -> Vec<Person> {
                    (0..25)
                        .map(|at| register_exactly(server, &format!("p{worker}x{at}")))
                        .collect()
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    let ann = &people[0];
    let general = ann.room(&server, "general").unwrap();
    assert_eq!(general["member_count"], 100);
    assert_eq!(general["members"].as_array().map(Vec::len), Some(100));
    register_exactly(&server, "one.more");
    let general = ann.room(&server, "general").unwrap();
    assert_eq!(general["member_count"], 101);
    assert!(general.get("members").is_none(), "{general}");
    let members = ann.get(&server, "/chat/members/general").send().ok(200);
    assert_eq!(members.as_array().map(Vec::len), Some(101));
    let (_, welcome) = Socket::bearer(&server, ann);
    assert!(welcome["rooms"][0].get("members").is_none());
    // Everybody in one room at once: a path of 100 names is a request like any other.
    let others: Vec<&str> = people[1..].iter().map(|p| p.name.as_str()).collect();
    let room = create(&server, ann, &format!("crowd/{}", others.join("/"))).ok(201);
    assert_eq!(room["member_count"], 100);
    assert_eq!(room["members"].as_array().map(Vec::len), Some(100));
    assert_eq!(room["last_seq"], 1);
}

#[test]
fn who_is_online() {
    let server = Server::start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let online = || names(&ann.get(&server, "/chat/online").send().ok(200));
    assert!(online().is_empty());
    let first = Socket::connect(&server, &ann);
    let second = Socket::connect(&server, &ann);
    let bens = Socket::connect(&server, &ben);
    assert_eq!(online(), sorted(&[&ann.name, &ben.name]));
    drop(first);
    bens.close();
    until("Ben's absence", || {
        (online() == [ann.name.as_str()]).then_some(())
    });
    second.close();
    until("Ann's absence", || online().is_empty().then_some(()));
}
