//! What an operator does to a data directory that no server has open: check it, and repair it.
//!
//! Owns the order of things: first the lock, then the copy, then anything else.

use super::check::{self, Checked};
use super::disk::{Disk, RealDisk};
use super::error::OpenError;
use super::repair::{self, Means};
use super::segments::Full;
use super::{copy, journal, lock, migrate, secret, snapshot};
use crate::limits;
use crate::protocol::Millis;
use std::path::{Path, PathBuf};

/// A password for an account whose own is lost: as its owner types it, and as a PHC string.
pub struct NewPassword {
    pub text: String,
    pub hash: String,
}

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// The directory as it was; none where there was nothing to repair.
    pub copy: Option<PathBuf>,
    /// What was lost and what takes its place, a sentence each.
    pub losses: Vec<String>,
    /// What there is now.
    pub found: check::Census,
}

/// Verifies everything in `dir` and changes nothing.
///
/// Fails where the directory is not there, holds no data, is in use by another process, or cannot be read.
pub fn check(dir: &Path) -> Result<Checked, OpenError> {
    let disk = data_in(dir)?;
    let _lock = lock::take_unchanged(dir)?;
    examine(&disk)
}

/// Makes a directory one that a server starts from: cuts what cannot be read, after a copy was kept beside it whose name
/// ends with `.before-repair-` and `stamp`. Where nothing is wrong nothing is changed.
///
/// Fails as [`check`] does, and where the files are of another format; then nothing was changed. Where it fails later,
/// the copy is complete, and it may be tried again.
pub fn repair(
    dir: &Path,
    now: Millis,
    stamp: &str,
    new_password: &mut dyn FnMut() -> Result<NewPassword, String>,
) -> Result<Repaired, OpenError> {
    let disk = data_in(dir)?;
    let _lock = lock::take(dir)?;
    refuse_other_formats(&disk)?;
    let checked = examine(&disk)?;
    if checked.problems.is_empty() {
        return Ok(Repaired {
            copy: None,
            losses: Vec::new(),
            found: checked.found,
        });
    }
    let kept = copy::keep(dir, &format!(".before-repair-{stamp}"))?;
    let mut losses = Vec::new();
    if secret::from_file(&disk).is_err() {
        secret::remove(&disk).map_err(|e| OpenError::io("remove", "secret", &e))?;
        losses.push(
            "The file secret was damaged and is removed: everybody signs in again.".to_owned(),
        );
    }
    let mut means = Means {
        now,
        full: Full {
            messages: limits::SEGMENT_MESSAGES,
            bytes: limits::SEGMENT_BYTES,
        },
        new_password,
    };
    if !check::check(&disk)?.problems.is_empty() {
        losses.extend(repair::repair(&disk, &mut means)?);
    }
    let again = examine(&disk)?;
    match again.problems.first() {
        None => Ok(Repaired {
            copy: Some(kept),
            losses,
            found: again.found,
        }),
        Some(problem) => Err(OpenError::new(format!(
            "This cannot be repaired: {problem} The directory as it was is in {}.",
            kept.display()
        ))),
    }
}

fn data_in(dir: &Path) -> Result<RealDisk, OpenError> {
    let name = dir.display();
    if !dir.is_dir() {
        return Err(OpenError::new(format!(
            "There is no directory {name}. Name the data directory with --data."
        )));
    }
    let disk = RealDisk::new(dir);
    match check::is_empty(&disk) {
        Ok(false) => Ok(disk),
        Ok(true) => Err(OpenError::new(format!(
            "{name} holds no data of Melangerie. Name the data directory with --data."
        ))),
        Err(e) => Err(OpenError::io("list", &name.to_string(), &e)),
    }
}

fn examine(disk: &RealDisk) -> Result<Checked, OpenError> {
    let mut checked = check::check(disk)?;
    if let Err(error) = secret::from_file(disk) {
        checked.problems.push(error.what().to_owned());
    }
    Ok(checked)
}

/// What another version wrote must not be taken for damage.
fn refuse_other_formats(disk: &RealDisk) -> Result<(), OpenError> {
    let names = disk
        .list("")
        .map_err(|e| OpenError::io("list", "the data directory", &e))?;
    let journals: Vec<u64> = names.iter().filter_map(|n| journal::number_of(n)).collect();
    if let Some(newer) = check::newer_format(disk, &journals)? {
        return Err(newer);
    }
    match migrate::format_of(disk)? {
        Some(format) if format != journal::FORMAT => Err(OpenError::new(format!(
            "{} has format {format}. Start Melangerie once, which migrates it.",
            snapshot::FILE
        ))),
        _ => Ok(()),
    }
}
