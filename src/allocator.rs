//! How the C library hands out memory.
//!
//! Owns two settings. glibc keeps what is freed in up to eight arenas a core, and larger and larger blocks of it with time:
//! with threads that come and go they fill for hours, each to its own high-water mark, which is twice the memory and looks like
//! a leak. Both are settled by the environment alone, and only at a process's start, so the process begins anew.

/// Begins the process anew, with the same arguments, under settings that keep memory flat; a process that has them goes
/// on, as does one whose environment says otherwise, and one that cannot be begun anew. Call it before there are
/// threads or open files.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn settle() {
    use std::env;
    use std::os::unix::process::CommandExt;
    // Threads keep small blocks of their own. What many senders may lose by meeting in one arena stands in
    // docs/performance.md.
    const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
    // Blocks of this many bytes and more go back to the system when they are freed. It is glibc's first value; setting it
    // keeps it from growing.
    const LARGE_BLOCKS: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
    // A loader that trusts its caller less than the program (set-user-ID, file capabilities) takes such settings away, so
    // only this one says that there is no use in beginning once more.
    const BEGUN_ANEW: (&str, &str) = ("MELANGERIE_BEGUN_ANEW", "1");
    let decided = ["GLIBC_TUNABLES", ARENAS.0, LARGE_BLOCKS.0, BEGUN_ANEW.0];
    if decided.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    // Where the dynamic loader was asked to start us, the process's program is the loader.
    let name = program.file_name().unwrap_or_default();
    if name.to_string_lossy().contains(".so") {
        return;
    }
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    // It returns only where it failed, and then everything is as it was.
    let _ = std::process::Command::new(program)
        .arg0(name)
        .args(arguments)
        .envs([ARENAS, LARGE_BLOCKS, BEGUN_ANEW])
        .exec();
}

/// Other allocators have other habits.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn settle() {}
