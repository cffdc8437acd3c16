//! Every byte changed, every file cut at every byte or removed: all that was acked is found, or the start is refused
//! by name with the files as they were.

use super::double::*;
use super::*;
use std::collections::BTreeMap;

/// A directory as it is after a stop, and then a crash: state, segments, and a journal with events.
fn directory() -> (MemoryDisk, State, Vec<(LogId, Vec<String>)>) {
    let disk = MemoryDisk::default();
    let options = || Options {
        segment_messages: 3,
        ..small()
    };
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    hub.push(&hub.user("Eva"));
    hub.push(&room("Office", &["Eva"]));
    for index in 0..4 {
        hub.push(&hub.message(
            "Office",
            "Eva",
            "one \"two\"\nthree",
            Some(&index.to_string()),
        ));
    }
    let last = hub.push(&hub.report("slow"));
    hub.wait(last);
    hub.journal.close().unwrap();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    hub.push_and_wait(&hub.message("general", "Eva", "in the journal", Some("j")));
    hub.push_and_wait(&hub.message("Office", "Eva", "the last", None));
    let found = contents(&hub.state, &hub.reader);
    let state = hub.state.clone();
    drop(hub.journal);
    (disk.survivor(Survival::All), state, found)
}

/// What a start made of a directory.
enum Start {
    Whole,
    /// Less than was there, but a prefix of it.
    Prefix,
    Refused(String),
}

fn start(disk: &MemoryDisk, state: &State, found: &[(LogId, Vec<String>)]) -> Start {
    let files = disk.files();
    let operations = disk.operations();
    match open_disk(Box::new(disk.clone()), small(), 1) {
        Err(error) => {
            assert_eq!(disk.operations(), operations, "a refusal changes nothing");
            assert_eq!(disk.files(), files);
            Start::Refused(error.to_string())
        }
        Ok(opened) => {
            let reader = opened.store.reader();
            if opened.state == *state {
                assert_eq!(contents(state, &reader), found);
                return Start::Whole;
            }
            for (log, lines) in contents(&opened.state, &reader) {
                let all = &found.iter().find(|(f, _)| *f == log).unwrap().1;
                assert!(all.starts_with(&lines));
            }
            Start::Prefix
        }
    }
}

fn live_journal(files: &BTreeMap<String, Vec<u8>>) -> String {
    files
        .keys()
        .rfind(|name| name.starts_with("journal-"))
        .unwrap()
        .clone()
}

#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let (disk, state, found) = directory();
    let files = disk.files();
    assert_eq!(files.len(), 6, "{:?}", files.keys());
    let mut refused = 0;
    for (name, content) in &files {
        for index in 0..content.len() {
            let bits = (0..8).map(|bit| content[index] ^ 1 << bit);
            for change in bits.chain([b'\n', 0]) {
                if change == content[index] {
                    continue;
                }
                let disk = disk.survivor(Survival::All);
                let mut changed = content.clone();
                changed[index] = change;
                disk.put(name, changed, true);
                match start(&disk, &state, &found) {
                    Start::Whole => {
                        let end = index + 1 == content.len();
                        assert!(
                            end,
                            "{name}, byte {index} made {change}: only a line end may differ"
                        );
                    }
                    Start::Prefix => {
                        panic!("{name}, byte {index} made {change}: something is lost")
                    }
                    Start::Refused(error) => {
                        refused += 1;
                        assert!(error.starts_with(name.as_str()), "{name}: {error}");
                    }
                }
            }
        }
    }
    println!("{refused} changed bytes refused by name, each file as it was");
    assert!(refused > 5_000, "{refused}");
}

#[test]
fn a_file_cut_at_any_byte_is_noticed_and_a_torn_end_is_cut_off() {
    let (disk, state, found) = directory();
    let files = disk.files();
    let live = live_journal(&files);
    let mut tried = 0;
    for (name, content) in &files {
        let lines: Vec<usize> = memchr::memchr_iter(b'\n', content).collect();
        for length in 0..content.len() {
            let disk = disk.survivor(Survival::All);
            disk.put(name, content[..length].to_vec(), true);
            tried += 1;
            match start(&disk, &state, &found) {
                Start::Refused(error) => {
                    assert!(error.starts_with(name.as_str()), "{name}: {error}")
                }
                Start::Whole => assert_eq!(
                    length + 1,
                    content.len(),
                    "{name}: only a line end may be missing"
                ),
                Start::Prefix => {
                    assert_eq!(*name, live, "only the last journal may have a torn end");
                    assert!(length > lines[0], "its header is never torn");
                }
            }
        }
        for nuls in [1, 100] {
            let disk = disk.survivor(Survival::All);
            let longer = [content.as_slice(), &vec![0; nuls]].concat();
            disk.put(name, longer, true);
            match start(&disk, &state, &found) {
                // What a segment or journal has beyond its record is void.
                Start::Whole => assert_ne!(name, snapshot::FILE),
                Start::Refused(error) => assert!(error.starts_with(snapshot::FILE), "{error}"),
                Start::Prefix => panic!("{name}"),
            }
        }
    }
    println!("{tried} lengths of files tried");
}

#[test]
fn a_torn_end_is_noted_and_void_from_then_on() {
    let (disk, state, found) = directory();
    let live = live_journal(&disk.files());
    let mut content = disk.files()[&live].clone();
    content.extend_from_slice(br#"{"n":3,"event":"Mess"#);
    disk.put(&live, content.clone(), true);
    let opened = open_disk(Box::new(disk.clone()), small(), 1).unwrap();
    assert_eq!(opened.notes.len(), 1);
    assert!(
        opened.notes[0].starts_with(&format!("{live}, line 4")),
        "{}",
        opened.notes[0]
    );
    assert_eq!(disk.files()[&live], content, "the file is left as it is");
    drop(opened);
    for _ in 0..2 {
        assert!(matches!(start(&disk, &state, &found), Start::Whole));
    }
    // Now that a header says what counts, less than that is damage.
    disk.put(&live, content[..60].to_vec(), true);
    assert!(matches!(start(&disk, &state, &found), Start::Refused(_)));
}

#[test]
fn an_unfinished_end_may_be_anything_and_a_finished_line_may_not() {
    let (disk, state, found) = directory();
    let live = live_journal(&disk.files());
    let with_tail = |tail: &str| {
        let disk = disk.survivor(Survival::All);
        let content = [disk.files()[&live].as_slice(), tail.as_bytes()].concat();
        disk.put(&live, content, true);
        start(&disk, &state, &found)
    };
    for torn in ["x", "{\"n\":4", "{\"n\":3,\"data\"", "\0\0x", "\0\0\0"] {
        assert!(matches!(with_tail(torn), Start::Whole), "{torn:?}");
    }
    for damage in ["\n", "{}\n", "x\n{\"n\":3,"] {
        assert!(matches!(with_tail(damage), Start::Refused(_)), "{damage:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let (disk, state, found) = directory();
    for name in disk.files().keys() {
        let disk = disk.survivor(Survival::All);
        disk.delete(name);
        match start(&disk, &state, &found) {
            Start::Refused(error) => assert!(error.contains(name.as_str()), "{name}: {error}"),
            // Nobody can tell a last journal that is gone from one that never was.
            _ => assert_eq!(*name, live_journal(&directory().0.files())),
        }
    }
}

#[test]
fn damage_while_running_is_an_error_and_never_a_wrong_line() {
    let (disk, _, found) = directory();
    let name = "rooms/000001/000000001.jsonl";
    let content = disk.files()[name].clone();
    let log = LogId::Room(crate::model::RoomId(1));
    let hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
    let lines = &found.iter().find(|(f, _)| *f == log).unwrap().1;
    for index in 0..content.len() {
        let mut changed = content.clone();
        changed[index] ^= 1;
        disk.put(name, changed, false);
        let mut errors = 0;
        for (line, seq) in lines.iter().zip(1..) {
            match hub.reader.line(log, seq) {
                Ok(found) => assert_eq!(found.unwrap().json(), line.as_bytes()),
                Err(error) => {
                    errors += 1;
                    assert_eq!(error.code, crate::protocol::Code::StorageFailed);
                }
            }
        }
        assert!(errors > 0, "byte {index}");
        hub.wait_for(|heard| {
            matches!(heard, Heard::Log(event) if event == "damaged").then_some(())
        });
    }
    disk.delete(name);
    assert!(hub.reader.line(log, 1).is_err());
    hub.wait_for(|heard| {
        matches!(heard, Heard::Log(event) if event == "read_failed").then_some(())
    });
}

#[test]
fn files_of_a_newer_format_are_left_to_a_newer_version() {
    let (disk, ..) = directory();
    let newer = disk.survivor(Survival::All);
    let mut state = br#"{"format":2,"people":[]"#.to_vec();
    line::seal(&mut state, 0);
    newer.put(snapshot::FILE, state, true);
    let error = open_disk(Box::new(newer), small(), 1)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("Start a newer Melangerie"), "{error}");

    let name = live_journal(&disk.files());
    let mut journal = br#"{"format":2,"journal":3,"previous":null"#.to_vec();
    line::seal(&mut journal, 0);
    journal.push(b'\n');
    disk.put(&name, journal, true);
    let error = open_disk(Box::new(disk), small(), 1)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("Start a newer Melangerie"), "{error}");
}

#[test]
fn an_interrupted_first_start_is_a_first_start() {
    let disk = MemoryDisk::default();
    writer::create(&disk, 1, None).unwrap();
    assert_eq!(
        open_disk(Box::new(disk), small(), 5).unwrap().state,
        State::new(5)
    );
}

#[test]
fn missing_pages_are_torn_in_the_last_write_and_damage_before_it() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), Options::default(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    let mut write = |count: usize| {
        let before = disk.files()["journal-000001.jsonl"].len();
        let mut entries = Vec::new();
        for _ in 0..count {
            let event = hub.message("general", "Eva", &"long ".repeat(150), None);
            entries.push(hub.decide(&event));
        }
        let last = entries.last().unwrap().then;
        hub.journal.push(&mut entries);
        hub.wait(last);
        before..disk.files()["journal-000001.jsonl"].len()
    };
    let (first, last) = (write(3), write(3));
    let content = disk.files()["journal-000001.jsonl"].clone();
    let found = contents(&hub.state, &hub.reader);
    let try_hole = |from: usize, to: usize| {
        let disk = disk.survivor(Survival::All);
        let mut content = content.clone();
        content[from..to].fill(0);
        disk.put("journal-000001.jsonl", content, true);
        start(&disk, &hub.state, &found)
    };
    for sector in first.start / torn::SECTOR + 1..content.len() / torn::SECTOR {
        let (from, to) = (sector * torn::SECTOR, (sector + 1) * torn::SECTOR);
        match try_hole(from, to) {
            Start::Prefix => assert!(
                from >= last.start,
                "{from} was synced before the last write"
            ),
            Start::Refused(error) => {
                assert!(from < last.start, "{error}");
                assert!(error.starts_with("journal-000001.jsonl, line"), "{error}");
            }
            Start::Whole => panic!("something is missing"),
        }
        // What no disk leaves is damage, wherever it is.
        assert!(matches!(try_hole(from + 1, to), Start::Refused(_)));
        assert!(matches!(try_hole(from, to - 1), Start::Refused(_)));
    }
}
