//! Why files are not read: damage and failures, each naming its file.

use std::io;

/// Why a data directory is not opened, or its files not read: a sentence that names the file (and line) and says
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// What is wrong, and where.
    what: String,
    /// What a person can do about it; empty where `what` says it.
    advice: &'static str,
    /// The system said no; what the file holds is not known.
    is_io: bool,
}

impl OpenError {
    pub(super) fn new(message: impl Into<String>) -> OpenError {
        OpenError {
            what: message.into(),
            advice: "",
            is_io: false,
        }
    }

    /// What is wrong, without what to do.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Whether the system said no, which tells nothing of what the file holds.
    pub(super) fn is_io(&self) -> bool {
        self.is_io
    }

    /// A file is not what was written.
    pub(super) fn damaged(file: &str, line: Option<u64>, what: &str) -> OpenError {
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        OpenError {
            what: format!("{file}{line} is damaged: {what}."),
            advice: " Nothing was changed. Put back a backup of the data directory, or see what \
                     'melangerie check' and 'melangerie repair' can do.",
            is_io: false,
        }
    }

    /// A file that must be there is not.
    pub(super) fn missing(file: &str, why: &str) -> OpenError {
        OpenError {
            what: format!("{file} is missing: {why}."),
            advice: " Nothing was changed. Put the file back, or a backup of the whole data directory, or see what \
                     'melangerie check' and 'melangerie repair' can do.",
            is_io: false,
        }
    }

    /// The system says no.
    pub(super) fn io(doing: &str, file: &str, error: &io::Error) -> OpenError {
        OpenError {
            what: format!("Cannot {doing} {file}: {error}."),
            advice: " Check the disk, its free space and the permissions of the data directory.",
            is_io: true,
        }
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        f.write_str(self.advice)
    }
}

impl std::error::Error for OpenError {}
