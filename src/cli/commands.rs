//! The words of the command line.
//!
//! Owns their table, from which the parsing and `--help` are made.

use super::{Config, Invocation};

/// What the first word says to do.
pub struct Command {
    pub name: &'static str,
    pub make: fn(Config) -> Invocation,
    /// The options that it knows; all, where it names none.
    pub flags: &'static [&'static str],
    pub help: &'static str,
}

/// Every word there is; the first is what no word says too.
pub static COMMANDS: [Command; 3] = [
    Command {
        name: "serve",
        make: Invocation::Serve,
        flags: &[],
        help: "Run the server. The word may be left out.",
    },
    Command {
        name: "check",
        make: Invocation::Check,
        flags: &["data"],
        help: "Verify every file in the data directory, say what is wrong and where, and change nothing. The server \
               must be stopped. Exit code 0 where all is well, 1 where not.",
    },
    Command {
        name: "repair",
        make: Invocation::Repair,
        flags: &["data"],
        help: "Make a damaged data directory one that the server starts from: keep a full copy beside it, cut what \
               cannot be read, and say what was lost.",
    },
];
