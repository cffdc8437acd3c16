//! `log.txt`: one line an event, for whoever runs the server.
//!
//! Owns the file and the thread that writes it. Never holds anybody up: who logs only puts a line into a bounded buffer,
//! and where the disk is full or slow, lines are dropped and counted. Never gets a password, a token or the content of a
//! message: callers pass single texts, each with a name, and names and shapes of secrets are withheld all the same.

mod file;
pub mod line;

pub use line::rfc3339;

use crate::limits::{LOG_BUFFER_BYTES, LOG_FLUSH};
use file::RotatingFile;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The event that is shown on stderr too, for whoever watches a terminal or a service's journal.
const ERROR: &str = "error";

/// A handle to the log, cheap to clone. The last one that goes writes what is left.
#[derive(Clone)]
pub struct Log {
    writer: Option<Arc<Writer>>,
}

impl Log {
    /// Appends to `log.txt` in `dir`, beginning anew at `rotate_bytes`. Never fails: what cannot be written is dropped,
    /// counted, and told on stderr.
    pub fn open(dir: &Path, rotate_bytes: u64) -> Log {
        Log::with_interval(dir, rotate_bytes, LOG_FLUSH)
    }

    /// A log that keeps nothing.
    pub fn discard() -> Log {
        Log { writer: None }
    }

    fn with_interval(dir: &Path, rotate_bytes: u64, interval: Duration) -> Log {
        let shared = Arc::new(Shared::default());
        let file = RotatingFile::new(dir, rotate_bytes);
        let thread = thread::Builder::new().name("log".to_owned());
        let theirs = shared.clone();
        match thread.spawn(move || theirs.run(file, interval)) {
            Ok(_) => Log {
                writer: Some(Arc::new(Writer { shared })),
            },
            Err(error) => {
                tell(&format!("melangerie: there is no log: {error}\n"));
                Log::discard()
            }
        }
    }

    /// One line: the time, `event`, and `key=value` for each field. The event `error` is written at once and shown on
    /// stderr too; all others are in the file within [`LOG_FLUSH`].
    ///
    /// Never blocks on the disk. `event` and keys are words of ours; values may come from anybody.
    pub fn write(&self, event: &str, fields: &[(&str, &str)]) {
        let Some(writer) = &self.writer else {
            return;
        };
        let line = line::format(now(), event, fields);
        let wake = writer.shared.lock().push(&line, event == ERROR);
        if wake {
            writer.shared.wake.notify_one();
        }
    }

    /// Waits until all that was logged before is in the file or dropped, but at most [`LOG_FLUSH`]: a disk that hangs
    /// must not keep the server from stopping.
    pub fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.shared.flush();
        }
    }
}

/// Gone with the last [`Log`]; its end is the thread's.
struct Writer {
    shared: Arc<Shared>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.flush();
    }
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    /// Wakes the thread.
    wake: Condvar,
    /// Wakes those who flush.
    done: Condvar,
}

/// What waits for the thread.
#[derive(Default)]
struct Buffer {
    lines: String,
    /// The part of them that is shown on stderr.
    errors: String,
    /// Lines that nobody will see, since the last one that said so.
    dropped: u64,
    /// Lines taken in, and of those the ones that are written or dropped.
    taken: u64,
    settled: u64,
    /// Somebody waits, or should see the line soon.
    urgent: bool,
    stop: bool,
}

impl Buffer {
    /// Whether the thread must be woken.
    fn push(&mut self, line: &str, error: bool) -> bool {
        if self.lines.len() + line.len() > LOG_BUFFER_BYTES {
            self.dropped += 1;
            return false;
        }
        let first = self.lines.is_empty();
        self.lines += line;
        self.taken += 1;
        if error {
            self.errors += line;
            self.urgent = true;
        }
        first || error || self.is_due()
    }

    fn is_due(&self) -> bool {
        self.urgent || self.stop || self.lines.len() > LOG_BUFFER_BYTES / 2
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        let mut buffer = self.lock();
        buffer.urgent = true;
        self.wake.notify_one();
        let goal = buffer.taken;
        let _ = self
            .done
            .wait_timeout_while(buffer, LOG_FLUSH, |buffer| buffer.settled < goal);
    }

    /// The thread: sleeps for good while there is nothing to write, and gathers lines for `interval` when there is.
    fn run(&self, mut file: RotatingFile, interval: Duration) {
        let mut failing = false;
        while let Some(batch) = self.next_batch(interval) {
            let lost = self.write_batch(&batch, &mut file, &mut failing);
            if !batch.errors.is_empty() {
                tell(&batch.errors);
            }
            let mut buffer = self.lock();
            buffer.dropped += lost;
            buffer.settled = batch.taken;
            drop(buffer);
            self.done.notify_all();
        }
    }

    /// `None` at the end, when all is written.
    fn next_batch(&self, interval: Duration) -> Option<Buffer> {
        let nothing = |buffer: &mut Buffer| buffer.lines.is_empty() && !buffer.stop;
        let gathering = |buffer: &mut Buffer| !buffer.is_due();
        let buffer = self.wake.wait_while(self.lock(), nothing);
        let buffer = buffer.unwrap_or_else(PoisonError::into_inner);
        if buffer.lines.is_empty() {
            return None;
        }
        let gathered = self.wake.wait_timeout_while(buffer, interval, gathering);
        let (mut buffer, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        buffer.urgent = false;
        Some(Buffer {
            lines: std::mem::take(&mut buffer.lines),
            errors: std::mem::take(&mut buffer.errors),
            dropped: std::mem::take(&mut buffer.dropped),
            taken: buffer.taken,
            ..Buffer::default()
        })
    }

    /// How many lines are lost now: where the batch was written, none, and that some were lost before stands after it.
    fn write_batch(&self, batch: &Buffer, file: &mut RotatingFile, failing: &mut bool) -> u64 {
        let mut written = file.append(batch.lines.as_bytes());
        if written.is_ok() && batch.dropped > 0 {
            let count = batch.dropped.to_string();
            let line = line::format(now(), "log_lines_dropped", &[("count", &count)]);
            // A notice that is itself lost costs no line: what it counted is counted again.
            written = file.append(line.as_bytes()).map_err(|mut lost| {
                lost.lines = 0;
                lost
            });
        }
        match written {
            Ok(()) => {
                *failing = false;
                0
            }
            Err(lost) => {
                if !*failing {
                    let error = lost.error;
                    tell(&format!(
                        "melangerie: log.txt cannot be written ({error}); its lines are dropped and counted until it can\n"
                    ));
                }
                *failing = true;
                batch.dropped + lost.lines
            }
        }
    }
}

/// Milliseconds since the Unix epoch; a clock that is before it counts as at it.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// On stderr, where somebody may listen; `eprint!` would panic where nobody does.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOG_BYTES;
    use std::fs;

    fn read(dir: &Path) -> Vec<String> {
        let text = fs::read_to_string(dir.join("log.txt")).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(str::to_owned).collect()
    }

    /// The lines without their times.
    fn events(dir: &Path) -> Vec<String> {
        let untimed = |line: &String| line.split_once("  ").unwrap().1.to_owned();
        read(dir).iter().map(untimed).collect()
    }

    #[test]
    fn lines_are_in_the_file_after_a_flush_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), LOG_BYTES);
        log.write("started", &[("version", "1.0")]);
        log.clone().write("signed_in", &[("user", "Eva")]);
        log.flush();
        assert_eq!(
            events(dir.path()),
            ["started version=1.0", "signed_in user=Eva"]
        );
        let line = &read(dir.path())[0];
        assert_eq!(&line[10..11], "T");
        assert!(line[..24].ends_with('Z'), "{line}");
    }

    #[test]
    fn the_last_handle_writes_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), LOG_BYTES);
        let other = log.clone();
        log.write("a", &[]);
        drop(log);
        other.write("b", &[]);
        drop(other);
        assert_eq!(events(dir.path()), ["a", "b"]);
    }

    #[test]
    fn lines_get_into_the_file_by_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::with_interval(dir.path(), LOG_BYTES, Duration::from_millis(1));
        for event in ["first", "second"] {
            log.write(event, &[]);
            let path = dir.path().join("log.txt");
            while !fs::read_to_string(&path).is_ok_and(|text| text.contains(event)) {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn an_error_does_not_wait_for_the_interval() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::with_interval(dir.path(), LOG_BYTES, Duration::from_secs(86_400));
        log.write("error", &[("what", "test"), ("error", "shown on purpose")]);
        let path = dir.path().join("log.txt");
        while !fs::read_to_string(&path).is_ok_and(|text| text.contains("what=test")) {
            thread::yield_now();
        }
    }

    #[test]
    fn many_threads_lose_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), LOG_BYTES);
        thread::scope(|scope| {
            for thread in 0..8 {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..200 {
                        log.write("event", &[("n", &format!("{thread}.{number}"))]);
                    }
                });
            }
        });
        log.flush();
        let mut seen = events(dir.path());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 1_600);
    }

    #[test]
    fn what_could_not_be_written_is_counted_once_writing_works() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        fs::create_dir(&path).unwrap();
        let log = Log::open(dir.path(), LOG_BYTES);
        log.write("lost", &[]);
        log.write("lost", &[]);
        log.flush();
        log.write("lost", &[]);
        log.flush();
        fs::remove_dir(&path).unwrap();
        log.write("kept", &[]);
        log.flush();
        log.write("later", &[]);
        log.flush();
        let expected = ["kept", "log_lines_dropped count=3", "later"];
        assert_eq!(events(dir.path()), expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_disturbs_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let log = Log::open(dir.path(), LOG_BYTES);
        log.write("lost", &[]);
        log.flush();
        fs::remove_file(&path).unwrap();
        log.write("kept", &[]);
        log.flush();
        assert_eq!(events(dir.path()), ["kept", "log_lines_dropped count=1"]);
    }

    #[test]
    fn a_full_buffer_drops_and_counts() {
        let mut buffer = Buffer::default();
        let line = "x".repeat(LOG_BUFFER_BYTES / 4);
        let woken: Vec<bool> = (0..6).map(|_| buffer.push(&line, false)).collect();
        assert_eq!(woken, [true, false, true, true, false, false]);
        assert_eq!((buffer.taken, buffer.dropped), (4, 2));
        assert_eq!(buffer.lines.len(), LOG_BUFFER_BYTES);
    }

    #[test]
    fn a_log_that_keeps_nothing_takes_everything() {
        let log = Log::discard();
        log.write("event", &[("key", "value")]);
        log.flush();
    }
}
