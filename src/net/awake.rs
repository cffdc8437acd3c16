//! Time in which nobody could listen: the process was suspended, or the machine slept.
//!
//! Nobody is to be given up for a silence that we slept through ourselves. So whoever waits for a peer says how long it
//! meant to, and what the wait took beyond that does not count against the peer. Pure: time is a parameter.

use std::time::{Duration, Instant};

/// A wait may last so much longer than it was meant to, on a busy machine, and was a wait all the same.
const LATE: Duration = Duration::from_secs(2);

/// How much of a wait that began at `began`, was meant to last `meant` at most and ended at `now` was spent asleep.
pub(super) fn nap(began: Instant, meant: Duration, now: Instant) -> Duration {
    let took = now.saturating_duration_since(began);
    match took.saturating_sub(meant) {
        beyond if beyond > LATE => beyond,
        _ => Duration::ZERO,
    }
}

/// How long a peer has said nothing.
#[derive(Clone, Copy)]
pub(super) struct Silence {
    /// When it was last heard; later by what was slept through since.
    heard: Instant,
    /// When the wait that is going on began.
    waiting: Instant,
}

impl Silence {
    pub(super) fn from(now: Instant) -> Silence {
        Silence {
            heard: now,
            waiting: now,
        }
    }

    /// A wait that was meant to last `meant` at most has ended with nothing: how long the peer has been silent.
    pub(super) fn waited(&mut self, meant: Duration, now: Instant) -> Duration {
        self.heard += nap(self.waiting, meant, now);
        self.waiting = now;
        now.saturating_duration_since(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_late_timer_is_no_nap() {
        let began = Instant::now();
        let after = |seconds| nap(began, 25 * SECOND, began + seconds * SECOND);
        assert_eq!(after(3), Duration::ZERO, "interrupted");
        assert_eq!(after(27), Duration::ZERO);
        assert_eq!(after(28), 3 * SECOND);
        assert_eq!(after(3_600), 3_575 * SECOND);
    }

    #[test]
    fn silence_counts_while_we_listen() {
        let begin = Instant::now();
        let mut silence = Silence::from(begin);
        let mut waited = |seconds| silence.waited(25 * SECOND, begin + seconds * SECOND);
        assert_eq!(waited(25), 25 * SECOND);
        assert_eq!(waited(50), 50 * SECOND);
        // An hour's sleep in the middle of a wait.
        assert_eq!(waited(3_650), 75 * SECOND);
        assert_eq!(waited(3_660), 85 * SECOND);
    }
}
