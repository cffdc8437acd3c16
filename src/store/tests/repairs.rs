//! Damage of every kind: `check` names it, `repair` makes it start again, and nothing that was readable is lost.

use super::double::*;
use super::*;
use crate::model::RoomId;
use crate::protocol::RoomEvent;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// When a repair's segments are full.
const FOUR: segments::Full = segments::Full {
    messages: 4,
    bytes: limits::SEGMENT_BYTES,
};

/// Two lives: what the first one left is folded, what the second did is in a journal.
pub fn directory() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let options = || Options {
        segment_messages: 4,
        ..small()
    };
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    for name in ["Eva", "mira"] {
        let event = joined(&hub.state, name);
        hub.push_and_wait(&event);
    }
    hub.push_and_wait(&room("Office", &["Eva", "mira"]));
    for index in 0..4 {
        let event = hub.message("Office", "Eva", &format!("folded {index}"), None);
        hub.push_and_wait(&event);
    }
    hub.push_and_wait(&hub.report("slow"));
    hub.journal.close().unwrap();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    hub.push_and_wait(&joined(&hub.state, "Ann"));
    hub.push_and_wait(&room("Cellar", &["Ann"]));
    for index in 1..3 {
        for (room, sender) in [("Office", "mira"), ("Cellar", "Ann"), ("general", "Eva")] {
            let event = hub.message(room, sender, &format!("young {index}"), Some("x"));
            hub.push_and_wait(&event);
        }
    }
    drop(hub.journal);
    disk.survivor(Survival::All)
}

fn joined(state: &State, name: &str) -> Event {
    let mut event = new_user(state, name);
    if let Event::UserCreated { announcement, .. } = &mut event {
        announcement.event = Some(RoomEvent::Joined { user: name.into() });
    }
    event
}

/// All of [`directory`] is folded, and in the place of its `state.json` there is one from before its second life.
pub fn with_older_state() -> MemoryDisk {
    let disk = directory();
    let old = disk.files()[snapshot::FILE].clone();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
    hub.push_and_wait(&hub.report("slower"));
    hub.journal.close().unwrap();
    with(snapshot::FILE, &disk, old)
}

/// Every line that stands whole in a file: room and `seq`, and its JSON.
fn whole_lines(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<(String, Seq), String> {
    let mut lines = BTreeMap::new();
    for (name, content) in files {
        for piece in line::pieces(content).iter().filter(|piece| piece.whole) {
            let text = std::str::from_utf8(&content[piece.start..piece.end]).unwrap();
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let message = match name.starts_with("journal") {
                true => [&value["data"]["announcement"], &value["data"]]
                    .into_iter()
                    .find(|message| message["seq"].is_u64())
                    .cloned(),
                false => Some(value),
            };
            let Some(mut message) = message.filter(|message| message["content"].is_string()) else {
                continue;
            };
            message.as_object_mut().unwrap().remove("crc");
            let message: Message = serde_json::from_value(message).unwrap();
            let key = (message.room.clone(), message.seq);
            lines.insert(key, serde_json::to_string(&message).unwrap());
        }
    }
    lines
}

pub fn repair(disk: &MemoryDisk) -> Vec<String> {
    try_repair(disk).unwrap_or_else(|e| panic!("{e}"))
}

pub fn try_repair(disk: &MemoryDisk) -> Result<Vec<String>, OpenError> {
    let mut passwords = 0;
    let mut new_password = || {
        passwords += 1;
        Ok(NewPassword {
            text: format!("word-{passwords}"),
            hash: "$argon2id$new".to_owned(),
        })
    };
    let mut means = repair::Means {
        now: 5_000_000,
        full: FOUR,
        new_password: &mut new_password,
    };
    repair::repair(disk, &mut means)
}

pub fn check(disk: &MemoryDisk) -> check::Checked {
    let operations = disk.operations();
    let checked = check::check(disk).unwrap();
    assert_eq!(disk.operations(), operations, "a check changes nothing");
    checked
}

/// What became of a directory.
#[derive(Debug, PartialEq)]
enum Outcome {
    Fine,
    Repaired { losses: usize },
}

/// Checks a directory, repairs it if need be, and finds every whole line again.
fn heal(disk: &MemoryDisk, name: &str, what: &str, people: &[&str]) -> Outcome {
    let files = disk.files();
    let starts = open_disk(Box::new(disk.survivor(Survival::All)), small(), 1);
    let checked = check(disk);
    match starts {
        Ok(_) => assert_eq!(checked.problems, Vec::<String>::new(), "{what}"),
        Err(error) => assert!(!checked.problems.is_empty(), "{what}: {error}"),
    }
    if checked.problems.is_empty() {
        return Outcome::Fine;
    }
    assert!(
        checked
            .problems
            .iter()
            .any(|problem| problem.contains(name)),
        "{what}: {:?}",
        checked.problems
    );
    let losses = repair(disk);
    let again = check(disk);
    assert_eq!(again.problems, Vec::<String>::new(), "{what}");
    let opened = open_disk(Box::new(disk.clone()), small(), 1);
    let opened = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let reader = opened.store.reader();
    let mut found = BTreeMap::new();
    for (id, room) in opened.state.rooms() {
        let lines = all_lines(&reader, LogId::Room(id));
        for (seq, line) in (1..).zip(lines) {
            let message: Message = serde_json::from_str(&line).unwrap();
            assert_eq!((message.seq, &*message.room), (seq, &*room.name), "{what}");
            found.insert((room.name.to_string(), seq), line);
        }
    }
    all_lines(&reader, LogId::Reports);
    assert_people(&opened.state, what, people);
    for (key, line) in whole_lines(&files) {
        assert_eq!(found.get(&key), Some(&line), "{what}: {key:?}\n{losses:#?}");
    }
    Outcome::Repaired {
        losses: losses.len(),
    }
}

/// Who has an account; the last one's is in the journal.
const EVERYBODY: [&str; 3] = ["Eva", "mira", "Ann"];

/// Nobody has lost their name, their rooms or their rights, and nobody may find a room who could not.
fn assert_people(state: &State, what: &str, people: &[&str]) {
    for &name in people {
        let user = state.find_user(name);
        let user = user.unwrap_or_else(|| panic!("{what}: {name} is gone"));
        assert_eq!(state.user(user).admin, name == "Eva", "{what}: {name}");
        let room = if name == "Ann" { "Cellar" } else { "Office" };
        for name in [room, "general"] {
            let room = state.room(state.find_room(name).unwrap());
            assert!(room.has(user), "{what}: {name}");
            assert_eq!(room.is_public(), name == "general", "{what}: {name}");
        }
    }
}

pub fn with(name: &str, disk: &MemoryDisk, content: Vec<u8>) -> MemoryDisk {
    let disk = disk.survivor(Survival::All);
    disk.put(name, content, true);
    disk
}

#[test]
fn a_sound_directory_is_fine() {
    let checked = check(&directory());
    assert_eq!(checked.problems, Vec::<String>::new());
    assert_eq!(
        checked.found.to_string(),
        "3 users, 3 rooms, 15 messages, 1 report, in 4 segments and 1 journal (8 events)"
    );
}

#[test]
fn every_changed_byte_is_named_and_repaired() {
    let disk = directory();
    let mut repaired = 0;
    for (name, content) in disk.files() {
        for index in 0..content.len() {
            // A line end makes two lines of one.
            for change in [1, 0x20, 0x80]
                .map(|bit| content[index] ^ bit)
                .into_iter()
                .chain([b'\n'])
            {
                let mut changed = content.clone();
                changed[index] = change;
                if changed == content {
                    continue;
                }
                let what = format!("{name}, byte {index} made {change}");
                match heal(&with(&name, &disk, changed), &name, &what, &EVERYBODY) {
                    Outcome::Fine => assert_eq!(index + 1, content.len(), "{what}"),
                    Outcome::Repaired { losses } => {
                        repaired += 1;
                        // Where only a line's end was damaged, nothing is lost.
                        assert!(losses > 0 || content[index] == b'\n', "{what}");
                    }
                }
            }
        }
    }
    println!("{repaired} changed bytes repaired");
    assert!(repaired > 3_000, "{repaired}");
}

#[test]
fn every_cut_is_named_and_repaired() {
    let disk = directory();
    let mut tried = 0;
    for (name, content) in disk.files() {
        let people = match name.starts_with("journal") {
            true => &EVERYBODY[..2],
            false => &EVERYBODY,
        };
        for length in 0..content.len() {
            let what = format!("{name} cut to {length}");
            let cut = with(&name, &disk, content[..length].to_vec());
            let outcome = heal(&cut, &name, &what, people);
            tried += 1;
            let may_be_torn = name == "journal-000002.jsonl" || length + 1 == content.len();
            assert!(outcome != Outcome::Fine || may_be_torn, "{what}");
        }
        let disk = disk.survivor(Survival::All);
        disk.delete(&name);
        let outcome = heal(&disk, &name, &format!("{name} removed"), people);
        assert_ne!(outcome, Outcome::Fine, "{name}");
    }
    println!("{tried} cut files named or repaired");
}

/// What stands behind a hole is found, however much was in it.
#[test]
fn a_journal_that_is_shorter_by_its_front_or_middle_keeps_the_rest() {
    const EVENTS: usize = 2_000;
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), one_journal(), 1).unwrap());
    hub.push_and_wait(&joined(&hub.state, "Eva"));
    for index in 1..EVENTS {
        let event = hub.message("general", "Eva", &format!("said {index}"), None);
        hub.push_and_wait(&event);
    }
    drop(hub.journal);
    let disk = disk.survivor(Survival::All);
    let name = "journal-000001.jsonl";
    let content = disk.files()[name].clone();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &content).collect();
    // The header's line and two events, or nothing, stay ahead of the hole; one event stays behind it.
    for front in [0, ends[2] + 1] {
        let rest = &content[ends[EVENTS - 1] + 1..];
        let disk = with(name, &disk, [&content[..front], rest].concat());
        let losses = repair(&disk);
        assert_eq!(check(&disk).problems, Vec::<String>::new(), "{losses:#?}");
        let opened = open_disk(Box::new(disk), small(), 1).unwrap();
        let general = opened.state.find_room("general").unwrap();
        let lines = all_lines(&opened.store.reader(), LogId::Room(general));
        assert_eq!(lines.len(), EVENTS, "{front}: {losses:#?}");
        let last = lines.last().unwrap();
        assert!(last.contains(&format!("said {}", EVENTS - 1)), "{last}");
    }
}

/// All is in one journal.
fn one_journal() -> Options {
    Options {
        journal_bytes: u64::MAX,
        ..small()
    }
}

#[test]
fn two_files_may_be_damaged_at_once() {
    let disk = directory();
    let files: Vec<(String, Vec<u8>)> = disk.files().into_iter().collect();
    for (first, one) in &files {
        for (second, other) in files.iter().filter(|(second, _)| second > first) {
            for part in 1..8 {
                let mut one = one.clone();
                let mut other = other.clone();
                let (at, there) = (one.len() * part / 8, other.len() * (8 - part) / 8);
                one[at] ^= 4;
                other[there] ^= 4;
                let disk = with(second, &with(first, &disk, one), other);
                let what = format!("{first} at {at} and {second} at {there}");
                assert_ne!(heal(&disk, first, &what, &[]), Outcome::Fine, "{what}");
            }
        }
    }
}

/// What a `state.json` from before does not know of is taken from the segments: messages, rooms, and who is in them.
#[test]
fn nothing_is_dropped_that_an_older_state_does_not_record() {
    let disk = with_older_state();
    let outcome = heal(&disk, "journal-000002.jsonl", "older", &EVERYBODY);
    assert_ne!(outcome, Outcome::Fine);
    let checked = check(&disk);
    assert_eq!(
        checked.found.to_string(),
        "3 users, 3 rooms, 15 messages, 2 reports, in 8 segments and 1 journal (0 events)"
    );

    let disk = with_older_state();
    let losses = repair(&disk).join("\n");
    for told in [
        "journal-000002.jsonl and the 1 after it are missing",
        "rooms/000000/000000001.jsonl has 3 messages that state.json does not record, which are taken.",
        "rooms/000001/000000005.jsonl has 2 messages that state.json does not record, which are taken.",
        "rooms/000002/000000001.jsonl has 3 messages that state.json does not record, which are taken.",
        "reports/000000001.jsonl has 1 report that state.json does not record, which is taken.",
        "Events may be lost of which nobody can tell what they were",
    ] {
        assert!(losses.contains(told), "{told}: {losses}");
    }
    assert!(!losses.contains("not taken"), "{losses}");
}

/// A damaged line costs no more than itself, there as elsewhere.
#[test]
fn beyond_the_record_a_damaged_line_is_filled() {
    let disk = damage(
        &with_older_state(),
        "rooms/000001/000000005.jsonl",
        "young 1",
    );
    let losses = repair(&disk);
    let told = r#"The room "Office" has lost 1 message: 6."#;
    assert!(
        losses.iter().any(|loss| loss.starts_with(told)),
        "{losses:#?}"
    );
    let opened = open_disk(Box::new(disk), small(), 1).unwrap();
    let office = opened.state.find_room("Office").unwrap();
    let lines = all_lines(&opened.store.reader(), LogId::Room(office));
    assert!(lines[6].contains("young 2"), "{lines:#?}");
}

/// A segment's line of the second room.
fn foreign_line(seq: Seq) -> Vec<u8> {
    let office = LogId::Room(RoomId(1));
    let message = message("Office", seq, "Eva", "of another history", None);
    let mut new = segments::NewLines::default();
    new.push(&serde_json::to_vec(&message).unwrap(), 7);
    let other = MemoryDisk::default();
    segments::write_new(&other, office, &[(seq, new)]).unwrap();
    other.files()[&segments::file(office, seq)].clone()
}

/// The second room's lines after a repair, one of whose files, the one that begins with the message `file`, had such lines too;
/// `told` is what the repair says of them.
fn repaired_with_foreign(
    disk: MemoryDisk,
    file: Seq,
    seqs: RangeInclusive<Seq>,
    told: &str,
) -> Vec<String> {
    let office = LogId::Room(RoomId(1));
    let file = segments::file(office, file);
    let known = disk.files().get(&file).cloned();
    let is_new = known.is_none();
    let mut content = known.unwrap_or_default();
    seqs.for_each(|seq| content.extend(foreign_line(seq)));
    if is_new {
        disk.add(&file, &content);
    } else {
        disk.put(&file, content, true);
    }
    let losses = repair(&disk);
    let told = format!("{file}: {told}");
    assert!(
        losses.iter().any(|loss| loss.starts_with(&told)),
        "{told}: {losses:#?}"
    );
    let opened = open_disk(Box::new(disk), small(), 1).unwrap();
    all_lines(&opened.store.reader(), office)
}

/// Nor is a hole filled with what follows upon another history.
#[test]
fn what_is_lost_is_not_replaced_from_another_history() {
    let disk = damage(&directory(), "journal-000002.jsonl", "young 2");
    let lines = repaired_with_foreign(disk, 5, 6..=7, "2 readable messages are not taken");
    assert!(lines[5].contains("young 1"), "{lines:#?}");
    assert!(!lines.concat().contains("of another history"), "{lines:#?}");
}

/// Lines of another history, by what the journals say or by a gap before their file, are not made part of this one; and
/// that is said.
#[test]
fn what_does_not_continue_a_room_is_left_and_told() {
    for (file, seqs, told) in [
        (5, 6..=9, "4 readable messages are not taken"),
        (20, 20..=21, "2 readable messages are not taken"),
    ] {
        let disk = damage(&directory(), "reports/000000001.jsonl", "slow");
        let lines = repaired_with_foreign(disk, file, seqs, told);
        assert_eq!(lines.len(), 7, "{lines:#?}");
        assert!(lines[6].contains("young 2"), "{lines:#?}");
    }
}

/// Changes a byte of the line that contains `text`.
pub fn damage(disk: &MemoryDisk, name: &str, text: &str) -> MemoryDisk {
    let mut content = disk.files()[name].clone();
    let at = memchr::memmem::find(&content, text.as_bytes()).expect(text);
    content[at] ^= 1;
    with(name, disk, content)
}

#[test]
fn what_is_lost_is_told_exactly_and_something_stands_in_its_place() {
    for (name, text, told) in [
        (
            "rooms/000001/000000001.jsonl",
            "folded 1",
            r#"The room "Office" has lost 1 message: 3."#,
        ),
        (
            "journal-000002.jsonl",
            "young 1",
            r#"The room "Office" has lost 1 message: 6."#,
        ),
        // The last of its room: by what is left of the line, its place is known.
        (
            "journal-000002.jsonl",
            r#"Eva","content":"young 2"#,
            r#"The room "general" has lost 1 message: 5."#,
        ),
        ("reports/000000001.jsonl", "slow", "Lost: 1 report, 1."),
    ] {
        let disk = damage(&directory(), name, text);
        let losses = repair(&disk);
        let count = losses
            .iter()
            .filter(|loss| loss.contains("stands one from Server"))
            .count();
        assert!(
            losses.iter().any(|loss| loss.starts_with(told)),
            "{losses:#?}"
        );
        assert_eq!(count, 1, "{losses:#?}");
        let opened = open_disk(Box::new(disk), small(), 1).unwrap();
        let reader = opened.store.reader();
        let lines: Vec<String> = opened
            .state
            .logs()
            .flat_map(|log| all_lines(&reader, log))
            .collect();
        let placeholders: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("was lost"))
            .collect();
        assert_eq!(placeholders.len(), 1, "{lines:#?}");
        assert!(placeholders[0].contains(r#""Server""#), "{placeholders:?}");
    }
}

#[test]
fn an_account_that_is_lost_gets_a_password_and_a_room_keeps_its_people() {
    let disk = damage(&directory(), snapshot::FILE, r#"{"name":"mira""#);
    let losses = repair(&disk);
    assert!(
        losses
            .iter()
            .any(|loss| loss.contains(r#""mira""#) && loss.contains("word-1")),
        "{losses:#?}"
    );
    let state = open_disk(Box::new(disk), small(), 1).unwrap().state;
    let user = state.user(state.find_user("mira").unwrap());
    assert_eq!(
        (user.password.as_str(), user.admin),
        ("$argon2id$new", false)
    );
    assert_eq!(user.generation, 5_000, "older tokens are dead");

    let disk = damage(&directory(), snapshot::FILE, r#""name":"Office""#);
    let losses = repair(&disk);
    assert!(
        losses
            .iter()
            .any(|loss| loss.contains(r#"the room "Office""#)),
        "{losses:#?}"
    );
    let state = open_disk(Box::new(disk), small(), 1).unwrap().state;
    let room = state.room(state.find_room("Office").unwrap());
    assert!(!room.is_public(), "nobody may find it who could not before");
    assert_eq!(room.last_seq, 7);
}

#[test]
fn texts_stay_replaced_by_what_is_not_lost() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
    hub.push_and_wait(&joined(&hub.state, "Eva"));
    for (content, replaces) in [("frist", None), ("first", Some(2)), ("First", Some(2))] {
        let mut event = hub.message("general", "Eva", content, None);
        if let Event::Message(message) = &mut event {
            message.replaces = replaces;
        }
        hub.push_and_wait(&event);
    }
    hub.journal.close().unwrap();
    let file = "rooms/000000/000000001.jsonl";
    for (name, text, by) in [
        (snapshot::FILE, r#""name":"general""#, 4),
        (file, "frist", 4),
        (file, r#""content":"first"#, 4),
        (file, "First", 3),
    ] {
        let disk = damage(&disk, name, text);
        repair(&disk);
        let state = open_disk(Box::new(disk), small(), 1).unwrap().state;
        let general = state.room(state.find_room("general").unwrap());
        let replaced: Vec<_> = general.replaced.iter().collect();
        assert_eq!(replaced, [(&2, &by)], "{text}");
    }
}
