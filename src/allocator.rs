//! How the C library hands out memory.
//!
//! Owns two settings. glibc keeps what is freed in up to eight arenas a core, and larger and larger blocks of it with time:
//! with threads that come and go they fill for hours, each to its own high-water mark, which is twice the memory and looks like
//! a leak. Both are settled by the environment alone, and only at a process's start, so the process begins anew.

/// Begins the process anew, with the same arguments, under settings that keep memory flat; a process that has them goes
/// on, as does one whose environment says otherwise, and one that cannot be begun anew. Call it first of all.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn settle() {
    use std::env;
    use std::os::unix::process::CommandExt;
    // A thread's own small blocks are kept apart anyway, so hardly anybody waits for the one arena.
    const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
    // Blocks of this many bytes and more go back to the system when they are freed. It is glibc's first value; setting it
    // keeps it from growing.
    const LARGE_BLOCKS: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
    let decided = ["GLIBC_TUNABLES", ARENAS.0, LARGE_BLOCKS.0];
    if decided.iter().any(|name| env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    // It returns only where it failed, and then everything is as it was.
    let _ = std::process::Command::new(program)
        .arg0(name)
        .args(arguments)
        .envs([ARENAS, LARGE_BLOCKS])
        .exec();
}

/// Other allocators have other habits.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn settle() {}
