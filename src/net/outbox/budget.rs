//! What waits for single connections, in all outboxes together, bounded.
//!
//! A message waits once in memory, however many are behind, but has a place in each of their queues; an answer is its
//! connection's alone, and a page of history may have megabytes. Somebody with a thousand connections who asks on all of
//! them and reads on none would hold gigabytes, each connection within its own bound. So while more waits than the bound
//! for all, a connection may hold no more than its share of it, and the less, the more waits: together they hold a few
//! times the bound at most, and the few who ask little keep what they have.
//!
//! A frame that many receive counts in equal parts for each of them, whether they are behind or not, as each thread of the
//! fan-out counts them. So one who is behind beside many who are not counts for too little: whoever wants to use that
//! has to have the others read.
//!
//! Owns two counts. Locks nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) struct Budget {
    most: usize,
    /// Bytes that wait.
    waiting: AtomicUsize,
    /// Connections for which some wait.
    holders: AtomicUsize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Budget {
        Budget {
            most,
            waiting: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
        }
    }

    /// For one connection, so much waited and so much does now.
    pub(super) fn change(&self, before: usize, now: usize) {
        // Wrapping: less is the complement added.
        self.waiting
            .fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        let holders = usize::from(now > 0).wrapping_sub(usize::from(before > 0));
        self.holders.fetch_add(holders, Ordering::Relaxed);
    }

    /// Whether more waits than may, and more than its share for a connection with `own` bytes.
    pub(super) fn is_exceeded_by(&self, own: usize) -> bool {
        let (most, waiting) = (
            self.most as u64,
            self.waiting.load(Ordering::Relaxed) as u64,
        );
        let holders = self.holders.load(Ordering::Relaxed).max(1) as u64;
        // A share alone would let them pile up: each that comes adds its own to those that came before and stay.
        waiting > most && own as u64 > most / holders * most / waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_bound_each_may_hold_its_share() {
        let budget = Budget::new(100);
        budget.change(0, 90);
        assert!(!budget.is_exceeded_by(90), "alone within the bound");
        budget.change(0, 20);
        assert!(budget.is_exceeded_by(90), "half of it is the share");
        assert!(!budget.is_exceeded_by(20));
        budget.change(90, 70);
        assert!(!budget.is_exceeded_by(70), "there is room again");
        budget.change(70, 0);
        budget.change(20, 101);
        assert!(budget.is_exceeded_by(101));
        budget.change(101, 0);
        assert_eq!(budget.waiting.into_inner(), 0);
        assert_eq!(budget.holders.into_inner(), 0);
    }

    #[test]
    fn however_many_come_each_with_as_much_as_it_may_hold() {
        const MOST: usize = 1_000_000;
        let budget = Budget::new(MOST);
        for _ in 0..15_000 {
            let mut own = MOST / 8;
            budget.change(0, own);
            while budget.is_exceeded_by(own) {
                budget.change(own, own - own.div_ceil(16));
                own -= own.div_ceil(16);
            }
        }
        let waiting = budget.waiting.into_inner();
        assert!(waiting < 5 * MOST, "{waiting}");
    }
}
