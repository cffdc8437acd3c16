//! Reports, and `log.txt`: what is in it, and what never is.

mod common;

use common::*;

fn report(server: &Server, body: Value) -> Response {
    server.post("/report").json(body).send()
}

/// An RFC 3339 time in UTC at the beginning of a line.
fn has_time(line: &str) -> bool {
    let bytes = line.as_bytes();
    let Some(end) = line.find('Z') else {
        return false;
    };
    let shape = "0000-00-00T00:00:00";
    end >= shape.len()
        && shape.bytes().zip(bytes).all(|(shape, byte)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => *byte == other,
        })
        && bytes[shape.len()..end]
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && bytes
            .get(end + 1)
            .is_some_and(|byte| *byte == b' ' || *byte == b'\t')
}

#[test]
fn reports_are_kept_for_the_admin() {
    let server = Server::start();
    let (admin, ann) = (register(&server, "admin"), register(&server, "ann"));
    report(
        &server,
        json!({"name": "a passer-by", "issue": "The door\nis locked."}),
    )
    .ok(200);
    let body = json!({"name": "somebody else", "issue": "signed in"});
    ann.post(&server, "/report").json(body).send().ok(200);
    let mut socket = Socket::connect(&server, &ann);
    assert_eq!(socket.ack("Report", json!("by frame")), json!({}));
    let reports = admin.get(&server, "/reports").send().ok(200);
    assert_eq!(reports["more"], false);
    let got: Vec<(&str, bool, &str)> = reports["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            assert!(r["timestamp"].is_u64() && r["seq"].is_u64());
            (
                r["name"].as_str().unwrap(),
                r["signed_in"].as_bool().unwrap(),
                r["issue"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("a passer-by", false, "The door\nis locked."),
        (ann.name.as_str(), true, "signed in"),
        (ann.name.as_str(), true, "by frame"),
    ];
    assert_eq!(got, expected);
    ann.get(&server, "/reports")
        .send()
        .refused(403, "forbidden");
    server.get("/reports").send().refused(401, "unauthorized");
}

#[test]
fn reports_that_do_not_fit() {
    let server = shared();
    let ann = register(&server, "ann");
    for wrong in [
        json!({}),
        json!({"name": "x"}),
        json!({"name": "x", "issue": 7}),
        json!([]),
    ] {
        report(&server, wrong).refused(400, "bad_request");
    }
    for issue in ["", " \n", &"x".repeat(16_385)] {
        report(&server, json!({"name": "x", "issue": issue})).refused(400, "bad_content");
    }
    report(&server, json!({"name": "x", "issue": "x".repeat(16_384)})).ok(200);
    server
        .post("/report")
        .body("{")
        .send()
        .refused(400, "bad_json");
    let body = json!({"name": "x", "issue": "y"});
    let bad = server.post("/report").token("nonsense").json(body).send();
    bad.refused(401, "unauthorized");
    let mut socket = Socket::connect(&server, &ann);
    socket.refused("Report", json!({"issue": "x"}), "bad_request");
    socket.refused("Report", json!(""), "bad_content");
}

#[test]
fn reports_outlive_kill() {
    let launch = Launch::new();
    let server = launch.start();
    let admin = register(&server, "admin");
    report(&server, json!({"name": "x", "issue": "kept"})).ok(200);
    server.kill();
    let server = launch.start();
    let reports = admin.get(&server, "/reports").send().ok(200);
    assert_eq!(reports["messages"][0]["issue"], "kept");
}

#[test]
fn events_are_logged_with_their_time_first() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let credentials = |password: &str| json!({"name": ann.name, "password": password});
    server
        .post("/auth/login")
        .json(credentials(PASSWORD))
        .send()
        .ok(200);
    let lines = server.log().lines().count();
    server
        .post("/auth/login")
        .json(credentials("wrong password"))
        .send()
        .refused(401, "unauthorized");
    report(&server, json!({"name": "passer-by", "issue": "an issue"})).ok(200);
    assert_eq!(server.stop().code(), Some(0));
    let log = server.log();
    assert!(log.ends_with('\n'));
    assert!(log.lines().count() >= lines + 3, "{log}");
    for line in log.lines() {
        assert!(has_time(line), "{line}");
    }
    let about = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!(about(&ann.name) >= 3, "account, sign-in, failure:\n{log}");
    assert!(about(&room) >= 1, "rooms are logged:\n{log}");
    assert!(about("passer-by") >= 1, "reports are logged:\n{log}");
    assert!(about("an issue") >= 1, "with their texts:\n{log}");
    assert!(about("127.0.0.1") >= 1, "{log}");
    let first = log.lines().next().unwrap().to_lowercase();
    assert!(first.contains("start"), "{first}");
    let last = log.lines().last().unwrap().to_lowercase();
    assert!(last.contains("stop"), "{last}");
}

#[test]
fn the_log_is_flushed_while_running() {
    let server = Server::start();
    report(&server, json!({"name": "flush.me", "issue": "soon"})).ok(200);
    until("the line in log.txt", || {
        server.log().contains("flush.me").then_some(())
    });
}

#[test]
fn the_log_is_rotated() {
    let server = Launch::new().with("--log-bytes", "8192").start();
    for number in 0..200 {
        let body = json!({"name": format!("reporter-{number}"), "issue": "x".repeat(100)});
        report(&server, body).ok(200);
    }
    assert_eq!(server.stop().code(), Some(0));
    let mut logs: Vec<_> = std::fs::read_dir(&server.data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("log")
        })
        .collect();
    logs.sort();
    assert!((3..=8).contains(&logs.len()), "{logs:?}");
    for log in &logs {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.len() < 3 * 8192, "{}: {}", log.display(), text.len());
        assert!(text.ends_with('\n'), "{}", log.display());
        assert!(text.lines().all(has_time), "{}", log.display());
    }
    assert!(
        server.log().contains("reporter-199"),
        "the newest is in log.txt"
    );
}

#[test]
fn nothing_secret_is_in_the_log() {
    let server = Server::start();
    let password = "a-password-to-look-for";
    let name = fresh("ann");
    let body = json!({"name": name, "password": password});
    let ann = Person::of(&server.post("/auth/createuser").json(body).send().ok(201));
    let room = room_of(&server, &ann, &[]);
    ann.say(&server, &room, "content-to-look-for");
    let mut socket = Socket::connect(&server, &ann);
    socket.say(&room, "content-to-look-for-too");
    let long = format!("content-to-look-for {}", "x".repeat(20_000));
    socket.refused(
        "Message",
        json!({"room": room, "content": long}),
        "bad_content",
    );
    socket.send_text("{\"action\":\"Message\",\"data\":{\"content\":\"content-to-look-for");
    let broken = socket.until(|frame| frame["action"] == "Error");
    assert_error(&broken["data"], "bad_json");
    let wrong = json!({"name": name, "password": "password-to-look-for-wrong"});
    server
        .post("/auth/login")
        .json(wrong)
        .send()
        .refused(401, "unauthorized");
    // A password typed into the field of the name, which some do.
    let slip = json!({"name": "password-to-look-for in the name", "password": "12345678"});
    server
        .post("/auth/createuser")
        .json(slip)
        .send()
        .refused(400, "bad_name");
    server
        .get(&format!("/auth/me?token={}", ann.token))
        .send()
        .refused(401, "unauthorized");
    server
        .get("/auth/me")
        .token(&format!("{}x", ann.token))
        .send()
        .refused(401, "unauthorized");
    ann.get(&server, "/chat/search?q=content-to-look-for")
        .send()
        .ok(200);
    // Whoever reports a problem may paste a token, and a line end inside it makes it no harder to use.
    let (half, other_half) = ann.token.split_at(ann.token.len() / 2);
    for issue in [
        format!("my token is {}", ann.token),
        format!("my token is\r\n{half}\r\n{other_half}"),
    ] {
        report(&server, json!({"name": "passer-by", "issue": issue})).ok(200);
        socket.ack("Report", json!(issue));
    }
    // A token that was pasted into the field of the name, without its header for want of room.
    let (_, credential) = ann.token.split_once('.').unwrap();
    let (half_credential, rest) = credential.split_at(credential.len() / 2);
    let name_field = format!("{half_credential} {rest}");
    report(&server, json!({"name": name_field, "issue": "y"})).ok(200);
    let change = json!({"old": password, "new": "password-to-look-for-new"});
    ann.post(&server, "/auth/password")
        .json(change)
        .send()
        .ok(200);
    assert_eq!(server.stop().code(), Some(0));
    let log = server.log();
    assert!(log.contains(&name));
    for secret in [
        "password-to-look-for",
        "content-to-look-for",
        &ann.token,
        ann.token.rsplit('.').next().unwrap(),
        half,
        other_half,
        half_credential,
        rest,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn no_client_can_forge_a_line() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let forged = "2026-01-01T00:00:00.000Z forged line";
    let breaks = [
        "\n",
        "\r",
        "\r\n",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{b}",
        "\u{c}",
        "\u{1b}[2K\u{1b}[G",
        "\u{8}",
        "\u{202e}",
    ];
    for between in breaks {
        let evil = format!("x{between}{forged}");
        report(&server, json!({"name": evil, "issue": evil}));
        let body = json!({"name": evil, "password": "wrong password"});
        server.post("/auth/login").json(body.clone()).send();
        server.post("/auth/createuser").json(body).send();
        let path = encode(&evil);
        server.get(&format!("/auth/checkuser/{path}")).send();
        ann.post(&server, &format!("/chat/create/{path}")).send();
        server
            .get(&format!("/{path}"))
            .header("User-Agent", "x\tforged line")
            .send();
        let body = json!({"name": "y", "issue": evil});
        ann.post(&server, "/report").json(body).send().ok(200);
    }
    assert_eq!(server.stop().code(), Some(0));
    let bytes = std::fs::read(server.data.join("log.txt")).unwrap();
    let log = String::from_utf8(bytes).expect("the log is UTF-8");
    for line in log.split('\n').filter(|line| !line.is_empty()) {
        assert!(has_time(line), "{line:?}");
        assert!(!line.starts_with(forged), "{line:?}");
        let odd = line.chars().find(|c| {
            c.is_control() || matches!(*c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert!(odd.is_none_or(|c| c == '\t'), "{odd:?} in {line:?}");
    }
    assert!(
        log.contains("forged line"),
        "what was sent is there, made harmless"
    );
}
