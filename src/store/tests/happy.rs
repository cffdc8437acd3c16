//! What works when nothing fails.

use super::*;
use std::fs;

/// Users, two rooms, messages, reports, and a read position.
fn live_a_little(hub: &mut Hub, messages: u64) {
    for name in ["Eva", "mira"] {
        hub.push(&hub.user(name));
    }
    hub.push(&room("Office", &["Eva", "mira"]));
    for index in 0..messages {
        let room = if index % 3 == 0 { "Office" } else { "general" };
        let id = format!("id-{index}");
        hub.push(&hub.message(room, "Eva", &format!("text \"{index}\"\n"), Some(&id)));
    }
    hub.push(&hub.report("it is slow"));
    let then = hub.push(&Event::Read {
        room: "Office".into(),
        user: "mira".into(),
        seq: 3,
    });
    hub.wait(then);
}

#[test]
fn everything_is_there_after_a_stop_and_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(open(dir.path(), small(), 1).unwrap());
    live_a_little(&mut hub, 100);
    let before = (hub.state.clone(), contents(&hub.state, &hub.reader));
    hub.journal.close().unwrap();

    let opened = open(dir.path(), small(), 2).unwrap();
    assert_eq!(opened.notes, Vec::<String>::new());
    assert_eq!(opened.recent, Vec::new(), "all is folded");
    let mut hub = Hub::start(opened);
    assert_eq!(
        (hub.state.clone(), contents(&hub.state, &hub.reader)),
        before
    );

    hub.push_and_wait(&hub.message("Office", "mira", "one more", Some("x")));
    let before = (hub.state.clone(), contents(&hub.state, &hub.reader));
    drop(hub.journal);
    let opened = open(dir.path(), small(), 3).unwrap();
    assert_eq!(
        opened
            .recent
            .iter()
            .map(|r| r.id.as_str())
            .collect::<Vec<_>>(),
        ["x"]
    );
    let hub = Hub::start(opened);
    assert_eq!(
        (hub.state.clone(), contents(&hub.state, &hub.reader)),
        before
    );
    hub.journal.close().unwrap();
}

#[test]
fn a_copy_of_the_directory_works() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(open(dir.path(), small(), 1).unwrap());
    live_a_little(&mut hub, 300);
    let before = (hub.state.clone(), contents(&hub.state, &hub.reader));
    hub.journal.close().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_directory(dir.path(), copy.path());
    for _ in 0..2 {
        let hub = Hub::start(open(copy.path(), small(), 2).unwrap());
        assert_eq!(
            (hub.state.clone(), contents(&hub.state, &hub.reader)),
            before
        );
        hub.journal.close().unwrap();
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), small(), 1).unwrap();
    let error = open(dir.path(), small(), 1).err().unwrap().to_string();
    assert!(error.contains("in use by another Melangerie"), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    drop(first);
    assert!(open(dir.path(), small(), 1).is_ok());
}

#[cfg(unix)]
#[test]
fn files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    fn check(path: &Path) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            mode,
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
        if path.is_dir() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let mut hub = Hub::start(open(&data, small(), 1).unwrap());
    live_a_little(&mut hub, 20);
    make_secret(&data).unwrap();
    hub.journal.close().unwrap();
    check(&data);
}

#[test]
fn journals_rotate_and_fold_while_messages_arrive_and_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(open(dir.path(), small(), 1).unwrap());
    live_a_little(&mut hub, 10);
    let log = LogId::Room(hub.state.find_room("general").unwrap());
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (reader, done) = (hub.reader.clone(), done.clone());
        move || {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || rounds == 0 {
                let last = reader.last_seq(log);
                let lines: Vec<_> = reader
                    .read_range(log, 0, last)
                    .map(|l| l.unwrap())
                    .collect();
                assert_eq!(lines.len() as u64, last, "no line is missing while folding");
                for (line, seq) in lines.iter().zip(1..) {
                    let found: Message = serde_json::from_slice(line.json()).unwrap();
                    assert_eq!(found.seq, seq);
                }
                rounds += 1;
            }
        }
    });
    let mut folds = 0;
    for index in 0..600 {
        let then =
            hub.push(&hub.message("general", "Eva", &"x".repeat(100), Some(&index.to_string())));
        hub.wait_for(|heard| match heard {
            Heard::Folded(_) => {
                folds += 1;
                None
            }
            Heard::Committed(batch) => batch.contains(&then).then_some(()),
            other => panic!("{other:?}"),
        });
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().unwrap();
    assert!(folds > 2, "{folds} checkpoints");
    hub.journal.close().unwrap();
    let journals: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("journal-")
        })
        .collect();
    assert_eq!(
        journals.len(),
        1,
        "after a stop only an empty journal is left"
    );
}

#[test]
fn entries_without_a_record_wait_for_those_before_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(open(dir.path(), small(), 1).unwrap());
    let mut entries = vec![hub.decide(&hub.user("Eva"))];
    entries.push(Entry {
        epoch: 0,
        record: None,
        then: 2,
    });
    hub.journal.push(&mut entries);
    assert!(entries.is_empty());
    let batch = hub.wait_for(|heard| match heard {
        Heard::Committed(batch) => Some(batch),
        _ => None,
    });
    assert_eq!(batch, [1, 2]);
    hub.journal.push(&mut vec![Entry {
        epoch: 0,
        record: None,
        then: 3,
    }]);
    hub.wait(3);
}

#[test]
fn starts_that_are_killed_gather_no_files() {
    let disk = super::double::MemoryDisk::default();
    let journals = || {
        disk.files()
            .into_keys()
            .filter(|name| name.starts_with("journal-"))
    };
    for _ in 0..10 {
        let hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
        for left in ["journal-000099.jsonl.tmp", "state.json.tmp"] {
            assert!(!disk.files().contains_key(left));
            disk.replace(left, b"half").unwrap();
        }
        if journals().count() > 3 {
            hub.wait_for(|heard| matches!(heard, Heard::Folded(_)).then_some(()));
        }
    }
    assert!(
        journals().count() <= 4,
        "{:?}",
        journals().collect::<Vec<_>>()
    );
}
