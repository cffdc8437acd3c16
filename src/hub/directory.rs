//! Room names and their logs, for threads that look into segments before they ask the hub. Only the hub writes it.
//!
//! Says nothing of who may know a room: what is found by it is judged by the hub. The read model has the names too, but it
//! is locked for every batch that becomes durable, and this is on the path of every message: it is written when a room is
//! made.

use crate::model::{LogId, RoomId, State};
use crate::protocol::fold;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

#[derive(Default)]
pub struct Directory {
    rooms: RwLock<HashMap<String, RoomId>>,
}

impl Directory {
    pub fn of(state: &State) -> Directory {
        let directory = Directory::default();
        directory.reset(state);
        directory
    }

    pub fn reset(&self, state: &State) {
        let rooms = state
            .rooms()
            .map(|(id, room)| (fold(&room.name).into_owned(), id))
            .collect();
        *self.rooms.write().unwrap_or_else(PoisonError::into_inner) = rooms;
    }

    pub fn insert(&self, name: &str, room: RoomId) {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(fold(name).into_owned(), room);
    }

    pub fn find(&self, name: &str) -> Option<LogId> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(&*fold(name)).copied().map(LogId::Room)
    }
}
