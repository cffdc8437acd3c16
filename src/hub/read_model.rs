//! The state as far as it is durable, for every thread to read without asking the hub's.
//!
//! Changed by who makes decisions durable, after that and before anybody is told of it: whoever was told of a change
//! finds it here, and nobody finds one that the disk may still refuse. So a failed write changes nothing here.
//! The lock is held for a look or for a batch's changes, never over I/O.

use crate::model::{Event, RoomId, State};
use crate::protocol::Seq;
use std::sync::{Arc, PoisonError, RwLock};

/// What a decision changes of the state.
#[derive(Clone, Debug)]
pub enum Change {
    /// The next message of a room, which may replace the text of an earlier one: nearly every change.
    Message(RoomId, Option<Seq>),
    Event(Box<Event>),
}

/// Makes an event true. Validation came before; one that does not fit is a defect of ours and must not pass unseen.
pub fn apply(state: &mut State, event: &Event) {
    if let Err(contradiction) = state.apply(event) {
        panic!("decided what contradicts the state: {contradiction}");
    }
}

/// Cheap to clone, one for each thread.
#[derive(Clone)]
pub struct ReadModel(Arc<RwLock<State>>);

impl ReadModel {
    pub fn new(durable: State) -> ReadModel {
        ReadModel(Arc::new(RwLock::new(durable)))
    }

    /// `look` sees all changes that anybody was told of.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These are durable, in their order.
    pub fn apply<'a>(&self, changes: impl Iterator<Item = &'a Change>) {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return;
        }
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Message(room, replaces) => {
                    state.advance(*room, *replaces);
                }
                Change::Event(event) => apply(&mut state, event),
            }
        }
    }
}
