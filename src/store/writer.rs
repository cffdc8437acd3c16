//! The journal's thread: takes what waits, writes it, syncs it, and only then lets it go.
//!
//! Owns the live journal, its rotation, and what happens when the disk fails. Reads no clock but to wait.
//!
//! A file whose write or sync failed is never touched again: the system may have dropped what it held. What counts
//! of it is said by the next journal's header, and until that is durable nothing is acked.

use super::disk::{AppendFile, Disk};
use super::journal::{self, Extent};
use super::queue::{Closing, Notice, Queue};
use super::recovery::{self, Closed};
use super::{Append, Base, Entry, Failed, Sink};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Most bytes that one write takes. More senders wait a sync longer rather than make one endless.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// What the buffer keeps between batches.
const BUFFER_BYTES: usize = 1024 * 1024;
/// What the list of entries keeps between batches.
const KEPT_ENTRIES: usize = 4096;

/// The journal that is being written. Its header is durable.
pub struct Live {
    pub number: u64,
    pub previous: Option<Extent>,
    pub file: Box<dyn AppendFile>,
    /// How much of it is durable.
    pub bytes: u64,
    pub events: u64,
}

impl Live {
    fn closed(&self) -> Closed {
        Closed {
            extent: Extent {
                journal: self.number,
                bytes: self.bytes,
            },
            has_events: self.events > 0,
        }
    }
}

/// Makes a journal of this number, durable under its name, and opens it.
pub fn create(disk: &dyn Disk, number: u64, previous: Option<Extent>) -> io::Result<Live> {
    let name = journal::file(number);
    let header = journal::header(number, previous);
    disk.replace(&name, &header)?;
    disk.sync_directory("")?;
    Ok(Live {
        number,
        previous,
        file: disk.append(&name)?,
        bytes: header.len() as u64,
        events: 0,
    })
}

enum Health {
    Writing(Live),
    Failed(Failure),
}

struct Failure {
    /// The journal that failed, as far as it counts.
    last: Closed,
    /// The number of the journal to go on with, and what its header says of the one before.
    next: (u64, Option<Extent>),
    /// For people, with every entry that fails from it.
    message: String,
    /// Whether the hub has the durable state.
    rolled_back: bool,
    /// What was logged last: the same again says nothing new.
    logged: String,
    reload_at: Instant,
    reopen_at: Instant,
}

impl Failure {
    fn log_once<T>(&mut self, sink: &mut impl Sink<T>, event: &str, error: String) {
        if self.logged != error {
            sink.log(event, &[("error", &error)]);
            self.logged = error;
        }
    }
}

/// The thread's own.
pub struct Writer<T, S> {
    base: Arc<Base>,
    queue: Arc<Queue<T>>,
    sink: S,
    health: Health,
    epoch: u32,
    /// The live journal is closed at this size.
    rotate_at: u64,
    buffer: Vec<u8>,
    appends: Vec<Append>,
    records: Vec<bool>,
}

/// Frees those who wait for the thread, however it ends.
struct Leave<T>(Arc<Queue<T>>);

impl<T> Drop for Leave<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T, S: Sink<T>> Writer<T, S> {
    pub fn new(base: Arc<Base>, queue: Arc<Queue<T>>, sink: S, live: Live) -> Writer<T, S> {
        Writer {
            rotate_at: base.options.journal_bytes,
            base,
            queue,
            sink,
            health: Health::Writing(live),
            epoch: 0,
            buffer: Vec::new(),
            appends: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Runs until the queue is closed and drained. The error says why the last journal could not be closed.
    pub fn run(mut self) -> Result<(), String> {
        let _leave = Leave(self.queue.clone());
        let mut entries = Vec::new();
        loop {
            let closing = self.queue.take(&mut entries, self.wait());
            self.deliver_notices();
            let idle = entries.is_empty();
            self.process(&mut entries);
            entries.shrink_to(KEPT_ENTRIES);
            match closing {
                Some(how) if idle => return self.finish(how),
                _ => self.heal(),
            }
        }
    }

    /// How long it may sleep: for ever while all is well.
    fn wait(&self) -> Option<std::time::Duration> {
        match &self.health {
            Health::Writing(_) => None,
            Health::Failed(failure) => {
                let next = match failure.rolled_back {
                    true => failure.reopen_at,
                    false => failure.reload_at,
                };
                Some(next.saturating_duration_since(Instant::now()))
            }
        }
    }

    fn deliver_notices(&mut self) {
        for notice in self.base.notices.take() {
            match notice {
                Notice::Folded(through) => self.sink.folded(through),
                Notice::Log { event, fields } => {
                    let fields: Vec<_> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
                    self.sink.log(event, &fields);
                }
            }
        }
    }

    fn process(&mut self, entries: &mut Vec<Entry<T>>) {
        while !entries.is_empty() {
            let mut bytes = 0;
            let fits = |entry: &&Entry<T>| {
                let fits = bytes < BATCH_BYTES;
                bytes += entry.bytes();
                fits
            };
            let count = entries.iter().take_while(fits).count();
            match self.health {
                Health::Writing(_) => self.write_batch(entries.drain(..count)),
                Health::Failed(_) => self.refuse(entries.drain(..count)),
            }
        }
    }

    /// Encodes, writes and syncs one batch, and says what became of it.
    fn write_batch(&mut self, entries: impl ExactSizeIterator<Item = Entry<T>>) {
        let mut batch = Vec::with_capacity(entries.len());
        let mut stale = Vec::new();
        self.buffer.clear();
        self.records.clear();
        self.appends.clear();
        let Health::Writing(live) = &mut self.health else {
            unreachable!("called while writing");
        };
        let mut events = live.events;
        let first = events + 1;
        // A failed journal without events is made anew, else a disk that stays full would gather empty journals.
        let live_reusable = events == 0;
        for entry in entries {
            let had_record = entry.record.is_some();
            if entry.epoch != self.epoch {
                stale.push(failed(entry));
                continue;
            }
            if let Some(record) = entry.record {
                events += 1;
                journal::push_record(&mut self.buffer, events, first, &record);
                self.appends.extend(record.append);
            }
            self.records.push(had_record);
            batch.push(entry.then);
        }
        if !stale.is_empty() {
            self.sink.failed(stale, "The disk failed just before this.");
        }
        if !self.buffer.is_empty() {
            let written = live
                .file
                .write_all(&self.buffer)
                .and_then(|()| live.file.sync());
            if let Err(error) = written {
                return self.fail(&error, batch, live_reusable);
            }
            live.bytes += self.buffer.len() as u64;
            live.events = events;
        }
        let full = live.bytes >= self.rotate_at;
        self.base.catalogue.publish(self.appends.drain(..));
        if !batch.is_empty() {
            self.sink.committed(batch);
        }
        if self.buffer.capacity() > BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        if full && self.base.folding.is_idle() {
            self.rotate();
        }
    }

    /// The live journal takes nothing any more; what was in flight is not durable as far as anybody may say.
    /// `reuse`: whether the next journal takes its number.
    fn fail(&mut self, error: &io::Error, batch: Vec<T>, reuse: bool) {
        let Health::Writing(live) = &self.health else {
            unreachable!("only what is written can fail");
        };
        let name = journal::file(live.number);
        let message = format!(
            "The message store cannot be written ({error}). It is tried again every {} seconds; whoever runs the server \
             should look at its disk.",
            self.base.options.retry.as_secs_f32()
        );
        let last = live.closed();
        self.health = Health::Failed(Failure {
            last,
            next: match reuse {
                true => (live.number, live.previous),
                false => (live.number + 1, Some(last.extent)),
            },
            message: message.clone(),
            rolled_back: false,
            logged: String::new(),
            reload_at: Instant::now(),
            reopen_at: Instant::now() + self.base.options.retry,
        });
        self.epoch += 1;
        self.sink.log(
            "storage_failed",
            &[("file", &name), ("error", &error.to_string())],
        );
        if !batch.is_empty() {
            let batch = batch.into_iter().zip(self.records.drain(..));
            let batch = batch
                .map(|(then, had_record)| Failed { then, had_record })
                .collect();
            self.sink.failed(batch, &message);
        }
    }

    /// While nothing can be written, only what needs no writing goes through.
    fn refuse(&mut self, entries: impl Iterator<Item = Entry<T>>) {
        let Health::Failed(failure) = &mut self.health else {
            unreachable!("called while failed");
        };
        let mut ran_ahead = false;
        for entry in entries {
            // In order, so one by one; there is no hurry here.
            ran_ahead |= entry.epoch == self.epoch && entry.record.is_some();
            if ran_ahead || entry.epoch != self.epoch {
                self.sink.failed(vec![failed(entry)], &failure.message);
            } else {
                self.sink.committed(vec![entry.then]);
            }
        }
        if ran_ahead {
            // The hub has applied what failed just now, so its state is ahead once more.
            self.epoch += 1;
            failure.rolled_back = false;
        }
    }

    /// After a failure: gives the hub the durable state, then opens the next journal, when it is time to try.
    fn heal(&mut self) {
        let Health::Failed(failure) = &mut self.health else {
            return;
        };
        if !failure.rolled_back && Instant::now() >= failure.reload_at {
            let files = self.base.folding.hold_files();
            let closed = self.base.folding.closed().into_iter().chain([failure.last]);
            let journals: Vec<Extent> = closed.map(|journal| journal.extent).collect();
            let reloaded = recovery::reload(&*self.base.disk, &journals);
            drop(files);
            match reloaded {
                Ok((state, recent)) => {
                    failure.rolled_back = true;
                    self.sink.rolled_back(state, recent, self.epoch);
                }
                Err(error) => {
                    failure.reload_at = Instant::now() + self.base.options.retry;
                    failure.log_once(&mut self.sink, "storage_reload_failed", error.to_string());
                }
            }
        }
        if failure.rolled_back && Instant::now() >= failure.reopen_at {
            self.reopen();
        }
    }

    /// Tries to open the journal after the failed one.
    fn reopen(&mut self) {
        let Health::Failed(failure) = &mut self.health else {
            return;
        };
        let last = failure.last;
        let (number, previous) = failure.next;
        match create(&*self.base.disk, number, previous) {
            Ok(live) => {
                if number > last.extent.journal {
                    self.base.folding.push(last);
                }
                self.rotate_at = self.base.options.journal_bytes;
                self.health = Health::Writing(live);
                self.sink
                    .log("storage_recovered", &[("file", &journal::file(number))]);
                self.sink.recovered();
            }
            Err(error) => {
                failure.reopen_at = Instant::now() + self.base.options.retry;
                let error = format!("{}: {error}", journal::file(number));
                failure.log_once(&mut self.sink, "storage_retry_failed", error);
            }
        }
    }

    /// Goes on in a new journal, and has the old one folded. Where that fails it goes on in the old one.
    fn rotate(&mut self) -> Option<io::Error> {
        let Health::Writing(live) = &self.health else {
            unreachable!("called while writing");
        };
        let closed = live.closed();
        let next = live.number + 1;
        let disk = &*self.base.disk;
        match create(disk, next, Some(closed.extent)) {
            Ok(live) => {
                self.health = Health::Writing(live);
                self.rotate_at = self.base.options.journal_bytes;
                self.base.folding.push(closed);
                None
            }
            Err(error) => {
                let name = journal::file(next);
                let fields = [("file", name.as_str()), ("error", &*error.to_string())];
                self.sink.log("journal_rotation_failed", &fields);
                // Its header would make void what is written to the old journal from now on, so it must be gone.
                match self.undo_rotation(&name) {
                    Ok(()) => {
                        let later = (self.base.options.journal_bytes / 8).max(1);
                        self.rotate_at = closed.extent.bytes + later;
                    }
                    // Nor may the old journal's number be used again, while the next one's header may be there.
                    Err(undo) => self.fail(&undo, Vec::new(), false),
                }
                Some(error)
            }
        }
    }

    fn undo_rotation(&self, name: &str) -> io::Result<()> {
        match self.base.disk.remove(name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        self.base.disk.sync_directory("")
    }

    fn finish(mut self, how: Closing) -> Result<(), String> {
        if let Health::Failed(failure) = &mut self.health {
            failure.reload_at = Instant::now();
            failure.reopen_at = Instant::now();
            self.heal();
        }
        if how == Closing::Quiet {
            return Ok(());
        }
        match &self.health {
            Health::Failed(failure) => Err(failure.message.clone()),
            Health::Writing(_) => match self.rotate() {
                None => Ok(()),
                Some(error) => Err(format!("The journal cannot be closed: {error}.")),
            },
        }
    }
}

fn failed<T>(entry: Entry<T>) -> Failed<T> {
    Failed {
        had_record: entry.record.is_some(),
        then: entry.then,
    }
}
