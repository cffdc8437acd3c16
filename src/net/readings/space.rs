//! Room for the pages of all users together: taken before a page is read, as much as it may be; given back down to what it
//! is when it has been read, and whole when it is sent.
//!
//! First come, first served, so that a long page is not passed by short ones for ever. Locks two numbers and a queue.

use crate::net::lock;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

pub struct Space {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Who waits, by number.
    queue: VecDeque<u64>,
    last: u64,
}

impl Space {
    pub fn new(most: usize) -> Space {
        Space {
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Takes so much, once those who came before have theirs and there is room. False where that takes too long.
    pub fn take(&self, bytes: usize, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        state.last += 1;
        let number = state.last;
        state.queue.push_back(number);
        let has_turn = |state: &State| {
            state.queue.front() == Some(&number) && state.taken + bytes <= self.most
        };
        let waited = self
            .changed
            .wait_timeout_while(state, patience, |state| !has_turn(state));
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = has_turn(&state);
        state.queue.retain(|&waiting| waiting != number);
        if taken {
            state.taken += bytes;
        }
        self.tell(&state);
        taken
    }

    /// Of what somebody took, so much was and so much is.
    pub fn change(&self, before: usize, now: usize) {
        if before != now {
            let mut state = lock(&self.state);
            state.taken = state.taken - before + now;
            self.tell(&state);
        }
    }

    fn tell(&self, state: &State) {
        if !state.queue.is_empty() {
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(600);

    fn waiting(space: &Space, count: usize) {
        while lock(&space.state).queue.len() != count {
            thread::yield_now();
        }
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let space = Arc::new(Space::new(100));
        assert!(space.take(60, Duration::ZERO));
        let later = |bytes| {
            let space = space.clone();
            thread::spawn(move || space.take(bytes, LONG))
        };
        let long = later(100);
        waiting(&space, 1);
        let short = later(10);
        waiting(&space, 2);
        assert!(!space.take(0, Duration::ZERO), "there is a queue");
        space.change(60, 0);
        assert!(long.join().unwrap());
        waiting(&space, 1);
        assert!(!short.is_finished());
        space.change(100, 90);
        assert!(short.join().unwrap());
        space.change(90 + 10, 0);
        assert_eq!(lock(&space.state).taken, 0);
    }

    #[test]
    fn who_gives_up_lets_the_next_one_in() {
        let space = Arc::new(Space::new(100));
        assert!(space.take(60, Duration::ZERO));
        assert!(!space.take(50, Duration::ZERO));
        assert!(space.take(40, Duration::ZERO));
    }
}
