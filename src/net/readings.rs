//! How much of the history one user reads at once: searches hold whole segments, long answers wait for slow receivers,
//! and looking for an `id` may walk through a segment, so that somebody who asks for hundreds of them would fill the
//! memory and keep every core busy.
//!
//! Owns counts and queues. Never refuses: who has that many under way waits for one of their own, first come, first
//! served. Locks its table for the length of an addition.

use super::lock;
use crate::limits::READINGS_OF_USER;
use crate::protocol::fold;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Readings {
    users: Mutex<HashMap<String, OfUser>>,
}

#[derive(Default)]
struct OfUser {
    taken: usize,
    waiting: VecDeque<SyncSender<()>>,
}

/// One reading that is under way, until it is dropped.
pub struct Reading {
    all: Arc<Readings>,
    user: String,
}

/// What was read. It counts until it is sent.
pub struct Read {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held for its Drop")]
    reading: Reading,
}

impl Readings {
    /// Waits while the user has [`READINGS_OF_USER`] under way.
    pub fn begin(self: &Arc<Readings>, user: &str) -> Reading {
        let user = fold(user);
        let mut users = lock(&self.users);
        let mine = users.entry(user.clone()).or_default();
        if mine.taken < READINGS_OF_USER {
            mine.taken += 1;
        } else {
            let (turn, given) = sync_channel(1);
            mine.waiting.push_back(turn);
            drop(users);
            // The sender is dropped only after it has sent.
            let _ = given.recv();
        }
        Reading {
            all: self.clone(),
            user,
        }
    }
}

impl Reading {
    pub fn of(self, bytes: Vec<u8>) -> Read {
        Read {
            bytes,
            reading: self,
        }
    }
}

impl AsRef<[u8]> for Read {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut users = lock(&self.all.users);
        let Some(mine) = users.get_mut(&self.user) else {
            return;
        };
        if let Some(next) = mine.waiting.pop_front() {
            // It waits until this comes.
            let _ = next.send(());
            return;
        }
        mine.taken -= 1;
        if mine.taken == 0 {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_waits_for_one_of_the_same_user() {
        let readings = Arc::new(Readings::default());
        let mut mine: Vec<Read> = (0..READINGS_OF_USER)
            .map(|_| readings.begin("Eva").of(Vec::new()))
            .collect();
        let another = {
            let readings = readings.clone();
            std::thread::spawn(move || drop(readings.begin("eva")))
        };
        while lock(&readings.users)["eva"].waiting.is_empty() {
            std::thread::yield_now();
        }
        drop(readings.begin("mira"));
        assert!(!another.is_finished(), "mira's was not eva's");
        mine.pop();
        another.join().unwrap();
        drop(mine);
        assert!(lock(&readings.users).is_empty());
    }
}
