//! Directories of older formats: brought to this version's, after a copy was kept.
//!
//! Owns the table of migrations. The format of a directory is that of its `state.json`.

use super::disk::Disk;
use super::error::OpenError;
use super::journal::{FORMAT, newer};
use super::{line, snapshot};
use std::io;
use std::path::PathBuf;

/// One step, from a format to the one after it.
pub struct Migration {
    pub from: u64,
    /// Rewrites what has changed, and `state.json` last: until that is durable the directory has the old format, and an
    /// interrupted step is taken again from its beginning.
    pub run: fn(&dyn Disk) -> io::Result<()>,
}

/// Every step there is. Format 1 is the first that was ever in use.
pub const MIGRATIONS: &[Migration] = &[];

/// The format of a directory; `None` where it holds nothing, or where `state.json` is damaged, which is for others to
/// tell.
pub fn format_of(disk: &dyn Disk) -> Result<Option<u64>, OpenError> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u64,
    }
    let mut content = Vec::new();
    match disk.read(snapshot::FILE, u64::MAX, &mut content) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(OpenError::io("read", snapshot::FILE, &e)),
    }
    let sealed = content.strip_suffix(b"\n").unwrap_or(&content);
    let head = line::unseal(sealed).and_then(|_| serde_json::from_slice(sealed).ok());
    Ok(head.map(|Head { format }| format))
}

/// Brings a directory to this version's format. Returns a sentence for the log, where there was something to do.
pub fn migrate(
    disk: &dyn Disk,
    migrations: &[Migration],
    keep_copy: impl FnOnce() -> Result<PathBuf, OpenError>,
) -> Result<Option<String>, OpenError> {
    let Some(format) = format_of(disk)?.filter(|&format| format != FORMAT) else {
        return Ok(None);
    };
    if format > FORMAT {
        return Err(newer(snapshot::FILE, format));
    }
    // All of the way, or none of it.
    let steps: Option<Vec<&Migration>> = (format..FORMAT)
        .map(|from| migrations.iter().find(|step| step.from == from))
        .collect();
    let steps = steps.ok_or_else(|| older(format))?;
    let copy = keep_copy()?;
    for step in steps {
        (step.run)(disk)
            .and_then(|()| disk.sync_directory(""))
            .map_err(|e| OpenError::io("migrate", "the data directory", &e))?;
    }
    Ok(Some(format!(
        "The data directory had format {format} and has format {FORMAT} now. As it was, it is kept in {}.",
        copy.display()
    )))
}

/// A format that nobody knows any more.
fn older(format: u64) -> OpenError {
    OpenError::new(format!(
        "{} has format {format}, which this version cannot read any more. Start an older Melangerie first.",
        snapshot::FILE
    ))
}
