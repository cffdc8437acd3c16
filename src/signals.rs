//! Who asks the process to stop: Ctrl-C, `SIGINT`, `SIGTERM`, and the terminal that is closed, by `SIGHUP`.
//!
//! Owns what becomes of a signal. While the server starts there is nothing to bring to an end that the next start does
//! not mend, so a signal ends the process at once; afterwards it asks for an orderly stop, and a further one changes
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// What signals are turned into.
pub struct Signals {
    /// Hears of each signal that asks to stop, once [`Signals::serving`] was called.
    pub stop: Receiver<()>,
    serving: Arc<AtomicBool>,
}

impl Signals {
    /// Call it first of all: threads inherit what it decides about `SIGHUP`.
    pub fn listen() -> Result<Signals, ctrlc::Error> {
        keep_hangups_ignored();
        let (tell, stop) = channel();
        let serving = Arc::new(AtomicBool::new(false));
        let is_serving = serving.clone();
        ctrlc::set_handler(move || {
            if !is_serving.load(Ordering::Acquire) {
                std::process::exit(0);
            }
            // The receiver is gone when we have stopped already.
            let _ = tell.send(());
        })?;
        Ok(Signals { stop, serving })
    }

    /// From here on a signal asks for an orderly stop.
    pub fn serving(&self) {
        self.serving.store(true, Ordering::Release);
    }
}

/// Who starts us with `nohup` wants us to outlive the terminal. The handler takes `SIGHUP` over all the same, so the
/// signal is blocked, which is not undone by a handler.
#[cfg(target_os = "linux")]
fn keep_hangups_ignored() {
    use nix::sys::signal::{SigSet, Signal};
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores(&status, Signal::SIGHUP as u32) {
        // Of the arguments, which are all that it may refuse, none is wrong.
        let _ = SigSet::from(Signal::SIGHUP).thread_block();
    }
}

/// Elsewhere there is no asking without unsafe code.
#[cfg(not(target_os = "linux"))]
fn keep_hangups_ignored() {}

/// Whether a process with this `/proc/<pid>/status` ignores a signal: the mask's lowest bit is signal 1.
#[cfg(target_os = "linux")]
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::ignores;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores(&status("0000000000001001"), 1));
        assert!(ignores(&status("0000000000001000"), 13));
        assert!(!ignores(&status("0000000000001000"), 1));
        assert!(!ignores(&status("not a mask"), 1));
        assert!(!ignores("", 1));
    }
}
