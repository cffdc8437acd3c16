//! The table: a row a scenario, as `docs/reliability.md` has it.
//!
//! Owns the form. A row says what must hold, what bounds the memory, what was measured, and whether it held.

use crate::load::Usage;
use crate::load::process::reset_peak;
use crate::pair::Health;
use std::time::Duration;

/// What a scenario promises, and what came of it.
pub struct Report {
    pub scenario: String,
    pub holds: &'static str,
    /// How the bound comes about, for the reader.
    pub bound: String,
    /// The most memory that it may take beside what the idle server has.
    pub bound_mib: f64,
    pub measured: Measured,
}

/// What was measured while it was carried out.
#[derive(Default)]
pub struct Measured {
    /// Before it began.
    pub idle: Usage,
    /// The highest of each at the moments that were looked at; the peak is that of all the time.
    pub worst: Usage,
    /// The kernel's memory for all TCP sockets of this machine, both ends of each connection.
    pub kernel_mib: f64,
    pub health: Option<Health>,
    /// What else there is to say.
    pub notes: String,
}

impl Measured {
    /// Before a scenario: the idle server, and from here on its peak.
    pub fn begin(pid: u32) -> Measured {
        reset_peak(pid);
        Measured {
            idle: Usage::of(pid),
            ..Measured::default()
        }
    }

    /// At a moment that may be the worst.
    pub fn look(&mut self, pid: u32) {
        let now = Usage::of(pid);
        self.worst.peak = self.worst.peak.max(now.peak);
        self.worst.resident = self.worst.resident.max(now.resident);
        self.worst.threads = self.worst.threads.max(now.threads);
        self.worst.descriptors = self.worst.descriptors.max(now.descriptors);
        self.kernel_mib = self.kernel_mib.max(kernel_tcp_mib());
    }

    fn grown(&self) -> f64 {
        (self.worst.peak - self.idle.resident).max(0.0)
    }
}

pub const HEADER: &str = "\
| scenario | what must hold | bound of memory | peak, MiB | threads | descriptors | kernel, MiB | healthy pair, ms | \
outcome |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |";

impl Report {
    pub fn held(&self) -> bool {
        self.measured.grown() <= self.bound_mib
    }

    pub fn row(&self) -> String {
        let measured = &self.measured;
        let health = measured.health.as_ref().map_or(String::new(), |health| {
            let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1_000.0);
            format!(
                "{} / {} / {} of {}",
                ms(health.median),
                ms(health.p99),
                ms(health.slowest),
                health.messages
            )
        });
        let outcome = match (self.held(), measured.notes.is_empty()) {
            (false, _) => "**the bound is exceeded**".to_owned(),
            (true, true) => "held".to_owned(),
            (true, false) => format!("held: {}", measured.notes),
        };
        format!(
            "| {} | {} | {} = {:.0} MiB | {:.1} | {} | {} | {:.0} | {} | {} |",
            self.scenario,
            self.holds,
            self.bound,
            self.bound_mib,
            measured.grown(),
            measured.worst.threads,
            measured.worst.descriptors,
            measured.kernel_mib,
            health,
            outcome
        )
    }
}

/// From `/proc/net/sockstat`; 0 where that is not to be had.
fn kernel_tcp_mib() -> f64 {
    /// Everywhere but on some ARM machines.
    const PAGE_BYTES: f64 = 4096.0;
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"));
    let mut words = line.unwrap_or_default().split_whitespace();
    let pages = words
        .find(|word| *word == "mem")
        .and_then(|_| words.next())
        .and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(0.0) * PAGE_BYTES / 1024.0 / 1024.0
}
