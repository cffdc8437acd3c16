//! What waits in an outbox, and what it counts for.
//!
//! Owns the order of frames and their cost. Never touches the socket; the outbox's lock is around it.

use super::{Budget, Outboxes, Source, WRITE_BYTES};
use crate::hub::SharedFrame;
use crate::protocol::Frame;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a waiting frame costs in memory beside its bytes, about: pongs have two bytes, and millions of them must not
/// count for a few megabytes.
pub(super) const FRAME_BYTES_LEAST: usize = 64;

/// What waiting frames count for.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    /// A frame counts for [`FRAME_BYTES_LEAST`] at least, a large answer for nothing.
    pub(super) bytes: usize,
    /// Large answers.
    pub(super) large: usize,
    /// This connection's part of the memory that is held, large or not: places in the queue, and of each frame what is
    /// its share among all who receive it.
    pub(super) own: usize,
}

/// A frame in the queue.
pub(super) struct Waiting {
    pub(super) frame: Frame,
    pub(super) since: Instant,
    pub(super) receivers: u32,
}

impl Cost {
    pub(super) fn add(&mut self, other: Cost) {
        self.bytes += other.bytes;
        self.large += other.large;
        self.own += other.own;
    }

    pub(super) fn subtract(&mut self, other: Cost) {
        // Cut or closed meanwhile, nothing counts any more.
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.large = self.large.saturating_sub(other.large);
        self.own = self.own.saturating_sub(other.own);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// What was missed goes first.
    CatchingUp,
    Live,
    /// A close frame is the last thing in the queue, or has been sent.
    Closing,
    /// The socket is shut; everything is dropped.
    Cut,
}

pub(super) struct Queue {
    pub(super) phase: Phase,
    pub(super) frames: VecDeque<Waiting>,
    /// Of the first frame, so much has been sent.
    pub(super) sent: usize,
    /// What waits counts for this, that included which a writer has in hand.
    pub(super) cost: Cost,
    /// What of it is counted in the budget of all outboxes.
    pub(super) reported: usize,
    /// A writer thread has the socket.
    pub(super) writing: bool,
    /// One was called for: it is about to begin, or there is none to be had yet.
    pub(super) called: bool,
    /// It is writing something now.
    pub(super) in_hand: bool,
    /// What was missed, while nobody is writing it.
    pub(super) missed: Option<Missed>,
    /// When the socket last took something of what was missed.
    pub(super) progress: Instant,
}

/// What is left of a catch-up.
pub(super) struct Missed {
    pub(super) piece: Vec<u8>,
    pub(super) source: Box<dyn Source>,
}

impl Queue {
    /// Frames of which the first `sent` bytes, all together, are sent already.
    pub(super) fn append(&mut self, frames: &[SharedFrame], mut sent: usize, shared: &Outboxes) {
        let now = Instant::now();
        for SharedFrame { frame, receivers } in frames {
            let length = frame.bytes().len();
            if sent >= length {
                sent -= length;
                continue;
            }
            if sent > 0 {
                // Something was sent only where nothing waited, so this is the first in the queue.
                self.sent = sent;
            }
            self.cost.add(shared.cost(frame, length - sent, *receivers));
            sent = 0;
            self.frames.push_back(Waiting {
                frame: frame.clone(),
                since: now,
                receivers: *receivers,
            });
        }
    }

    /// So much more of the first frame has been sent.
    pub(super) fn advance(&mut self, sent: usize, shared: &Outboxes) {
        let Some(first) = self.frames.front() else {
            return;
        };
        let (length, receivers) = (first.frame.bytes().len(), first.receivers);
        let before = shared.cost(&first.frame, length - self.sent, receivers);
        self.sent += sent;
        self.cost.subtract(before);
        if self.sent == length {
            self.sent = 0;
            self.frames.pop_front();
            return;
        }
        let left = shared.cost(&first.frame, length - self.sent, receivers);
        self.cost.add(left);
    }

    /// Tells what changed of this connection's own.
    pub(super) fn report(&mut self, budget: &Budget) {
        if self.reported != self.cost.own {
            budget.change(self.reported, self.cost.own);
            self.reported = self.cost.own;
        }
    }

    /// Returns what the taken frames cost.
    pub(super) fn take_into(&mut self, batch: &mut Vec<u8>, shared: &Outboxes) -> Cost {
        let mut taken = Cost::default();
        while let Some(waiting) = self.frames.front() {
            let frame = &waiting.frame;
            let bytes = &frame.bytes()[self.sent..];
            if !batch.is_empty() && batch.len() + bytes.len() > WRITE_BYTES {
                return taken;
            }
            taken.add(shared.cost(frame, bytes.len(), waiting.receivers));
            batch.extend_from_slice(bytes);
            self.sent = 0;
            self.frames.pop_front();
        }
        taken
    }

    /// Drops what waits but answers, and the rest of a frame of which a part is sent.
    pub(super) fn keep_answers(&mut self, shared: &Outboxes) {
        let begun = usize::from(self.sent > 0);
        let rest = self.frames.split_off(begun.min(self.frames.len()));
        let answers = rest.into_iter().filter(|w| w.frame.is_answer());
        self.frames.extend(answers);
        self.cost = Cost::default();
        let mut sent = self.sent;
        for waiting in &self.frames {
            let left = waiting.frame.bytes().len() - std::mem::take(&mut sent);
            self.cost
                .add(shared.cost(&waiting.frame, left, waiting.receivers));
        }
    }

    /// All clocks stood still for so long.
    pub(super) fn forgive(&mut self, nap: Duration) {
        self.progress += nap;
        self.frames
            .iter_mut()
            .for_each(|waiting| waiting.since += nap);
    }

    /// What waited for the catch-up is not behind because of its receiver: its clocks start now.
    pub(super) fn go_live(&mut self) {
        if self.phase != Phase::CatchingUp {
            return;
        }
        self.phase = Phase::Live;
        let now = Instant::now();
        self.frames
            .iter_mut()
            .for_each(|waiting| waiting.since = now);
    }
}
