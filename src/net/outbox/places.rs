//! The places of writer threads: so many at once, and those who wait for one.
//!
//! Owns the count and the queue. A thread that has written for one outbox goes on with the next that waits.

use super::{Outbox, Outboxes, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

#[derive(Default)]
pub(super) struct Writers {
    /// Threads that run now.
    running: usize,
    /// Who is behind while there are no more threads to be had.
    waiting: VecDeque<Weak<Outbox>>,
}

/// A writer thread's place; given back when it ends, however it ends.
pub(super) struct Place {
    shared: Arc<Outboxes>,
    held: bool,
}

impl Place {
    pub(super) fn take(shared: &Arc<Outboxes>) -> Option<Place> {
        Place::take_from(&mut lock(&shared.writers), shared)
    }

    /// Where every thread is busy, the next that ends its work goes on with this outbox.
    pub(super) fn take_or_wait(shared: &Arc<Outboxes>, outbox: &Weak<Outbox>) -> Option<Place> {
        let mut writers = lock(&shared.writers);
        let place = Place::take_from(&mut writers, shared);
        if place.is_none() {
            writers.waiting.push_back(outbox.clone());
        }
        place
    }

    fn take_from(writers: &mut Writers, shared: &Arc<Outboxes>) -> Option<Place> {
        if writers.running >= shared.most_writers {
            return None;
        }
        writers.running += 1;
        let shared = shared.clone();
        Some(Place { shared, held: true })
    }

    /// Writes for one connection, then for those that wait for a thread.
    pub(super) fn write(mut self, first: Arc<Outbox>) {
        let mut next = Some(first);
        while let Some(outbox) = next {
            outbox.drain();
            drop(outbox);
            next = self.next_or_end();
        }
    }

    /// In one breath, so that nobody begins to wait for a thread that has ended.
    fn next_or_end(&mut self) -> Option<Arc<Outbox>> {
        let mut writers = lock(&self.shared.writers);
        while let Some(waiting) = writers.waiting.pop_front() {
            if let Some(outbox) = waiting.upgrade() {
                return Some(outbox);
            }
        }
        writers.running -= 1;
        self.held = false;
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.held {
            lock(&self.shared.writers).running -= 1;
        }
    }
}
