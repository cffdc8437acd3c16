//! Damaged directories and full disks: refused by name and left alone, or told and survived.

mod common;

use common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name, relative to the directory, and bytes of every file that holds data.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if !name.starts_with("log") && name != "lock" {
                let relative = path.strip_prefix(directory).unwrap().to_owned();
                files.insert(relative, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn restore(directory: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = std::fs::remove_dir_all(directory);
    for (name, bytes) in files {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A start on this directory must fail, name the file, and change nothing.
fn refused(launch: &Launch, file: &Path, what: &str) {
    let before = snapshot(launch.data_path());
    let (code, said) = launch.refusal();
    assert_eq!(code, Some(1), "{what} in {}: {said}", file.display());
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(
        said.contains(name),
        "{what}: the message names {}: {said}",
        file.display()
    );
    let after = snapshot(launch.data_path());
    for (name, bytes) in &after {
        assert!(
            before.get(name) == Some(bytes),
            "{what} in {}: {} was changed",
            file.display(),
            name.display()
        );
    }
    assert_eq!(
        after.len(),
        before.len(),
        "{what} in {}: a file is gone",
        file.display()
    );
}

struct Filled {
    launch: Launch,
    files: BTreeMap<PathBuf, Vec<u8>>,
    person: Person,
    room: String,
    messages: usize,
}

/// A directory with segments and a state, and, after a kill, with a journal of younger messages.
fn filled(end: &str) -> Filled {
    let launch = Launch::new();
    let server = launch.start();
    let person = register(&server, "ann");
    let room = room_of(&server, &person, &[]);
    for number in 0..30 {
        person.say(&server, &room, &format!("older message {number}"));
    }
    assert_eq!(server.stop().code(), Some(0));
    let server = launch.start();
    for number in 0..30 {
        person.say(&server, &room, &format!("younger message {number}"));
    }
    server.signal(end);
    server.wait();
    let files = snapshot(launch.data_path());
    Filled {
        launch,
        files,
        person,
        room,
        messages: 61,
    }
}

fn is_data(file: &Path) -> bool {
    file.extension()
        .is_some_and(|e| e == "json" || e == "jsonl")
}

#[test]
fn a_changed_byte_is_noticed_and_nothing_is_touched() {
    for end in ["KILL", "TERM"] {
        let filled = filled(end);
        let mut tried = 0;
        for (file, bytes) in filled.files.iter().filter(|(file, _)| is_data(file)) {
            let lines = bytes.iter().filter(|b| **b == b'\n').count();
            // A digit, a letter, a quote, from the beginning to the end; the last line too, where it is whole.
            for part in 0..6 {
                let begin = (bytes.len() - 2) * part / 5;
                let Some(at) = (begin..bytes.len()).find(|&at| bytes[at].is_ascii_alphanumeric())
                else {
                    continue;
                };
                let mut changed = bytes.clone();
                changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
                restore(filled.launch.data_path(), &filled.files);
                std::fs::write(filled.launch.data_path().join(file), &changed).unwrap();
                refused(
                    &filled.launch,
                    file,
                    &format!("byte {at} of {lines} lines changed"),
                );
                tried += 1;
            }
        }
        assert!(tried >= 12, "{tried}");
        restore(filled.launch.data_path(), &filled.files);
        let server = filled.launch.start();
        let whole = filled.person.whole_history(&server, &filled.room);
        assert_eq!(whole.len(), filled.messages, "undamaged, it starts");
    }
}

#[test]
fn the_message_names_the_line() {
    let filled = filled("KILL");
    for (file, bytes) in filled
        .files
        .iter()
        .filter(|(file, _)| file.extension().is_some_and(|e| e == "jsonl"))
    {
        let starts: Vec<usize> = std::iter::once(0)
            .chain(
                bytes
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'\n')
                    .map(|(at, _)| at + 1),
            )
            .collect();
        if starts.len() < 6 {
            continue;
        }
        let mut changed = bytes.clone();
        let at = starts[3] + 12;
        changed[at] ^= 1;
        restore(filled.launch.data_path(), &filled.files);
        std::fs::write(filled.launch.data_path().join(file), &changed).unwrap();
        let (_, said) = filled.launch.refusal();
        let named = said
            .split(|c: char| !c.is_ascii_digit())
            .any(|number| number == "4");
        assert!(named, "line 4 of {}: {said}", file.display());
    }
}

#[test]
fn a_missing_or_shortened_file_is_noticed() {
    for end in ["KILL", "TERM"] {
        let filled = filled(end);
        for (file, bytes) in filled.files.iter().filter(|(file, _)| is_data(file)) {
            let is_journal = file.to_str().unwrap().starts_with("journal");
            restore(filled.launch.data_path(), &filled.files);
            let path = filled.launch.data_path().join(file);
            // The youngest journal's end is what a crash may take; all other files are whole or damaged.
            std::fs::remove_file(&path).unwrap();
            refused(&filled.launch, file, "removed");
            if !is_journal {
                restore(filled.launch.data_path(), &filled.files);
                std::fs::write(&path, "").unwrap();
                refused(&filled.launch, file, "emptied");
                restore(filled.launch.data_path(), &filled.files);
                std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                refused(&filled.launch, file, "halved");
            }
            restore(filled.launch.data_path(), &filled.files);
            let middle = bytes.len() / 2;
            let after_line = middle
                + bytes[middle..]
                    .iter()
                    .position(|b| *b == b'\n')
                    .unwrap_or(0)
                + 1;
            if after_line < bytes.len() {
                let with = [&bytes[..after_line], b"nonsense\n", &bytes[after_line..]].concat();
                std::fs::write(&path, with).unwrap();
                refused(&filled.launch, file, "a line too many");
            }
        }
    }
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let filled = filled("KILL");
    let journals: Vec<&PathBuf> = filled
        .files
        .keys()
        .filter(|file| file.to_str().unwrap().starts_with("journal"))
        .collect();
    let last = *journals.last().expect("a journal");
    let bytes = &filled.files[last];
    let starts = |server: &Server, expected: usize, what: &str| {
        let whole = filled.person.whole_history(server, &filled.room);
        assert_eq!(whole.len(), expected, "{what}");
        for (at, message) in whole.iter().enumerate() {
            assert_eq!(message["seq"], at as u64 + 1);
        }
        let next = filled.person.say(server, &filled.room, "and on");
        assert_eq!(next["seq"], expected as u64 + 1);
    };
    for torn in [&b"{"[..], b"{\"", b"\0\0\0\0\0\0"] {
        restore(filled.launch.data_path(), &filled.files);
        std::fs::write(filled.launch.data_path().join(last), [bytes, torn].concat()).unwrap();
        let server = filled.launch.start();
        starts(&server, filled.messages, "the torn line alone is gone");
        let name = last.file_name().unwrap().to_str().unwrap();
        until("a line in log.txt", || {
            server.log().contains(name).then_some(())
        });
    }
    // Cut in the middle of the last message: it is gone, as it would be after a power cut before its ack.
    for cut in [2, 5, 20] {
        restore(filled.launch.data_path(), &filled.files);
        std::fs::write(
            filled.launch.data_path().join(last),
            &bytes[..bytes.len() - cut],
        )
        .unwrap();
        let server = filled.launch.start();
        starts(&server, filled.messages - 1, "the cut line alone is gone");
        drop(server);
        let server = filled.launch.start();
        assert_eq!(
            filled.person.whole_history(&server, &filled.room).len(),
            filled.messages
        );
    }
}

/// A disk that rots changes no times. Such damage stops the start, or is told by whoever reads it; nobody gets it.
#[test]
fn a_rotten_byte_is_never_shown() {
    let filled = filled("TERM");
    let mut tried = 0;
    for (file, bytes) in &filled.files {
        let Some(at) = http::find(bytes, b"older message 17") else {
            continue;
        };
        restore(filled.launch.data_path(), &filled.files);
        let server = filled.launch.start();
        assert_eq!(server.stop().code(), Some(0));
        let path = filled.launch.data_path().join(file);
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let mut rotten = bytes.clone();
        rotten[at] = b'y';
        std::fs::write(&path, rotten).unwrap();
        let handle = std::fs::File::options().write(true).open(&path).unwrap();
        handle.set_modified(modified).unwrap();
        tried += 1;
        let Some(server) = filled.launch.try_start() else {
            continue;
        };
        for query in ["limit=200", "limit=10&after=15", "before=20&limit=1"] {
            let path = format!("/chat/history/{}?{query}", filled.room);
            let answer = filled.person.get(&server, &path).send();
            assert!(!answer.text().contains("ylder message"), "{query}");
            if answer.status != 200 {
                answer.refused(503, "storage_failed");
            }
        }
        let search = filled
            .person
            .get(&server, "/chat/search?q=lder%20message")
            .send();
        assert!(!search.text().contains("ylder message"));
        let mut socket = Socket::hello(&server, &filled.person, json!({&filled.room: 0})).0;
        socket.send(json!({"action": "ListUsers", "id": "end"}));
        loop {
            match socket.event() {
                socket::Event::Closed(_) => break,
                socket::Event::Frame(frame) => {
                    assert!(!frame.to_string().contains("ylder message"), "{frame}");
                    if frame["id"] == "end" {
                        break;
                    }
                }
            }
        }
    }
    assert!(tried > 0, "the message is in one of the files");
}

#[test]
fn a_damaged_secret_is_refused() {
    let filled = filled("TERM");
    let secret = filled
        .files
        .keys()
        .find(|f| f.to_str().unwrap().contains("secret"))
        .expect("a secret")
        .clone();
    for damaged in ["", "short"] {
        std::fs::write(filled.launch.data_path().join(&secret), damaged).unwrap();
        refused(&filled.launch, &secret, "damaged");
    }
}
