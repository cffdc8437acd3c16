//! What a process uses, from `/proc` (proc(5)).

use std::fs;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`, which is 100 on every Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// Readings at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of processor time, user and system.
    pub cpu: f64,
    /// Resident memory in MiB, now and at its highest.
    pub resident: f64,
    pub peak: f64,
    pub threads: u64,
    pub descriptors: u64,
    /// How often its threads went to sleep by themselves.
    pub sleeps: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Usage {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let status = read("status");
        let stat = read("stat");
        // The name, in parentheses, may hold anything; what follows has fixed places.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |place: usize| {
            fields
                .get(place)
                .and_then(|f| f.parse().ok())
                .unwrap_or(0.0)
        };
        Usage {
            cpu: (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
            resident: field(&status, "VmRSS:") as f64 / 1024.0,
            peak: field(&status, "VmHWM:") as f64 / 1024.0,
            threads: field(&status, "Threads:"),
            descriptors: entries(&format!("/proc/{pid}/fd")),
            sleeps: sleeps(pid),
        }
    }
}

/// Makes the highest resident memory begin again at what it is now (proc(5), `clear_refs`).
pub fn reset_peak(pid: u32) {
    // Where the kernel does not let us, the peak is that of the whole life, which is never too low.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn entries(directory: &str) -> u64 {
    fs::read_dir(directory).map_or(0, |entries| entries.count() as u64)
}

fn sleeps(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        field(&status, "voluntary_ctxt_switches:")
    };
    tasks.filter_map(Result::ok).map(of).sum()
}
