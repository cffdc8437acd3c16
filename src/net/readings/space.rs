//! Room for so many bytes: taken by those who need it, in the order in which they came.
//!
//! First come, first served, so that a long page is not passed by short ones for ever. Locks a number and a queue; wakes
//! nobody but whose turn it may be.

use crate::net::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub struct Space {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    queue: VecDeque<Arc<Condvar>>,
}

impl Space {
    pub fn new(most: usize) -> Space {
        Space {
            most,
            state: Mutex::default(),
        }
    }

    /// Takes so much, once those who came before have theirs and there is room. False where that takes too long.
    pub fn take(&self, bytes: usize, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        let fits = |state: &State| state.taken + bytes <= self.most;
        if state.queue.is_empty() && fits(&state) {
            state.taken += bytes;
            return true;
        }
        let turn = Arc::new(Condvar::new());
        state.queue.push_back(turn.clone());
        let has_turn = |state: &State| {
            let first = state.queue.front();
            first.is_some_and(|first| Arc::ptr_eq(first, &turn)) && fits(state)
        };
        let waited = turn.wait_timeout_while(state, patience, |state| !has_turn(state));
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = has_turn(&state);
        state.queue.retain(|waiting| !Arc::ptr_eq(waiting, &turn));
        if taken {
            state.taken += bytes;
        }
        state.tell();
        taken
    }

    /// Of what somebody took, so much was and so much is.
    pub fn change(&self, before: usize, now: usize) {
        if before != now {
            let mut state = lock(&self.state);
            state.taken = state.taken - before + now;
            state.tell();
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }
}

impl State {
    fn tell(&self) {
        if let Some(first) = self.queue.front() {
            first.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(600);

    fn waiting(space: &Space, count: usize) {
        while space.waiting() != count {
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

    #[test]
    fn several_are_let_in_at_once_where_there_is_room() {
        let space = Arc::new(Space::new(100));
        assert!(space.take(100, Duration::ZERO));
        let later = |bytes| {
            let space = space.clone();
            thread::spawn(move || space.take(bytes, LONG))
        };
        let both = [later(50), later(50)];
        waiting(&space, 2);
        space.change(100, 0);
        assert!(both.into_iter().all(|one| one.join().unwrap()));
    }
}
