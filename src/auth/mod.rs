//! Who somebody is: passwords, tokens, and how often one may try.
//!
//! Owns no user and no file: the hub knows the users, the store keeps hashes and the secret. Time is passed in, never
//! read. May block its callers while they wait for their turn ([`password::Hasher`], [`throttle::LoginThrottle`]), so
//! it is for connections' threads only, never for the hub's.

pub mod password;
pub mod throttle;
pub mod token;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

/// One thread waits for one value that another gives it.
///
/// Queues of these are served in order and wake only the thread whose turn it is; a condition variable would wake
/// everybody who waits, thousands when an office signs in at once.
struct Handoff<T> {
    waiting: Thread,
    value: OnceLock<T>,
}

impl<T> Handoff<T> {
    /// To be waited for by the current thread.
    fn new() -> Arc<Handoff<T>> {
        Arc::new(Handoff {
            waiting: thread::current(),
            value: OnceLock::new(),
        })
    }

    fn give(&self, value: T) {
        // A second value would have no receiver; every queue pops the handoff that it serves.
        let _ = self.value.set(value);
        self.waiting.unpark();
    }

    /// Only on the thread that made it: that one is unparked.
    fn wait(&self) -> &T {
        loop {
            match self.value.get() {
                Some(value) => return value,
                // May return early; then the loop looks again.
                None => thread::park(),
            }
        }
    }
}

/// A panic never happens under these locks between two writes that belong together, so what a poisoned one holds is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
