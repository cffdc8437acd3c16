//! A million messages: starting with them, reading them, searching them; and a server that has nothing to do.

use crate::RUNS;
use crate::common::{Connection, Launch, Server, encode};
use crate::load::archive::{self, Archive, RARE, ROOMS, room_name};
use crate::load::stage::{Stage, launch};
use crate::load::table::{Figure, Table, Target};
use crate::load::tally::percentile;
use crate::load::traffic::Saturation;
use crate::load::{Client, Plan, Usage, office};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub const MESSAGES: usize = 1_000_000;
/// Pages that are asked for in a run.
const PAGES: usize = 2_000;
/// Messages in a page.
const PAGE: u64 = 50;
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

/// Starts it, and tells in milliseconds how long it took until it said that it listens.
pub fn timed_start(launch: &Launch) -> (Server, f64) {
    let begin = Instant::now();
    let server = launch.start();
    (server, begin.elapsed().as_secs_f64() * 1e3)
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

/// Pseudo-random places, the same in every run.
pub struct Places(u64);

impl Places {
    pub fn new() -> Places {
        Places(0x2545_f491_4f6c_dd1d)
    }

    /// A room, and a number in it below which a whole page lies.
    pub fn next(&mut self, messages: usize) -> (usize, u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let in_room = (messages / ROOMS) as u64;
        let room = (self.0 >> 40) as usize % ROOMS;
        (room, PAGE + 1 + (self.0 >> 8) % (in_room - PAGE))
    }
}

/// A request that keeps the connection, and how long it took, in milliseconds.
pub fn timed_get(connection: &mut Connection, target: &str, token: &str) -> (f64, usize) {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n");
    let begin = Instant::now();
    connection.send(request.as_bytes());
    let response = connection.response("GET");
    let time = begin.elapsed().as_secs_f64() * 1e3;
    assert_eq!(response.status, 200, "{}", response.text());
    (time, response.body.len())
}

/// p99 and p50 of pages from anywhere, over HTTP, in milliseconds.
pub fn pages(server: &Server, messages: usize, count: usize) -> (f64, f64) {
    let mut connection = Connection::open(server.address);
    let (token, mut places) = (office::token(0), Places::new());
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let (room, before) = places.next(messages);
            let room = encode(&room_name(room));
            let target = format!("/chat/history/{room}?before={before}&limit={PAGE}");
            let (time, bytes) = timed_get(&mut connection, &target, &token);
            assert!(bytes > PAGE as usize * 200, "a whole page");
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
}

/// The same as frames, on one WebSocket.
fn pages_by_frame(server: &Server, messages: usize) -> (f64, f64) {
    let mut client = Client::new();
    let plan = Plan::new(office::token(0), Vec::new());
    client.connect(server.address, std::iter::once(plan), 1);
    // What this person never read comes first.
    client.settle(Duration::from_millis(300));
    let mut places = Places::new();
    let mut times: Vec<f64> = (0..PAGES)
        .map(|_| {
            let (room, before) = places.next(messages);
            let room = room_name(room);
            let frame = format!(
                r#"{{"action":"History","data":{{"room":"{room}","before":{before},"limit":{PAGE}}},"id":"h"}}"#
            );
            let heard = client.tally.pages;
            let begin = Instant::now();
            client.send(0, frame.as_bytes());
            while client.tally.pages == heard {
                client.turn(Some(Duration::from_secs(1)));
            }
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
}

type ReadPages = fn(&Server, usize) -> (f64, f64);

pub fn history(table: &mut Table) {
    let guard = archive();
    let archive = guard.as_ref().expect("it is written");
    let server = archive.launch.start();
    pages(&server, archive.messages, PAGES);
    let ways: [(&str, ReadPages); 2] = [
        ("over HTTP", |server, messages| {
            pages(server, messages, PAGES)
        }),
        ("over the WebSocket", pages_by_frame),
    ];
    for (way, read) in ways {
        let measured: Vec<(f64, f64)> =
            (0..RUNS).map(|_| read(&server, archive.messages)).collect();
        let runs = measured.iter().map(|&(p99, _)| p99).collect();
        let name = format!("a page of 50 from anywhere in 1,000,000 messages, p99, {way}");
        let notes = format!("p50 {:.2} ms", measured[RUNS / 2].1);
        table.add(Figure::new(&name, "ms", Target::AtMost(2.0), runs).note(&notes));
    }
}

/// p99 and p50 of searches for a rare word, in milliseconds.
pub fn searches(server: &Server, count: usize) -> (f64, f64) {
    let mut connection = Connection::open(server.address);
    let token = office::token(0);
    let mut times: Vec<f64> = (0..count)
        .map(|number| {
            let target = format!("/chat/search?q={}", archive::rare_word(number % RARE));
            let (time, bytes) = timed_get(&mut connection, &target, &token);
            assert!(bytes > 3 * 200 && bytes < 4 * 400, "the three that have it");
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
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
