//! Why files are not read: damage and failures, each naming its file.

use std::io;

/// Why a data directory is not opened, or its files not read: a sentence that names the file (and line) and says
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn new(message: impl Into<String>) -> OpenError {
        OpenError(message.into())
    }

    /// A file is not what was written. Nothing repairs it but a copy: so the sentence says.
    pub(super) fn damaged(file: &str, line: Option<u64>, what: &str) -> OpenError {
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        OpenError(format!(
            "{file}{line} is damaged: {what}. Nothing was changed. Put back a backup of the data directory, \
             or see docs/storage.md, \"When it refuses to start\"."
        ))
    }

    /// A file that must be there is not.
    pub(super) fn missing(file: &str, why: &str) -> OpenError {
        OpenError(format!(
            "{file} is missing: {why}. Nothing was changed. Put the file back, or a backup of the whole data directory."
        ))
    }

    /// The system says no.
    pub(super) fn io(doing: &str, file: &str, error: &io::Error) -> OpenError {
        OpenError(format!(
            "Cannot {doing} {file}: {error}. Check the disk, its free space and the permissions of the data directory."
        ))
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}
