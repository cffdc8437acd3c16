//! Directories of an older format, with a migration that exists for this test alone.

use super::*;
use crate::store::migrate::{Migration, migrate};
use std::fs;
use std::io;
use std::path::PathBuf;

const STATE: &str = "state.json";

/// From the made-up format 0, whose `state.json` called the journal `log`.
const FROM_0: Migration = Migration {
    from: 0,
    run: |disk| {
        let text = read(disk);
        let text = text.replace(r#""format":0"#, r#""format":1"#);
        disk.replace(STATE, &sealed(&text.replace(r#""log":"#, r#""journal":"#)))
    },
};

fn read(disk: &dyn Disk) -> String {
    let mut content = Vec::new();
    disk.read(STATE, u64::MAX, &mut content).unwrap();
    String::from_utf8(content).unwrap()
}

/// The same text with the checksum that it needs.
fn sealed(text: &str) -> Vec<u8> {
    let body = text.rsplit_once(r#","crc":"#).unwrap().0;
    let mut content = body.as_bytes().to_vec();
    line::seal(&mut content, 0);
    content.push(b'\n');
    content
}

/// A directory after an orderly stop, made one of `format`, and what was in it.
fn directory(format: u64) -> (tempfile::TempDir, PathBuf, State) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let mut hub = Hub::start(open(&dir, small(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    hub.push_and_wait(&hub.message("general", "Eva", "hi", None));
    let state = hub.state.clone();
    hub.journal.close().unwrap();
    let text = fs::read_to_string(dir.join(STATE)).unwrap();
    let old = text.replace(r#""format":1"#, &format!(r#""format":{format}"#));
    let old = old.replace(r#","journal":"#, r#","log":"#);
    fs::write(dir.join(STATE), sealed(&old)).unwrap();
    (home, dir, state)
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn an_older_format_is_migrated_after_a_copy_was_kept() {
    let (home, dir, state) = directory(0);
    let before = fs::read_to_string(dir.join(STATE)).unwrap();
    let disk = RealDisk::new(&dir);
    let keep = || copy::keep(&dir, ".before-format-1");
    let note = migrate(&disk, &[FROM_0], keep).unwrap().unwrap();
    assert!(note.contains("data.before-format-1"), "{note}");
    assert_eq!(names(home.path()), ["data", "data.before-format-1"]);
    let kept = home.path().join("data.before-format-1").join(STATE);
    assert_eq!(fs::read_to_string(kept).unwrap(), before);
    assert_eq!(open(&dir, small(), 2).unwrap().state, state);
    let keep = || panic!("nothing is left to do");
    assert_eq!(migrate(&disk, &[FROM_0], keep).unwrap(), None);
}

#[test]
fn an_interrupted_migration_is_done_again() {
    let (home, dir, state) = directory(0);
    let failing = Migration {
        from: 0,
        run: |_| Err(io::Error::other("no more space")),
    };
    let disk = RealDisk::new(&dir);
    let keep = || copy::keep(&dir, ".before-format-1");
    let error = migrate(&disk, &[failing], keep).unwrap_err().to_string();
    assert!(error.contains("no more space"), "{error}");
    migrate(&disk, &[FROM_0], keep).unwrap();
    assert_eq!(open(&dir, small(), 2).unwrap().state, state);
    assert_eq!(names(home.path()).len(), 3, "both copies are there");
}

#[test]
fn a_format_that_nobody_knows_is_refused_and_nothing_is_changed() {
    for format in [0, 2] {
        let (home, dir, _) = directory(format);
        let before = fs::read_to_string(dir.join(STATE)).unwrap();
        let found = names(&dir);
        let error = open(&dir, small(), 2).err().unwrap().to_string();
        let number = format!("format {format}");
        assert!(
            error.contains(&number) && error.contains("Start"),
            "{error}"
        );
        let mut never = || panic!("nobody gets a password");
        let error = repair(&dir, 2, "now", &mut never).unwrap_err().to_string();
        assert!(error.contains(&number), "{error}");
        assert_eq!(fs::read_to_string(dir.join(STATE)).unwrap(), before);
        assert_eq!(names(&dir), found);
        assert_eq!(names(home.path()), ["data"], "no copy is made for nothing");
    }
}
