//! How often one address may try: open requests, failed logins (in `login`), and a token bucket for messages.
//!
//! Owns counts in memory, bounded, gone with the process. Never reads a clock.

mod login;

pub use login::{Attempt, LoginThrottle};

use super::lock;
use crate::limits::{THROTTLE_ENTRIES, THROTTLE_WINDOW};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Whom we count: an IPv4 address, or the /64 of an IPv6 one, since whoever has one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source(Ipv6Addr);

impl Source {
    fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => (v6.to_bits() >> 64 << 64).into(),
        })
    }
}

/// Counts by key, each for one window that begins with the first count.
///
/// All windows have one length and time never goes back here, so they end in the order in which they began.
struct Windows<K> {
    counts: HashMap<K, Window>,
    /// Every key of `counts` once, by the beginning of its window.
    order: VecDeque<K>,
    latest: Instant,
    capacity: usize,
}

struct Window {
    began: Instant,
    count: u32,
}

impl<K: Copy + Eq + Hash> Windows<K> {
    fn new(now: Instant, capacity: usize) -> Windows<K> {
        Windows {
            counts: HashMap::new(),
            order: VecDeque::new(),
            latest: now,
            capacity,
        }
    }

    /// Forgets what is over. Threads come with times that they read before they had the lock, so the latest counts.
    fn advance(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
        while let Some(oldest) = self.order.front() {
            if self.latest < self.counts[oldest].began + THROTTLE_WINDOW {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.counts.remove(&oldest);
        }
    }

    fn count(&self, key: K) -> u32 {
        self.counts.get(&key).map_or(0, |window| window.count)
    }

    /// Until the key's window is over; zero where it has none.
    fn remaining(&self, key: K) -> Duration {
        self.counts.get(&key).map_or(Duration::ZERO, |window| {
            (window.began + THROTTLE_WINDOW).duration_since(self.latest)
        })
    }

    fn add(&mut self, key: K) {
        if self.order.len() >= self.capacity && !self.counts.contains_key(&key) {
            self.forget_oldest();
        }
        let began = self.latest;
        match self.counts.entry(key) {
            Entry::Occupied(mut window) => window.get_mut().count += 1,
            Entry::Vacant(place) => {
                place.insert(Window { began, count: 1 });
                self.order.push_back(key);
            }
        }
    }
}

/// So many requests a minute from one address; the window begins with the first of them.
pub struct WindowThrottle {
    enabled: bool,
    limit: u32,
    windows: Mutex<Windows<Source>>,
}

impl WindowThrottle {
    /// `limit` requests in [`THROTTLE_WINDOW`]. One that is not `enabled` refuses nothing and remembers nothing.
    pub fn new(limit: u32, enabled: bool, now: Instant) -> WindowThrottle {
        WindowThrottle {
            enabled,
            limit,
            windows: Mutex::new(Windows::new(now, THROTTLE_ENTRIES)),
        }
    }

    /// Counts a request, or tells how long to wait. What is refused is not counted.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if !self.enabled {
            return Ok(());
        }
        let source = Source::of(address);
        let mut windows = lock(&self.windows);
        windows.advance(now);
        if windows.count(source) >= self.limit {
            return Err(windows.remaining(source));
        }
        windows.add(source);
        Ok(())
    }
}

/// A token bucket: `burst` at once, then so many a second, for ever.
///
/// It keeps the one instant at which it will be full again (the generic cell rate algorithm, ITU-T I.371), so it is
/// small, exact, and needs no timer.
#[derive(Clone, Debug)]
pub struct Bucket {
    interval: Duration,
    /// How far ahead of now `full_at` may be.
    depth: Duration,
    full_at: Instant,
}

impl Bucket {
    /// A full bucket. Both numbers are at least 1.
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Bucket {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Bucket {
            interval,
            depth: interval * burst.max(1),
            full_at: now,
        }
    }

    /// Takes one, or tells how long to wait for the next one.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        match full_at.duration_since(now).checked_sub(self.depth) {
            None | Some(Duration::ZERO) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let same = |a: &str, b: &str| Source::of(address(a)) == Source::of(address(b));
        assert!(same("2001:db8::1", "2001:db8::ffff:1:2:3"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
        assert!(same("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(!same("::1", "127.0.0.1"));
    }

    #[test]
    fn a_window_begins_with_the_first_and_ends_after_a_minute() {
        let start = Instant::now();
        let throttle = WindowThrottle::new(3, true, start);
        for second in [5, 20, 64] {
            assert_eq!(throttle.take(HOME, start + SECOND * second), Ok(()));
        }
        assert_eq!(throttle.take(HOME, start + SECOND * 64), Err(SECOND));
        assert_eq!(
            throttle.take(address("10.0.0.9"), start + SECOND * 64),
            Ok(())
        );
        for _ in 0..3 {
            assert_eq!(throttle.take(HOME, start + SECOND * 65), Ok(()));
        }
        assert_eq!(throttle.take(HOME, start + SECOND * 65), Err(SECOND * 60));
    }

    #[test]
    fn a_time_that_was_read_earlier_changes_nothing() {
        let start = Instant::now();
        let throttle = WindowThrottle::new(1, true, start);
        assert!(throttle.take(HOME, start + SECOND * 10).is_ok());
        assert_eq!(throttle.take(HOME, start), Err(SECOND * 60));
        assert!(
            throttle
                .take(address("10.0.0.9"), start + SECOND * 9)
                .is_ok()
        );
        assert!(throttle.take(HOME, start + SECOND * 70).is_ok());
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let now = Instant::now();
        let mut windows = Windows::new(now, 100);
        for key in 0..10_000 {
            windows.add(key);
        }
        assert_eq!((windows.counts.len(), windows.order.len()), (100, 100));
        assert_eq!(windows.count(9_899), 0, "the oldest went");
        assert_eq!(windows.count(9_900), 1);
        windows.add(9_900);
        assert_eq!(windows.count(9_900), 2, "who is known already costs nobody");
        assert_eq!(windows.counts.len(), 100);
        windows.advance(now + THROTTLE_WINDOW);
        assert_eq!((windows.counts.len(), windows.order.len()), (0, 0));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(100, 20, now);
        for _ in 0..100 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(Duration::from_millis(50)));
        now += Duration::from_millis(49);
        assert_eq!(bucket.take(now), Err(Duration::from_millis(1)));
        now += Duration::from_millis(1);
        assert_eq!(bucket.take(now), Ok(()));
        assert!(bucket.take(now).is_err());
        now += SECOND;
        assert_eq!((0..99).filter(|_| bucket.take(now).is_ok()).count(), 20);
        now += SECOND * 3_600;
        assert_eq!((0..999).filter(|_| bucket.take(now).is_ok()).count(), 100);
    }

    #[test]
    fn switched_off_it_refuses_nothing_and_remembers_nothing() {
        let now = Instant::now();
        let throttle = WindowThrottle::new(1, false, now);
        for _ in 0..100 {
            throttle.take(HOME, now).unwrap();
        }
        assert_eq!(lock(&throttle.windows).counts.len(), 0);
    }
}
