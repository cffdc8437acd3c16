//! Failed logins: how many one address may have.
//!
//! Owns the counts and the queues of those who wait. A login may wait here for the outcome of other logins, which hashing
//! alone decides: so an attempt begins only when its whole request has been read.

use super::{Source, Windows};
use crate::auth::{Handoff, lock};
use crate::limits::{FAILED_LOGINS_PER_ADDRESS, FAILED_LOGINS_PER_NAME, THROTTLE_ENTRIES};
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Failed logins: [`FAILED_LOGINS_PER_NAME`] from one address for one name and [`FAILED_LOGINS_PER_ADDRESS`] from it in
/// all, each in a window that begins with its first failure; then nobody gets in from there until that window is over.
///
/// 1. The limits are exact, however many try at once: an attempt begins only when the limits hold even if all that are
///    under way fail. Until that is known it waits, first come, first served.
/// 2. Who has the right password and stays below the limits is never refused, however many come at once.
/// 3. A success clears nothing: else an attacker with one account of their own would have no limit.
pub struct LoginThrottle {
    enabled: bool,
    /// Names are kept as a keyed hash: bounded, and useless to anybody who reads the memory.
    hasher: RandomState,
    logins: Mutex<Logins>,
}

type Name = (Source, u64);

struct Logins {
    failed_by_name: Windows<Name>,
    failed_by_source: Windows<Source>,
    /// Attempts under way; bounded by the number of connections.
    flying_by_name: HashMap<Name, u32>,
    flying_by_source: HashMap<Source, u32>,
    waiting: HashMap<Source, VecDeque<Waiter>>,
}

struct Waiter {
    name: Name,
    handoff: Arc<Handoff<Result<(), Duration>>>,
}

enum Verdict {
    Begin,
    /// Too many have failed; until when.
    Refuse(Duration),
    /// It depends on how those end that are under way, at least one.
    Wait,
}

impl LoginThrottle {
    /// One that is not `enabled` refuses nothing and remembers nothing.
    pub fn new(enabled: bool, now: Instant) -> LoginThrottle {
        LoginThrottle {
            enabled,
            hasher: RandomState::new(),
            logins: Mutex::new(Logins {
                failed_by_name: Windows::new(now, THROTTLE_ENTRIES),
                failed_by_source: Windows::new(now, THROTTLE_ENTRIES),
                flying_by_name: HashMap::new(),
                flying_by_source: HashMap::new(),
                waiting: HashMap::new(),
            }),
        }
    }

    /// To be called before the password is verified; `name` as it is compared (folded). May wait for the outcome of
    /// other attempts from this address. Refused, it tells how long to wait.
    pub fn begin(
        &self,
        address: IpAddr,
        name: &str,
        now: Instant,
    ) -> Result<Attempt<'_>, Duration> {
        let source = Source::of(address);
        let name = (source, self.hasher.hash_one(name));
        let attempt = |()| Attempt {
            throttle: self,
            name,
            failed: None,
        };
        if !self.enabled {
            return Ok(attempt(()));
        }
        let mut logins = lock(&self.logins);
        logins.advance(now);
        match logins.verdict(name) {
            Verdict::Refuse(wait) => Err(wait),
            Verdict::Begin => {
                logins.take_off(name);
                Ok(attempt(()))
            }
            Verdict::Wait => {
                let handoff = logins.enqueue(name);
                drop(logins);
                handoff.wait().map(attempt)
            }
        }
    }
}

impl Logins {
    fn advance(&mut self, now: Instant) {
        self.failed_by_name.advance(now);
        self.failed_by_source.advance(now);
    }

    fn verdict(&self, name: Name) -> Verdict {
        let failed_name = self.failed_by_name.count(name);
        let failed_source = self.failed_by_source.count(name.0);
        let name_full = failed_name >= FAILED_LOGINS_PER_NAME;
        let source_full = failed_source >= FAILED_LOGINS_PER_ADDRESS;
        if name_full || source_full {
            let by_name = self.failed_by_name.remaining(name);
            let by_source = self.failed_by_source.remaining(name.0);
            return Verdict::Refuse(match (name_full, source_full) {
                (true, true) => by_name.max(by_source),
                (true, false) => by_name,
                (false, _) => by_source,
            });
        }
        let flying_name = self.flying_by_name.get(&name).unwrap_or(&0);
        if failed_name + flying_name < FAILED_LOGINS_PER_NAME && self.source_has_room(name.0) {
            Verdict::Begin
        } else {
            Verdict::Wait
        }
    }

    fn source_has_room(&self, source: Source) -> bool {
        let flying = self.flying_by_source.get(&source).unwrap_or(&0);
        self.failed_by_source.count(source) + flying < FAILED_LOGINS_PER_ADDRESS
    }

    fn take_off(&mut self, name: Name) {
        *self.flying_by_name.entry(name).or_default() += 1;
        *self.flying_by_source.entry(name.0).or_default() += 1;
    }

    fn enqueue(&mut self, name: Name) -> Arc<Handoff<Result<(), Duration>>> {
        let handoff = Handoff::new();
        let waiter = Waiter {
            name,
            handoff: handoff.clone(),
        };
        self.waiting.entry(name.0).or_default().push_back(waiter);
        handoff
    }

    /// An attempt is over.
    fn land(&mut self, name: Name, failed: Option<Instant>) {
        subtract(&mut self.flying_by_name, name);
        subtract(&mut self.flying_by_source, name.0);
        if let Some(now) = failed {
            self.advance(now);
            self.failed_by_name.add(name);
            self.failed_by_source.add(name.0);
        }
        self.serve(name.0);
    }

    /// Tells all who wait at `source` and whose verdict is clear now, in order.
    fn serve(&mut self, source: Source) {
        let Some(mut waiting) = self.waiting.remove(&source) else {
            return;
        };
        let mut still = VecDeque::new();
        while let Some(waiter) = waiting.pop_front() {
            match self.verdict(waiter.name) {
                Verdict::Begin => {
                    self.take_off(waiter.name);
                    waiter.handoff.give(Ok(()));
                }
                Verdict::Refuse(wait) => waiter.handoff.give(Err(wait)),
                Verdict::Wait => still.push_back(waiter),
            }
            if !self.source_has_room(source)
                && self.failed_by_source.count(source) < FAILED_LOGINS_PER_ADDRESS
            {
                // Whoever comes after would wait as well; thousands may.
                still.append(&mut waiting);
            }
        }
        if !still.is_empty() {
            self.waiting.insert(source, still);
        }
    }
}

fn subtract<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// A login under way. Dropped without an outcome (the storage failed, a panic), it counts as no failure.
#[must_use = "the outcome of a login must be told"]
pub struct Attempt<'a> {
    throttle: &'a LoginThrottle,
    name: Name,
    failed: Option<Instant>,
}

impl Attempt<'_> {
    /// The name or the password was wrong.
    pub fn failed(mut self, now: Instant) {
        self.failed = Some(now);
    }

    /// Both were right.
    pub fn succeeded(self) {}
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.throttle.enabled {
            lock(&self.throttle.logins).land(self.name, self.failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Fails once, where the throttle lets it.
    fn fail(throttle: &LoginThrottle, name: &str, now: Instant) -> Result<(), Duration> {
        throttle
            .begin(HOME, name, now)
            .map(|attempt| attempt.failed(now))
    }

    #[test]
    fn ten_failures_for_a_name_close_it_until_the_minute_is_over() {
        let start = Instant::now();
        let throttle = LoginThrottle::new(true, start);
        for second in 0..10 {
            assert_eq!(fail(&throttle, "eva", start + SECOND * second), Ok(()));
        }
        let later = start + SECOND * 30;
        assert_eq!(throttle.begin(HOME, "eva", later).err(), Some(SECOND * 30));
        assert!(throttle.begin(HOME, "ben", later).is_ok());
        assert!(throttle.begin(address("10.0.0.9"), "eva", later).is_ok());
        assert!(throttle.begin(HOME, "eva", start + SECOND * 60).is_ok());
    }

    #[test]
    fn sixty_failures_close_an_address() {
        let start = Instant::now();
        let throttle = LoginThrottle::new(true, start);
        for number in 0..60 {
            assert_eq!(fail(&throttle, &format!("name{number}"), start), Ok(()));
        }
        assert_eq!(fail(&throttle, "another", start), Err(SECOND * 60));
        assert!(
            throttle
                .begin(address("10.0.0.9"), "another", start)
                .is_ok()
        );
        assert_eq!(fail(&throttle, "another", start + SECOND * 60), Ok(()));
    }

    #[test]
    fn a_success_clears_nothing_and_counts_nothing() {
        let start = Instant::now();
        let throttle = LoginThrottle::new(true, start);
        for _ in 0..9 {
            fail(&throttle, "eva", start).unwrap();
        }
        for _ in 0..100 {
            throttle.begin(HOME, "eva", start).unwrap().succeeded();
        }
        drop(throttle.begin(HOME, "eva", start).unwrap());
        fail(&throttle, "eva", start).unwrap();
        assert!(fail(&throttle, "eva", start).is_err());
    }

    /// All at once; returns how many began.
    fn all_at_once(throttle: &LoginThrottle, many: usize, land: fn(Attempt<'_>, Instant)) -> u32 {
        let began = AtomicU32::new(0);
        let barrier = Barrier::new(many);
        let now = Instant::now();
        thread::scope(|scope| {
            for _ in 0..many {
                scope.spawn(|| {
                    barrier.wait();
                    if let Ok(attempt) = throttle.begin(HOME, "eva", now) {
                        began.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        land(attempt, now);
                    }
                });
            }
        });
        began.into_inner()
    }

    #[test]
    fn parallel_wrong_logins_fail_ten_times_exactly() {
        let throttle = LoginThrottle::new(true, Instant::now());
        let began = all_at_once(&throttle, 64, |attempt, now| attempt.failed(now));
        assert_eq!(began, FAILED_LOGINS_PER_NAME);
        assert_nothing_is_left(&throttle);
    }

    #[test]
    fn parallel_right_logins_are_never_refused() {
        let throttle = LoginThrottle::new(true, Instant::now());
        for _ in 0..FAILED_LOGINS_PER_NAME - 1 {
            fail(&throttle, "eva", Instant::now()).unwrap();
        }
        assert_eq!(
            all_at_once(&throttle, 64, |attempt, _| attempt.succeeded()),
            64
        );
        assert_nothing_is_left(&throttle);
    }

    fn assert_nothing_is_left(throttle: &LoginThrottle) {
        let logins = lock(&throttle.logins);
        assert!(logins.flying_by_name.is_empty());
        assert!(logins.flying_by_source.is_empty());
        assert!(logins.waiting.is_empty());
    }

    #[test]
    fn the_address_limit_is_exact_too() {
        let throttle = LoginThrottle::new(true, Instant::now());
        let began = AtomicU32::new(0);
        let now = Instant::now();
        let barrier = Barrier::new(100);
        thread::scope(|scope| {
            for number in 0..100 {
                let (throttle, began, barrier) = (&throttle, &began, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    if fail(throttle, &format!("name{number}"), now).is_ok() {
                        began.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(began.into_inner(), FAILED_LOGINS_PER_ADDRESS);
        assert_nothing_is_left(&throttle);
    }

    #[test]
    fn an_attempt_waits_while_its_verdict_is_open_and_others_do_not() {
        let now = Instant::now();
        let throttle = LoginThrottle::new(true, now);
        let mut flying: Vec<_> = (0..FAILED_LOGINS_PER_NAME)
            .map(|_| throttle.begin(HOME, "eva", now).unwrap())
            .collect();
        thread::scope(|scope| {
            let eleventh = scope.spawn(|| throttle.begin(HOME, "eva", now).is_ok());
            while lock(&throttle.logins).waiting.is_empty() {
                thread::yield_now();
            }
            assert!(throttle.begin(HOME, "ben", now).is_ok());
            assert!(!eleventh.is_finished());
            flying.pop().unwrap().succeeded();
            assert!(eleventh.join().unwrap());
        });
    }

    #[test]
    fn switched_off_it_refuses_nothing_and_remembers_nothing() {
        let now = Instant::now();
        let logins = LoginThrottle::new(false, now);
        for _ in 0..100 {
            fail(&logins, "eva", now).unwrap();
        }
        assert_eq!(lock(&logins.logins).failed_by_source.counts.len(), 0);
    }
}
