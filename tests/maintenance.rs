//! `check` and `repair` as an operator uses them.

mod common;

use common::server::{bare, run_to_the_end};
use common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Exit code, stdout and stderr of a command on the launch's data directory.
fn run(launch: &Launch, command: &str) -> (Option<i32>, String, String) {
    let data = launch.data_path().to_str().expect("UTF-8");
    let output = run_to_the_end(bare(launch.home(), &[command, "--data", data]));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Every file below a directory with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => {
                files.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Changes a byte of the line that holds `text`, in whichever file has it and ends like this.
fn damage(launch: &Launch, ending: &str, text: &str) -> PathBuf {
    let holds = |content: &[u8]| {
        content
            .windows(text.len())
            .position(|w| w == text.as_bytes())
    };
    let all = files(launch.data_path());
    let found = all.iter().find_map(|(path, content)| {
        let name = path.to_str()?;
        (name.ends_with(ending)).then(|| holds(content).map(|at| (path, at)))?
    });
    let (path, at) =
        found.unwrap_or_else(|| panic!("{text} is in no file that ends with {ending}"));
    let mut content = all[path].clone();
    content[at] ^= 1;
    std::fs::write(path, content).unwrap();
    path.clone()
}

/// A directory with a room of ten messages in a segment and ten in a journal, after a kill.
fn filled() -> (Launch, Person, Person, String) {
    let launch = Launch::new();
    let server = launch.start();
    let (ann, bob) = (register(&server, "ann"), register(&server, "bob"));
    let room = room_of(&server, &ann, &[&bob]);
    for number in 0..10 {
        ann.say(&server, &room, &format!("older {number}"));
    }
    assert_eq!(server.stop().code(), Some(0));
    let server = launch.start();
    for number in 0..10 {
        bob.say(&server, &room, &format!("younger {number}"));
    }
    server.kill();
    (launch, ann, bob, room)
}

#[test]
fn check_says_that_all_is_well_and_changes_nothing() {
    let (launch, ..) = filled();
    let before = files(launch.data_path());
    let (code, said, errors) = run(&launch, "check");
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(
        said.contains("is fine: 2 users, 2 rooms, 23 messages"),
        "{said}"
    );
    let (code, said, _) = run(&launch, "repair");
    assert_eq!(code, Some(0));
    assert!(said.contains("Nothing was changed"), "{said}");
    assert_eq!(files(launch.data_path()), before);
    assert_eq!(
        std::fs::read_dir(launch.home()).unwrap().count(),
        2,
        "no copy is made"
    );
}

#[test]
fn neither_touches_what_a_server_has_open() {
    let launch = Launch::new();
    let server = launch.start();
    let person = register(&server, "ann");
    for command in ["check", "repair"] {
        let (code, _, said) = run(&launch, command);
        assert_eq!(code, Some(1));
        let holder = format!("process {}", server.pid());
        assert!(said.contains("in use") && said.contains(&holder), "{said}");
    }
    person.get(&server, "/auth/me").send().ok(200);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_directory_without_data_is_named() {
    let launch = Launch::new();
    for command in ["check", "repair"] {
        let (code, _, said) = run(&launch, command);
        assert_eq!(code, Some(1));
        assert!(said.contains("There is no directory"), "{said}");
    }
    std::fs::create_dir(launch.data_path()).unwrap();
    for command in ["check", "repair"] {
        let (code, _, said) = run(&launch, command);
        assert_eq!(code, Some(1));
        assert!(said.contains("holds no data"), "{said}");
    }
    assert_eq!(std::fs::read_dir(launch.data_path()).unwrap().count(), 0);
}

#[test]
fn lost_messages_are_told_and_the_rest_is_served() {
    let (launch, ann, bob, room) = filled();
    let segment = damage(&launch, ".jsonl", "older 4");
    let journal = damage(&launch, ".jsonl", "younger 4");
    let before = files(launch.data_path());
    let (code, said, _) = run(&launch, "check");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("000000001.jsonl, line 6"), "{said}");
    assert!(said.contains("journal-000002.jsonl, line 6"), "{said}");
    assert_eq!(files(launch.data_path()), before, "a check changes nothing");
    launch.refusal();

    let (code, said, errors) = run(&launch, "repair");
    assert_eq!(code, Some(0), "{said}{errors}");
    let told = format!("The room {room:?} has lost 2 messages: 6, 16.");
    assert!(said.contains(&told), "{said}");
    let copy = std::fs::read_dir(launch.home())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains(".before-repair-"))
        .expect("a copy");
    for path in [segment, journal] {
        let kept = copy.join(path.strip_prefix(launch.data_path()).unwrap());
        assert_eq!(std::fs::read(kept).unwrap(), before[&path]);
    }
    assert_eq!(run(&launch, "check").0, Some(0));

    let server = launch.start();
    let history = ann.whole_history(&server, &room);
    assert_eq!(history.len(), 21);
    for (at, message) in history.iter().enumerate() {
        let seq = at as u64 + 1;
        assert_eq!(message["seq"], seq, "without a gap");
        let lost = seq == 6 || seq == 16;
        let content = message["content"].as_str().unwrap();
        assert_eq!(content.contains("was lost"), lost, "{message}");
        assert!(!lost || message["sender"] == "Server", "{message}");
    }
    assert_eq!(bob.say(&server, &room, "and on")["seq"], 22);
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(run(&launch, "check").0, Some(0));
}

#[test]
fn a_lost_account_is_signed_in_to_with_the_password_that_is_told() {
    let (launch, _, bob, room) = filled();
    let line = format!("{{\"name\":\"{}\"", bob.name);
    damage(&launch, "state.json", &line);
    assert_eq!(run(&launch, "check").0, Some(1));
    let (code, said, errors) = run(&launch, "repair");
    assert_eq!(code, Some(0), "{said}{errors}");
    let rest = said.split("a new password, ").nth(1).expect("a password");
    let password = rest.split(',').next().unwrap();

    let server = launch.start();
    bob.get(&server, "/auth/me")
        .send()
        .refused(401, "unauthorized");
    let old = json!({"name": bob.name, "password": PASSWORD});
    server
        .post("/auth/login")
        .json(old)
        .send()
        .refused(401, "unauthorized");
    let new = json!({"name": bob.name, "password": password});
    let again = Person::of(&server.post("/auth/login").json(new).send().ok(200));
    assert_eq!(again.whole_history(&server, &room).len(), 21);
    again.say(&server, &room, "back");
}

/// Whoever puts back a `state.json` from earlier loses no message by a repair.
#[test]
fn messages_that_an_older_state_does_not_record_are_kept() {
    let (launch, ann, _, room) = filled();
    let state = launch.data_path().join("state.json");
    let old = std::fs::read(&state).unwrap();
    assert_eq!(launch.start().stop().code(), Some(0));
    std::fs::write(&state, old).unwrap();
    assert_eq!(run(&launch, "check").0, Some(1));
    let (code, said, errors) = run(&launch, "repair");
    assert_eq!(code, Some(0), "{said}{errors}");
    let told = "has 10 messages that state.json does not record, which are taken.";
    assert!(said.contains(told), "{said}");
    let server = launch.start();
    let history = ann.whole_history(&server, &room);
    assert_eq!(history.len(), 21);
    assert_eq!(history[20]["content"], "younger 9");
}

#[test]
fn a_damaged_secret_is_replaced() {
    let (launch, ann, ..) = filled();
    std::fs::write(launch.data_path().join("secret"), "x").unwrap();
    let (code, said, _) = run(&launch, "check");
    assert_eq!(code, Some(1));
    assert!(said.contains("secret is damaged"), "{said}");
    let (code, said, _) = run(&launch, "repair");
    assert_eq!(code, Some(0));
    assert!(said.contains("everybody signs in again"), "{said}");
    let server = launch.start();
    ann.get(&server, "/auth/me")
        .send()
        .refused(401, "unauthorized");
    let known = json!({"name": ann.name, "password": PASSWORD});
    server.post("/auth/login").json(known).send().ok(200);
}

/// Gives the first line of a file, which ends with a checksum, another format and the checksum that fits it.
fn of_newer_format(line: &str) -> String {
    let body = line.split(",\"crc\":").next().unwrap();
    let body = body.replace("\"format\":1", "\"format\":2");
    let crc = crc32fast::hash(body.as_bytes());
    format!("{body},\"crc\":\"{crc:08x}\"}}\n")
}

#[test]
fn a_newer_format_is_no_damage_and_asks_for_a_newer_version() {
    let (launch, ..) = filled();
    let journal = files(launch.data_path()).into_iter().find(|(path, _)| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("journal-")
    });
    let (journal, content) = journal.expect("a journal after a kill");
    let header = std::str::from_utf8(&content).unwrap().lines().next();
    for (path, changed) in [
        (journal, of_newer_format(header.unwrap())),
        (
            launch.data_path().join("state.json"),
            of_newer_format("{\"format\":1,\"people\":[\n{\"name\":\"ann\"}\n],\"crc\":"),
        ),
    ] {
        std::fs::write(path, changed).unwrap();
        let before = files(launch.data_path());
        let (code, said, _) = run(&launch, "check");
        assert_eq!(code, Some(1));
        assert!(said.contains("Start a newer Melangerie"), "{said}");
        assert!(!said.contains("repair"), "{said}");
        assert!(!said.contains("damaged"), "{said}");
        let (code, _, said) = run(&launch, "repair");
        assert_eq!(code, Some(1));
        assert!(said.contains("Start a newer Melangerie"), "{said}");
        assert_eq!(files(launch.data_path()), before);
    }
}
