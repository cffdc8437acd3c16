//! What is kept: journal, segments, snapshot; and how it comes back after a stop, a crash or a failing disk.
//!
//! Owns the data directory (all but `log.txt`) and everything in it, and two threads: the journal's, which makes
//! batches of events durable, and the checkpoint's, which folds closed journals into segments and `state.json`.
//! Never decides what happens, never sends anything to anybody, never reads the clock. `docs/storage.md` says
//! what is in each file.
//!
//! A line becomes readable ([`Reader`]) once it is durable, and before [`Sink::committed`] tells of it.

mod reader;

pub use reader::{IdLookup, Line, Lines, Page, PageRange, Reader};

use crate::limits;
use crate::model::{LogId, RecentId, State};
use crate::protocol::{MessageFrame, Millis, Seq};
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

/// What an operator or a test may change. The defaults are those of [`crate::limits`].
#[derive(Clone, Debug)]
pub struct Options {
    /// A journal of this many bytes is closed and folded.
    pub journal_bytes: u64,
    /// Most messages in a new segment file, at least 1.
    pub segment_messages: u64,
    /// After a failure, writing is tried again this often.
    pub retry: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            journal_bytes: limits::JOURNAL_BYTES,
            segment_messages: limits::SEGMENT_MESSAGES,
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

/// Why a data directory is not opened: a sentence that names the file (and line) and says what to do.
#[derive(Debug)]
pub struct OpenError(String);

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

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

/// Opens `dir`, made with mode 0700 where it does not exist, and takes its lock. `now` is when a first start happened.
///
/// Fails, with nothing changed, where the directory is in use by another process, damaged, or of a newer format.
pub fn open(dir: &Path, options: Options, now: Millis) -> Result<Opened, OpenError> {
    let _ = (dir, options, now);
    todo!()
}

/// The key that tokens are signed with. `env` is the value of `JWT_SECRET`: where it is set its bytes are the key, and
/// fewer than [`limits::SECRET_BYTES_MIN`] of them an error; else the key is in the file `secret`, made on first use.
///
/// To be called after [`open`], which holds the lock.
pub fn secret(dir: &Path, env: Option<OsString>) -> Result<Vec<u8>, OpenError> {
    let _ = (dir, env);
    todo!()
}

/// An open data directory whose threads do not run yet.
pub struct Store {}

impl Store {
    /// Starts the threads. `sink` is called by one of them.
    pub fn start<T: Send + 'static>(self, sink: impl Sink<T> + 'static) -> Journal<T> {
        let _ = sink;
        todo!()
    }

    pub fn reader(&self) -> Reader {
        todo!()
    }
}

/// The way into the journal. Dropping it makes durable what was pushed, without a checkpoint.
pub struct Journal<T: Send + 'static> {
    _then: PhantomData<T>,
}

impl<T: Send + 'static> Journal<T> {
    /// Takes all of `entries`, leaving the Vec empty. Blocks while [`limits::JOURNAL_QUEUE_BYTES`] or
    /// [`limits::JOURNAL_QUEUE_ENTRIES`] wait.
    pub fn push(&self, entries: &mut Vec<Entry<T>>) {
        let _ = entries;
        todo!()
    }

    /// Makes durable what was pushed, folds everything, ends the threads and releases the lock. The error says what
    /// was not done; nothing that was committed is lost by it.
    pub fn close(self) -> Result<(), String> {
        todo!()
    }
}
