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
pub mod office;
pub mod process;
pub mod stage;
pub mod table;
pub mod tally;
pub mod traffic;
pub mod wire;

pub use client::{Client, Plan};
pub use office::Office;
pub use process::Usage;
