//! How many frames of one connection may be under way between its reader and the fan-out's sockets.
//!
//! A few bytes may ask for much: for an answer with a hundred names, or a frame to each of a hundred people. Without a
//! bound somebody who sends without waiting would fill the memory with answers, and the hub's time with their own
//! frames. Whoever sends faster than that waits in their own thread, and nobody else does.

use crate::limits::FRAMES_UNDER_WAY;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The turns of one connection.
#[derive(Default)]
pub struct Turns {
    taken: Mutex<Taken>,
    returned: Condvar,
}

#[derive(Default)]
struct Taken {
    count: usize,
    /// The reader waits; without this every turn that comes back would cost a system call.
    awaited: bool,
}

/// A frame's right to be under way: it travels with the command and with what follows from it, and comes back when
/// that has been handed to the sockets, or is void.
pub struct Turn(Arc<Turns>);

impl Turns {
    /// Waits while [`FRAMES_UNDER_WAY`] turns are taken. For one thread, the connection's reader.
    pub fn take(self: &Arc<Turns>) -> Turn {
        self.wait_for_fewer_than(FRAMES_UNDER_WAY).count += 1;
        Turn(self.clone())
    }

    /// Waits until all turns are back: then a look at what is durable finds what came of them. For the same thread.
    pub fn settle(&self) {
        drop(self.wait_for_fewer_than(1));
    }

    fn wait_for_fewer_than(&self, most: usize) -> MutexGuard<'_, Taken> {
        let mut taken = self.lock();
        while taken.count >= most {
            taken.awaited = true;
            taken = self
                .returned
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        taken.awaited = false;
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.0.lock();
        taken.count -= 1;
        if taken.awaited {
            drop(taken);
            self.0.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_all_turns_waits_for_one_to_come_back() {
        let turns = Arc::new(Turns::default());
        let mut taken: Vec<Turn> = (0..FRAMES_UNDER_WAY).map(|_| turns.take()).collect();
        let another = {
            let turns = turns.clone();
            std::thread::spawn(move || drop(turns.take()))
        };
        while !turns.lock().awaited {
            std::thread::yield_now();
        }
        assert!(!another.is_finished());
        taken.pop();
        another.join().unwrap();
        let settling = {
            let turns = turns.clone();
            std::thread::spawn(move || turns.settle())
        };
        while taken.len() > 1 {
            taken.pop();
        }
        while !turns.lock().awaited {
            std::thread::yield_now();
        }
        assert!(!settling.is_finished(), "one is not back");
        taken.pop();
        settling.join().unwrap();
        assert_eq!(turns.lock().count, 0);
    }
}
