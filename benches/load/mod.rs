//! The load client: what the benches measure the server with.
//!
//! Owns thousands of connections on one thread, the data directories that the benches begin with, the readings of a
//! process, and the table. It speaks the contract from the wire, never looks at how the server works, and believes
//! nothing: every delivery that is due is counted, and what is missing or double is part of every result.
//!
//! For Linux: it reads `/proc`.

#![allow(
    dead_code,
    unused_imports,
    reason = "each bench uses its own part of the load client"
)]

pub mod archive;
pub mod bare;
pub mod client;
pub mod crowd;
pub mod office;
pub mod plot;
pub mod process;
pub mod reading;
pub mod stage;
pub mod table;
pub mod tally;
pub mod traffic;
pub mod wire;

pub use client::{Client, Plan};
pub use office::Office;
pub use process::Usage;

/// Data belongs on the disk that is measured, and /tmp may be memory: temporary directories are made below the target
/// directory, which is returned.
pub fn use_the_disk() -> &'static std::path::Path {
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(target).expect("the target directory can be written");
    tempfile::env::override_temp_dir(target).expect("nobody asked for it before");
    target
}
