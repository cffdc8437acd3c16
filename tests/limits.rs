//! The limits of section 5: what is counted, where it ends, and that others do not notice.

mod common;

use common::people::register_exactly;
use common::*;
use std::time::Instant;

fn login(server: &Server, name: &str, password: &str, source: &str) -> Response {
    server
        .post("/auth/login")
        .from(source)
        .json(json!({"name": name, "password": password}))
        .send()
}

/// 429 with both of its times, which agree.
fn limited(answer: &Response) {
    let data = answer.refused(429, "rate_limited");
    let wait = data["retry_after_ms"].as_u64().expect("milliseconds");
    assert!((1..=60_000).contains(&wait), "{data}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(
        seconds,
        wait.div_ceil(1_000),
        "the header is the same, rounded up"
    );
}

#[test]
fn failed_logins_for_one_name() {
    let server = Launch::limited().start();
    register_exactly(&server, "ann");
    register_exactly(&server, "ben");
    let here = "127.0.0.1";
    for at in 0..10 {
        let name = if at % 2 == 0 { "ann" } else { "ANN" };
        login(&server, name, "wrong password", here).refused(401, "unauthorized");
    }
    limited(&login(&server, "ann", "wrong password", here));
    limited(&login(&server, "Ann", PASSWORD, here));
    login(&server, "ben", PASSWORD, here).ok(200);
    login(&server, "ann", PASSWORD, "127.0.0.2").ok(200);
    // A name that nobody has is counted alike, so the count tells nothing.
    for _ in 0..10 {
        login(&server, "nobody", "wrong password", here).refused(401, "unauthorized");
    }
    limited(&login(&server, "nobody", "wrong password", here));
}

#[test]
fn failed_logins_in_all() {
    let server = Launch::limited().start();
    register_exactly(&server, "ann");
    let here = "127.0.0.1";
    for at in 0..60 {
        let name = format!("nobody{}", at / 9);
        login(&server, &name, "wrong password", here).refused(401, "unauthorized");
    }
    limited(&login(&server, "fresh", "wrong password", here));
    limited(&login(&server, "ann", PASSWORD, here));
    login(&server, "ann", PASSWORD, "127.0.0.2").ok(200);
}

#[test]
fn counts_are_exact_when_many_try_at_once() {
    let server = Launch::limited().start();
    register_exactly(&server, "ann");
    register_exactly(&server, "ben");
    let at_once = |name: &'static str, password: &'static str, count: usize| -> Vec<u16> {
        std::thread::scope(|scope| {
            let tries: Vec<_> = (0..count)
                .map(|_| scope.spawn(|| login(&server, name, password, "127.0.0.1").status))
                .collect();
            tries.into_iter().map(|t| t.join().unwrap()).collect()
        })
    };
    let right = at_once("ben", PASSWORD, 30);
    assert!(right.iter().all(|&status| status == 200), "{right:?}");
    let wrong = at_once("ann", "wrong password", 25);
    assert_eq!(wrong.iter().filter(|&&s| s == 401).count(), 10, "{wrong:?}");
    assert_eq!(wrong.iter().filter(|&&s| s == 429).count(), 15, "{wrong:?}");
}

#[test]
fn open_requests_are_counted_each_by_itself() {
    let server = Launch::limited().start();
    let report = |source: &str| {
        let body = json!({"name": "somebody", "issue": "something"});
        server.post("/report").from(source).json(body).send()
    };
    let check = |source: &str| server.get("/auth/checkuser/ann").from(source).send();
    let create = |source: &str| {
        let body = json!({"name": fresh("new"), "password": PASSWORD});
        server
            .post("/auth/createuser")
            .from(source)
            .json(body)
            .send()
    };
    let here = "127.0.0.1";
    for _ in 0..30 {
        assert_eq!(report(here).status, 200);
    }
    limited(&report(here));
    for _ in 0..30 {
        assert_eq!(check(here).status, 200);
    }
    limited(&check(here));
    for _ in 0..30 {
        assert_eq!(create(here).status, 201);
    }
    limited(&create(here));
    let there = "127.0.0.2";
    assert_eq!(
        (
            report(there).status,
            check(there).status,
            create(there).status
        ),
        (200, 200, 201)
    );
    server.get("/health").send().ok(200);
}

#[test]
fn reports_by_frame_and_by_http_are_one_count() {
    let server = Launch::limited().start();
    let ann = register(&server, "ann");
    let mut socket = Socket::connect(&server, &ann);
    for _ in 0..30 {
        socket.ack("Report", json!("an issue"));
    }
    let refused = socket.refused("Report", json!("an issue"), "rate_limited");
    assert!(refused["retry_after_ms"].is_u64(), "{refused}");
    let body = json!({"name": "somebody", "issue": "something"});
    limited(&server.post("/report").json(body.clone()).send());
    let elsewhere = server.post("/report").from("127.0.0.2").json(body).send();
    assert_eq!(elsewhere.status, 200);
}

#[test]
fn messages_of_one_user() {
    let server = Launch::limited().start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let begin = Instant::now();
    for at in 0..400 {
        let frame = json!({"action": "Message", "data": {"room": room, "content": "x"}, "id": format!("m{at}")});
        anns.write(frame);
    }
    anns.flush();
    let (mut acked, mut refused) = (Vec::new(), 0);
    for at in 0..400 {
        let (action, data) = anns.reply(&format!("m{at}"));
        if action == "Ack" {
            acked.push(data["seq"].as_u64().unwrap());
        } else {
            assert_error(&data, "rate_limited");
            assert!(
                (1..=60_000).contains(&data["retry_after_ms"].as_u64().unwrap()),
                "{data}"
            );
            refused += 1;
        }
    }
    let earned = 100 + 20 * (begin.elapsed().as_millis() as usize).div_ceil(1_000) + 1;
    assert!(
        acked.len() >= 100,
        "a burst of 100 is allowed: {}",
        acked.len()
    );
    assert!(acked.len() <= earned, "{} of {earned}", acked.len());
    assert_eq!(acked.len() + refused, 400);
    let expected: Vec<u64> = (2..acked.len() as u64 + 2).collect();
    assert_eq!(acked, expected, "what is refused takes no number");
    // The user is counted, not the connection: HTTP is exhausted with it, and Ben is not.
    let by_http = until("the limit", || {
        let body = json!({"room": room, "content": "x"});
        let answer = ann.post(&server, "/chat/chatroom").json(body).send();
        (answer.status == 429).then_some(answer)
    });
    limited(&by_http);
    ben.say(&server, &room, "mine");
    // Reading is not posting.
    anns.barrier();
    ann.history(&server, &room, "");
    // And it is over as soon as was said.
    until("another turn", || {
        let body = json!({"room": room, "content": "again"});
        let answer = ann.post(&server, "/chat/chatroom").json(body).send();
        (answer.status == 200).then_some(())
    });
}

#[test]
fn changes_of_rooms_have_the_rate_of_messages() {
    let server = Launch::limited().start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ben, &[]);
    let mut anns = Socket::connect(&server, &ann);
    let begin = Instant::now();
    for at in 0..400 {
        let action = if at % 2 == 0 { "Join" } else { "Leave" };
        anns.write(json!({"action": action, "data": room, "id": format!("r{at}")}));
    }
    anns.flush();
    let (mut changes, mut refused) = (0, 0);
    for at in 0..400 {
        match anns.reply(&format!("r{at}")) {
            (action, _) if action == "Ack" => changes += 1,
            (_, data) if data["code"] == "rate_limited" => refused += 1,
            // Who could not join cannot leave.
            (_, data) => assert_error(&data, "forbidden"),
        }
    }
    // Who could not leave joins again, which changes nothing and is not counted.
    let last = ben.room(&server, &room).unwrap()["last_seq"].clone();
    let counted = last.as_u64().unwrap() as usize - 1;
    assert!(counted <= changes);
    let earned = 100 + 20 * (begin.elapsed().as_millis() as usize).div_ceil(1_000) + 1;
    assert!((100..=earned).contains(&counted), "{counted} of {earned}");
    assert!(refused > 0);
    limited(&until("the limit by HTTP", || {
        let path = format!("/chat/create/{}", fresh("new"));
        let answer = ann.post(&server, &path).send();
        (answer.status == 429).then_some(answer)
    }));
    // Messages are another count, and Ben another user.
    ann.say(&server, "general", "hello");
    room_of(&server, &ben, &[]);
}

#[test]
fn repetitions_after_a_refusal_are_stored_once() {
    let server = Launch::limited().start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut socket = Socket::connect(&server, &ann);
    let frame = |at: usize| json!({"action": "Message", "data": {"room": room, "content": "x"}, "id": format!("m{at}")});
    let mut seqs = Vec::new();
    for at in 0..130 {
        let seq = until("the message", || {
            socket.send(frame(at));
            let (action, data) = socket.reply(&format!("m{at}"));
            (action == "Ack").then(|| data["seq"].as_u64().unwrap())
        });
        seqs.push(seq);
    }
    assert_eq!(seqs, (2..132).collect::<Vec<u64>>());
}

#[test]
fn rate_limits_can_be_turned_off() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    for _ in 0..35 {
        server.get("/auth/checkuser/ann").send().ok(200);
        let body = json!({"name": "x", "issue": "y"});
        assert_eq!(server.post("/report").json(body).send().status, 200);
    }
    for _ in 0..12 {
        login(&server, &ann.name, "wrong password", "127.0.0.1").refused(401, "unauthorized");
    }
    let mut socket = Socket::connect(&server, &ann);
    for _ in 0..300 {
        socket.write(json!({"action": "Message", "data": {"room": room, "content": "x"}}));
    }
    socket.barrier();
    assert_eq!(ann.room(&server, &room).unwrap()["last_seq"], 301);
}

#[test]
fn connections_have_a_cap() {
    let server = Launch::new().with("--max-connections", "6").start();
    let ann = register(&server, "ann");
    let mut held: Vec<Connection> = Vec::new();
    while held.len() < 5 {
        let mut connection = Connection::open(server.address);
        if server.serves(&mut connection) {
            held.push(connection);
        }
    }
    let mut socket = until("the sixth place", || {
        let mut connection = Connection::open(server.address);
        server.serves(&mut connection).then_some(())?;
        connection.send(raw::upgrade_request(&server.address.to_string(), &[]).as_bytes());
        (connection.response("GET").status == 101).then_some(RawSocket { connection })
    });
    for _ in 0..20 {
        server.turns_away(Connection::open(server.address));
    }
    socket.text(&ann.token);
    assert_eq!(socket.json()["action"], "Welcome", "who is in stays in");
    for connection in &mut held {
        assert!(server.serves(connection), "who is in stays in");
    }
    held.pop();
    until("a free place", || {
        server
            .serves(&mut Connection::open(server.address))
            .then_some(())
    });
}

/// An address of this machine that is not the loopback's; none on a machine without a network.
fn other_address() -> Option<std::net::IpAddr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    let address = probe.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn connections_from_one_address_have_a_cap_except_loopback() {
    let server = Launch::new()
        .with("--max-connections-per-address", "2")
        .start();
    let mut local: Vec<Connection> = (0..6).map(|_| Connection::open(server.address)).collect();
    for connection in &mut local {
        connection.send(&server.get("/health").bytes());
        connection.response("GET").ok(200);
    }
    let Some(address) = other_address() else {
        return;
    };
    let mut remote: Vec<Connection> = (0..2)
        .map(|_| Connection::open_from(server.address, address))
        .collect();
    for connection in &mut remote {
        connection.send(&server.get("/health").bytes());
        connection.response("GET").ok(200);
    }
    server.turns_away(Connection::open_from(server.address, address));
    server.get("/health").send().ok(200);
    remote.pop();
    until("a free place", || {
        let mut connection = Connection::open_from(server.address, address);
        connection.send(&server.get("/health").bytes());
        (connection.answer("GET")?.status == 200).then_some(())
    });
}
