//! Tokens: what they are made of, which are refused, and how they end.

mod common;

use common::token::{parts, sign};
use common::*;

#[test]
fn open_endpoints_do_not_look_at_tokens() {
    let server = shared();
    let ann = register(&server, "ann");
    server.get("/health").token("nonsense").send().ok(200);
    server
        .get("/auth/checkuser/x")
        .token("nonsense")
        .send()
        .ok(200);
    let body = json!({"name": ann.name, "password": PASSWORD});
    let answer = server
        .post("/auth/login")
        .token("nonsense")
        .json(body)
        .send();
    answer.ok(200);
    assert_eq!(server.get("/").token("nonsense").send().status, 200);
}

const KEY: &str = "a key of the operator's own";

fn login(server: &Server, name: &str, password: &str) -> Response {
    server
        .post("/auth/login")
        .json(json!({"name": name, "password": password}))
        .send()
}

fn me(server: &Server, token: &str) -> Response {
    server.get("/auth/me").token(token).send()
}

#[test]
fn tokens_are_taken_bare_and_as_bearer() {
    let server = shared();
    let ann = register(&server, "ann");
    for value in [
        ann.token.clone(),
        format!("Bearer {}", ann.token),
        format!("bearer {}", ann.token),
    ] {
        let answer = server
            .get("/auth/me")
            .header("Authorization", &value)
            .send();
        assert_eq!(answer.ok(200)["user"]["name"], ann.name, "{value}");
    }
    server.get("/auth/me").send().refused(401, "unauthorized");
    let query = server.get(&format!("/auth/me?token={}", ann.token)).send();
    query.refused(401, "unauthorized");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "x",
        "a.b.c",
        "..",
        "Bearer a.b",
        "Token x y z",
    ] {
        let answer = server.get("/auth/me").header("Authorization", value).send();
        answer.refused(401, "unauthorized");
    }
}

#[test]
fn every_endpoint_but_the_open_ones_wants_a_token() {
    let server = shared();
    register(&server, "ann");
    let gets = [
        "/auth/me",
        "/chat/list",
        "/chat/rooms",
        "/chat/users",
        "/chat/online",
        "/chat/members/general",
        "/chat/history/general",
        "/chat/search?q=x",
    ];
    for path in gets {
        server.get(path).send().refused(401, "unauthorized");
        let forged = server
            .get(path)
            .header("Authorization", "Bearer e30.e30.e30");
        forged.send().refused(401, "unauthorized");
    }
    let posts = [
        "/auth/renew",
        "/auth/logout",
        "/chat/create/x",
        "/chat/direct/x",
        "/chat/adduser/general/x",
        "/chat/join/general",
        "/chat/leave/general",
    ];
    for path in posts {
        server
            .post(path)
            .body("")
            .send()
            .refused(401, "unauthorized");
    }
    let message = json!({"room": "general", "content": "x"});
    server
        .post("/chat/chatroom")
        .json(message)
        .send()
        .refused(401, "unauthorized");
    let change = json!({"old": PASSWORD, "new": PASSWORD});
    server
        .post("/auth/password")
        .json(change)
        .send()
        .refused(401, "unauthorized");
}

#[test]
fn tokens_are_hs256_of_30_days() {
    let server = Launch::new().environment("JWT_SECRET", KEY).start();
    let before = now_millis() / 1000;
    let ann = register(&server, "ann");
    let (header, claims) = parts(&ann.token);
    assert_eq!(header["alg"], "HS256");
    assert_eq!(claims["sub"], ann.name);
    let issued = claims["iat"].as_u64().expect("iat");
    assert!((before..=now_millis() / 1000).contains(&issued));
    assert_eq!(claims["exp"].as_u64(), Some(issued + 30 * 24 * 60 * 60));
    let (signed, _) = ann.token.rsplit_once('.').unwrap();
    assert_eq!(token::with_signature(signed, KEY.as_bytes()), ann.token);
    let again = sign(
        &json!({"alg": "HS256", "typ": "JWT"}),
        &claims,
        KEY.as_bytes(),
    );
    me(&server, &again).ok(200);
}

#[test]
fn forged_tokens_are_refused() {
    let server = Launch::new().environment("JWT_SECRET", KEY).start();
    let ann = register(&server, "ann");
    let (header, claims) = parts(&ann.token);
    let key = KEY.as_bytes();
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        changed
    };
    let now = now_millis() / 1000;
    let mut forged = vec![
        sign(&header, &with("exp", json!(now - 1)), key),
        sign(&header, &with("exp", json!(0)), key),
        sign(&header, &with("exp", json!("never")), key),
        sign(&header, &with("exp", Value::Null), key),
        sign(&header, &with("sub", json!("nobody-at-all")), key),
        sign(&header, &with("sub", json!(7)), key),
        sign(&header, &claims, b"another key than the server's"),
        sign(&header, &claims, b""),
        sign(&json!([]), &claims, key),
        sign(&json!({}), &claims, key),
        sign(&header, &json!([]), key),
    ];
    for algorithm in [
        "none", "None", "NONE", "hs256", "HS384", "HS512", "RS256", "ES256", "",
    ] {
        forged.push(sign(&json!({"alg": algorithm, "typ": "JWT"}), &claims, key));
    }
    let body = |header: &Value| {
        format!(
            "{}.{}",
            token::encode_part(header),
            token::encode_part(&claims)
        )
    };
    forged.push(format!("{}.", body(&json!({"alg": "none"}))));
    forged.push(body(&json!({"alg": "none"})));
    forged.push(format!("{}.", body(&header)));
    let signature = ann.token.rsplit('.').next().unwrap();
    let other = token::encode_part(&with("sub", json!("somebody")));
    forged.push(format!(
        "{}.{other}.{signature}",
        token::encode_part(&header)
    ));
    forged.push(format!("{}.extra", ann.token));
    forged.push(format!("{}=", ann.token));
    forged.push(format!("{}A", ann.token));
    forged.push(ann.token[..ann.token.len() - 1].to_owned());
    forged.push(ann.token.replace('.', ".."));
    forged.push("x".repeat(10_000));
    for token in &forged {
        me(&server, token).refused(401, "unauthorized");
    }
    me(&server, &ann.token).ok(200);
}

/// A base64url text of 32 bytes has two unused bits: four spellings, of which one is canonical.
#[test]
fn every_changed_character_of_a_token_is_noticed() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut connection = Connection::open(server.address);
    for at in 0..ann.token.len() {
        let mut changed = ann.token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        connection.send(&server.get("/auth/me").token(&changed).bytes());
        assert_eq!(connection.response("GET").status, 401, "at {at}: {changed}");
    }
}

#[test]
fn renewing_keeps_older_tokens() {
    let server = shared();
    let ann = register(&server, "ann");
    let renewed = Person::of(&ann.post(&server, "/auth/renew").send().ok(200));
    assert_eq!(renewed.name, ann.name);
    me(&server, &renewed.token).ok(200);
    me(&server, &ann.token).ok(200);
    let (_, claims) = parts(&renewed.token);
    let span = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(span, 30 * 24 * 60 * 60);
}

#[test]
fn a_new_password_ends_every_older_token_and_socket() {
    let server = shared();
    let ann = register(&server, "ann");
    let ben = register(&server, "ben");
    let mut sockets = [
        Socket::connect(&server, &ann),
        Socket::bearer(&server, &ann).0,
    ];
    let mut bens = Socket::connect(&server, &ben);
    let second = Person::of(&login(&server, &ann.name, PASSWORD).ok(200));
    let change = |old: &str, new: &str| {
        let body = json!({"old": old, "new": new});
        ann.post(&server, "/auth/password").json(body).send()
    };
    change("wrong password", "a new password").refused(403, "forbidden");
    change(PASSWORD, "short").refused(400, "bad_password");
    change(PASSWORD, &"x".repeat(257)).refused(400, "bad_password");
    me(&server, &second.token).ok(200);
    sockets[0].barrier();

    let third = Person::of(&change(PASSWORD, "a new password").ok(200));
    for socket in &mut sockets {
        assert_eq!(socket.expect_close(), Some(4401));
    }
    me(&server, &ann.token).refused(401, "unauthorized");
    me(&server, &second.token).refused(401, "unauthorized");
    me(&server, &third.token).ok(200);
    login(&server, &ann.name, PASSWORD).refused(401, "unauthorized");
    login(&server, &ann.name, "a new password").ok(200);
    Socket::connect(&server, &third).barrier();
    bens.barrier();
}

#[test]
fn signing_out_ends_every_token_and_socket() {
    for server in both_ways() {
        let ann = register(&server, "ann");
        let ben = register(&server, "ben");
        let second = Person::of(&login(&server, &ann.name, PASSWORD).ok(200));
        let mut socket = Socket::connect(&server, &second);
        let mut bens = Socket::connect(&server, &ben);
        ann.post(&server, "/auth/logout").send().nothing();
        assert_eq!(socket.expect_close(), Some(4401));
        me(&server, &ann.token).refused(401, "unauthorized");
        me(&server, &second.token).refused(401, "unauthorized");
        ann.post(&server, "/auth/logout")
            .send()
            .refused(401, "unauthorized");
        let third = Person::of(&login(&server, &ann.name, PASSWORD).ok(200));
        me(&server, &third.token).ok(200);
        bens.barrier();
    }
}

#[test]
fn a_revoked_token_with_a_malformed_request_is_unauthorized() {
    let server = shared();
    let ann = register(&server, "ann");
    ann.post(&server, "/auth/logout").send().nothing();
    for path in [
        "/chat/history/general?limit=0",
        "/chat/history/general?before=x",
        "/chat/history/%20",
        "/chat/members/%20",
        "/chat/search",
        "/chat/search?q=x&room=%20",
        "/reports?limit=0",
    ] {
        let answer = ann.get(&server, path).send();
        answer.refused(401, "unauthorized");
    }
    for path in [
        "/chat/create/%20",
        "/chat/create/x?kind=direct",
        "/chat/direct/%20",
        "/chat/adduser/general/%20",
        "/chat/join/%20",
        "/chat/leave/%20",
    ] {
        let answer = ann.post(&server, path).body("").send();
        answer.refused(401, "unauthorized");
    }
    for path in ["/auth/password", "/chat/chatroom"] {
        for body in [
            "",
            "{",
            "{}",
            r#"{"old":"x","new":"y","room":"x","content":""}"#,
        ] {
            let answer = ann.post(&server, path).body(body).send();
            answer.refused(401, "unauthorized");
        }
    }
}

#[test]
fn a_socket_ends_when_its_token_expires() {
    let server = Launch::new().environment("JWT_SECRET", KEY).start();
    let ann = register(&server, "ann");
    let (header, mut claims) = parts(&ann.token);
    claims["exp"] = (now_millis() / 1000 + 3).into();
    let brief = Person {
        token: sign(&header, &claims, KEY.as_bytes()),
        ..ann.clone()
    };
    let mut lasting = Socket::connect(&server, &ann);
    let mut idle = [
        Socket::bearer(&server, &brief).0,
        Socket::connect(&server, &brief),
    ];
    // Half a message keeps the reader waiting for the rest.
    let mut half = RawSocket::signed_in(&server, &brief);
    half.connection
        .send(&raw::frame_bytes(0x81, Some(100), b"{"));
    for socket in &mut idle {
        assert_eq!(socket.expect_close(), Some(4401));
    }
    assert_eq!(half.expect_close(), 4401);
    assert!(now_millis() / 1000 >= claims["exp"].as_u64().unwrap());
    lasting.barrier();
}

#[test]
fn tokens_and_their_end_outlive_a_restart() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    let ben = register(&server, "ben");
    ben.post(&server, "/auth/logout").send().nothing();
    drop(server);
    let server = launch.start();
    me(&server, &ann.token).ok(200);
    me(&server, &ben.token).refused(401, "unauthorized");
    login(&server, &ben.name, PASSWORD).ok(200);
}
