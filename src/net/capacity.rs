//! How many connections this system has room for.
//!
//! Owns the arithmetic and the reading of the system's limits. Near `vm.max_map_count` a new thread aborts the whole
//! process, which nobody can catch; so the number is reckoned before the first connection, and kept.

use crate::limits::{
    MAPS_PER_THREAD, SPARE_DESCRIPTORS, SPARE_MAPS, SPARE_THREADS, WRITER_THREADS,
};
use crate::log::Log;

/// What the system allows this process; `None` where it sets no bound or does not tell.
#[derive(Clone, Copy, Debug, Default)]
struct SystemLimits {
    /// Open descriptors.
    descriptors: Option<u64>,
    /// Memory maps.
    maps: Option<u64>,
    /// Threads.
    threads: Option<u64>,
}

/// The connections to allow where `configured` are wanted; fewer are logged with their cause.
///
/// Raises the limit on open files as far as it may. `writer_threads`: every connection has a second thread.
pub fn capacity(configured: usize, writer_threads: bool, log: &Log) -> usize {
    let (connections, bound) = reckon(configured, writer_threads, SystemLimits::read());
    if let Some(bound) = bound {
        let (most, wanted) = (connections.to_string(), configured.to_string());
        log.write(
            "fewer_connections",
            &[("most", &most), ("wanted", &wanted), ("because", bound)],
        );
    }
    connections
}

/// The smallest of what is wanted and what each limit leaves; at least 1.
fn reckon(
    configured: usize,
    writer_threads: bool,
    system: SystemLimits,
) -> (usize, Option<&'static str>) {
    let connections_of = |threads: usize| match writer_threads {
        true => threads / 2,
        // Connections that fall behind are given writers, from a stock of their own.
        false => threads.saturating_sub(WRITER_THREADS),
    };
    let less = |limit: u64, spare: usize| {
        usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .saturating_sub(spare)
    };
    let rooms = [
        (
            system.descriptors.map(|most| less(most, SPARE_DESCRIPTORS)),
            "open files (ulimit -n)",
        ),
        (
            system
                .maps
                .map(|most| connections_of(less(most, SPARE_MAPS) / MAPS_PER_THREAD)),
            "memory maps (vm.max_map_count)",
        ),
        (
            system
                .threads
                .map(|most| connections_of(less(most, SPARE_THREADS))),
            "threads (kernel.threads-max, kernel.pid_max, ulimit -u, the control group's pids.max)",
        ),
    ];
    let mut best = (configured, None);
    for (room, name) in rooms {
        if let Some(room) = room
            && room < best.0
        {
            best = (room.max(1), Some(name));
        }
    }
    best
}

impl SystemLimits {
    fn read() -> SystemLimits {
        SystemLimits {
            descriptors: rlimit::increase_nofile_limit(u64::MAX).ok(),
            ..system::limits()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn limits() -> super::SystemLimits {
        super::SystemLimits::default()
    }
}

/// Linux tells its limits in files; one that is absent or unreadable bounds nothing.
#[cfg(target_os = "linux")]
mod system {
    use super::SystemLimits;
    use std::fs;
    use std::path::{Path, PathBuf};

    pub(super) fn limits() -> SystemLimits {
        let threads = [
            // Half of what the whole system may have is left to everybody else.
            number("/proc/sys/kernel/threads-max").map(|most| most / 2),
            number("/proc/sys/kernel/pid_max").map(|most| most / 2),
            processes_of_user(),
            control_groups(),
        ];
        SystemLimits {
            descriptors: None,
            maps: number("/proc/sys/vm/max_map_count"),
            threads: threads.into_iter().flatten().min(),
        }
    }

    fn number(path: impl AsRef<Path>) -> Option<u64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// `RLIMIT_NPROC`, from which the superuser is exempt.
    fn processes_of_user() -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        if effective_user(&status) == Some(0) {
            return None;
        }
        let (soft, _) = rlimit::Resource::NPROC.get().ok()?;
        (soft != rlimit::INFINITY).then_some(soft)
    }

    /// The effective user's number in the text of `/proc/self/status`.
    pub(super) fn effective_user(status: &str) -> Option<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// What our control groups, and those around them, leave.
    fn control_groups() -> Option<u64> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        group_directories(&membership)
            .iter()
            .filter_map(|directory| {
                let most = number(directory.join("pids.max"))?;
                let taken = number(directory.join("pids.current")).unwrap_or(0);
                Some(most.saturating_sub(taken))
            })
            .min()
    }

    /// The directories that may hold a `pids.max` for a process with this `/proc/self/cgroup`.
    pub(super) fn group_directories(membership: &str) -> Vec<PathBuf> {
        let mut directories = Vec::new();
        for line in membership.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
                continue;
            };
            let root = match controllers {
                "" => "/sys/fs/cgroup",
                _ if controllers.split(',').any(|name| name == "pids") => "/sys/fs/cgroup/pids",
                _ => continue,
            };
            let group = Path::new(group.trim_start_matches('/'));
            directories.extend(
                group
                    .ancestors()
                    .map(|ancestor| Path::new(root).join(ancestor)),
            );
        }
        directories
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONNECTIONS;

    #[test]
    fn nothing_known_bounds_nothing() {
        assert_eq!(
            reckon(CONNECTIONS, false, SystemLimits::default()),
            (CONNECTIONS, None)
        );
    }

    #[test]
    fn the_tightest_limit_counts_and_is_named() {
        let system = SystemLimits {
            descriptors: Some(1_048),
            maps: Some(65_530),
            threads: Some(100_000),
        };
        let (most, bound) = reckon(CONNECTIONS, false, system);
        assert_eq!(most, 1_000);
        assert!(bound.unwrap().contains("ulimit -n"));
    }

    #[test]
    fn threads_and_their_maps_never_exceed_what_the_kernel_grants() {
        for writers in [false, true] {
            let system = SystemLimits {
                maps: Some(65_530),
                ..SystemLimits::default()
            };
            let (most, _) = reckon(1_000_000, writers, system);
            let threads = if writers {
                most * 2
            } else {
                most + WRITER_THREADS
            };
            assert!(
                threads * MAPS_PER_THREAD + SPARE_MAPS <= 65_530,
                "{most} connections, writers: {writers}"
            );
        }
    }

    #[test]
    fn there_is_always_room_for_one() {
        let system = SystemLimits {
            threads: Some(3),
            ..SystemLimits::default()
        };
        assert_eq!(reckon(10, true, system).0, 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_its_limits() {
        let status = "Name:\tx\nUid:\t1000\t1001\t1000\t1000\n";
        assert_eq!(system::effective_user(status), Some(1001));
        let paths = |membership| -> Vec<String> {
            let directories = system::group_directories(membership);
            directories
                .iter()
                .map(|path| path.to_string_lossy().trim_end_matches('/').to_owned())
                .collect()
        };
        assert_eq!(
            paths("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]
        );
        assert_eq!(
            paths("4:memory:/x\n3:cpu,pids:/\n"),
            ["/sys/fs/cgroup/pids"]
        );
        assert!(system::limits().maps.is_some());
    }
}
