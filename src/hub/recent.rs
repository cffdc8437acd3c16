//! The ids of messages that are not yet in segments (and somewhat longer), by which a repetition is known.
//!
//! Older ids are found by the store, in the segments, before the hub is asked. A sender's thread says through which
//! `seq` the store looked; what is younger must be here, or the sender is asked to send again.

use crate::model::{LogId, RecentId, RoomId, State, UserId};
use crate::protocol::{Millis, Seq};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

#[derive(Default)]
pub struct RecentIds {
    rooms: HashMap<RoomId, RoomIds>,
}

#[derive(Default)]
struct RoomIds {
    by_id: HashMap<Arc<[u8]>, (Seq, Millis)>,
    /// The same ids in the order of their `seq`, for pruning.
    order: VecDeque<(Seq, Arc<[u8]>)>,
    /// Everything up to here was pruned.
    pruned: Seq,
    /// What the last fold covered; pruned at the next one, so that a sender whose look-up is that old is served.
    folded: Seq,
}

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is new in all that is remembered and in all that the store looked at.
    New,
    /// The message was stored already.
    Stored(Seq, Millis),
    /// The store's look-up is too old to tell.
    LookAgain,
}

impl RecentIds {
    pub fn new(ids: Vec<RecentId>) -> RecentIds {
        let mut recent = RecentIds::default();
        for entry in ids {
            recent.insert(
                entry.room,
                entry.sender,
                &entry.id,
                entry.seq,
                entry.timestamp,
            );
        }
        recent
    }

    /// `covered`: the store found nothing up to this `seq`.
    pub fn find(&self, room: RoomId, sender: UserId, id: &str, covered: Seq) -> Known {
        let Some(ids) = self.rooms.get(&room) else {
            return Known::New;
        };
        if let Some(&(seq, timestamp)) = ids.by_id.get(&*key(sender, id)) {
            return Known::Stored(seq, timestamp);
        }
        if covered < ids.pruned {
            Known::LookAgain
        } else {
            Known::New
        }
    }

    pub fn insert(&mut self, room: RoomId, sender: UserId, id: &str, seq: Seq, timestamp: Millis) {
        let ids = self.rooms.entry(room).or_default();
        let key: Arc<[u8]> = key(sender, id).into();
        ids.by_id.insert(key.clone(), (seq, timestamp));
        ids.order.push_back((seq, key));
    }

    /// Forgets what was not made durable: what stands behind the last message of its room. What was durable is kept,
    /// though the segments may hold it by now: a sender may have looked into them before they did.
    pub fn roll_back(&mut self, state: &State) {
        self.rooms.retain(|&room, ids| {
            if room >= state.next_room() {
                return false;
            }
            let last = state.room(room).last_seq;
            while ids.order.back().is_some_and(|&(seq, _)| seq > last) {
                let (_, key) = ids.order.pop_back().expect("there is a back");
                ids.by_id.remove(&key);
            }
            true
        });
    }

    /// The store's look-ups cover these logs this far from now on.
    pub fn folded(&mut self, through: &[(LogId, Seq)]) {
        for &(log, seq) in through {
            let LogId::Room(room) = log else { continue };
            let Some(ids) = self.rooms.get_mut(&room) else {
                continue;
            };
            ids.pruned = ids.folded;
            ids.folded = seq;
            while ids.order.front().is_some_and(|&(seq, _)| seq <= ids.pruned) {
                let (_, key) = ids.order.pop_front().expect("there is a front");
                ids.by_id.remove(&key);
            }
        }
    }
}

fn key(sender: UserId, id: &str) -> Vec<u8> {
    [&sender.0.to_le_bytes(), id.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outlive_one_fold_and_a_stale_look_up_is_noticed() {
        let (room, eva) = (RoomId(0), UserId(0));
        let mut recent = RecentIds::default();
        recent.insert(room, eva, "a", 1, 10);
        recent.insert(room, eva, "b", 2, 20);
        recent.folded(&[(LogId::Room(room), 1)]);
        assert_eq!(recent.find(room, eva, "a", 0), Known::Stored(1, 10));
        recent.folded(&[(LogId::Room(room), 2)]);
        assert_eq!(recent.find(room, eva, "a", 0), Known::LookAgain);
        assert_eq!(
            recent.find(room, eva, "a", 1),
            Known::New,
            "the store would have found it"
        );
        assert_eq!(recent.find(room, eva, "b", 0), Known::Stored(2, 20));
        assert_eq!(recent.find(room, UserId(1), "b", 2), Known::New);
    }
}
