//! How much of the history one user reads at once: searches hold whole segments, long answers wait for slow receivers,
//! and looking for an `id` may walk through a segment, so that somebody who asks for hundreds of them would fill the
//! memory and keep every core busy.
//!
//! Owns counts and queues. Who has that many under way waits for one of their own, first come, first served. Many users
//! together are bounded by bytes, see [`space`]: who finds no room in time is refused. Locks its tables for the length of
//! an addition.

mod space;

use super::lock;
use crate::limits::{PAGE_MESSAGE_BYTES, READINGS_OF_USER, RESPONSE_DEADLINE, WAITING_PAGES_BYTES};
use crate::protocol::{Code, Error, fold};
use space::Space;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Readings {
    users: Mutex<HashMap<String, OfUser>>,
    space: Space,
    /// How long one waits for room.
    patience: Duration,
}

impl Default for Readings {
    fn default() -> Readings {
        Readings {
            users: Mutex::default(),
            space: Space::new(WAITING_PAGES_BYTES),
            patience: RESPONSE_DEADLINE,
        }
    }
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
    /// What it takes of the room for all.
    bytes: usize,
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
            bytes: 0,
        }
    }

    /// The same for a page of at most so many messages. Waits also while pages of all users together leave no room for
    /// one of the longest; an answer takes 30 seconds to be sent at most, and so long that is waited for.
    pub fn begin_page(self: &Arc<Readings>, user: &str, messages: u32) -> Result<Reading, Error> {
        let mut reading = self.begin(user);
        let bytes = messages as usize * PAGE_MESSAGE_BYTES;
        if !self.space.take(bytes, self.patience) {
            let message = "Too many long answers are waiting to be read. Ask again in a moment.";
            return Err(Error::new(Code::Overloaded, message));
        }
        reading.bytes = bytes;
        Ok(reading)
    }
}

impl Reading {
    /// From here on it takes no more room than what was read.
    pub fn of(mut self, mut bytes: Vec<u8>) -> Read {
        bytes.shrink_to_fit();
        self.all.space.change(self.bytes, bytes.len());
        self.bytes = bytes.len();
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
        self.all.space.change(self.bytes, 0);
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

    #[test]
    fn pages_of_all_users_together_are_bounded() {
        let readings = Arc::new(Readings {
            space: Space::new(2 * PAGE_MESSAGE_BYTES),
            patience: Duration::ZERO,
            ..Readings::default()
        });
        let page = |user: &str| readings.begin_page(user, 1);
        let (eva, mira) = (page("Eva").unwrap(), page("mira").unwrap());
        let refused = page("Tom").err().map(|error| error.code);
        assert_eq!(refused, Some(Code::Overloaded));
        let read = eva.of(vec![0; 100]);
        assert!(page("Tom").is_err(), "what was read is in the way");
        drop(read);
        drop(page("Tom").unwrap());
        drop(mira);
        assert!(lock(&readings.users).is_empty());
        drop(readings.begin_page("Tom", 2).unwrap());
    }
}
