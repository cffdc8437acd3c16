//! The commands `check` and `repair`: what an operator reads of them.
//!
//! Owns their words and exit codes, and passwords for accounts that lost theirs. What is done to files is the store's.

use crate::auth::password::Hasher;
use crate::log::rfc3339;
use crate::store::{self, Checked, NewPassword, Repaired, counted};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a command has to say, and whether all is well.
#[derive(Debug)]
pub struct Outcome {
    /// Lines for stdout.
    pub text: String,
    /// Exit code 0, else 1.
    pub fine: bool,
}

/// Verifies the data directory `dir`. An error is a reason why that could not be done.
pub fn check(dir: &Path) -> Result<Outcome, String> {
    let Checked {
        problems,
        notes,
        newer,
        found,
    } = store::check(dir).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for line in problems.iter().chain(&notes) {
        text += &format!("{line}\n");
    }
    let fine = problems.is_empty();
    let name = dir.display();
    text += &match fine {
        true => format!("{name} is fine: {found}.\n"),
        false if newer => format!("{name} is of a newer version; this one cannot check it.\n"),
        false => format!(
            "{name} has {}. Put back a backup, or let 'melangerie repair' keep a copy and cut what cannot be \
             read.\n",
            counted(problems.len() as u64, "problem")
        ),
    };
    Ok(Outcome { text, fine })
}

/// Repairs the data directory `dir`. An error is a reason why that could not be done.
pub fn repair(dir: &Path) -> Result<Outcome, String> {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = age.unwrap_or_default().as_millis() as u64;
    let hasher = Hasher::with_turns(1);
    let mut new_password = || {
        let text = random_password()?;
        let hash = hasher.hash(&text).map_err(|error| error.message)?;
        Ok(NewPassword { text, hash })
    };
    let repaired = store::repair(dir, now, &stamp(now), &mut new_password);
    let Repaired {
        copy,
        losses,
        found,
    } = repaired.map_err(|error| error.to_string())?;
    let name = dir.display();
    let text = match copy {
        None => format!("{name} is fine: {found}. Nothing was changed.\n"),
        Some(copy) => {
            let losses = match losses.is_empty() {
                true => "Nothing was lost.".to_owned(),
                false => losses.join("\n"),
            };
            format!(
                "The directory as it was is in {}.\n{losses}\n{name} is fine now: {found}.\n",
                copy.display()
            )
        }
    };
    Ok(Outcome { text, fine: true })
}

/// A time as it may stand in a file's name: `20260129T081500Z`.
fn stamp(millis: u64) -> String {
    let text = rfc3339(millis);
    let seconds = text.split('.').next().unwrap_or(&text);
    seconds.replace(['-', ':'], "") + "Z"
}

/// Four groups of four letters and digits that are not mistaken for each other: 80 bits.
fn random_password() -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("The system gives no random bytes: {error}."))?;
    let groups = bytes.chunks(4).map(|group| {
        let letters = group
            .iter()
            .map(|byte| LETTERS[usize::from(byte % 32)] as char);
        letters.collect::<String>()
    });
    Ok(groups.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_a_time_without_signs() {
        assert_eq!(stamp(1_769_674_500_123), "20260129T081500Z");
    }

    #[test]
    fn passwords_are_long_and_differ() {
        let (first, second) = (random_password().unwrap(), random_password().unwrap());
        assert_eq!(first.len(), 19);
        assert_ne!(first, second);
    }
}
