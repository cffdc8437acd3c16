//! Accounts: names, passwords, tokens, and how they end.

mod common;

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
    // By turns, so that what else the machine does falls on all of them alike.
    let mut quickest = [Duration::MAX; 3];
    for _ in 0..6 {
        let names = [&name, "nobody-here", "not a name / at all"];
        for (quickest, name) in quickest.iter_mut().zip(names) {
            let begin = Instant::now();
            login(&server, name, "wrong password").refused(401, "unauthorized");
            *quickest = begin.elapsed().min(*quickest);
        }
    }
    let [wrong, unknown, odd] = quickest;
    assert!(unknown * 2 > wrong, "unknown {unknown:?}, wrong {wrong:?}");
    assert!(wrong * 2 > unknown, "unknown {unknown:?}, wrong {wrong:?}");
    assert!(odd * 2 > wrong, "no name at all {odd:?}, wrong {wrong:?}");
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
    assert_eq!(registration(&server), "first");
    let first = create(&server, "Ada", PASSWORD).ok(201);
    assert_eq!(first["user"]["admin"], true);
    assert_eq!(registration(&server), "closed");
    create(&server, "Ben", PASSWORD).refused(403, "registration_closed");
    login(&server, "Ada", PASSWORD).ok(200);
}

#[test]
fn whoever_comes_first_can_know_it() {
    let server = Server::start();
    assert_eq!(registration(&server), "first");
    create(&server, "Ada", PASSWORD).ok(201);
    assert_eq!(registration(&server), "open");
}

/// Who may make an account now.
fn registration(server: &Server) -> String {
    let health = server.get("/health").send().ok(200);
    health["registration"].as_str().expect("a word").to_owned()
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

/// A name that reads like the server's would let its owner speak for it; one that nobody sees is nobody's.
#[test]
fn names_that_deceive_are_refused() {
    let server = shared();
    let ann = register(&server, "ann");
    for name in [
        "Ѕerver",
        "Ｓｅｒｖｅｒ",
        "ｓystem",
        "\u{3164}",
        "ann\u{115f}",
        "ann\u{200b}",
        "\u{2800}",
    ] {
        let body = json!({"name": name, "password": PASSWORD});
        let answer = server.post("/auth/createuser").json(body).send();
        answer.refused(400, "bad_name");
        let path = format!("/chat/create/{}", encode(name));
        ann.post(&server, &path).send().refused(400, "bad_name");
        let mut socket = Socket::connect(&server, &ann);
        socket.refused("Create", json!({"name": name}), "bad_name");
    }
}
