//! From files to facts: the snapshot, and the journals after it replayed.
//!
//! Owns the order of a start and what is refused there. Only reads: a refusal has changed nothing.

use super::disk::Disk;
use super::error::OpenError;
use super::journal::{self, Extent};
use super::segments::{self, Segment};
use super::snapshot::{self, SegmentTable, Snapshot};
use crate::model::{Event, LogId, RecentId, State};
use crate::protocol::{Millis, Seq};
use std::borrow::Cow;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A journal that is written no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub extent: Extent,
    /// Whether there is anything to fold.
    pub has_events: bool,
}

/// An event that was just applied.
pub struct Applied<'a> {
    pub state: &'a State,
    pub event: &'a Event,
    data: &'a str,
}

/// A line that an event adds to a log.
pub struct Added<'a> {
    pub log: LogId,
    pub seq: Seq,
    pub timestamp: Millis,
    pub json: Cow<'a, [u8]>,
}

impl<'a> Applied<'a> {
    pub fn added(&self) -> Option<Added<'a>> {
        // Nearly every event is a message, whose line is its data to the letter.
        if let Event::Message(message) = self.event {
            return Some(Added {
                log: LogId::Room(self.state.find_room(&message.room)?),
                seq: message.seq,
                timestamp: message.timestamp,
                json: Cow::Borrowed(self.data.as_bytes()),
            });
        }
        let append = self.state.append_of(self.event)?;
        Some(Added {
            log: append.log,
            seq: append.seq,
            timestamp: append.timestamp,
            json: Cow::Owned(append.json),
        })
    }

    pub fn recent_id(&self) -> Option<RecentId> {
        self.state.recent_id_of(self.event)
    }
}

/// Applies a journal to `state`, calling `each` after every event. `counts` as in [`journal::scan`].
pub fn replay(
    disk: &dyn Disk,
    number: u64,
    counts: Option<u64>,
    state: &mut State,
    mut each: impl FnMut(&Applied),
) -> Result<journal::Scan, OpenError> {
    let name = journal::file(number);
    let mut content = Vec::new();
    disk.read(&name, u64::MAX, &mut content)
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => OpenError::missing(&name, "it holds what happened last"),
            _ => OpenError::io("read", &name, &e),
        })?;
    journal::scan(number, &content, counts, |line, event, data| {
        let damaged = |what: String| OpenError::damaged(&name, Some(line), &what);
        let event = Event::decode(event, data)
            .map_err(|e| damaged(format!("it is no event that this version knows: {e}")))?;
        state.apply(&event).map_err(|e| damaged(e.to_string()))?;
        each(&Applied {
            state,
            event: &event,
            data,
        });
        Ok(())
    })
}

/// What a data directory holds.
pub struct Found {
    pub snapshot: Snapshot,
    /// The journals after the snapshot, oldest first; never empty.
    pub journals: Vec<Closed>,
    /// What the header of the last of them says of the one before.
    pub before_last: Option<Extent>,
    pub notes: Vec<String>,
}

/// Reads everything; `None` where nothing was ever stored. `each` is called for every event that is not folded.
pub fn find(disk: &dyn Disk, each: impl FnMut(&Applied)) -> Result<Option<Found>, OpenError> {
    let names = disk
        .list("")
        .map_err(|e| OpenError::io("list", "the data directory", &e))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|n| journal::number_of(n)).collect();
    numbers.sort_unstable();
    let Some(snapshot) = snapshot::load(disk)? else {
        return no_snapshot(disk, &names, &numbers);
    };
    // Those before it are folded; a checkpoint was interrupted before it could remove them.
    numbers.retain(|&number| number >= snapshot.journal);
    check_numbers(snapshot.journal, &numbers)?;
    let mut found = Found {
        snapshot,
        journals: Vec::new(),
        before_last: None,
        notes: Vec::new(),
    };
    verify_segments(disk, &mut found.snapshot.segments)?;
    replay_all(disk, &numbers, &mut found, each)?;
    Ok(Some(found))
}

/// A first start makes the journal before `state.json`, so an empty journal alone is one that was interrupted.
fn no_snapshot(
    disk: &dyn Disk,
    names: &[String],
    numbers: &[u64],
) -> Result<Option<Found>, OpenError> {
    let missing = || {
        let why = "the directory holds messages, but not whose they are";
        Err(OpenError::missing(snapshot::FILE, why))
    };
    if names
        .iter()
        .any(|name| name == "rooms" || name == "reports")
    {
        return missing();
    }
    match numbers {
        [] => Ok(None),
        [1] => {
            let mut content = Vec::new();
            let name = journal::file(1);
            disk.read(&name, u64::MAX, &mut content)
                .map_err(|e| OpenError::io("read", &name, &e))?;
            if content == journal::header(1, None) {
                Ok(None)
            } else {
                missing()
            }
        }
        _ => missing(),
    }
}

fn check_numbers(first: u64, numbers: &[u64]) -> Result<(), OpenError> {
    let mut expected = first..;
    for &number in numbers {
        let next = expected.next().expect("numbers do not end");
        if number != next {
            return Err(OpenError::missing(
                &journal::file(next),
                "it holds what happened last",
            ));
        }
    }
    if numbers.is_empty() {
        return Err(OpenError::missing(
            &journal::file(first),
            "it holds what happened last",
        ));
    }
    Ok(())
}

/// Every journal's header says how much of the one before counts, so headers are read before contents.
fn replay_all(
    disk: &dyn Disk,
    numbers: &[u64],
    found: &mut Found,
    mut each: impl FnMut(&Applied),
) -> Result<(), OpenError> {
    for (index, &number) in numbers.iter().enumerate() {
        let next = numbers.get(index + 1).copied();
        let counts = next.map(|next| counted_before(disk, next)).transpose()?;
        let state = &mut found.snapshot.state;
        let scan = replay(disk, number, counts, state, &mut each)?;
        found.notes.extend(scan.note);
        found.before_last = scan.header.previous;
        found.journals.push(Closed {
            extent: Extent {
                journal: number,
                bytes: scan.bytes,
            },
            has_events: scan.events > 0,
        });
    }
    Ok(())
}

/// How many bytes of the journal before `number` count.
fn counted_before(disk: &dyn Disk, number: u64) -> Result<u64, OpenError> {
    /// More than a header has.
    const HEADER_BYTES: u64 = 1024;
    let name = journal::file(number);
    let mut content = Vec::new();
    disk.read(&name, HEADER_BYTES, &mut content)
        .map_err(|e| OpenError::io("read", &name, &e))?;
    let end = content
        .iter()
        .position(|&b| b == b'\n')
        .map_or(content.len(), |end| end + 1);
    let scan = journal::scan(number, &content[..end], Some(end as u64), |_, _, _| Ok(()))?;
    match scan.header.previous {
        Some(previous) if previous.journal + 1 == number => Ok(previous.bytes),
        _ => {
            let what = "its header does not name the journal before it";
            Err(OpenError::damaged(&name, Some(1), what))
        }
    }
}

/// Checks every segment against its record; a directory that was copied is read as a whole, by several threads.
fn verify_segments(disk: &dyn Disk, table: &mut SegmentTable) -> Result<(), OpenError> {
    let work: Vec<(LogId, &mut Segment)> = table
        .iter_mut()
        .flat_map(|(&log, segments)| segments.iter_mut().map(move |segment| (log, segment)))
        .collect();
    let work: Vec<Mutex<(LogId, &mut Segment)>> = work.into_iter().map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let verify = || -> Result<(), OpenError> {
        let mut buffer = Vec::new();
        while let Some(item) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut item = item.lock().expect("each is taken once");
            let (log, segment) = &mut *item;
            **segment = segments::verify(disk, *log, segment, &mut buffer)?;
        }
        Ok(())
    };
    // A thread must have enough to do to be worth its start.
    const SEGMENTS_PER_THREAD: usize = 32;
    let helpers = match work.len() / SEGMENTS_PER_THREAD {
        0 => 0,
        most => thread::available_parallelism().map_or(0, |cores| (cores.get() - 1).min(most)),
    };
    thread::scope(|scope| {
        // Without them it only takes longer.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, verify).ok();
        let others: Vec<_> = (0..helpers).filter_map(spawn).collect();
        let mine = verify();
        others.into_iter().fold(mine, |result, thread| {
            let other = thread.join().expect("verifying does not panic");
            result.and(other)
        })
    })
}

/// What is durable now, read again: the snapshot, and these journals as far as they count.
pub fn reload(disk: &dyn Disk, journals: &[Extent]) -> Result<(State, Vec<RecentId>), OpenError> {
    let snapshot = snapshot::load(disk)?
        .ok_or_else(|| OpenError::missing(snapshot::FILE, "it was there at the start"))?;
    let mut state = snapshot.state;
    let mut recent = Vec::new();
    for extent in journals.iter().filter(|e| e.journal >= snapshot.journal) {
        replay(
            disk,
            extent.journal,
            Some(extent.bytes),
            &mut state,
            |applied| {
                recent.extend(applied.recent_id());
            },
        )?;
    }
    Ok((state, recent))
}
