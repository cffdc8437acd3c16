//! Faults, and what they cost: `cargo bench --bench faults [-- NAME...]`, where `list` names them; and
//! `cargo bench --bench faults -- soak [--minutes 30] [--picture FILE]`.
//!
//! Owns the choice of scenarios and the exit code: 1 where a promise or a bound is broken. Linux only, since it reads
//! `/proc`. Each scenario starts the built program on a free port of the loopback, in a temporary directory.

mod actors;
#[path = "../../tests/common/mod.rs"]
mod common;
mod crowds;
mod dice;
#[path = "../load/mod.rs"]
mod load;
mod pages;
mod pair;
mod plot;
mod receivers;
mod report;
mod requests;
mod scarce;
mod scene;
mod soak;

use report::{HEADER, Report};
use std::path::PathBuf;
use std::process::ExitCode;

type Scenario = fn() -> Report;

const SCENARIOS: [(&str, Scenario); 17] = [
    ("idle", crowds::idle),
    ("at-once", crowds::at_once),
    ("reconnecting", crowds::reconnecting),
    ("past-the-system", crowds::past_the_system),
    ("stopped", receivers::one_stopped),
    ("sipping", receivers::one_sipping),
    ("thousand-stopped", receivers::thousand_stopped),
    ("thousand-sipping", receivers::thousand_sipping),
    ("catching-up", receivers::catching_up),
    ("answers", receivers::answers),
    ("pages", pages::pages),
    ("heads", requests::slow_heads),
    ("bodies", requests::slow_bodies),
    ("silent", requests::silent),
    ("silent-sockets", requests::silent_sockets),
    ("descriptors", scarce::descriptors),
    ("threads", scarce::threads),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut names = Vec::new();
    let (mut minutes, mut picture) = (30, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--minutes" => {
                minutes = words
                    .next()
                    .and_then(|n| n.parse().ok())
                    .expect("a number of minutes");
            }
            "--picture" => picture = words.next().map(PathBuf::from),
            "list" => {
                SCENARIOS.iter().for_each(|(name, _)| println!("{name}"));
                println!("soak");
                return ExitCode::SUCCESS;
            }
            name => names.push(name.to_owned()),
        }
    }
    let known = |name: &String| name == "soak" || SCENARIOS.iter().any(|(it, _)| it == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        eprintln!("There is no scenario {name}; `list` names them.");
        return ExitCode::from(2);
    }
    // The soak takes its time, so it has to be asked for.
    let good = match names.iter().any(|name| name == "soak") {
        true => soak::run(minutes, picture.as_deref()),
        false => table(&names),
    };
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Carries out these scenarios, all where none is named, and prints the table. Answers whether everything held.
fn table(names: &[String]) -> bool {
    println!("{HEADER}");
    let mut good = true;
    for (name, scenario) in SCENARIOS {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        match std::panic::catch_unwind(scenario) {
            Ok(report) => {
                println!("{}", report.row());
                good &= report.held();
            }
            Err(_) => {
                println!("| {name} | | | | | | | | **broken**, see above |");
                good = false;
            }
        }
    }
    good
}
