//! What a power cut may leave of the last write to a journal, besides its beginning.
//!
//! Owns one judgement. Pages of a file that were written but never synced reach the disk in any order; one that did
//! not is read as NULs, between others that did. A journal's text has no NUL, and each of its lines says with which
//! event its write began. So a hole of whole sectors in the last write, with nothing from a later write behind it,
//! was never synced and never acked: it is cut off. Any other NUL is damage.

use super::journal::split_event;
use super::line;
use memchr::memchr_iter;

/// The smallest piece that a disk writes as a whole.
pub const SECTOR: usize = 512;

/// Whether the unreadable line that begins at `at`, and should be event `n`, is what an unsynced write left.
pub fn has_lost_pages(content: &[u8], at: usize, n: u64) -> bool {
    let mut start = at;
    for end in memchr_iter(b'\n', &content[at..]).map(|end| at + end) {
        let line = &content[start..end];
        let acceptable = match line::unseal(line).and_then(split_event) {
            // A later write was begun, so the one before it had been synced.
            Some(parts) => parts.batch <= n,
            None => line.contains(&0),
        };
        if !acceptable {
            return false;
        }
        start = end + 1;
    }
    are_holes(content, at)
}

/// Whether there are NULs behind `at`, and all in whole sectors. A write that begins within a sector leaves, where that
/// did not arrive, the sector as it was before: text up to a line's end, then NULs.
fn are_holes(content: &[u8], at: usize) -> bool {
    let mut from = at;
    let mut found = false;
    while let Some(start) = memchr::memchr(0, &content[from..]).map(|start| from + start) {
        let length = content[start..].iter().take_while(|&&b| b == 0).count();
        let end = start + length;
        let begins = start % SECTOR == 0 || start == at;
        if !begins || !(end % SECTOR == 0 || end == content.len()) {
            return false;
        }
        found = true;
        from = end;
    }
    found
}

/// For the log. An event's number is one less than that of its line.
pub fn note(journal: &str, n: u64, bytes: usize) -> String {
    format!(
        "{journal}, line {}: an unfinished write of {bytes} bytes at the end is cut off.",
        n + 1
    )
}
