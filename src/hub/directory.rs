//! Room names and their logs, for threads that look into segments before they ask the hub. Only the hub writes it.
//!
//! Says nothing of who may know a room: what is found by it is judged by the hub.

use crate::model::{LogId, RoomId, State};
use crate::protocol::fold;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

#[derive(Default)]
pub struct Directory {
    rooms: RwLock<HashMap<String, RoomId>>,
    /// Of the state that the rooms are of.
    epoch: AtomicU32,
}

impl Directory {
    pub fn of(state: &State) -> Directory {
        let directory = Directory::default();
        directory.reset(state, 0);
        directory
    }

    pub fn reset(&self, state: &State, epoch: u32) {
        let rooms = state
            .rooms()
            .map(|(id, room)| (fold(&room.name), id))
            .collect();
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) = rooms;
        self.epoch.store(epoch, Ordering::Release);
    }

    /// To be read before anything is looked up: what was found before a rollback may be of another room.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    pub fn insert(&self, name: &str, room: RoomId) {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(fold(name), room);
    }

    pub fn find(&self, name: &str) -> Option<LogId> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(&fold(name)).copied().map(LogId::Room)
    }
}
