//! One process at a time: an advisory lock on the file `lock`, held while the directory is open.
//!
//! Owns that file, whose content is the holder's process number, for people. The system drops the lock of a process
//! that dies, so a lock is never left behind.

use super::disk::private_file;
use super::error::OpenError;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const FILE: &str = "lock";

/// Holds the lock until it is dropped.
pub struct Lock {
    file: File,
    /// Whether our number is in it.
    signed: bool,
}

/// Takes the lock of the data directory `dir`, or says who has it.
pub fn take(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join(FILE);
    let name = path.display().to_string();
    let opened = private_file().read(true).truncate(false).open(&path);
    let file = opened.map_err(|e| OpenError::io("open", &name, &e))?;
    hold(dir, file)
}

/// Takes the lock without changing anything. None where there is no file to lock, and so nobody who holds it.
pub fn take_unchanged(dir: &Path) -> Result<Option<Lock>, OpenError> {
    let path = dir.join(FILE);
    match File::open(&path) {
        Ok(file) => hold(dir, file).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(OpenError::io("open", &path.display().to_string(), &e)),
    }
}

fn hold(dir: &Path, mut file: File) -> Result<Lock, OpenError> {
    let name = dir.join(FILE).display().to_string();
    match file.try_lock() {
        Ok(()) => Ok(Lock {
            file,
            signed: false,
        }),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Where locks bar reading too, the number stays unknown.
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => String::new(),
                number => format!(" (process {number})"),
            };
            Err(OpenError::new(format!(
                "{} is in use by another Melangerie{holder}. Stop that one first, or choose another directory with --data.",
                dir.display()
            )))
        }
        Err(TryLockError::Error(e)) => Err(OpenError::io("lock", &name, &e)),
    }
}

impl Lock {
    /// Writes down who holds it. A failure costs only the number in another process's message.
    pub fn sign(&mut self) {
        self.signed = true;
        self.write(&format!("{}\n", std::process::id()));
    }

    fn write(&mut self, content: &str) {
        let _ = self.file.set_len(0);
        let _ = self.file.seek(SeekFrom::Start(0));
        let _ = self.file.write_all(content.as_bytes());
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.signed {
            self.write("");
        }
    }
}
