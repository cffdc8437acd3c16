//! The command line: what it prints, and how it ends.

mod common;

use common::server::{bare, follow, run_to_the_end};
use common::*;
use std::process::{Output, Stdio};
use tempfile::TempDir;

fn run(arguments: &[&str]) -> (Output, TempDir) {
    let directory = TempDir::new().unwrap();
    let output = run_to_the_end(bare(directory.path(), arguments));
    (output, directory)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn help_names_every_option() {
    let (output, directory) = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for option in [
        "--listen",
        "--data",
        "--allow-origin",
        "--close-registration",
        "--no-rate-limits",
        "--max-connections",
        "--max-connections-per-address",
        "--backlog-bytes",
        "--journal-bytes",
        "check",
        "repair",
        "--help",
        "--version",
        "JWT_SECRET",
        "0.0.0.0:8080",
        "melangerie-data",
    ] {
        assert!(help.contains(option), "{option} is missing:\n{help}");
    }
    assert!(output.stderr.is_empty());
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "help makes nothing"
    );
    let (after, _) = run(&["serve", "--help"]);
    assert_eq!(after.status.code(), Some(0));
}

#[test]
fn version() {
    let (output, _) = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout).trim(),
        concat!("melangerie ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_exits_2_and_names_what_is_wrong() {
    for (arguments, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["-x"], "-x"),
        (&["nonsense"], "nonsense"),
        (&["serve", "again"], "again"),
        (&["check", "again"], "again"),
        (&["repair", "--listen", "127.0.0.1:0"], "--listen"),
        (&["--listen"], "--listen"),
        (&["--listen", "nonsense"], "--listen"),
        (&["--listen", "127.0.0.1"], "--listen"),
        (&["--listen", "127.0.0.1:99999"], "--listen"),
        (&["--data"], "--data"),
        (&["--allow-origin", "nonsense"], "--allow-origin"),
        (
            &["--allow-origin", "https://a.example/path"],
            "--allow-origin",
        ),
        (&["--max-connections", "many"], "--max-connections"),
        (&["--max-connections", "-1"], "--max-connections"),
        (&["--backlog-bytes", "x"], "--backlog-bytes"),
        (&["--journal-bytes", ""], "--journal-bytes"),
        (&["--no-rate-limits=yes"], "--no-rate-limits"),
    ] {
        let (output, directory) = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(said.contains("--help"), "{arguments:?}: {said}");
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "{arguments:?} makes nothing"
        );
    }
}

#[test]
fn the_first_line_tells_the_address() {
    let server = Server::start();
    assert_ne!(server.address.port(), 0);
    assert!(server.address.ip().is_loopback());
    server.get("/health").send().ok(200);
    assert_eq!(server.stop().code(), Some(0));
    for line in server.rest_of_stdout() {
        assert!(!line.starts_with("listening on "), "one such line: {line}");
    }
}

#[test]
fn no_option_is_needed_for_the_directory() {
    let directory = TempDir::new().unwrap();
    let mut child = bare(directory.path(), &["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let line = follow(&mut child).recv_timeout(HANG);
    let _ = child.kill();
    let _ = child.wait();
    assert!(line.unwrap().starts_with("listening on http://127.0.0.1:"));
    assert!(directory.path().join("melangerie-data").is_dir());
}

#[test]
fn a_name_may_stand_for_the_address() {
    let directory = TempDir::new().unwrap();
    let mut child = bare(
        directory.path(),
        &["serve", "--listen=localhost:0", "--data", "here"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let line = follow(&mut child).recv_timeout(HANG);
    let _ = child.kill();
    let _ = child.wait();
    assert!(line.unwrap().starts_with("listening on http://"));
    assert!(directory.path().join("here").is_dir());
}

#[test]
fn a_port_in_use_exits_1() {
    let server = Server::start();
    let address = server.address.to_string();
    let (output, _) = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains(&address),
        "{}",
        text(&output.stderr)
    );
    assert!(!text(&output.stdout).contains("listening on"));
    server.get("/health").send().ok(200);
}

#[test]
fn a_directory_that_cannot_be_made_exits_1() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("file"), "x").unwrap();
    for data in ["file", "file/inside"] {
        let arguments = ["--listen", "127.0.0.1:0", "--data", data];
        let output = run_to_the_end(bare(directory.path(), &arguments));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(
            text(&output.stderr).contains("file"),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(std::fs::read(directory.path().join("file")).unwrap(), b"x");
}
