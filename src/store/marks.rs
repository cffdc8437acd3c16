//! Where some lines of a log's segments begin, so that a page from the middle of one is one short read.
//!
//! Learnt by reading and kept for the log's life: every sixteenth line, about 250 bytes for a segment of a thousand
//! messages. Nothing is believed for it: whoever reads from a mark checks the lines that they find there. What a segment
//! has stands where it stood when more is added to it, so a mark outlives that.

use super::segments::{Position, Segment};
use crate::protocol::Seq;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One mark for so many lines.
const STEP: u64 = 16;

/// Whether the line is one of those whose place is kept, of the segment that begins with `first`.
pub fn is_marked(first: Seq, seq: Seq) -> bool {
    (seq - first).is_multiple_of(STEP)
}

#[derive(Default)]
pub struct Marks {
    /// By a segment's first `seq`: the offsets of its first line, the one `STEP` behind it, and so on, as far as known.
    segments: Mutex<HashMap<Seq, Vec<u32>>>,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, HashMap<Seq, Vec<u32>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to begin reading for the line `from`, and where the lines up to `to` have ended, both of the segment.
    pub fn around(&self, segment: &Segment, from: Seq, to: Seq) -> (Position, u64) {
        let mut place = Position {
            seq: segment.first,
            offset: 0,
        };
        let segments = self.lock();
        let Some(marks) = segments.get(&segment.first) else {
            return (place, segment.bytes);
        };
        let index = |seq: Seq| ((seq - segment.first) / STEP) as usize;
        let at = index(from).min(marks.len().saturating_sub(1));
        if let Some(&offset) = marks.get(at) {
            place.seq += at as Seq * STEP;
            place.offset = offset.into();
        }
        let end = marks.get(index(to) + 1);
        (place, end.map_or(segment.bytes, |&end| end.into()))
    }

    /// Marked lines that were passed in reading the segment that begins with `first`, in order.
    pub fn learn(&self, first: Seq, passed: &[Position]) {
        let mut segments = self.lock();
        let marks = segments.entry(first).or_default();
        for position in passed {
            let next = first + marks.len() as Seq * STEP;
            // No segment is that long; if one were, its end would be read from further ahead.
            if let (true, Ok(offset)) = (position.seq == next, u32::try_from(position.offset)) {
                marks.push(offset);
            }
        }
    }

    /// The segment is not what it was.
    pub fn forget(&self, first: Seq) {
        self.lock().remove(&first);
    }
}
