//! Reading what is durable: pages of history, single lines, ranges, ids. Any thread, without the hub.
//!
//! Owns nothing; sees each line from the tail in memory or from its segment, never neither. Never writes.

use crate::model::LogId;
use crate::protocol::{Error, MessageFrame, Millis, Seq};

/// Reads the logs. Cheap to clone, one for each thread.
#[derive(Clone)]
pub struct Reader {}

/// Which lines of a log are asked for; `before` and `after` exclude what they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRange {
    pub before: Option<Seq>,
    pub after: Option<Seq>,
    pub limit: u32,
}

/// A message or report as it was stored.
#[derive(Clone, Debug)]
pub struct Line {}

impl Line {
    /// The message alone.
    pub fn json(&self) -> &[u8] {
        todo!()
    }

    /// The frame that delivers it; shared where the line is still in memory.
    pub fn frame(&self) -> MessageFrame {
        todo!()
    }
}

/// Lines in ascending order.
#[derive(Clone, Debug)]
pub struct Page {
    /// Of the first line; 0 where there is none.
    pub first: Seq,
    pub lines: Vec<Line>,
    /// Whether the asked range holds further lines.
    pub more: bool,
}

impl Page {
    /// `{"messages":[...],"more":bool}`
    pub fn to_json(&self) -> Vec<u8> {
        todo!()
    }

    /// `[...]`: the messages alone.
    pub fn messages_json(&self) -> Vec<u8> {
        todo!()
    }
}

/// Where a sender's reference was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdLookup {
    pub found: Option<(Seq, Millis)>,
    /// All messages up to this one were looked at.
    pub covered: Seq,
}

/// Lines of a range, one after the other; an error ends it.
pub struct Lines {}

impl Iterator for Lines {
    type Item = Result<Line, Error>;

    fn next(&mut self) -> Option<Result<Line, Error>> {
        todo!()
    }
}

impl Reader {
    /// The last durable `seq`; 0 where the log is empty or unknown.
    pub fn last_seq(&self, log: LogId) -> Seq {
        let _ = log;
        todo!()
    }

    /// As `GET /chat/history` answers: with `after` the oldest lines that fit, else the newest.
    /// Fails with `storage_failed` where a file cannot be read or is damaged.
    pub fn page(&self, log: LogId, range: &PageRange) -> Result<Page, Error> {
        let _ = (log, range);
        todo!()
    }

    /// One line, if there is one of this `seq`.
    pub fn line(&self, log: LogId, seq: Seq) -> Result<Option<Line>, Error> {
        let _ = (log, seq);
        todo!()
    }

    /// The lines after `after` up to `through` and including it, as far as there are such; one segment at a time.
    pub fn read_range(&self, log: LogId, after: Seq, through: Seq) -> Lines {
        let _ = (log, after, through);
        todo!()
    }

    /// Looks for a message of `sender` with this `id` in the segments. The first call for a room reads all of its
    /// segments; a room without any is answered without I/O.
    pub fn find_id(&self, log: LogId, sender: &str, id: &str) -> Result<IdLookup, Error> {
        let _ = (log, sender, id);
        todo!()
    }
}
