//! Password hashes: argon2id with OWASP's parameters, as PHC strings, at most as many at once as there are cores.
//!
//! Owns the queue of those who wait for a hash. Never keeps a password, and keeps no memory while nobody hashes.

use super::{Handoff, lock};
use crate::protocol::{Code, Error};
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;

/// OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;

/// Address space that is reserved for a hash, of which only what the parameters ask for is touched.
///
/// glibc gives blocks above 32 MiB straight back to the system; smaller ones it keeps once they were freed, which would
/// leave an idle server with some dozens of megabytes after the first sign-in.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// What a password is compared with where the name does not exist. Its output is no password's hash that anybody knows,
/// and it does not matter: the answer is no in any case.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bWVsYW5nZXJpZS1ub2JvZHk$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and verifies passwords, each in its turn. Clones share the queue.
///
/// A hash takes some ten milliseconds of one core and 19 MiB; both are given back afterwards.
#[derive(Clone)]
pub struct Hasher {
    turns: Arc<Turns>,
}

impl Hasher {
    /// As many hashes at once as there are cores; more would make each of them slower and cost memory.
    pub fn new() -> Hasher {
        Hasher::with_turns(thread::available_parallelism().map_or(1, usize::from))
    }

    /// `at_once` hashes at once, at least one.
    pub fn with_turns(at_once: usize) -> Hasher {
        let queue = Queue {
            free: at_once.max(1),
            waiting: VecDeque::new(),
        };
        Hasher {
            turns: Arc::new(Turns {
                queue: Mutex::new(queue),
            }),
        }
    }

    /// A PHC string with a fresh salt. Waits for its turn. Whether the password is long enough is the caller's to check.
    ///
    /// Errors: `overloaded` where the system has no memory or no random bytes left.
    pub fn hash(&self, password: &str) -> Result<String, Error> {
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        getrandom::fill(&mut salt).map_err(|_| no_randomness())?;
        let salt = Salt::new(&salt).map_err(|_| no_randomness())?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
            .expect("OWASP's parameters are valid");
        let recipe = Recipe {
            version: Version::V0x13,
            params,
            salt,
            output_bytes: HASH_BYTES,
        };
        let output = self.turns.take(|memory| recipe.run(password, memory))?;
        let phc = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&recipe.params)
                .expect("argon2's parameters have a PHC form"),
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(phc.to_string())
    }

    /// Whether `phc` is the hash of `password`; compared in constant time. Waits for its turn.
    ///
    /// `None` stands for a name that does not exist: it answers no, after the same work, so that time tells nothing.
    ///
    /// Errors: `overloaded` where the system has no memory left; `internal` where `phc` is not an argon2id hash.
    pub fn verify(&self, password: &str, phc: Option<&str>) -> Result<bool, Error> {
        let (recipe, expected) = Recipe::parse(phc.unwrap_or(NOBODY)).ok_or_else(unreadable)?;
        let output = self.turns.take(|memory| recipe.run(password, memory))?;
        // `Output` compares in constant time; the work is done before `phc` is looked at.
        Ok((output == expected) & phc.is_some())
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

/// All that a hash depends on but the password. A stored hash brings its own, so that ours may be raised later.
struct Recipe {
    version: Version,
    params: Params,
    salt: Salt,
    output_bytes: usize,
}

impl Recipe {
    fn parse(phc: &str) -> Option<(Recipe, Output)> {
        let stored = PasswordHash::new(phc).ok()?;
        let expected = stored.hash?;
        if stored.algorithm != ARGON2ID_IDENT {
            return None;
        }
        let recipe = Recipe {
            version: Version::try_from(stored.version?).ok()?,
            params: Params::try_from(&stored).ok()?,
            salt: stored.salt?,
            output_bytes: expected.len(),
        };
        Some((recipe, expected))
    }

    fn run(&self, password: &str, memory: &mut Vec<Block>) -> Result<Output, Error> {
        let blocks = self.params.block_count();
        if memory.capacity() < blocks.max(RESERVED_BLOCKS) {
            memory
                .try_reserve_exact(blocks.max(RESERVED_BLOCKS) - memory.len())
                .map_err(|_| no_memory())?;
        }
        memory.resize(blocks, Block::new());
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..self.output_bytes];
        Argon2::new(Algorithm::Argon2id, self.version, self.params.clone())
            .hash_password_into_with_memory(password.as_bytes(), &self.salt, output, memory)
            .map_err(|_| unreadable())?;
        Output::new(output).map_err(|_| unreadable())
    }
}

fn no_memory() -> Error {
    Error::new(
        Code::Overloaded,
        "The server has no memory left to check passwords. Try again in a moment.",
    )
}

fn no_randomness() -> Error {
    Error::new(
        Code::Overloaded,
        "The system gives the server no random bytes. Try again in a moment.",
    )
}

fn unreadable() -> Error {
    Error::new(
        Code::Internal,
        "The stored password of this account cannot be read. Tell whoever runs the server.",
    )
}

/// First come, first served. Memory goes from one hash to the next that waits, and back to the system after the last.
struct Turns {
    queue: Mutex<Queue>,
}

struct Queue {
    free: usize,
    waiting: VecDeque<Arc<Handoff<Mutex<Vec<Block>>>>>,
}

impl Turns {
    fn take<T>(&self, work: impl FnOnce(&mut Vec<Block>) -> T) -> T {
        let mut turn = self.wait();
        work(&mut turn.memory)
    }

    fn wait(&self) -> Turn<'_> {
        let mut queue = lock(&self.queue);
        if queue.free > 0 {
            queue.free -= 1;
            let memory = Vec::new();
            return Turn {
                turns: self,
                memory,
            };
        }
        let mine = Handoff::new();
        queue.waiting.push_back(mine.clone());
        drop(queue);
        let memory = std::mem::take(&mut *lock(mine.wait()));
        Turn {
            turns: self,
            memory,
        }
    }
}

/// The right to hash; passed on when dropped, a panic included.
struct Turn<'a> {
    turns: &'a Turns,
    memory: Vec<Block>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.turns.queue);
        match queue.waiting.pop_front() {
            Some(next) => next.give(Mutex::new(std::mem::take(&mut self.memory))),
            None => queue.free += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONNECTION_STACK_BYTES;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_hash_verifies_its_password_and_no_other_one() {
        let hasher = Hasher::new();
        let phc = hasher.hash("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(hasher.verify("correct horse", Some(&phc)), Ok(true));
        assert_eq!(hasher.verify("correct Horse", Some(&phc)), Ok(false));
        assert_eq!(hasher.verify("", Some(&phc)), Ok(false));
        assert_ne!(
            hasher.hash("correct horse").unwrap(),
            phc,
            "each hash has its own salt"
        );
    }

    /// RFC 9106's vector (section 5.3) has a secret and associated data, which passwords do not; this one is of the
    /// reference implementation's tests: `echo -n password | argon2 somesalt -id -t 2 -m 8 -p 1`.
    #[test]
    fn hashes_of_other_implementations_and_parameters_verify() {
        let phc =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hasher = Hasher::new();
        assert_eq!(hasher.verify("password", Some(phc)), Ok(true));
        assert_eq!(hasher.verify("passwore", Some(phc)), Ok(false));
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_costs() {
        let hasher = Hasher::new();
        assert_eq!(hasher.verify("anything at all", None), Ok(false));
        let (nobody, _) = Recipe::parse(NOBODY).unwrap();
        let (known, _) = Recipe::parse(&hasher.hash("12345678").unwrap()).unwrap();
        assert_eq!(nobody.params, known.params);
        assert_eq!(nobody.version, known.version);
        assert_eq!(nobody.output_bytes, known.output_bytes);
    }

    #[test]
    fn the_hash_of_nobody_is_nobodys_even_when_it_fits() {
        let hasher = Hasher::new();
        assert_eq!(hasher.verify("password", None), Ok(false));
        assert_eq!(hasher.verify("password", Some(NOBODY)), Ok(false));
    }

    #[test]
    fn an_unreadable_hash_is_an_error_not_a_wrong_password() {
        let hasher = Hasher::new();
        for phc in [
            "",
            "plain",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=7$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            let error = hasher.verify("password", Some(phc)).unwrap_err();
            assert_eq!(error.code, Code::Internal, "{phc}");
        }
    }

    #[test]
    fn a_connections_stack_is_enough() {
        let work = || {
            let hasher = Hasher::new();
            let phc = hasher.hash("12345678").unwrap();
            hasher.verify("12345678", Some(&phc))
        };
        let thread = thread::Builder::new()
            .stack_size(CONNECTION_STACK_BYTES)
            .spawn(work)
            .unwrap();
        assert_eq!(thread.join().unwrap(), Ok(true));
    }

    fn waiting(turns: &Turns) -> usize {
        lock(&turns.queue).waiting.len()
    }

    #[test]
    fn no_more_at_once_than_turns() {
        let hasher = Hasher::with_turns(2);
        let running = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let start = Barrier::new(12);
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    start.wait();
                    hasher.turns.take(|_| {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(lock(&hasher.turns.queue).free, 2);
    }

    #[test]
    fn those_who_wait_are_served_in_order() {
        let hasher = Hasher::with_turns(1);
        let served = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = hasher.turns.wait();
            for number in 0..8 {
                let (turns, served) = (&hasher.turns, &served);
                scope.spawn(move || turns.take(|_| lock(served).push(number)));
                while waiting(turns) <= number {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(*lock(&served), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_panic_passes_the_turn_on() {
        let hasher = Hasher::with_turns(1);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            hasher.turns.take(|_| panic!("on purpose"))
        }));
        assert!(caught.is_err());
        assert_eq!(hasher.turns.take(|_| 7), 7);
    }
}
