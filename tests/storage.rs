//! What is acked stays: kills, restarts, signals, copies, checkpoints under load.

mod common;

use common::*;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// What a writer knows: id to seq where it was acked, and to none where the end came first.
type Known = HashMap<String, Option<u64>>;

/// Posts from several people at once, by frames, until the server is gone; `kill` runs after `acks` acks.
fn post_until_killed(
    server: &Server,
    people: &[Person],
    room: &str,
    round: usize,
    acks: usize,
) -> Known {
    let known = Mutex::new(Known::new());
    std::thread::scope(|scope| {
        for (writer, person) in people.iter().enumerate() {
            let known = &known;
            scope.spawn(move || {
                let mut socket = Socket::connect(server, person);
                for number in 0.. {
                    let id = format!("{round} {writer} {number}");
                    known.lock().unwrap().insert(id.clone(), None);
                    let frame = json!({"action": "Message", "data": {"room": room, "content": id}, "id": id});
                    let Some(answer) = socket.try_request(frame) else {
                        return;
                    };
                    assert_eq!(answer["action"], "Ack", "{answer}");
                    let mut known = known.lock().unwrap();
                    known.insert(id, answer["data"]["seq"].as_u64());
                    if known.values().flatten().count() == acks {
                        drop(known);
                        server.kill();
                    }
                }
            });
        }
    });
    known.into_inner().unwrap()
}

/// `kill -9` in the middle of everything, several times, with checkpoints running: nothing acked is lost, no number
/// is given twice, and what was not acked can be sent again.
#[test]
fn kill_9_loses_nothing_that_was_acked() {
    for journal_bytes in ["20000", "100000000"] {
        let launch = Launch::new().with("--journal-bytes", journal_bytes);
        let mut server = launch.start();
        let people: Vec<Person> = (0..3).map(|_| register(&server, "writer")).collect();
        let room = room_of(&server, &people[0], &[&people[1], &people[2]]);
        let mut known = Known::new();
        for round in 0..4 {
            known.extend(post_until_killed(
                &server,
                &people,
                &room,
                round,
                150 + 70 * round,
            ));
            server = launch.start();
            check_history(&server, &people[0], &room, &known);
        }
        // Sent again with its id, each is stored once.
        for (id, seq) in &known {
            let writer: usize = id.split(' ').nth(1).unwrap().parse().unwrap();
            let body = json!({"room": room, "content": id, "id": id});
            let again = people[writer]
                .post(&server, "/chat/chatroom")
                .json(body)
                .send()
                .ok(200);
            if let Some(seq) = seq {
                assert_eq!(again["seq"], *seq, "{id}");
            }
        }
        let contents = check_history(&server, &people[0], &room, &known);
        for id in known.keys() {
            assert_eq!(contents.get(id), Some(&1), "{id} is there once");
        }
    }
}

/// Numbers without a gap, every acked message at its own; answers how often each content is there.
fn check_history(
    server: &Server,
    person: &Person,
    room: &str,
    known: &Known,
) -> HashMap<String, usize> {
    let history = person.whole_history(server, room);
    let mut counts = HashMap::new();
    for (at, message) in history.iter().enumerate() {
        assert_eq!(message["seq"], at as u64 + 1);
        let content = message["content"].as_str().unwrap().to_owned();
        if let Some(Some(seq)) = known.get(&content) {
            assert_eq!(message["seq"], *seq, "{content}");
        }
        *counts.entry(content).or_insert(0) += 1;
    }
    for (id, seq) in known {
        assert!(
            seq.is_none() || counts.contains_key(id),
            "{id} was acked and is lost"
        );
        assert!(counts.get(id).is_none_or(|&count| count == 1), "{id} twice");
    }
    counts
}

/// Everything that one may have made: it must all be as it was after a restart.
fn populate(server: &Server) -> (Person, Person, Vec<String>) {
    let (ann, ben) = (register(server, "Ann"), register(server, "Ben"));
    let public = room_of(server, &ann, &[&ben]);
    let private = people::private_room_of(server, &ben, &[&ann]);
    let direct = ann
        .post(server, &format!("/chat/direct/{}", ben.name))
        .send()
        .ok(201);
    let direct = direct["name"].as_str().unwrap().to_owned();
    for room in [&public, &private, &direct] {
        for number in 0..20 {
            ann.say(
                server,
                room,
                &format!("{number} žluť \u{1F98A}\n\"quoted\""),
            );
        }
    }
    let left = room_of(server, &ben, &[&ann]);
    ann.post(server, &format!("/chat/leave/{left}"))
        .send()
        .nothing();
    let mut socket = Socket::connect(server, &ben);
    socket.ack("Read", json!({"room": public, "seq": 7}));
    (ann, ben, vec![public, private, direct, left])
}

/// What the people see.
fn seen(server: &Server, people: &[&Person], rooms: &[String]) -> Vec<Value> {
    let mut seen = Vec::new();
    for person in people {
        for path in ["/auth/me", "/chat/list", "/chat/rooms", "/chat/users"] {
            seen.push(person.get(server, path).send().ok(200));
        }
        for room in rooms {
            let answer = person
                .get(server, &format!("/chat/history/{room}?limit=200"))
                .send();
            seen.push(json!([answer.status, answer.json()]));
        }
    }
    seen
}

#[test]
fn restarts_change_nothing() {
    let launch = Launch::new();
    let mut server = launch.start();
    let (ann, ben, rooms) = populate(&server);
    let before = seen(&server, &[&ann, &ben], &rooms);
    for end in ["KILL", "TERM", "INT", "KILL"] {
        server.signal(end);
        server.wait();
        server = launch.start();
        assert_eq!(seen(&server, &[&ann, &ben], &rooms), before, "after {end}");
    }
    let message = ann.say(&server, &rooms[0], "and on");
    assert_eq!(message["seq"], 22);
}

#[test]
fn ids_are_known_after_restarts_and_checkpoints() {
    let launch = Launch::new().with("--journal-bytes", "10000");
    let mut server = launch.start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let post = |server: &Server, at: usize| {
        let body =
            json!({"room": room, "content": format!("message {at}"), "id": format!("id-{at}")});
        ann.post(server, "/chat/chatroom").json(body).send().ok(200)
    };
    let first: Vec<Value> = (0..300).map(|at| post(&server, at)).collect();
    for end in ["TERM", "KILL"] {
        server.signal(end);
        server.wait();
        server = launch.start();
        for at in (0..300).step_by(7) {
            assert_eq!(post(&server, at), first[at], "after {end}");
        }
    }
    assert_eq!(ann.room(&server, &room).unwrap()["last_seq"], 301);
}

#[test]
fn checkpoints_run_beside_the_talk() {
    let launch = Launch::new().with("--journal-bytes", "20000");
    let server = launch.start();
    let people: Vec<Person> = (0..2).map(|_| register(&server, "talker")).collect();
    let room = room_of(&server, &people[0], &[&people[1]]);
    std::thread::scope(|scope| {
        for person in &people {
            let (server, room) = (&server, &room);
            scope.spawn(move || {
                let mut socket = Socket::connect(server, person);
                for number in 0..700 {
                    socket.say(
                        room,
                        &format!("{} {number} {}", person.name, "x".repeat(150)),
                    );
                }
            });
        }
        // Whoever reads meanwhile sees a whole history at every moment.
        let (server, room, reader) = (&server, &room, &people[0]);
        scope.spawn(move || {
            let mut last = 0;
            while last < 1_401 {
                let messages = reader.whole_history(server, room);
                for (at, message) in messages.iter().enumerate() {
                    assert_eq!(message["seq"], at as u64 + 1);
                }
                assert!(messages.len() >= last, "history never shrinks");
                last = messages.len();
            }
        });
    });
    let whole = people[0].whole_history(&server, &room);
    assert_eq!(whole.len(), 1_401);
    let size = |directory: &Path| -> u64 {
        let journals = files(directory);
        let journals = journals.iter().filter(|f| {
            f.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("journal")
        });
        journals
            .map(|f| std::fs::metadata(f).map_or(0, |m| m.len()))
            .sum()
    };
    until("the journals' folding", || {
        (size(&server.data) < 200_000).then_some(())
    });
    server.kill();
    let server = launch.start();
    assert_eq!(people[0].whole_history(&server, &room), whole);
}

#[test]
fn a_directory_serves_one_process() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    let (code, said) = launch.refusal();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("use") && said.len() > 20,
        "a clear message: {said}"
    );
    ann.say(&server, "general", "undisturbed");
    server.kill();
    let server = launch.start();
    assert_eq!(
        ann.get(&server, "/auth/me").send().status,
        200,
        "no stale lock"
    );
}

#[test]
fn modes() {
    let launch = Launch::new();
    let server = launch.start();
    register(&server, "ann");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data), 0o700);
    let files = files(&server.data);
    let secret = files
        .iter()
        .find(|f| f.file_name().unwrap().to_str().unwrap().contains("secret"));
    assert_eq!(mode(secret.expect("a secret")), 0o600);
    for file in &files {
        assert_eq!(mode(file) & 0o077, 0, "{}", file.display());
    }
}

#[test]
fn the_secret_is_generated_once() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    server.stop();
    let server = launch.start();
    assert_eq!(ann.get(&server, "/auth/me").send().status, 200);
    // Another directory has another secret: same name, same claims, no entry.
    let other = Launch::new().start();
    people::register_exactly(&other, &ann.name);
    ann.get(&other, "/auth/me")
        .send()
        .refused(401, "unauthorized");
}

#[test]
fn jwt_secret() {
    for short in [&b""[..], b"x", &[b'x'; 15]] {
        let launch = Launch::new().environment("JWT_SECRET", std::ffi::OsStr::from_bytes(short));
        let (code, said) = launch.refusal();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("JWT_SECRET") && said.contains("16"), "{said}");
    }
    // The bytes are the key, whatever they are.
    let key = [
        0xff, 0xfe, b'\n', b' ', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    let launch = Launch::new().environment("JWT_SECRET", std::ffi::OsStr::from_bytes(&key));
    let server = launch.start();
    let ann = register(&server, "ann");
    let (signed, _) = ann.token.rsplit_once('.').unwrap();
    assert_eq!(token::with_signature(signed, &key), ann.token);
    drop(server);
    let server = launch.start();
    assert_eq!(ann.get(&server, "/auth/me").send().status, 200);
}

#[test]
fn a_copy_of_the_directory_is_a_backup() {
    let launch = Launch::new();
    let server = launch.start();
    let (ann, ben, rooms) = populate(&server);
    let before = seen(&server, &[&ann, &ben], &rooms);
    assert_eq!(server.stop().code(), Some(0));
    let restored = Launch::new();
    copy(launch.data_path(), restored.data_path());
    let server = launch.start();
    ann.say(&server, &rooms[0], "later than the copy");
    let copied = restored.start();
    assert_eq!(seen(&copied, &[&ann, &ben], &rooms), before);
    assert_eq!(ann.say(&copied, &rooms[0], "in the copy")["seq"], 22);
    let credentials = json!({"name": ben.name, "password": PASSWORD});
    copied.post("/auth/login").json(credentials).send().ok(200);
}

#[test]
fn every_line_is_json() {
    let server = Launch::new().with("--journal-bytes", "5000").start();
    let (_, _, rooms) = populate(&server);
    assert!(!rooms.is_empty());
    assert_eq!(server.stop().code(), Some(0));
    let mut lines = 0;
    for file in files(&server.data) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".jsonl") {
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let value: Result<Value, _> = serde_json::from_str(line);
                assert!(value.is_ok_and(|v| v.is_object()), "{name}: {line}");
                lines += 1;
            }
        } else if name.ends_with(".json") {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{name}");
            lines += 1;
        }
    }
    assert!(
        lines > 60,
        "messages are lines that people can read: {lines}"
    );
}
