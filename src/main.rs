//! Parse, run, exit code.

#![forbid(unsafe_code)]

use melangerie::cli::{self, Config, Invocation};
use melangerie::net::lan;
use melangerie::{Server, maintenance};
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::channel;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => say(&cli::help()),
        Ok(Invocation::Version) => say(&cli::version()),
        Ok(Invocation::Serve(config)) => return serve(config),
        Ok(Invocation::Check(config)) => return maintain(maintenance::check(&config.data)),
        Ok(Invocation::Repair(config)) => return maintain(maintenance::repair(&config.data)),
        Err(error) => {
            eprintln!("melangerie: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn serve(config: Config) -> ExitCode {
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("melangerie: {error}");
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
            eprintln!("melangerie: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let (stop, stopped) = channel();
    ctrlc::set_handler(move || {
        // The receiver is gone when we are stopping already.
        let _ = stop.send(());
    })?;
    let server = Server::open(config)?;
    let address = server.address();
    say(&format!("listening on http://{address}"));
    for url in lan::urls(address) {
        say(&format!("others reach it at {url}"));
    }
    Ok(server.run(&stopped)?)
}

/// Whoever started us may have closed our output; that is no reason to stop.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}
