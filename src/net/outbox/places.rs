//! The places of writer threads: so many at once, and those who wait for one.
//!
//! Owns the count and the queue. A thread that has written for one outbox goes on with the next that waits. Threads may
//! be held by peers that take their time, and the system may give none; so one thread, the usher, looks after all who
//! wait, and sends what their sockets take without waiting for any.

use super::{Outbox, Outboxes, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Who waits for a thread is looked after so often: seldom enough that thousands cost little, and nobody notices.
const LOOK_AFTER: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Writers {
    /// Threads that run now.
    running: usize,
    /// Who is behind while there are no more threads to be had.
    waiting: VecDeque<Weak<Outbox>>,
    /// The usher is there.
    ushered: bool,
}

/// A writer thread's place; given back when it ends, however it ends.
pub(super) struct Place {
    shared: Arc<Outboxes>,
    held: bool,
}

impl Place {
    pub(super) fn take(shared: &Arc<Outboxes>) -> Option<Place> {
        Place::take_below(shared, shared.most_writers)
    }

    /// Catching up goes at the peer's pace, be it a byte a minute; so half of all places are for those who are only
    /// behind, which ends soon, one way or the other.
    pub(super) fn take_for_catch_up(shared: &Arc<Outboxes>) -> Option<Place> {
        Place::take_below(shared, shared.most_writers / 2)
    }

    fn take_below(shared: &Arc<Outboxes>, most: usize) -> Option<Place> {
        let mut writers = lock(&shared.writers);
        if writers.running >= most {
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

/// The next thread that ends its work goes on with this outbox; until then the usher looks after it.
///
/// Where the system gives no thread for that either, whoever pushes next sends what waits, or calls again.
pub(super) fn wait_for_one(shared: &Arc<Outboxes>, outbox: &Weak<Outbox>) {
    let mut writers = lock(&shared.writers);
    writers.waiting.push_back(outbox.clone());
    if writers.ushered {
        return;
    }
    let ushered = shared.clone();
    let started = std::thread::Builder::new()
        .name("usher".into())
        .stack_size(shared.stack_bytes)
        .spawn(move || usher(&ushered));
    writers.ushered = started.is_ok();
}

/// Until nobody waits.
fn usher(shared: &Outboxes) {
    loop {
        std::thread::sleep(LOOK_AFTER);
        let mut waiting = std::mem::take(&mut lock(&shared.writers).waiting);
        waiting.retain(|outbox| {
            let outbox = outbox.upgrade();
            outbox.is_some_and(|outbox| outbox.is_still_waiting())
        });
        let mut writers = lock(&shared.writers);
        // Who came meanwhile stands behind.
        waiting.append(&mut writers.waiting);
        writers.waiting = waiting;
        if writers.waiting.is_empty() {
            writers.ushered = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catching_up_leaves_half_of_the_places_to_those_who_are_only_behind() {
        let mut shared = Outboxes::new(false, 1024);
        shared.most_writers = 4;
        let shared = Arc::new(shared);
        let catching_up: Vec<_> = (0..3).map(|_| Place::take_for_catch_up(&shared)).collect();
        assert_eq!(catching_up.iter().flatten().count(), 2);
        let behind: Vec<_> = (0..3).map(|_| Place::take(&shared)).collect();
        assert_eq!(behind.iter().flatten().count(), 2);
        drop(catching_up);
        assert!(Place::take(&shared).is_some(), "places come back");
    }
}
