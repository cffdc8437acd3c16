//! Parse, run, exit code.

#![forbid(unsafe_code)]

use melangerie::allocator;
use melangerie::cli::{self, Config, Invocation};
use melangerie::net::lan;
use melangerie::signals::Signals;
use melangerie::{Server, maintenance};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => say(&cli::help()),
        Ok(Invocation::Version) => say(&cli::version()),
        Ok(Invocation::Serve(config)) => {
            allocator::settle();
            return serve(config);
        }
        Ok(Invocation::Check(config)) => return maintain(maintenance::check(&config.data)),
        Ok(Invocation::Repair(config)) => return maintain(maintenance::repair(&config.data)),
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn serve(config: Config) -> ExitCode {
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn maintain(outcome: Result<maintenance::Outcome, String>) -> ExitCode {
    match outcome {
        Ok(outcome) => {
            say(&outcome.text);
            if outcome.fine {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let signals = Signals::listen()?;
    let server = Server::open(config)?;
    signals.serving();
    let address = server.address();
    say(&format!("listening on http://{address}"));
    for url in lan::urls(address) {
        say(&format!("others reach it at {url}"));
    }
    Ok(server.run(&signals.stop)?)
}

/// Whoever started us may have closed our output; that is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}

/// `eprintln!` would panic where nobody listens, and the exit code would be the panic's.
fn complain(error: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "melangerie: {error}");
}
