//! Repairs that are interrupted or fail, at every operation, at every read and by every power cut: nothing that was
//! readable is lost by it, and done again they give what they would have given.

use super::double::*;
use super::power::{Effort, Model, Random};
use super::repairs::{check, damage, directory, repair, try_repair, with_older_state};
use super::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

type Contents = Vec<(LogId, Vec<String>)>;

/// Directories with damage of several kinds, named.
fn damaged() -> Vec<(&'static str, MemoryDisk)> {
    let sound = directory;
    let lines = damage(&sound(), "rooms/000001/000000001.jsonl", "folded 1");
    let lines = damage(&lines, "journal-000002.jsonl", "young 1");
    let reports = damage(&sound(), "reports/000000001.jsonl", "slow");
    let account = damage(&sound(), snapshot::FILE, r#"{"name":"mira""#);
    let room = damage(&sound(), snapshot::FILE, r#""name":"Office""#);
    let gone = sound();
    gone.delete(snapshot::FILE);
    let members = with_members();
    members.delete(snapshot::FILE);
    let segment = sound();
    segment.delete("rooms/000001/000000001.jsonl");
    vec![
        ("lines", lines),
        ("a report", reports),
        ("an account", account),
        ("a room", room),
        ("no state.json", gone),
        ("a segment removed", segment),
        ("an older state.json", with_older_state()),
        (
            "no state.json, and who is in a room is in the journal",
            members,
        ),
    ]
}

/// Somebody comes and somebody goes in a room that is not folded yet.
fn with_members() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
    for name in ["Eva", "mira", "Ann"] {
        hub.push_and_wait(&hub.user(name));
    }
    hub.push_and_wait(&room("Office", &["Eva", "Ann"]));
    let said = |hub: &Hub, content: &str| match hub.message("Office", SERVER_NAME, content, None) {
        Event::Message(message) => message,
        _ => unreachable!(),
    };
    let added = Event::MembersAdded {
        room: "Office".into(),
        users: vec!["mira".into()],
        announcement: said(&hub, "Eva added mira"),
    };
    hub.push_and_wait(&added);
    let left = Event::MemberLeft {
        room: "Office".into(),
        user: "Ann".into(),
        announcement: said(&hub, "Ann left the room"),
    };
    hub.push_and_wait(&left);
    hub.push_and_wait(&hub.message("Office", "Eva", "just us", None));
    drop(hub.journal);
    disk.survivor(Survival::All)
}

/// What a start finds.
fn found(disk: &MemoryDisk, what: &str) -> (State, Contents) {
    assert_eq!(check(disk).problems, Vec::<String>::new(), "{what}");
    let opened = open_disk(Box::new(disk.clone()), small(), 1);
    let opened = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let contents = contents(&opened.state, &opened.store.reader());
    (opened.state, contents)
}

/// Repairs what is left, where that is needed, and compares.
fn assert_healed(left: &MemoryDisk, expected: &(State, Contents), what: &str) {
    if !check(left).problems.is_empty() {
        try_repair(left).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let now = found(left, what);
    assert_eq!(now.1, expected.1, "{what}");
    assert_eq!(now.0, expected.0, "{what}");
}

#[test]
fn a_repair_of_which_an_operation_fails_is_done_again() {
    let mut tried = 0;
    for (name, damaged) in damaged() {
        let whole = damaged.survivor(Survival::All);
        repair(&whole);
        let operations = whole.operations();
        let expected = found(&whole, name);
        for first in 0..operations {
            for fault in FAULTS {
                for count in [1, u64::MAX] {
                    let what = format!("{name}: {count} operations from {first} on, {fault:?}");
                    let disk = damaged.survivor(Survival::All);
                    disk.plan(Some(Plan {
                        first,
                        count,
                        fault,
                    }));
                    let error = try_repair(&disk).err();
                    let error = error.unwrap_or_else(|| panic!("{what}: it says that all is well"));
                    assert!(
                        error.to_string().contains("on the double"),
                        "{what}: {error}"
                    );
                    for survival in SURVIVALS {
                        let left = disk.survivor(survival);
                        assert_healed(&left, &expected, &format!("{what}, {survival:?}"));
                        tried += 1;
                    }
                }
            }
        }
    }
    println!("{tried} states after a failed operation of a repair");
    assert!(tried > 1_000, "{tried}");
}

/// What the system does not give is not taken for lost.
#[test]
fn a_repair_that_cannot_read_changes_nothing_or_does_it_all() {
    let mut refused = 0;
    for (name, damaged) in damaged() {
        let whole = damaged.survivor(Survival::All);
        repair(&whole);
        let reads = whole.reads();
        let expected = found(&whole, name);
        for before in 0..reads {
            let what = format!("{name}: read {before}");
            let disk = damaged.survivor(Survival::All);
            disk.fail_read(before);
            match try_repair(&disk) {
                Ok(_) => {}
                Err(error) => {
                    assert!(
                        error.to_string().contains("does not read"),
                        "{what}: {error}"
                    );
                    refused += 1;
                }
            }
            assert_healed(&disk, &expected, &what);
        }
        for before in 0..reads {
            let disk = damaged.survivor(Survival::All);
            disk.fail_read(before);
            // Whatever it makes of that, it does not say that all is well.
            if let Ok(checked) = check::check(&disk) {
                assert!(
                    !checked.problems.is_empty(),
                    "{name}: read {before} of a check"
                );
            }
        }
    }
    println!("{refused} repairs refused for a read that failed");
    assert!(refused > 50, "{refused}");
}

/// The same files on a disk that writes down what is done to it; and how many steps it took to put them there.
fn traced(disk: &MemoryDisk) -> MemoryDisk {
    let traced = MemoryDisk::traced();
    let files = disk.files();
    let directories: BTreeSet<&str> = files.keys().map(|name| parent(name)).collect();
    for directory in directories.iter().filter(|name| !name.is_empty()) {
        traced.create_directory(directory).unwrap();
    }
    for (name, content) in &files {
        traced.replace(name, content).unwrap();
    }
    for directory in directories.iter().chain(&["rooms"]) {
        // Where there is none, there is nothing to make durable.
        let _ = traced.sync_directory(directory);
    }
    traced.sync_directory("").unwrap();
    traced.note(Step::Pushed(0));
    traced
}

/// Calls `judge` with every state that a power cut may leave after each step that follows the mark of [`traced`].
pub fn after_every_cut(
    steps: &[Step],
    effort: &Effort,
    mut judge: impl FnMut(MemoryDisk, &str),
) -> usize {
    let begin = steps
        .iter()
        .position(|step| matches!(step, Step::Pushed(_)))
        .unwrap();
    let mut model = Model::default();
    let mut random = Random::new(1);
    let mut seen = HashSet::new();
    for (index, step) in steps.iter().enumerate() {
        model.apply(step);
        if index < begin {
            continue;
        }
        let mut remains = Vec::new();
        model.remains(effort, &mut random, |state| remains.push(state));
        for state in remains {
            if seen.insert(state.fingerprint()) {
                judge(
                    model.rebuild(&state),
                    &format!("after step {}: {state:?}", index - begin),
                );
            }
        }
    }
    seen.len()
}

#[test]
fn whenever_the_power_goes_a_repair_is_done_again() {
    let effort = Effort {
        every_byte: 8,
        between: 2,
        combinations: 64,
    };
    let mut states = 0;
    for (name, damaged) in damaged() {
        let whole = damaged.survivor(Survival::All);
        repair(&whole);
        let expected = found(&whole, name);
        let disk = traced(&damaged);
        repair(&disk);
        states += after_every_cut(&disk.take_trace(), &effort, |left, what| {
            assert_healed(&left, &expected, &format!("{name} {what}"));
        });
    }
    println!("{states} different states that a power cut may leave of a repair");
    assert!(states > 500, "{states}");
}

/// A migration that exists for these tests alone: every message gets a new word, then `state.json` its format.
mod migrating {
    use super::*;
    use crate::store::migrate::{Migration, migrate};
    use std::path::PathBuf;

    const WORD: &str = "folded";
    const STEP: Migration = Migration { from: 0, run };

    fn text(disk: &dyn Disk, name: &str) -> io::Result<String> {
        let mut content = Vec::new();
        disk.read(name, u64::MAX, &mut content)?;
        Ok(String::from_utf8(content).expect("UTF-8"))
    }

    /// The whole of `state.json` with this format.
    fn with_format(text: &str, from: u64, to: u64) -> Vec<u8> {
        let body = text.rsplit_once(r#","crc":"#).expect("a checksum").0;
        let body = body.replacen(
            &format!(r#""format":{from}"#),
            &format!(r#""format":{to}"#),
            1,
        );
        let mut content = body.into_bytes();
        line::seal(&mut content, 0);
        content.push(b'\n');
        content
    }

    /// Writes a file that the old format had not, and `state.json` last.
    fn run(disk: &dyn Disk) -> io::Result<()> {
        let state = text(disk, snapshot::FILE)?;
        disk.create_directory("words")?;
        disk.replace("words/000000001.jsonl", WORD.as_bytes())?;
        disk.sync_directory("words")?;
        disk.sync_directory("")?;
        disk.replace(snapshot::FILE, &with_format(&state, 0, 1))
    }

    /// The directory as format 0 had it, and what a start finds after the migration.
    fn old() -> (MemoryDisk, (State, Contents)) {
        let disk = directory();
        let expected = found(&disk.survivor(Survival::All), "as it is");
        let state = text(&disk, snapshot::FILE).unwrap();
        disk.put(snapshot::FILE, with_format(&state, 1, 0), true);
        (disk, expected)
    }

    type Kept = Vec<BTreeMap<String, Vec<u8>>>;

    fn migrate_now(disk: &MemoryDisk, kept: &mut Kept) -> Result<Option<String>, OpenError> {
        migrate(disk, &[STEP], || {
            kept.push(disk.files());
            Ok(PathBuf::from("copy"))
        })
    }

    /// A start takes it up again where it is not done, and finds everything.
    fn assert_migrated(left: &MemoryDisk, expected: &(State, Contents), what: &str) {
        let done = migrate_now(left, &mut Vec::new());
        done.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            left.files()["words/000000001.jsonl"],
            WORD.as_bytes(),
            "{what}"
        );
        assert_eq!(&found(left, what), expected, "{what}");
    }

    #[test]
    fn a_migration_of_which_an_operation_fails_is_done_again() {
        let (disk, expected) = old();
        let original = disk.files();
        let whole = disk.survivor(Survival::All);
        migrate_now(&whole, &mut Vec::new()).unwrap();
        let (operations, reads) = (whole.operations(), whole.reads());
        let mut tried = 0;
        for first in 0..operations {
            for fault in FAULTS {
                for count in [1, u64::MAX] {
                    let what = format!("{count} operations from {first} on, {fault:?}");
                    let disk = disk.survivor(Survival::All);
                    disk.plan(Some(Plan {
                        first,
                        count,
                        fault,
                    }));
                    let mut kept = Kept::new();
                    let error = migrate_now(&disk, &mut kept).expect_err(&what).to_string();
                    assert!(error.contains("on the double"), "{what}: {error}");
                    assert_eq!(
                        kept.as_slice(),
                        std::slice::from_ref(&original),
                        "{what}: the copy is whole"
                    );
                    for survival in SURVIVALS {
                        let what = format!("{what}, {survival:?}");
                        assert_migrated(&disk.survivor(survival), &expected, &what);
                        tried += 1;
                    }
                }
            }
        }
        for before in 0..reads {
            let disk = disk.survivor(Survival::All);
            disk.fail_read(before);
            let error = migrate_now(&disk, &mut Vec::new()).unwrap_err().to_string();
            assert!(error.contains("does not read"), "{error}");
            assert_eq!(disk.files(), original, "nothing was changed");
            assert_migrated(&disk, &expected, "a read failed");
        }
        println!("{tried} states after a failed operation of a migration, {reads} failed reads");
    }

    #[test]
    fn a_migration_without_a_copy_is_none() {
        let (disk, _) = old();
        let original = disk.files();
        let full = || Err(OpenError::new("no space for a copy"));
        let error = migrate(&disk, &[STEP], full).unwrap_err().to_string();
        assert!(error.contains("no space for a copy"), "{error}");
        assert_eq!(disk.files(), original);
    }

    #[test]
    fn whenever_the_power_goes_a_migration_is_done_again() {
        let effort = Effort {
            every_byte: 1_000_000,
            between: 0,
            combinations: 256,
        };
        let (old, expected) = old();
        let disk = traced(&old);
        migrate_now(&disk, &mut Vec::new()).unwrap();
        let states = after_every_cut(&disk.take_trace(), &effort, |left, what| {
            assert_migrated(&left, &expected, what);
        });
        println!("{states} different states that a power cut may leave of a migration");
        assert!(states > 1_000, "{states}");
    }
}
