//! A million messages: starting with them, reading them, searching them; and a server that has nothing to do.

use crate::RUNS;
use crate::common::Server;
use crate::load::Usage;
use crate::load::archive::Archive;
use crate::load::reading::{pages, pages_by_frame, searches, timed_start};
use crate::load::stage::{Stage, launch};
use crate::load::table::{Figure, Table, Target};
use crate::load::traffic::Saturation;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const MESSAGES: usize = 1_000_000;
/// Pages that are asked for in a run.
const PAGES: usize = 2_000;
/// Searches in a run.
const SEARCHES: usize = 100;

/// The rows share it; writing it takes longer than most of them.
static ARCHIVE: Mutex<Option<Archive>> = Mutex::new(None);

fn archive() -> MutexGuard<'static, Option<Archive>> {
    let mut guard = ARCHIVE.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        *guard = Some(Archive::write(MESSAGES));
    }
    guard
}

/// Removes what the rows shared.
pub fn tidy() {
    *ARCHIVE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

pub fn start_after_stop(table: &mut Table) {
    let guard = archive();
    let launch = &guard.as_ref().expect("it is written").launch;
    let mut memory = 0.0;
    let runs = (0..RUNS)
        .map(|_| {
            let (server, time) = timed_start(launch);
            memory = Usage::of(server.pid()).resident;
            assert!(server.stop().success(), "an orderly stop");
            time
        })
        .collect();
    let name = "start with 1,000,000 messages in 100 rooms, after a clean stop";
    let notes = format!("{memory:.0} MiB");
    table.add(Figure::new(name, "ms", Target::AtMost(100.0), runs).note(&notes));
}

/// A journal is full when it has grown to the size at which it is closed. So that the kill comes at the end of one, the
/// server that fills it is told to close them later; the one that is timed is not.
pub fn start_after_kill(table: &mut Table) {
    const FULL: u64 = melangerie::limits::JOURNAL_BYTES;
    let mut stage = Stage::set_with(launch().with("--journal-bytes", "1073741824"), 16, 2);
    let (mut runs, mut notes) = (Vec::new(), String::new());
    let senders: Vec<(usize, u32)> = (0..16).map(|n| (n * 2, stage.rooms[n])).collect();
    let run = Saturation {
        senders,
        window: 16,
        content: 200,
        time: Duration::from_millis(20),
    };
    while journal_bytes(&stage.server) < FULL {
        let outcome = stage.client.saturate(&run);
        outcome.whole(&stage.client);
    }
    let bytes = journal_bytes(&stage.server);
    stage.server.kill();
    for _ in 0..RUNS {
        // A start folds what it found, so each has a copy of its own.
        let copy = launch();
        copy_directory(&stage.server.data, copy.data_path());
        let (server, time) = timed_start(&copy);
        runs.push(time);
        notes = format!(
            "{:.1} MB of journal, {:.0} MiB",
            bytes as f64 / 1e6,
            Usage::of(server.pid()).resident
        );
    }
    let name = "start after kill -9 with a full journal";
    table.add(Figure::new(name, "ms", Target::AtMost(500.0), runs).note(&notes));
}

fn journal_bytes(server: &Server) -> u64 {
    let entries = std::fs::read_dir(&server.data).expect("the data directory");
    let is_journal =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("journal-");
    let journals = entries.filter_map(Result::ok).filter(is_journal);
    journals
        .filter_map(|entry| entry.metadata().ok())
        .map(|data| data.len())
        .sum()
}

/// Modification times are kept, as by `cp -p`: a start reads whole segments where they differ.
fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status();
    assert!(
        status.expect("cp runs").success(),
        "the directory is copied"
    );
}

type ReadPages = fn(&Server, usize, usize) -> (f64, f64);

pub fn history(table: &mut Table) {
    let guard = archive();
    let archive = guard.as_ref().expect("it is written");
    let server = archive.launch.start();
    pages(&server, archive.messages, PAGES);
    let ways: [(&str, ReadPages); 2] =
        [("over HTTP", pages), ("over the WebSocket", pages_by_frame)];
    for (way, read) in ways {
        let measured: Vec<(f64, f64)> = (0..RUNS)
            .map(|_| read(&server, archive.messages, PAGES))
            .collect();
        let runs = measured.iter().map(|&(p99, _)| p99).collect();
        let name = format!("a page of 50 from anywhere in 1,000,000 messages, p99, {way}");
        let notes = format!("p50 {:.2} ms", measured[RUNS / 2].1);
        table.add(Figure::new(&name, "ms", Target::AtMost(2.0), runs).note(&notes));
    }
}

pub fn search(table: &mut Table) {
    let guard = archive();
    let archive = guard.as_ref().expect("it is written");
    let server = archive.launch.start();
    let (first, _) = searches(&server, 1);
    let measured: Vec<(f64, f64)> = (0..RUNS).map(|_| searches(&server, SEARCHES)).collect();
    let runs = measured.iter().map(|&(p99, _)| p99).collect();
    let usage = Usage::of(server.pid());
    let name = "search of 1,000,000 messages for a rare word, p99";
    let notes = format!(
        "p50 {:.1} ms, the first {first:.1} ms, {:.0} MiB",
        measured[RUNS / 2].1,
        usage.resident
    );
    table.add(Figure::new(name, "ms", Target::AtMost(100.0), runs).note(&notes));
}

/// A server that nobody talks to.
pub fn idle(table: &mut Table) {
    const WATCHED: Duration = Duration::from_secs(4);
    let server = launch().start();
    std::thread::sleep(Duration::from_secs(1));
    let (mut memory, mut wakes, mut cpu) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..RUNS {
        let before = Usage::of(server.pid());
        std::thread::sleep(WATCHED);
        let after = Usage::of(server.pid());
        memory.push(after.resident);
        wakes.push((after.sleeps - before.sleeps) as f64 / WATCHED.as_secs_f64());
        cpu += after.cpu - before.cpu;
    }
    let threads = format!("{} threads", Usage::of(server.pid()).threads);
    let figure = Figure::new("idle: memory", "MiB", Target::AtMost(10.0), memory);
    table.add(figure.note(&threads));
    let figure = Figure::new("idle: wake-ups", "/s", Target::None, wakes);
    table.add(figure.note(&format!(
        "{cpu:.2} CPU s in {} s",
        WATCHED.as_secs() * RUNS as u64
    )));
}
