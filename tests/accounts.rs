//! Accounts: names, passwords, tokens, and how they end.

mod common;

use common::token::{parts, sign};
use common::*;
use std::time::{Duration, Instant};

fn create(server: &Server, name: &str, password: &str) -> Response {
    server
        .post("/auth/createuser")
        .json(json!({"name": name, "password": password}))
        .send()
}

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
fn the_first_user_is_the_admin_and_everybody_joins_general() {
    let server = Server::start();
    let first = create(&server, "Ada", PASSWORD).ok(201);
    assert_eq!(
        first["user"],
        json!({"name": "Ada", "display_name": "Ada", "admin": true, "active": true})
    );
    let second = create(&server, "Ben", PASSWORD).ok(201);
    assert_eq!(second["user"]["admin"], false);
    assert_eq!(second["user"]["active"], true);
    let ben = Person::of(&second);
    let general = ben.room(&server, "general").expect("general is Ben's");
    assert_eq!(general["kind"], "public");
    assert_eq!(names(&general["members"]), sorted(&["Ada", "Ben"]));
    assert_eq!(general["member_count"], 2);
    ben.post(&server, "/chat/leave/general")
        .send()
        .refused(403, "forbidden");
    assert!(ben.room(&server, "general").is_some());
}

#[test]
fn general_exists_before_anybody_does() {
    let server = Server::start();
    let ada = register(&server, "ada");
    let general = ada.room(&server, "general").expect("general");
    let joined = ada.history(&server, "general", "limit=200");
    let last = joined["messages"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["sender"], "Server");
    assert_eq!(last["seq"], general["last_seq"]);
    assert!(last["content"].as_str().unwrap().contains(&ada.name));
    ada.post(&server, "/chat/create/General")
        .send()
        .refused(409, "room_exists");
}

#[test]
fn names_of_users() {
    let server = shared();
    let long = "n".repeat(32);
    let too_long = "n".repeat(33);
    let bad = [
        "",
        " ann",
        "ann ",
        "an n",
        "a\tb",
        "a\nb",
        "a\u{0}b",
        "a/b",
        "a@b",
        "a\\b",
        "a\u{a0}b",
        "...",
        "_",
        "-",
        "._-",
        "e\u{301}va",
        "कि",
        "a\u{200d}b",
        "a\u{202e}b",
        "🦊",
        "Server",
        "server",
        "SYSTEM",
        "all",
        "Here",
        "me",
        &too_long,
    ];
    for name in bad {
        create(&server, name, PASSWORD).refused(400, "bad_name");
    }
    for name in ["Žofie", "李雷", "محمد", "٣", "x.y_z-1", "-b-", &long] {
        let answer = create(&server, name, PASSWORD).ok(201);
        assert_eq!(answer["user"]["name"], name);
        let exists = server
            .get(&format!("/auth/checkuser/{}", encode(name)))
            .send()
            .ok(200);
        assert_eq!(exists, json!({"exists": true}), "{name}");
    }
    let wide = "字".repeat(32);
    assert_eq!(
        create(&server, &wide, PASSWORD).ok(201)["user"]["name"],
        wide
    );
    create(&server, &"字".repeat(33), PASSWORD).refused(400, "bad_name");
}

#[test]
fn names_ignore_case_and_are_answered_as_first_written() {
    let server = shared();
    create(&server, "ŽanetaČ", PASSWORD).ok(201);
    for other in ["žanetač", "ŽANETAČ", "ŽanetaČ"] {
        create(&server, other, PASSWORD).refused(409, "user_exists");
        let answer = login(&server, other, PASSWORD).ok(200);
        assert_eq!(answer["user"]["name"], "ŽanetaČ");
        let path = format!("/auth/checkuser/{}", encode(other));
        assert_eq!(server.get(&path).send().ok(200), json!({"exists": true}));
    }
    let nobody = server.get("/auth/checkuser/nobody-at-all").send().ok(200);
    assert_eq!(nobody, json!({"exists": false}));
}

#[test]
fn passwords_have_8_to_256_bytes() {
    let server = shared();
    let name = fresh("pass");
    for bad in ["", "1234567", "ééé", &"x".repeat(257), &"é".repeat(129)] {
        create(&server, &name, bad).refused(400, "bad_password");
    }
    for good in ["12345678", "éééé", "        ", &"x".repeat(256)] {
        let name = fresh("pass");
        create(&server, &name, good).ok(201);
        login(&server, &name, good).ok(200);
    }
    let longest = "y".repeat(256);
    create(&server, &name, &longest).ok(201);
    login(&server, &name, &longest[..255]).refused(401, "unauthorized");
    login(&server, &name, &format!("{longest}y")).refused(401, "unauthorized");
}

#[test]
fn bodies_that_do_not_fit_are_refused_in_words() {
    let server = shared();
    let ann = register(&server, "ann");
    for (path, token) in [
        ("/auth/createuser", None),
        ("/auth/login", None),
        ("/auth/password", Some(&ann.token)),
    ] {
        let send = |body: &str| {
            let mut request = server.post(path).body(body);
            if let Some(token) = token {
                request = request.token(token);
            }
            request.send()
        };
        for broken in ["", "{", "nonsense", "{\"name\": \"a\",}", "\u{0}"] {
            send(broken).refused(400, "bad_json");
        }
        for unfit in [
            "[]",
            "7",
            "null",
            "\"text\"",
            "{}",
            "{\"name\": \"a\"}",
            "{\"old\": \"a\"}",
        ] {
            send(unfit).refused(400, "bad_request");
        }
        for wrong in [
            json!({"name": 7, "password": PASSWORD, "old": 7, "new": PASSWORD}),
            json!({"name": "a", "password": null, "old": PASSWORD, "new": null}),
            json!({"name": ["a"], "password": PASSWORD, "old": {}, "new": PASSWORD}),
        ] {
            send(&wrong.to_string()).refused(400, "bad_request");
        }
    }
    let invalid = server
        .post("/auth/login")
        .body(&b"{\"name\":\"\xff\",\"password\":\"12345678\"}"[..])
        .send();
    invalid.refused(400, "bad_json");
}

#[test]
fn unknown_fields_are_ignored() {
    let server = shared();
    let name = fresh("extra");
    let body = json!({"name": name, "password": PASSWORD, "colour": {"deep": [1, {}]}});
    server.post("/auth/createuser").json(body).send().ok(201);
    let body = json!({"x": null, "name": name, "password": PASSWORD});
    server.post("/auth/login").json(body).send().ok(200);
}

#[test]
fn signing_in() {
    let server = shared();
    let name = fresh("sign");
    create(&server, &name, PASSWORD).ok(201);
    let answer = login(&server, &name, PASSWORD).ok(200);
    let person = Person::of(&answer);
    let answer = me(&server, &person.token).ok(200);
    assert_eq!(answer["user"]["name"], name);
    assert_eq!(answer["user"]["admin"].as_bool().map(|_| ()), Some(()));
    let wrong = login(&server, &name, "wrong password");
    wrong.refused(401, "unauthorized");
    let unknown = login(&server, &fresh("nobody"), "wrong password");
    unknown.refused(401, "unauthorized");
    assert_eq!(wrong.body, unknown.body);
    let relevant = |r: &Response| -> Vec<(String, String)> {
        let kept = r.headers.iter().filter(|(name, _)| name != "date");
        kept.cloned().collect()
    };
    assert_eq!(relevant(&wrong), relevant(&unknown));
}

/// An unknown name must cost a hash too. The quickest of several answers is compared, which noise only slows.
#[test]
fn unknown_names_take_as_long_as_wrong_passwords() {
    let server = Server::start();
    let name = fresh("timed");
    create(&server, &name, PASSWORD).ok(201);
    let quickest = |name: &str| -> Duration {
        let tries = (0..6).map(|_| {
            let begin = Instant::now();
            login(&server, name, "wrong password").refused(401, "unauthorized");
            begin.elapsed()
        });
        tries.min().unwrap()
    };
    let (wrong, unknown) = (quickest(&name), quickest("nobody-here"));
    assert!(unknown * 2 > wrong, "unknown {unknown:?}, wrong {wrong:?}");
    assert!(wrong * 2 > unknown, "unknown {unknown:?}, wrong {wrong:?}");
    let odd = quickest("not a name / at all");
    assert!(odd * 2 > wrong, "no name at all {odd:?}, wrong {wrong:?}");
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

const KEY: &str = "a key of the operator's own";

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
    assert_eq!(sign(&header, &claims, KEY.as_bytes()).split('.').count(), 3);
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
    let server = shared();
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

#[test]
fn one_name_is_given_once_however_many_ask_at_once() {
    let server = shared();
    let name = fresh("race");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..6)
            .map(|at| {
                let name = if at % 2 == 0 {
                    name.clone()
                } else {
                    name.to_uppercase()
                };
                let server = &server;
                scope.spawn(move || create(server, &name, PASSWORD).status)
            })
            .collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    assert_eq!(
        statuses.iter().filter(|&&s| s == 201).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|&&s| s == 409).count(),
        5,
        "{statuses:?}"
    );
}

#[test]
fn registration_can_be_closed_for_all_but_the_first() {
    let server = Launch::new().option("--close-registration").start();
    let first = create(&server, "Ada", PASSWORD).ok(201);
    assert_eq!(first["user"]["admin"], true);
    create(&server, "Ben", PASSWORD).refused(403, "registration_closed");
    login(&server, "Ada", PASSWORD).ok(200);
}

#[test]
fn users_are_listed_with_an_etag() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let first = ann.get(&server, "/chat/users").send();
    let tag = first.header("etag").expect("an ETag").to_owned();
    assert!(tag.starts_with('"') || tag.starts_with("W/\""), "{tag}");
    let list = first.ok(200);
    assert_eq!(
        list,
        json!([{"name": ann.name, "display_name": ann.name, "admin": true, "active": true}])
    );
    let same = |tag: &str| {
        let request = ann.get(&server, "/chat/users");
        request.header("If-None-Match", tag).send()
    };
    let unchanged = same(&tag);
    assert_eq!(unchanged.status, 304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
    assert_eq!(same("*").status, 304);
    assert_eq!(same(&format!("\"other\", {tag}")).status, 304);
    assert_eq!(same("\"other\"").status, 200);
    let (_, welcome) = Socket::bearer(&server, &ann);
    assert_eq!(welcome["users"], tag.as_str());

    let ben = register(&server, "ben");
    let changed = same(&tag);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let list = changed.ok(200);
    let all: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|u| u["name"].as_str())
        .collect();
    assert_eq!(sorted(&all), sorted(&[&ann.name, &ben.name]));
}
