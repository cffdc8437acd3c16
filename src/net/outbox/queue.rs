//! What waits in an outbox, and what it counts for.
//!
//! Owns the order of frames and their cost. Never touches the socket; the outbox's lock is around it.

use super::{Outboxes, Source, WRITE_BYTES};
use crate::protocol::Frame;
use std::collections::VecDeque;
use std::time::Instant;

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
}

impl Cost {
    pub(super) fn add(&mut self, other: Cost) {
        self.bytes += other.bytes;
        self.large += other.large;
    }

    pub(super) fn subtract(&mut self, other: Cost) {
        // Cut or closed meanwhile, nothing counts any more.
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.large = self.large.saturating_sub(other.large);
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
    pub(super) frames: VecDeque<(Frame, Instant)>,
    /// Of the first frame, so much has been sent.
    pub(super) sent: usize,
    /// What waits counts for this, that included which a writer has in hand.
    pub(super) cost: Cost,
    /// A writer thread has the socket.
    pub(super) writing: bool,
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
    pub(super) fn append(&mut self, frames: &[Frame], mut sent: usize, shared: &Outboxes) {
        let now = Instant::now();
        for frame in frames {
            let length = frame.bytes().len();
            if sent >= length {
                sent -= length;
                continue;
            }
            if sent > 0 {
                // Something was sent only where nothing waited, so this is the first in the queue.
                self.sent = sent;
            }
            self.cost.add(shared.cost(frame, length - sent));
            sent = 0;
            self.frames.push_back((frame.clone(), now));
        }
    }

    /// Answers what the taken frames cost.
    pub(super) fn take_into(&mut self, batch: &mut Vec<u8>, shared: &Outboxes) -> Cost {
        let mut taken = Cost::default();
        while let Some((frame, _)) = self.frames.front() {
            let bytes = &frame.bytes()[self.sent..];
            if !batch.is_empty() && batch.len() + bytes.len() > WRITE_BYTES {
                return taken;
            }
            taken.add(shared.cost(frame, bytes.len()));
            batch.extend_from_slice(bytes);
            self.sent = 0;
            self.frames.pop_front();
        }
        taken
    }

    /// What waited for the catch-up is not behind because of its receiver: its clocks start now.
    pub(super) fn go_live(&mut self) {
        if self.phase != Phase::CatchingUp {
            return;
        }
        self.phase = Phase::Live;
        let now = Instant::now();
        self.frames.iter_mut().for_each(|(_, since)| *since = now);
    }
}
