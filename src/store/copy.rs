//! A full copy of the data directory, kept beside it before anything in it is rewritten.
//!
//! Owns the copy until it is complete and durable; one that is not is removed.

use super::disk::{create_root, private_file, sync_entries};
use super::error::OpenError;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Copies `dir` to a new directory beside it, whose name is that of `dir` and `suffix`, and a number where that is
/// taken. All but the lock. Returns the copy's path, when it is durable.
pub fn keep(dir: &Path, suffix: &str) -> Result<PathBuf, OpenError> {
    let copied = free_name(dir, suffix).and_then(|to| {
        let result = create_root(&to).and_then(|()| copy(dir, &to));
        match result {
            Ok(()) => Ok(to),
            Err(error) => {
                // Half a copy would be taken for a whole one.
                let _ = fs::remove_dir_all(&to);
                Err(error)
            }
        }
    });
    copied.map_err(|e| OpenError::io("make a copy of", &dir.display().to_string(), &e))
}

fn free_name(dir: &Path, suffix: &str) -> io::Result<PathBuf> {
    // `.` and `..` have names too.
    let dir = fs::canonicalize(dir)?;
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    let numbered = (2..).map(|number| {
        let mut name = name.clone();
        name.push(format!("-{number}"));
        name
    });
    let names = std::iter::once(name.clone()).chain(numbered);
    let mut paths = names.map(|name| dir.with_file_name(name));
    Ok(paths
        .find(|path| !path.exists())
        .expect("numbers do not end"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            create_root(&target)?;
            copy(&source, &target)?;
        } else if entry.file_name() != "lock" {
            copy_file(&source, &target).map_err(|e| {
                let name = source.display();
                io::Error::new(e.kind(), format!("{name}: {e}"))
            })?;
        }
    }
    sync_entries(to)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = private_file().create_new(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_complete_and_takes_nobodys_place() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("data");
        fs::create_dir_all(dir.join("rooms/000001")).unwrap();
        for (name, content) in [
            ("state.json", "{}"),
            ("rooms/000001/000000001.jsonl", "x\n"),
            ("lock", ""),
        ] {
            fs::write(dir.join(name), content).unwrap();
        }
        let first = keep(&dir, ".before").unwrap();
        let second = keep(&dir, ".before").unwrap();
        assert_eq!(first.file_name().unwrap(), "data.before");
        assert_eq!(second.file_name().unwrap(), "data.before-2");
        for copy in [first, second] {
            assert_eq!(fs::read_to_string(copy.join("state.json")).unwrap(), "{}");
            let segment = copy.join("rooms/000001/000000001.jsonl");
            assert_eq!(fs::read_to_string(segment).unwrap(), "x\n");
            assert!(!copy.join("lock").exists());
        }
    }
}
