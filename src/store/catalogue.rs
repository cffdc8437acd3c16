//! Which lines are readable, and where: for each log its segments, and its tail in memory.
//!
//! Owns the one picture that readers see. The journal's thread adds to tails, the checkpoint moves lines from a tail
//! to segments, each under the log's lock, so that a reader finds every durable line in exactly one of the two.
//! No lock is held over I/O.

use super::Append;
use super::ids::IdIndex;
use super::marks::Marks;
use super::segments::Segment;
use super::snapshot::SegmentTable;
use crate::model::LogId;
use crate::protocol::{MessageFrame, Millis, Seq};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All logs.
pub struct Catalogue {
    rooms: RwLock<Vec<Arc<Log>>>,
    reports: Arc<Log>,
}

/// One room's messages, or the reports.
#[derive(Default)]
pub struct Log {
    parts: RwLock<Parts>,
    /// Senders' references in the segments; taken by one reader at a time, and held while it reads files.
    ids: Mutex<IdIndex>,
    pub marks: Marks,
}

/// Where the lines of a log are.
#[derive(Clone, Default)]
pub struct Parts {
    pub segments: Arc<Vec<Segment>>,
    pub tail: VecDeque<(MessageFrame, Millis)>,
}

impl Parts {
    /// The last `seq` in segments.
    pub fn folded(&self) -> Seq {
        self.segments.last().map_or(0, Segment::last)
    }

    pub fn last_seq(&self) -> Seq {
        self.folded() + self.tail.len() as u64
    }
}

impl Log {
    pub fn parts(&self) -> RwLockReadGuard<'_, Parts> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn ids(&self) -> MutexGuard<'_, IdIndex> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parts_mut(&self) -> RwLockWriteGuard<'_, Parts> {
        self.parts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalogue {
    pub fn new(table: SegmentTable) -> Catalogue {
        let catalogue = Catalogue {
            rooms: RwLock::default(),
            reports: Arc::default(),
        };
        for (log, segments) in table {
            catalogue.log_or_new(log).parts_mut().segments = Arc::new(segments);
        }
        catalogue
    }

    /// A log that has lines; `None` where it never had any.
    pub fn log(&self, log: LogId) -> Option<Arc<Log>> {
        match log {
            LogId::Room(id) => {
                let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
                rooms.get(id.0 as usize).cloned()
            }
            LogId::Reports => Some(self.reports.clone()),
        }
    }

    fn log_or_new(&self, log: LogId) -> Arc<Log> {
        if let Some(found) = self.log(log) {
            return found;
        }
        let LogId::Room(id) = log else {
            return self.reports.clone();
        };
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let index = id.0 as usize;
        if rooms.len() <= index {
            rooms.resize_with(index + 1, Arc::default);
        }
        rooms[index].clone()
    }

    /// Makes durable lines readable.
    ///
    /// Panics where a line is not the next of its log: places are reckoned, so a gap would answer wrong lines.
    pub fn publish(&self, appends: impl Iterator<Item = Append>) {
        for append in appends {
            let log = self.log_or_new(append.log);
            let mut parts = log.parts_mut();
            let next = parts.last_seq() + 1;
            assert_eq!(
                append.seq, next,
                "{:?} continues with its next line",
                append.log
            );
            parts.tail.push_back((append.line, append.timestamp));
        }
    }

    /// The segments of a log.
    pub fn segments(&self, log: LogId) -> Arc<Vec<Segment>> {
        self.log(log)
            .map(|log| log.parts().segments.clone())
            .unwrap_or_default()
    }

    /// Replaces a log's segments by a list that holds more of its lines, and drops these from the tail.
    pub fn fold(&self, log: LogId, segments: Vec<Segment>) {
        let log = self.log_or_new(log);
        let mut parts = log.parts_mut();
        let before = parts.folded();
        parts.segments = Arc::new(segments);
        let moved = (parts.folded() - before) as usize;
        parts.tail.drain(..moved);
        if parts.tail.is_empty() {
            parts.tail = VecDeque::new();
        }
    }
}
