//! Short pages of history as they were answered, for whoever asks next: most people want the same ones.
//!
//! Lines are only added, and a page in which a text was replaced is not kept, so none is ever out of date. Those that
//! are being sent count too, and are not given up: where room could come only from them, nothing new is kept. Locks a
//! table for a look.

use super::lock;
use crate::limits::{KEPT_PAGE_BYTES, KEPT_PAGES_BYTES};
use crate::model::LogId;
use crate::store::Selection;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// What a page counts as beside its bytes: its places in the table.
const AROUND: usize = 256;
/// So many pages are looked at for one to give up.
const TRIES: usize = 8;

type Key = (LogId, Selection);

#[derive(Default)]
pub struct Pages(Mutex<State>);

#[derive(Default)]
struct State {
    bytes: usize,
    pages: HashMap<Key, Kept>,
    /// In which order they are looked at when room is needed; who was asked for meanwhile has another turn.
    turns: VecDeque<Key>,
}

struct Kept {
    json: Arc<[u8]>,
    asked_for: bool,
}

impl Pages {
    pub fn find(&self, log: LogId, selection: Selection) -> Option<Arc<[u8]>> {
        let mut state = lock(&self.0);
        let kept = state.pages.get_mut(&(log, selection))?;
        kept.asked_for = true;
        Some(kept.json.clone())
    }

    /// One that was made of lines as they were stored, each checked.
    pub fn keep(&self, log: LogId, selection: Selection, json: &[u8]) {
        let key = (log, selection);
        let bytes = json.len() + AROUND;
        let mut state = lock(&self.0);
        if json.len() > KEPT_PAGE_BYTES || state.pages.contains_key(&key) || !state.make_room(bytes)
        {
            return;
        }
        let kept = Kept {
            json: json.into(),
            asked_for: false,
        };
        state.bytes += bytes;
        state.pages.insert(key, kept);
        state.turns.push_back(key);
    }
}

impl State {
    /// Whether there is room now.
    fn make_room(&mut self, bytes: usize) -> bool {
        for _ in 0..TRIES {
            if self.bytes + bytes <= KEPT_PAGES_BYTES {
                return true;
            }
            self.give_up_the_next();
        }
        self.bytes + bytes <= KEPT_PAGES_BYTES
    }

    fn give_up_the_next(&mut self) {
        let Some(key) = self.turns.pop_front() else {
            return;
        };
        let Some(kept) = self.pages.get_mut(&key) else {
            return;
        };
        // Copies are made under the lock, so nobody gets one now.
        let being_sent = Arc::strong_count(&kept.json) > 1;
        if std::mem::take(&mut kept.asked_for) || being_sent {
            self.turns.push_back(key);
            return;
        }
        self.bytes -= kept.json.len() + AROUND;
        self.pages.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomId;

    const ROOM: LogId = LogId::Room(RoomId(0));
    /// So many pages of the greatest size have room.
    const FIT: u64 = (KEPT_PAGES_BYTES / (KEPT_PAGE_BYTES + AROUND)) as u64;

    fn selection(first: u64) -> Selection {
        Selection {
            first,
            last: first,
            more: false,
        }
    }

    fn keep(pages: &Pages, first: u64) {
        let json = vec![first as u8; KEPT_PAGE_BYTES];
        pages.keep(ROOM, selection(first), &json);
    }

    fn is_kept(pages: &Pages, first: u64) -> bool {
        lock(&pages.0).pages.contains_key(&(ROOM, selection(first)))
    }

    fn check(pages: &Pages) {
        let state = lock(&pages.0);
        let sizes = state.pages.values().map(|kept| kept.json.len() + AROUND);
        assert_eq!(state.bytes, sizes.sum::<usize>());
        assert!(state.bytes <= KEPT_PAGES_BYTES);
        assert_eq!(state.turns.len(), state.pages.len());
    }

    #[test]
    fn a_page_is_found_by_all_that_makes_it() {
        let pages = Pages::default();
        pages.keep(ROOM, selection(1), b"one");
        let found = |log, selection| pages.find(log, selection).map(|json| json.to_vec());
        assert_eq!(found(ROOM, selection(1)), Some(b"one".to_vec()));
        assert_eq!(found(LogId::Room(RoomId(1)), selection(1)), None);
        let Selection { first, last, more } = selection(1);
        for (first, last, more) in [
            (0, last, more),
            (first, last + 1, more),
            (first, last, !more),
        ] {
            assert_eq!(found(ROOM, Selection { first, last, more }), None);
        }
        check(&pages);
    }

    #[test]
    fn the_longest_unasked_for_goes_first() {
        let pages = Pages::default();
        (0..FIT).for_each(|first| keep(&pages, first));
        assert!((0..FIT).all(|first| is_kept(&pages, first)));
        pages.find(ROOM, selection(0));
        keep(&pages, FIT);
        let kept = [0, 1, 2, FIT].map(|first| is_kept(&pages, first));
        assert_eq!(kept, [true, false, true, true]);
        check(&pages);
    }

    #[test]
    fn what_is_being_sent_is_neither_given_up_nor_uncounted() {
        let pages = Pages::default();
        (0..FIT).for_each(|first| keep(&pages, first));
        let mut sent: Vec<_> = (0..FIT)
            .map(|first| pages.find(ROOM, selection(first)).unwrap())
            .collect();
        for more in 0..3 * FIT {
            keep(&pages, FIT + more);
            assert!(!is_kept(&pages, FIT + more));
        }
        sent.remove(3);
        (0..FIT).for_each(|more| keep(&pages, FIT + more));
        assert!(!is_kept(&pages, 3));
        check(&pages);
    }

    #[test]
    fn long_ones_are_not_kept() {
        let pages = Pages::default();
        pages.keep(ROOM, selection(1), &vec![0; KEPT_PAGE_BYTES + 1]);
        assert!(!is_kept(&pages, 1));
        check(&pages);
    }
}
