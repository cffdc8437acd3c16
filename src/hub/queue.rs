//! A bounded queue of many senders and one receiver that takes all there is at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub struct Queue<T> {
    items: Mutex<Items<T>>,
    bound: usize,
    /// Something came, for the receiver.
    filled: Condvar,
    /// Everything was taken, for senders that wait.
    emptied: Condvar,
}

struct Items<T> {
    waiting: Vec<T>,
    /// Nobody takes any more: what comes is dropped.
    closed: bool,
}

impl<T> Queue<T> {
    pub fn new(bound: usize) -> Queue<T> {
        let items = Items {
            waiting: Vec::new(),
            closed: false,
        };
        Queue {
            items: Mutex::new(items),
            bound,
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Waits while the queue is full; gives back what nobody will take any more.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut items = self.lock();
        while items.waiting.len() >= self.bound && !items.closed {
            items = self
                .emptied
                .wait(items)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.put(items, item)
    }

    /// Never waits: for those whom the receiver itself may be waiting for.
    pub fn push_now(&self, item: T) -> Result<(), T> {
        self.put(self.lock(), item)
    }

    fn put(&self, mut items: MutexGuard<'_, Items<T>>, item: T) -> Result<(), T> {
        if items.closed {
            return Err(item);
        }
        items.waiting.push(item);
        // The receiver takes everything at once, so only the first to come has to wake it.
        if items.waiting.len() == 1 {
            drop(items);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Swaps everything that waits into `taken`, which must be empty; returns at `deadline` with nothing, if there
    /// is one, and otherwise waits.
    pub fn take_all(&self, taken: &mut Vec<T>, deadline: Option<Instant>) {
        let mut items = self.lock();
        while items.waiting.is_empty() {
            let Some(deadline) = deadline else {
                items = self
                    .filled
                    .wait(items)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let (guard, _) = self
                .filled
                .wait_timeout(items, left)
                .unwrap_or_else(PoisonError::into_inner);
            items = guard;
        }
        std::mem::swap(&mut items.waiting, taken);
        drop(items);
        self.emptied.notify_all();
    }

    /// Takes the last that there is: what comes from now on goes back to whoever sends it.
    pub fn close(&self) -> Vec<T> {
        let mut items = self.lock();
        items.closed = true;
        let last = std::mem::take(&mut items.waiting);
        drop(items);
        self.emptied.notify_all();
        last
    }

    fn lock(&self) -> MutexGuard<'_, Items<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn senders_wait_while_it_is_full_and_nothing_is_lost_or_reordered() {
        let queue = Arc::new(Queue::new(4));
        let sender = {
            let queue = queue.clone();
            std::thread::spawn(move || (0..1_000).for_each(|n| queue.push(n).unwrap()))
        };
        let (mut all, mut taken) = (Vec::new(), Vec::new());
        while all.len() < 1_000 {
            queue.take_all(&mut taken, None);
            assert!(taken.len() <= 4);
            all.append(&mut taken);
        }
        sender.join().unwrap();
        assert!(all.into_iter().eq(0..1_000));
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let queue: Queue<u8> = Queue::new(1);
        let mut taken = Vec::new();
        queue.take_all(&mut taken, Some(Instant::now()));
        assert!(taken.is_empty());
    }

    #[test]
    fn what_comes_too_late_goes_back() {
        let queue = Arc::new(Queue::new(2));
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        let waiting = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push(3))
        };
        let mut last = queue.close();
        // It waited for room, or came behind the end.
        last.extend(waiting.join().unwrap().err());
        assert_eq!(last, [1, 2, 3]);
        assert_eq!(queue.push_now(4), Err(4));
    }
}
