//! What waits for the journal's thread: entries from the hub, and notices from the other threads of the store.
//!
//! Owns the bounds. One wake-up a batch; the Vec that is taken comes back empty, so it is allocated once.

use super::Entry;
use crate::limits::{JOURNAL_QUEUE_BYTES, JOURNAL_QUEUE_ENTRIES};
use crate::model::LogId;
use crate::protocol::Seq;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Entries on their way to the journal.
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    drained: Condvar,
}

struct Inner<T> {
    entries: Vec<Entry<T>>,
    bytes: usize,
    noticed: bool,
    closing: Option<Closing>,
    gone: bool,
}

/// How the journal's thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The last journal is closed too, so that everything can be folded.
    Complete,
    /// It only drains.
    Quiet,
}

impl<T> Entry<T> {
    /// What the entry costs while it waits, about.
    pub(super) fn bytes(&self) -> usize {
        let data = self
            .record
            .as_ref()
            .map_or(0, |record| record.data.json().len());
        mem::size_of::<Entry<T>>() + data
    }
}

impl<T> Queue<T> {
    pub fn new() -> Queue<T> {
        Queue {
            inner: Mutex::new(Inner {
                entries: Vec::new(),
                bytes: 0,
                noticed: false,
                closing: None,
                gone: false,
            }),
            filled: Condvar::new(),
            drained: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all of `entries`; blocks while the queue is full. Panics where the journal's thread has died.
    pub fn push(&self, entries: &mut Vec<Entry<T>>) {
        let bytes: usize = entries.iter().map(Entry::bytes).sum();
        let mut inner = self.lock();
        while !inner.gone && inner.is_full() {
            inner = self
                .drained
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        assert!(!inner.gone, "the journal's thread has died");
        inner.bytes += bytes;
        if inner.entries.is_empty() {
            mem::swap(&mut inner.entries, entries);
        } else {
            inner.entries.append(entries);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Swaps what waits into `into`, which is empty. Blocks until there is something, a notice, the end, or `wait` over.
    pub fn take(&self, into: &mut Vec<Entry<T>>, wait: Option<Duration>) -> Option<Closing> {
        let mut inner = self.lock();
        while inner.entries.is_empty() && !inner.noticed && inner.closing.is_none() {
            let Some(wait) = wait else {
                inner = self
                    .filled
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let result = self.filled.wait_timeout(inner, wait);
            let (guard, timeout) = result.unwrap_or_else(PoisonError::into_inner);
            inner = guard;
            if timeout.timed_out() {
                break;
            }
        }
        inner.noticed = false;
        inner.bytes = 0;
        mem::swap(&mut inner.entries, into);
        let closing = inner.closing;
        drop(inner);
        self.drained.notify_all();
        closing
    }

    /// Wakes the journal's thread for a notice.
    pub fn notice(&self) {
        self.lock().noticed = true;
        self.filled.notify_one();
    }

    /// The journal's thread drains the queue and ends.
    pub fn close(&self, how: Closing) {
        self.lock().closing = Some(how);
        self.filled.notify_one();
    }

    /// Says that nobody takes any more, so that nobody waits for it.
    pub fn leave(&self) {
        self.lock().gone = true;
        self.drained.notify_all();
    }
}

impl<T> Inner<T> {
    fn is_full(&self) -> bool {
        self.entries.len() >= JOURNAL_QUEUE_ENTRIES || self.bytes >= JOURNAL_QUEUE_BYTES
    }
}

/// What other threads of the store have to tell the sink.
pub enum Notice {
    Log {
        event: &'static str,
        fields: Vec<(&'static str, String)>,
    },
    Folded(Vec<(LogId, Seq)>),
}

/// Notices on their way to the journal's thread, which alone talks to the sink.
#[derive(Default)]
pub struct Notices {
    waiting: Mutex<Vec<Notice>>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Notices {
    /// Most notices that wait: a damaged file that is read again and again must not fill the memory.
    const MOST: usize = 1024;

    pub fn log(&self, event: &'static str, fields: Vec<(&'static str, String)>) {
        self.push(Notice::Log { event, fields });
    }

    pub fn push(&self, notice: Notice) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < Notices::MOST || matches!(notice, Notice::Folded(_)) {
            waiting.push(notice);
        }
        drop(waiting);
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// Calls `wake` after each further notice.
    pub fn on_notice(&self, wake: Box<dyn Fn() + Send + Sync>) {
        // Set once: a store is started once.
        let _ = self.wake.set(wake);
    }

    pub fn take(&self) -> Vec<Notice> {
        mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
