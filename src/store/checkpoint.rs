//! Folding closed journals into segments and `state.json`, beside the live journal.
//!
//! Owns the closed journals and one thread. Works from the files, as a start does, so what is folded has been read
//! back and checked. A crash or failure at any point leaves files from which it is done again with the same result.

use super::Base;
use super::error::OpenError;
use super::journal::{self, Extent};
use super::queue::Notice;
use super::recovery::{self, Closed};
use super::segments::{self, Full, NewLines, Segment};
use super::snapshot::{self, SegmentTable};
use crate::model::{LogId, State};
use crate::protocol::{Millis, Seq};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Journals are folded up to this many bytes at a time, so that a long row of them does not fill the memory.
const FOLD_BYTES: u64 = 64 * 1024 * 1024;
/// So many logs are written at once, since each waits for the disk and disks like company.
pub const THREADS: usize = 8;
/// A failed checkpoint is tried again after this, then after twice as long, and so on ...
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const BACKOFF_LAST: Duration = Duration::from_secs(60);

/// What is to be folded.
pub struct Folding {
    pending: Mutex<Pending>,
    changed: Condvar,
    /// Held while the files before the live journal are being changed, or must not change.
    files: Mutex<()>,
}

struct Pending {
    closed: Vec<Closed>,
    wanted: bool,
    running: bool,
    stop: bool,
}

impl Folding {
    pub fn new(closed: Vec<Closed>) -> Folding {
        // Starts that are killed before anything happens must not gather empty journals either.
        let wanted = closed.len() > 1 || closed.iter().any(|journal| journal.has_events);
        Folding {
            pending: Mutex::new(Pending {
                closed,
                wanted,
                running: false,
                stop: false,
            }),
            changed: Condvar::new(),
            files: Mutex::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While this is held the closed journals and `state.json` stay as they are.
    pub fn hold_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A journal is written no more, and the next one is durable.
    pub fn push(&self, journal: Closed) {
        let mut pending = self.lock();
        pending.closed.push(journal);
        pending.wanted |= journal.has_events;
        drop(pending);
        self.changed.notify_one();
    }

    /// Whether there is nothing to fold.
    pub fn is_idle(&self) -> bool {
        let pending = self.lock();
        !pending.wanted && !pending.running
    }

    /// The closed journals, oldest first.
    pub fn closed(&self) -> Vec<Closed> {
        self.lock().closed.clone()
    }

    /// The thread ends after the checkpoint that runs now.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_one();
    }
}

/// The checkpoint's thread: folds when there is something to fold, until it is stopped.
pub fn run(base: &Base) {
    let mut wait = None;
    while start_next(&base.folding, wait) {
        wait = finish_next(base, THREADS).err().map(|error| {
            let fields = vec![("error", error.to_string())];
            base.notices.log("checkpoint_failed", fields);
            wait.map_or(BACKOFF_FIRST, |wait: Duration| (wait * 2).min(BACKOFF_LAST))
        });
    }
}

/// Waits until something is to be folded, but at least `wait`; false when stopped.
pub fn start_next(folding: &Folding, wait: Option<Duration>) -> bool {
    let mut pending = folding.lock();
    if let Some(wait) = wait {
        let result = folding
            .changed
            .wait_timeout_while(pending, wait, |pending| !pending.stop);
        pending = result.unwrap_or_else(PoisonError::into_inner).0;
    }
    let idle = |pending: &mut Pending| !pending.stop && !pending.wanted;
    let result = folding.changed.wait_while(pending, idle);
    pending = result.unwrap_or_else(PoisonError::into_inner);
    pending.running = !pending.stop;
    pending.wanted &= pending.stop;
    !pending.stop
}

/// Folds closed journals until none is left or the thread is stopped; what [`start_next`] has begun ends with it.
pub fn finish_next(base: &Base, threads: usize) -> Result<(), OpenError> {
    let result = fold_until_stopped(base, threads);
    let mut pending = base.folding.lock();
    pending.running = false;
    pending.wanted |= result.is_err();
    result
}

fn fold_until_stopped(base: &Base, threads: usize) -> Result<(), OpenError> {
    while !base.folding.lock().stop && fold_some(base, threads)? {}
    Ok(())
}

/// Folds what is left when the store closes, unless it is so much that whoever waits for the end would lose patience:
/// then the next start does it.
pub fn fold_last(base: &Base, threads: usize) -> Result<(), OpenError> {
    let closed = base.folding.closed();
    let bytes: u64 = closed.iter().map(|journal| journal.extent.bytes).sum();
    if bytes <= FOLD_BYTES {
        while fold_some(base, threads)? {}
    }
    Ok(())
}

/// Folds as many of the oldest closed journals as go together; false where there is none. After an error it may be
/// called again.
fn fold_some(base: &Base, threads: usize) -> Result<bool, OpenError> {
    let _files = base.folding.hold_files();
    let closed = base.folding.closed();
    let mut bytes = 0;
    let fits = |journal: &&Closed| {
        let first = bytes == 0;
        bytes += journal.extent.bytes;
        first || bytes <= FOLD_BYTES
    };
    let group: Vec<Extent> = closed.iter().take_while(fits).map(|j| j.extent).collect();
    let Some(last) = group.last() else {
        return Ok(false);
    };
    fold_group(base, &group, threads)?;
    let mut pending = base.folding.lock();
    pending
        .closed
        .retain(|journal| journal.extent.journal > last.journal);
    Ok(true)
}

fn fold_group(base: &Base, group: &[Extent], threads: usize) -> Result<(), OpenError> {
    let disk = &*base.disk;
    let snapshot = snapshot::load(disk)?
        .ok_or_else(|| OpenError::missing(snapshot::FILE, "it was there at the start"))?;
    let mut state = snapshot.state;
    let mut lines: BTreeMap<LogId, NewLines> = BTreeMap::new();
    // An interrupted checkpoint may have saved what it could not report; that is not added again.
    for extent in group.iter().filter(|e| e.journal >= snapshot.journal) {
        recovery::replay(
            disk,
            extent.journal,
            Some(extent.bytes),
            &mut state,
            |applied| {
                if let Some(line) = applied.added() {
                    lines
                        .entry(line.log)
                        .or_default()
                        .push(&line.json, line.timestamp);
                }
            },
        )?;
    }
    let mut table = snapshot.segments;
    write_segments(base, &lines, &mut table, threads)?;
    refresh_times(base, &mut table);
    let last = group.last().expect("a group has a journal");
    save(base, last.journal + 1, &state, &table)?;
    publish(base, table);
    for extent in group {
        remove(base, &journal::file(extent.journal));
    }
    Ok(())
}

/// Writes each log's new lines, `threads` logs at once.
fn write_segments(
    base: &Base,
    lines: &BTreeMap<LogId, NewLines>,
    table: &mut SegmentTable,
    threads: usize,
) -> Result<(), OpenError> {
    let full = Full {
        messages: base.options.segment_messages,
        bytes: base.options.segment_bytes,
    };
    let work: Vec<(&LogId, &NewLines)> = lines.iter().collect();
    let next = AtomicUsize::new(0);
    let old = &*table;
    let write = || -> Result<Vec<(LogId, Vec<Segment>)>, OpenError> {
        let mut written = Vec::new();
        while let Some(&(&log, new)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let old = old.get(&log).map_or(&[][..], Vec::as_slice);
            written.push((log, segments::extend(&*base.disk, log, old, new, full)?));
        }
        Ok(written)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, write).ok();
        let helpers: Vec<_> = (1..work.len().min(threads)).filter_map(spawn).collect();
        let mine = write();
        let join = |helper: thread::ScopedJoinHandle<'_, _>| {
            helper
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        helpers.into_iter().map(join).chain([mine]).collect()
    });
    for result in results {
        for (log, changed) in result? {
            let segments = table.entry(log).or_default();
            segments.retain(|old| old.first < changed[0].first);
            segments.extend(changed);
        }
    }
    Ok(())
}

/// A file that was verified at the start need not be verified at the next: its record gets its time.
fn refresh_times(base: &Base, table: &mut SegmentTable) {
    for (&log, segments) in table {
        for (segment, known) in segments.iter_mut().zip(&**base.catalogue.segments(log)) {
            if (segment.messages, segment.crc) == (known.messages, known.crc) {
                segment.modified = known.modified;
            }
        }
    }
}

fn save(base: &Base, journal: u64, state: &State, table: &SegmentTable) -> Result<(), OpenError> {
    let segments = |log| table.get(&log).map_or(&[][..], Vec::as_slice);
    let content = snapshot::encode(journal, now(), state, segments);
    base.disk
        .replace(snapshot::FILE, &content)
        .and_then(|()| base.disk.sync_directory(""))
        .map_err(|e| OpenError::io("write", snapshot::FILE, &e))
}

/// For people who look at `saved`; nothing is decided by it.
fn now() -> Millis {
    let age = SystemTime::now().duration_since(UNIX_EPOCH);
    age.map_or(0, |age| age.as_millis() as Millis)
}

/// Tells readers and the hub.
fn publish(base: &Base, table: SegmentTable) {
    let mut folded: Vec<(LogId, Seq)> = Vec::new();
    for (log, segments) in table {
        let through = segments.last().map_or(0, Segment::last);
        if *base.catalogue.segments(log) != segments {
            base.catalogue.fold(log, segments);
            folded.push((log, through));
        }
    }
    base.notices.push(Notice::Folded(folded));
}

/// A folded journal is of no more use; one that cannot be removed is tried again at the next start.
pub fn remove(base: &Base, name: &str) {
    if let Err(error) = base.disk.remove(name) {
        let fields = vec![("file", name.to_owned()), ("error", error.to_string())];
        base.notices.log("remove_failed", fields);
    }
}
