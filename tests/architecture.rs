//! Imports run one way: the table of `src/lib.rs`, held. And no code of ours is unsafe.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the house, and the rooms that it may use.
const TABLE: [(&str, &[&str]); 16] = [
    ("limits", &[]),
    ("protocol", &["limits"]),
    ("model", &["protocol", "limits"]),
    ("log", &["limits"]),
    ("auth", &["protocol", "limits"]),
    ("cli", &["limits"]),
    ("signals", &[]),
    ("allocator", &[]),
    ("store", &["model", "protocol", "limits"]),
    ("search", &["store", "model", "protocol", "limits"]),
    ("hub", &["store", "model", "auth", "protocol", "limits"]),
    (
        "fanout",
        &["hub", "store", "model", "log", "protocol", "limits"],
    ),
    (
        "net",
        &[
            "hub", "store", "search", "model", "auth", "cli", "log", "protocol", "limits",
        ],
    ),
    (
        "server",
        &[
            "net", "fanout", "hub", "store", "model", "auth", "cli", "log", "protocol", "limits",
        ],
    ),
    ("maintenance", &["store", "auth", "log"]),
    ("lib", &[]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room that a file belongs to: its first folder below `src`, or its own name.
fn room_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str();
    Path::new(first)
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// The rooms that follow `crate::` in the file, comments left out.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut rooms = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        let names = match part.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap(),
            None => part,
        };
        let ends = |c: char| !(c.is_alphanumeric() || c == '_');
        if part.starts_with('{') {
            rooms.extend(
                names
                    .split(',')
                    .map(|name| name.trim().split(ends).next().unwrap().to_owned()),
            );
        } else {
            rooms.insert(names.split(ends).next().unwrap().to_owned());
        }
    }
    rooms.remove("");
    rooms
}

#[test]
fn imports_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources are found");
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let room = room_of(path);
        if room == "main" {
            continue;
        }
        let row = TABLE.iter().find(|(name, _)| *name == room);
        let (_, allowed) =
            row.unwrap_or_else(|| panic!("{} has no row in the table", path.display()));
        for other in used(&fs::read_to_string(&file).unwrap()) {
            let fine = other == room || allowed.contains(&other.as_str());
            assert!(
                fine,
                "{} uses crate::{other}, which {room} may not",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_unsafe() {
    let read = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        fs::read_to_string(path).unwrap()
    };
    // Cargo hands this to every target of the package, the build script included, and nothing can allow it again.
    let manifest = read("Cargo.toml");
    let lints = manifest
        .split("\n[")
        .find(|table| table.starts_with("lints.rust]"));
    assert!(lints.unwrap().contains("\nunsafe_code = \"forbid\"\n"));
    // What uses the library, or is a crate of its own, sees it where it looks first.
    for root in ["src/lib.rs", "src/main.rs", "fuzz/src/lib.rs"] {
        let forbids = |line: &str| line == "#![forbid(unsafe_code)]";
        assert!(read(root).lines().any(forbids), "{root}");
    }
}
