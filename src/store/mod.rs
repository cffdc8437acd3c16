//! What is kept: journal, segments, snapshot; and how it comes back after a stop, a crash or a failing disk.
//!
//! Owns the data directory (all but `log.txt`) and everything in it, and two threads: the journal's, which makes
//! batches of events durable, and the checkpoint's, which folds closed journals into segments and `state.json`.
//! Never decides what happens, never sends anything to anybody, never reads the clock. `docs/storage.md` says
//! what is in each file.
//!
//! A line becomes readable ([`Reader`]) once it is durable, and before [`Sink::committed`] tells of it.

mod catalogue;
mod check;
mod checkpoint;
mod copy;
mod disk;
mod draft;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod journal;
mod line;
mod lock;
mod maintain;
mod marks;
mod migrate;
mod queue;
mod reader;
mod recovery;
mod repair;
mod salvage;
mod secret;
mod segments;
mod snapshot;
mod spare;
#[cfg(test)]
mod tests;
mod torn;
mod writer;

pub use check::{Census, Checked, counted};
pub use error::OpenError;
pub use maintain::{NewPassword, Repaired, check, repair};
pub(crate) use reader::{Chunk, ChunkLines, join_lines};
pub use reader::{IdLookup, Line, Lines, Page, PageRange, Reader, Selection};
pub use secret::{known_secret, make_secret};

use crate::limits;
use crate::model::{LogId, RecentId, State};
use crate::protocol::{MessageFrame, Millis, Seq};
use catalogue::Catalogue;
use checkpoint::Folding;
use disk::{Disk, RealDisk};
use lock::Lock;
use queue::{Closing, Notices, Queue};
use recovery::{Closed, Found};
use snapshot::SegmentTable;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use writer::{Live, Writer};

/// What an operator or a test may change. The defaults are those of [`crate::limits`].
#[derive(Clone, Debug)]
pub struct Options {
    /// A journal of this many bytes is closed and folded.
    pub journal_bytes: u64,
    /// Most messages in a new segment file, at least 1.
    pub segment_messages: u64,
    /// A segment file of this many bytes takes no more.
    pub segment_bytes: u64,
    /// Of a segment so much is read at once, unless a line is longer.
    pub read_bytes: usize,
    /// After a failure, writing is tried again this often.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            journal_bytes: limits::JOURNAL_BYTES,
            segment_messages: limits::SEGMENT_MESSAGES,
            segment_bytes: limits::SEGMENT_BYTES,
            read_bytes: limits::READ_BYTES,
            retry: limits::STORAGE_RETRY,
        }
    }
}

/// A data directory that is open, and what was found in it.
pub struct Opened {
    pub store: Store,
    pub state: State,
    /// References of the messages that are not folded yet; older ones are found by [`Reader::find_id`].
    pub recent: Vec<RecentId>,
    /// What an operator should know, each a sentence for `log.txt`: a torn tail that was cut off, for example.
    pub notes: Vec<String>,
}

/// A line that becomes readable once its record is durable. Reports too: `MessageFrame::from_json` of their JSON.
#[derive(Clone, Debug)]
pub struct Append {
    pub log: LogId,
    /// The next of its log.
    pub seq: Seq,
    pub timestamp: Millis,
    pub line: MessageFrame,
}

/// The data of an event, encoded.
#[derive(Clone, Debug)]
pub enum Data {
    /// The message's own JSON, shared with its receivers.
    Message(MessageFrame),
    /// One line of JSON.
    Json(Vec<u8>),
}

/// A line of the journal: an [`Event`](crate::model::Event) as its two encoded fields.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event's name: `Message`, `Read` …
    pub event: &'static str,
    pub data: Data,
    pub append: Option<Append>,
}

/// What the hub decided, in its order. Without a record it only waits for those before it.
pub struct Entry<T> {
    /// The epoch of the state that it was decided on: 0 after [`open`], then as [`Sink::rolled_back`] says.
    pub epoch: u32,
    pub record: Option<Record>,
    /// What follows once it is durable; the store never looks inside.
    pub then: T,
}

/// What was in an entry that did not become durable.
pub struct Failed<T> {
    pub then: T,
    pub had_record: bool,
}

/// Hears from the journal's thread. It must not block for long, and never waits for the store.
pub trait Sink<T>: Send {
    /// These are durable and readable, in the order in which they were pushed.
    fn committed(&mut self, batch: Vec<T>);
    /// These are not durable and must not be acked, in order. `message` is the reason, for people.
    fn failed(&mut self, batch: Vec<Failed<T>>, message: &str);
    /// The hub's state ran ahead of the disk: this is what is durable. Entries of an older epoch fail. Until
    /// [`Sink::recovered`] every entry with a record fails too, and is followed by another `rolled_back`.
    fn rolled_back(&mut self, state: State, recent: Vec<RecentId>, epoch: u32);
    /// Records of the current epoch are accepted again.
    fn recovered(&mut self);
    /// Each log is folded through this `seq`: [`Reader::find_id`] covers it, its [`RecentId`]s may be forgotten.
    fn folded(&mut self, through: Vec<(LogId, Seq)>);
    /// A line for `log.txt`.
    fn log(&mut self, event: &str, fields: &[(&str, &str)]);
}

/// What all parts of an open store share.
struct Base {
    disk: Box<dyn Disk>,
    options: Options,
    catalogue: Catalogue,
    folding: Folding,
    notices: Notices,
}

/// Opens `dir`, made with mode 0700 where it does not exist, and takes its lock. `now` is when a first start happened.
///
/// Fails, with nothing changed, where the directory is in use by another process, damaged, or of a newer format. One of
/// an older format is migrated first, and a copy of it kept beside it.
pub fn open(dir: &Path, options: Options, now: Millis) -> Result<Opened, OpenError> {
    let disk = RealDisk::new(dir);
    let name = dir.display().to_string();
    disk::create_root(dir).map_err(|e| OpenError::io("make", &name, &e))?;
    let mut lock = lock::take(dir)?;
    let suffix = format!(".before-format-{}", journal::FORMAT);
    let migrated = migrate::migrate(&disk, migrate::MIGRATIONS, || copy::keep(dir, &suffix))?;
    let mut opened = open_disk(Box::new(disk), options, now)?;
    opened.notes.extend(migrated);
    lock.sign();
    opened.store.lock = Some(lock);
    Ok(opened)
}

/// [`open`] on any disk, without a lock.
fn open_disk(disk: Box<dyn Disk>, options: Options, now: Millis) -> Result<Opened, OpenError> {
    let mut recent = Vec::new();
    let mut tails = Vec::new();
    let found = recovery::find(&*disk, |applied| {
        recent.extend(applied.recent_id());
        tails.extend(applied.added().map(|added| Append {
            log: added.log,
            seq: added.seq,
            timestamp: added.timestamp,
            line: MessageFrame::from_json(&added.json),
        }));
    })?;
    let started = match found {
        Some(found) => resume(&*disk, found),
        None => first_start(&*disk, now),
    };
    let started = started.map_err(|e| OpenError::io("write to", "the data directory", &e))?;
    let catalogue = Catalogue::new(started.segments);
    catalogue.publish(tails.into_iter());
    let base = Base {
        disk,
        options,
        catalogue,
        folding: Folding::new(started.closed),
        notices: Notices::default(),
    };
    Ok(Opened {
        store: Store {
            base: Arc::new(base),
            live: started.live,
            lock: None,
        },
        state: started.state,
        recent,
        notes: started.notes,
    })
}

/// What a start leads to.
struct Started {
    state: State,
    segments: SegmentTable,
    closed: Vec<Closed>,
    live: Live,
    notes: Vec<String>,
}

/// The journal comes before `state.json`, so that a missing journal is always a loss that is noticed.
fn first_start(disk: &dyn Disk, now: Millis) -> std::io::Result<Started> {
    const FIRST: u64 = 1;
    let state = State::new(now);
    let live = writer::create(disk, FIRST, None)?;
    disk.replace(
        snapshot::FILE,
        &snapshot::encode(FIRST, now, &state, |_| &[]),
    )?;
    disk.sync_directory("")?;
    Ok(Started {
        state,
        segments: SegmentTable::new(),
        closed: Vec::new(),
        live,
        notes: Vec::new(),
    })
}

/// Every start goes on in a new journal: nobody knows what an old file's end went through. One without events is made
/// anew under its own number, so that after a clean stop `state.json` names the live journal, and its loss is noticed.
fn resume(disk: &dyn Disk, mut found: Found) -> std::io::Result<Started> {
    let last = *found.journals.last().expect("there is always a journal");
    let (number, previous) = if last.has_events {
        (last.extent.journal + 1, Some(last.extent))
    } else {
        found.journals.pop();
        (last.extent.journal, found.before_last)
    };
    let live = writer::create(disk, number, previous)?;
    // What an interrupted checkpoint, or a write that was, did not come to.
    let is_left = |name: &str| match name.strip_suffix(disk::TEMPORARY) {
        Some(whole) => whole == snapshot::FILE || journal::number_of(whole).is_some(),
        None => journal::number_of(name).is_some_and(|number| number < found.snapshot.journal),
    };
    for name in disk.list("")?.iter().filter(|name| is_left(name)) {
        disk.remove(name)?;
    }
    Ok(Started {
        state: found.snapshot.state,
        segments: found.snapshot.segments,
        closed: found.journals,
        live,
        notes: found.notes,
    })
}

/// An open data directory whose threads do not run yet.
pub struct Store {
    base: Arc<Base>,
    live: Live,
    lock: Option<Lock>,
}

impl Store {
    /// Starts the threads. `sink` is called by one of them. Fails where the system gives no thread.
    pub fn start<T: Send + 'static>(self, sink: impl Sink<T> + 'static) -> io::Result<Journal<T>> {
        let mut journal = self.start_writer(sink)?;
        let base = journal.base.clone();
        journal.checkpoint = Some(spawn("checkpoint", move || checkpoint::run(&base))?);
        Ok(journal)
    }

    /// [`Store::start`] without the checkpoint's thread.
    fn start_writer<T: Send + 'static>(
        self,
        sink: impl Sink<T> + 'static,
    ) -> io::Result<Journal<T>> {
        let queue = Arc::new(Queue::new());
        let woken = queue.clone();
        self.base
            .notices
            .on_notice(Box::new(move || woken.notice()));
        let writer = Writer::new(self.base.clone(), queue.clone(), sink, self.live);
        Ok(Journal {
            queue,
            base: self.base,
            writer: Some(spawn("journal", move || writer.run())?),
            checkpoint: None,
            _lock: self.lock,
        })
    }

    pub fn reader(&self) -> Reader {
        Reader::new(self.base.clone())
    }
}

fn spawn<R: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> R + Send + 'static,
) -> io::Result<JoinHandle<R>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// The way into the journal. Dropping it makes durable what was pushed, without a checkpoint.
pub struct Journal<T: Send + 'static> {
    queue: Arc<Queue<T>>,
    base: Arc<Base>,
    writer: Option<JoinHandle<Result<(), String>>>,
    checkpoint: Option<JoinHandle<()>>,
    /// Released last.
    _lock: Option<Lock>,
}

impl<T: Send + 'static> Journal<T> {
    /// Takes all of `entries`, leaving the Vec empty. Blocks while [`limits::JOURNAL_QUEUE_BYTES`] or
    /// [`limits::JOURNAL_QUEUE_ENTRIES`] wait. Panics where the journal's thread has died.
    pub fn push(&self, entries: &mut Vec<Entry<T>>) {
        self.queue.push(entries);
    }

    /// Makes durable what was pushed, folds everything (unless that is so much that it would take seconds: then the next
    /// start does it), ends the threads and releases the lock. The error says what was not done; nothing that was
    /// committed is lost by it.
    pub fn close(mut self) -> Result<(), String> {
        self.join(Closing::Complete)?;
        checkpoint::fold_last(&self.base, checkpoint::THREADS).map_err(|error| error.to_string())
    }

    fn join(&mut self, how: Closing) -> Result<(), String> {
        self.queue.close(how);
        self.base.folding.stop();
        let died = |_| Err("A thread of the store has died.".to_owned());
        let written = self
            .writer
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap_or_else(died));
        let folded = self.checkpoint.take().map_or(Ok(()), |thread| {
            thread
                .join()
                .map_err(|_| "The checkpoint's thread has died.".to_owned())
        });
        written.and(folded)
    }
}

impl<T: Send + 'static> Drop for Journal<T> {
    fn drop(&mut self) {
        // After `close` there is nothing to join; an error was the sink's to hear.
        let _ = self.join(Closing::Quiet);
    }
}
