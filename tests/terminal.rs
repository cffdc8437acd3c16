//! Terminals: closed, hung up on, gone while something is said; and processes that are stopped and go on.

mod common;

use common::server::{bare, follow};
use common::*;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Starts the binary through a shell, which says what it is started with.
fn start(directory: &Path, script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_melangerie"))
        .args(["--listen", "127.0.0.1:0", "--data", "data"])
        .current_dir(directory)
        .env_remove("JWT_SECRET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh runs")
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(status.expect("kill runs").success());
}

fn code(child: &mut Child) -> Option<i32> {
    until("the exit", || child.try_wait().expect("a status")).code()
}

/// Whether a health check is answered: proves that the process has not ended, at least until now.
fn is_well(address: &str) -> bool {
    let address = address.parse().expect("an address");
    Request::new(address, "GET", "/health").send().status == 200
}

/// `ctrlc` takes `SIGHUP` over from whoever had it ignored.
#[test]
fn what_nohup_starts_outlives_its_terminal() {
    let directory = TempDir::new().unwrap();
    let mut child = start(directory.path(), "trap '' HUP; exec \"$0\" \"$@\"");
    let line = follow(&mut child).recv_timeout(HANG).expect("a first line");
    let address = line.strip_prefix("listening on http://").unwrap();
    let mut socket = Socket::open(address.parse().unwrap());
    for _ in 0..20 {
        signal(&child, "HUP");
        assert!(is_well(address));
    }
    // Who stops says so to those who have not signed in, within half a second.
    socket.send(json!({"action": "Hello", "data": {"token": "wrong"}}));
    assert_eq!(socket.expect_close(), Some(4401));
    signal(&child, "TERM");
    assert_eq!(code(&mut child), Some(0));
}

/// `melangerie | head -1`: what reads the output leaves.
#[test]
fn an_output_that_nobody_reads_ends_nothing() {
    let directory = TempDir::new().unwrap();
    let errors = "exec 2>&1; exec \"$0\" \"$@\"";
    let mut child = start(directory.path(), errors);
    let mut stdout = child.stdout.take().unwrap();
    let mut first = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stdout.read_exact(&mut byte).unwrap();
        first.extend(byte);
    }
    drop(stdout);
    let line = String::from_utf8(first).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    assert!(is_well(address));
    signal(&child, "TERM");
    assert_eq!(code(&mut child), Some(0));
}

#[test]
fn an_output_that_is_closed_ends_nothing() {
    for closed in [">&- 2>&-", ">/dev/full 2>/dev/full"] {
        let directory = TempDir::new().unwrap();
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let mut child = start(directory.path(), &script);
        let log = directory.path().join("data/log.txt");
        let address = until("the start", || {
            let log = std::fs::read_to_string(&log).ok()?;
            let line = log.lines().find(|line| line.contains(" started "))?;
            let (_, rest) = line.split_once("address=")?;
            Some(rest.trim_matches('"').to_owned())
        });
        assert!(is_well(&address), "{closed}");
        signal(&child, "TERM");
        assert_eq!(code(&mut child), Some(0), "{closed}");
    }
}

/// `eprintln!` panics where stderr cannot be written, and a panic's exit code is 101.
#[test]
fn a_failure_that_nobody_hears_has_its_exit_code() {
    for (arguments, expected) in [
        (&["--nonsense"][..], 2),
        (&["--listen", "192.0.2.1:1"], 1),
        (&["check", "--data", "nowhere"], 1),
    ] {
        let directory = TempDir::new().unwrap();
        let full = || {
            std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap()
        };
        let status = bare(directory.path(), arguments)
            .stdout(full())
            .stderr(full())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
}

/// A pipe in the place of the next journal's file holds the start up for ever.
#[test]
fn a_start_that_takes_long_can_be_ended() {
    let launch = Launch::new();
    let server = launch.start();
    let ann = register(&server, "ann");
    ann.say(&server, "general", "before");
    server.kill();
    let pipe = launch.data_path().join("journal-000002.jsonl.tmp");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    for name in ["TERM", "INT", "HUP"] {
        let data = launch.data_path().to_str().unwrap();
        let mut child = bare(launch.home(), &["--listen", "127.0.0.1:0", "--data", data])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let descriptors = format!("/proc/{}/fd", child.id());
        let lock = launch.data_path().join("lock");
        until("the lock to be taken", || {
            let links = std::fs::read_dir(&descriptors).ok()?;
            let mut open = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
            open.any(|file| file == lock).then_some(())
        });
        signal(&child, name);
        assert_eq!(code(&mut child), Some(0), "SIG{name}");
    }
    std::fs::remove_file(&pipe).unwrap();
    let server = launch.start();
    assert_eq!(
        contents(&json!(ann.whole_history(&server, "general")))
            .last()
            .unwrap(),
        "before"
    );
}

/// What the process was started with, as the system tells it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn told(child: &Child, what: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{}/{what}", child.id())).expect("a process");
    String::from_utf8(bytes).expect("text").replace('\0', " ")
}

/// The address that it says it listens on.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn listening(child: &mut Child) -> String {
    let line = follow(child).recv_timeout(HANG).expect("a first line");
    line.strip_prefix("listening on http://")
        .unwrap()
        .to_owned()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn serves_and_stops(mut child: Child, address: &str) {
    assert!(is_well(address));
    signal(&child, "TERM");
    assert_eq!(code(&mut child), Some(0));
}

/// The process begins anew to keep its memory flat. Whoever watches it sees the same program, by its name and arguments.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn beginning_anew_shows_nowhere_but_in_the_environment() {
    for (set, arenas) in [("", "1"), ("MALLOC_ARENA_MAX=3 ", "3")] {
        let directory = TempDir::new().unwrap();
        let mut child = start(directory.path(), &format!("{set} exec \"$0\" \"$@\""));
        let address = listening(&mut child);
        let environment = told(&child, "environ");
        assert!(
            environment.contains(&format!("MALLOC_ARENA_MAX={arenas} ")),
            "{environment}"
        );
        let begun = environment.contains("MELANGERIE_BEGUN_ANEW=1 ");
        assert_eq!(begun, set.is_empty(), "{environment}");
        assert_eq!(told(&child, "comm").trim(), "melangerie");
        let arguments = told(&child, "cmdline");
        assert!(
            arguments.ends_with("melangerie --listen 127.0.0.1:0 --data data "),
            "{arguments}"
        );
        serves_and_stops(child, &address);
    }
}

/// Where the executable has more rights than its caller, the loader of glibc 2.39 and newer takes away what is set.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn it_begins_anew_once_whatever_becomes_of_the_settings() {
    let directory = TempDir::new().unwrap();
    let begun = "exec env MELANGERIE_BEGUN_ANEW=1 \"$0\" \"$@\"";
    let mut child = start(directory.path(), begun);
    let address = listening(&mut child);
    let environment = told(&child, "environ");
    assert!(!environment.contains("MALLOC_"), "{environment}");
    serves_and_stops(child, &address);
}

/// Then the loader is the process's program, and beginning that anew would begin something else.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_dynamic_loader_can_start_it() {
    let directory = TempDir::new().unwrap();
    let executable = std::fs::read(env!("CARGO_BIN_EXE_melangerie")).unwrap();
    // The path of the loader stands in the executable (ELF, `PT_INTERP`), with a zero behind it.
    let path = memchr::memmem::find(&executable, b"/lib").expect("a loader");
    let length = executable[path..].iter().position(|&b| b == 0).unwrap();
    let loader = String::from_utf8(executable[path..path + length].to_vec()).unwrap();
    let mut child = start(directory.path(), &format!("exec {loader} \"$0\" \"$@\""));
    let address = listening(&mut child);
    serves_and_stops(child, &address);
}
