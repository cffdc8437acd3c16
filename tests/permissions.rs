//! Who may read what, seen at once: whoever was told of a change finds it with their next request, on any connection.

mod common;

use common::http::stream_from;
use common::people::private_room_of;
use common::*;
use std::sync::atomic::{AtomicU32, Ordering};

fn status(person: &Person, server: &Server, path: &str) -> u16 {
    person.get(server, path).send().status
}

/// How a page of the room, its members, a search in it and the list of one's own rooms answer.
fn reads(server: &Server, person: &Person, room: &str) -> [u16; 4] {
    let listed = person.room(server, room).is_some();
    [
        status(person, server, &format!("/chat/history/{room}")),
        status(person, server, &format!("/chat/members/{room}")),
        status(person, server, &format!("/chat/search?q=a&room={room}")),
        if listed { 200 } else { 404 },
    ]
}

#[test]
fn a_room_is_readable_from_the_answer_that_lets_one_in_to_the_one_that_lets_one_out() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    for _ in 0..20 {
        let room = private_room_of(&server, &ann, &[]);
        assert_eq!(reads(&server, &ben, &room), [404; 4]);
        let add = format!("/chat/adduser/{room}/{}", ben.name);
        ann.post(&server, &add).send().ok(200);
        assert_eq!(reads(&server, &ben, &room), [200; 4]);
        let leave = ben.post(&server, &format!("/chat/leave/{room}"));
        assert_eq!(leave.send().status, 204);
        assert_eq!(reads(&server, &ben, &room), [404; 4]);
        assert_eq!(reads(&server, &ann, &room), [200; 4]);
    }
}

#[test]
fn a_frame_that_lets_one_in_or_out_counts_for_http_when_it_is_acked() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let (mut anns, mut bens) = (
        Socket::connect(&server, &ann),
        Socket::connect(&server, &ben),
    );
    for _ in 0..20 {
        let room = fresh("room");
        anns.ack("Create", json!({"name": room, "kind": "private"}));
        anns.ack("Add", json!([room, ben.name]));
        assert_eq!(reads(&server, &ben, &room), [200; 4]);
        bens.ack("Leave", json!(room));
        assert_eq!(reads(&server, &ben, &room), [404; 4]);
        let asked = json!({"room": room});
        bens.refused("History", asked, "room_not_found");
    }
}

/// Many read without a pause; each notes before a request whether the leaving was answered by then.
#[test]
fn nobody_reads_a_room_after_the_leaving_was_answered() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    for _ in 0..10 {
        let room = private_room_of(&server, &ann, &[&ben]);
        let left = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let was_left = left.load(Ordering::SeqCst) == 1;
                        let status = status(&ben, &server, &format!("/chat/history/{room}"));
                        match (was_left, status) {
                            (true, status) => return assert_eq!(status, 404),
                            (false, 200 | 404) => {}
                            (false, status) => panic!("{status}"),
                        }
                    }
                });
            }
            let leave = ben.post(&server, &format!("/chat/leave/{room}"));
            assert_eq!(leave.send().status, 204);
            ann.say(&server, &room, "a secret");
            left.store(1, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_token_is_dead_from_the_answer_that_revokes_it() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut old = ann.clone();
    for round in 0..3 {
        let renamed = ["a new password", PASSWORD][round % 2];
        let before = [PASSWORD, "a new password"][round % 2];
        let body = json!({"old": before, "new": renamed});
        let answer = old.post(&server, "/auth/password").json(body).send();
        let new = Person::of(&answer.ok(200));
        for path in ["/chat/history/general", "/chat/search?q=a", "/auth/me"] {
            assert_eq!(status(&old, &server, path), 401, "{path}");
            assert_eq!(status(&new, &server, path), 200, "{path}");
        }
        old = new;
    }
    assert_eq!(old.post(&server, "/auth/logout").send().status, 204);
    assert_eq!(status(&old, &server, "/chat/history/general"), 401);
}

/// Whoever sends without waiting still reads what their earlier frames came to.
#[test]
fn history_is_answered_behind_the_frames_before_it() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut socket = Socket::connect(&server, &ann);
    for _ in 0..20 {
        let room = fresh("room");
        let frame =
            |id: &str, action: &str, data: Value| json!({"action": action, "data": data, "id": id});
        socket.write(frame(
            "c",
            "Create",
            json!({"name": room, "kind": "private"}),
        ));
        for text in ["one", "two", "three"] {
            socket.write(frame(
                text,
                "Message",
                json!({"room": room, "content": text}),
            ));
        }
        socket.write(frame("h", "History", json!({"room": room})));
        socket.flush();
        for id in ["c", "one", "two", "three"] {
            assert_eq!(socket.reply(id).0, "Ack");
        }
        let (action, page) = socket.reply("h");
        assert_eq!(action, "History");
        let said = contents(&page["messages"]);
        assert_eq!(said[1..], ["one", "two", "three"], "{said:?}");
    }
}

/// As many pages as one user may have under way, sent to somebody who does not read them.
fn unread_pages(server: &Server, person: &Person, path: &str) -> Vec<Connection> {
    const READINGS_OF_USER: usize = 8;
    let source = "127.0.0.1".parse().unwrap();
    let open = |_| {
        let mut connection = Connection::over(stream_from(server.address, source, Some(4 * 1024)));
        connection.send(&person.get(server, path).bytes());
        assert_eq!(connection.bytes(4), b"HTTP");
        connection
    };
    (0..READINGS_OF_USER).map(open).collect()
}

/// Whoever waits for their turn is judged when it comes: by then they may have left, or been signed out.
#[test]
fn who_waits_to_read_is_judged_when_their_turn_comes() {
    let server = Launch::new().start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = private_room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    // Six bytes each in JSON: more in all than the system's buffers take, and less than a user may have unread.
    let long = "\u{1}".repeat(10_000);
    for _ in 0..30 {
        anns.say(&room, &long);
    }
    let history = format!("/chat/history/{room}?limit=30");
    let waiting = [
        format!("/chat/history/{room}?limit=1"),
        format!("/chat/search?q=secret&room={room}"),
    ];
    let ask = |path: &String| {
        let mut connection = Connection::open(server.address);
        connection.send(&ben.get(&server, path).bytes());
        connection
    };

    let mut bens = Socket::connect(&server, &ben);
    let unread = unread_pages(&server, &ben, &history);
    let mut asked = waiting.each_ref().map(ask);
    bens.write(json!({"action": "History", "data": {"room": room}, "id": "h"}));
    bens.flush();
    // Whatever came before this has been taken up.
    ben.get(&server, "/auth/me").send().ok(200);
    let leave = ben.post(&server, &format!("/chat/leave/{room}"));
    leave.send().nothing();
    anns.say(&room, "a secret");
    drop(unread);
    for connection in &mut asked {
        connection.response("GET").refused(404, "room_not_found");
    }
    assert_eq!(bens.reply("h").1["code"], "room_not_found");

    anns.ack("Add", json!([room, ben.name]));
    let unread = unread_pages(&server, &ben, &history);
    let mut asked = waiting.each_ref().map(ask);
    ben.get(&server, "/auth/me").send().ok(200);
    ben.post(&server, "/auth/logout").send().nothing();
    drop(unread);
    for connection in &mut asked {
        connection.response("GET").refused(401, "unauthorized");
    }
}

/// As a proxy does that keeps its connections.
#[test]
fn a_connection_carries_the_requests_of_several_users() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let mut connection = Connection::open(server.address);
    let mut me = |person: &Person, method: &str| {
        let request = server.request(method, "/auth/me").token(&person.token);
        connection.send(&request.bytes());
        connection.response(method)
    };
    for person in [&ann, &ann, &ben, &ann, &ben, &ben] {
        assert_eq!(me(person, "GET").ok(200)["user"]["name"], person.name);
        assert_eq!(me(person, "HEAD").status, 200);
    }
    let forged = Person {
        token: ben.token[..ben.token.len() - 2].to_owned(),
        ..ben.clone()
    };
    me(&forged, "GET").refused(401, "unauthorized");
    ben.post(&server, "/auth/logout").send().nothing();
    for _ in 0..2 {
        me(&ben, "GET").refused(401, "unauthorized");
        assert_eq!(me(&ann, "GET").ok(200)["user"]["name"], ann.name);
    }
}
