//! A long day of mixed traffic: memory, threads and descriptors must be as flat at its end as after its first third.
//!
//! Owns the day's cast, the sampling and the verdict. What people do is in `actors`.

use crate::actors::{self, Act, Counts, Day};
use crate::common::http::Request;
use crate::common::{Launch, Person, fresh, register_from, until};
use crate::load::Usage;
use crate::plot::{Curve, svg};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// 20 talk (10 messages a second each), 10 listen, 6 come and go, 4 read slowly; others act over HTTP.
const PEOPLE: usize = 80;
const TALKERS: u64 = 20;
const LISTENERS: u64 = 10;
const VISITORS: u64 = 6;
const SLOW: u64 = 4;
const ROOMS: usize = 8;
/// A journal of 2 MiB is folded every minute or so, so that a short day sees many folds; what is not folded yet is in
/// memory.
const JOURNAL_BYTES: &str = "2097152";
/// A row of the table.
const SAMPLE: Duration = Duration::from_secs(10);
/// A look at the process; a row keeps the lowest and the highest of its looks.
const LOOK: Duration = Duration::from_millis(500);
/// What each message with an `id` costs for good: its entry in the index by which a repetition is known.
const INDEX_BYTES: f64 = 8.0;
/// Beyond that the lowest memory of each sample may rise by so much a minute: what is left of noise, of new accounts and
/// rooms (eight a minute, some KiB each), and of the lists of files.
const RISE_KIB_PER_MINUTE: f64 = 64.0;

/// What was seen in ten seconds.
#[derive(Clone, Copy, Default)]
struct Sample {
    lowest_mib: f64,
    highest_mib: f64,
    threads: u64,
    descriptors: u64,
    messages: u64,
}

type Cast = Vec<(&'static str, JoinHandle<Result<(), String>>)>;

/// Carries out the day; writes its table and, where a name is given, its picture. Answers whether everything held.
pub fn run(minutes: u64, picture: Option<&Path>) -> bool {
    let launch = Launch::limited().with("--journal-bytes", JOURNAL_BYTES);
    let day = Arc::new(prepare(&launch));
    let pid = day.server.pid();
    let before = Usage::of(pid);
    let cast = raise_the_curtain(&day);
    let samples = watch(&day, pid, Duration::from_secs(minutes * 60), &cast);
    day.over.store(true, Ordering::Relaxed);
    let mut broken = Vec::new();
    for (role, handle) in cast {
        match handle.join() {
            Ok(Ok(())) => {}
            Ok(Err(why)) => broken.push(format!("{role}: {why}")),
            Err(_) => broken.push(format!("{role}: panicked, see above")),
        }
    }
    let after = back_to_the_base_line(pid, &before);
    broken.extend(judge(&samples));
    broken.extend(after.err());
    tell(&day.counts, &samples, &before, pid);
    if let Some(path) = picture {
        std::fs::write(path, draw(&samples, minutes)).expect("the picture is written");
    }
    broken.iter().for_each(|why| println!("BROKEN: {why}"));
    println!(
        "outcome: {}",
        if broken.is_empty() { "held" } else { "BROKEN" }
    );
    broken.is_empty()
}

/// Everybody has an account and is in every room.
fn prepare(launch: &Launch) -> Day {
    let server = launch.start();
    let people: Vec<Person> = (0..PEOPLE)
        .map(|at| register_from(&server, "person", &format!("127.250.0.{}", at + 1)))
        .collect();
    let rooms: Vec<String> = (0..ROOMS).map(|_| fresh("room")).collect();
    for room in &rooms {
        let created = people[0].post(&server, &format!("/chat/create/{room}"));
        created.send().ok(201);
        for person in &people[1..] {
            let join: Request = person.post(&server, &format!("/chat/join/{room}"));
            join.send().ok(200);
        }
    }
    Day {
        server,
        over: AtomicBool::new(false),
        people,
        rooms,
        counts: Counts::default(),
    }
}

fn raise_the_curtain(day: &Arc<Day>) -> Cast {
    let mut cast: Cast = Vec::new();
    let mut sockets =
        |role: &'static str, count: u64, play: fn(&Day, u64) -> Result<(), String>| {
            for number in 0..count {
                let day = day.clone();
                cast.push((role, std::thread::spawn(move || play(&day, number))));
            }
        };
    sockets("talking", TALKERS, actors::talk);
    sockets("listening", LISTENERS, actors::listen);
    sockets("coming and going", VISITORS, actors::come_and_go);
    sockets("reading slowly", SLOW, actors::read_slowly);
    let acts: [(&'static str, u64, Act); 5] = [
        ("looking around", 200, actors::look_around),
        ("arranging", 500, actors::arrange),
        ("signing in", 500, actors::sign_in),
        ("changing the password", 20_000, actors::change_password),
        ("misbehaving", 300, actors::misbehave),
    ];
    for (seed, (role, pace, act)) in acts.into_iter().enumerate() {
        let day = day.clone();
        let repeat = move || day.repeat(Duration::from_millis(pace), seed as u64, act);
        cast.push((role, std::thread::spawn(repeat)));
    }
    cast
}

/// Samples until the day is over, or somebody gave up.
fn watch(day: &Day, pid: u32, length: Duration, cast: &Cast) -> Vec<Sample> {
    println!("| minute | resident, lowest, MiB | highest | threads | descriptors | messages |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let begin = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    while begin.elapsed() < length && !cast.iter().any(|(_, handle)| handle.is_finished()) {
        let sample = sample(day, pid);
        println!(
            "| {:.1} | {:.1} | {:.1} | {} | {} | {} |",
            begin.elapsed().as_secs_f64() / 60.0,
            sample.lowest_mib,
            sample.highest_mib,
            sample.threads,
            sample.descriptors,
            sample.messages
        );
        samples.push(sample);
    }
    samples
}

fn sample(day: &Day, pid: u32) -> Sample {
    let mut sample = Sample {
        lowest_mib: f64::MAX,
        ..Sample::default()
    };
    let until = Instant::now() + SAMPLE;
    while Instant::now() < until {
        std::thread::sleep(LOOK);
        let now = Usage::of(pid);
        sample.lowest_mib = sample.lowest_mib.min(now.resident);
        sample.highest_mib = sample.highest_mib.max(now.resident);
        sample.threads = sample.threads.max(now.threads);
        sample.descriptors = sample.descriptors.max(now.descriptors);
    }
    sample.messages = day.counts.messages.load(Ordering::Relaxed);
    sample
}

/// Everybody has gone: as many threads and descriptors as before they came, but for a log or a journal in the making.
fn back_to_the_base_line(pid: u32, before: &Usage) -> Result<(), String> {
    const FILES: u64 = 2;
    let settled = || {
        let now = Usage::of(pid);
        (now.threads <= before.threads && now.descriptors <= before.descriptors + FILES)
            .then_some(())
    };
    std::panic::catch_unwind(|| until("the base line", settled)).map_err(|_| {
        let now = Usage::of(pid);
        format!("{now:?} is not what it was: {before:?}")
    })
}

/// Straight lines through the last two thirds, and no higher water marks in the last third than in the one before.
fn judge(samples: &[Sample]) -> Vec<String> {
    let mut broken = Vec::new();
    let settled = &samples[samples.len() / 3..];
    if settled.len() < 6 {
        return vec!["the day was too short to judge".to_owned()];
    }
    let (memory, index) = slopes(settled);
    if memory - index > RISE_KIB_PER_MINUTE {
        broken.push(format!(
            "memory rises by {memory:.0} KiB a minute, of which {index:.0} are the index of ids"
        ));
    }
    let (middle, last) = settled.split_at(settled.len() / 2);
    let most = |part: &[Sample], of: fn(&Sample) -> u64| part.iter().map(of).max().unwrap_or(0);
    for (what, of) in [
        ("threads", (|sample| sample.threads) as fn(&Sample) -> u64),
        ("descriptors", |sample| sample.descriptors),
    ] {
        // Who comes and goes is at the door by chance.
        let by_chance = VISITORS + SLOW + 6;
        if most(last, of) > most(middle, of) + by_chance {
            broken.push(format!(
                "{what} rise: {} after {}",
                most(last, of),
                most(middle, of)
            ));
        }
    }
    broken
}

/// By how many KiB a minute memory rises, and how many of them the index of ids explains.
fn slopes(samples: &[Sample]) -> (f64, f64) {
    let minutes = SAMPLE.as_secs_f64() / 60.0;
    let line =
        |of: fn(&Sample) -> f64| slope(&samples.iter().map(of).collect::<Vec<f64>>()) / minutes;
    let memory = line(|sample| sample.lowest_mib * 1024.0);
    let messages = line(|sample| sample.messages as f64);
    (memory, messages * INDEX_BYTES / 1024.0)
}

/// Of the straight line that fits best, by least squares.
fn slope(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (mean_x, mean_y) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, y) in values.iter().enumerate() {
        let distance = x as f64 - mean_x;
        covariance += distance * (y - mean_y);
        variance += distance * distance;
    }
    covariance / variance
}

fn tell(counts: &Counts, samples: &[Sample], before: &Usage, pid: u32) {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "\n{} messages acked, {} heard by those who listen, {} connections that came and went, {} slow readers, {} pages \
         and searches, {} rooms made, {} accounts, {} sign-ins, {} reports, {} misdeeds",
        of(&counts.messages),
        of(&counts.heard),
        of(&counts.connections),
        of(&counts.slow),
        of(&counts.pages),
        of(&counts.rooms),
        of(&counts.accounts),
        of(&counts.sign_ins),
        of(&counts.reports),
        of(&counts.bad),
    );
    let settled = &samples[samples.len() / 3..];
    if settled.len() > 1 {
        let (memory, index) = slopes(settled);
        println!(
            "memory rises by {memory:.1} KiB a minute over the last two thirds, of which {index:.1} are the index of ids"
        );
    }
    let after = Usage::of(pid);
    println!(
        "before, idle: {:.1} MiB, {} threads, {} descriptors; after, idle: {:.1} MiB, {} threads, {} descriptors; peak {:.1} MiB",
        before.resident,
        before.threads,
        before.descriptors,
        after.resident,
        after.threads,
        after.descriptors,
        after.peak
    );
}

fn draw(samples: &[Sample], minutes: u64) -> String {
    let values = |of: fn(&Sample) -> f64| samples.iter().map(of).collect();
    let curves = [
        Curve {
            title: "resident memory, MiB (the lowest of each ten seconds)",
            values: values(|sample| sample.lowest_mib),
        },
        Curve {
            title: "threads",
            values: values(|sample| sample.threads as f64),
        },
        Curve {
            title: "open descriptors",
            values: values(|sample| sample.descriptors as f64),
        },
    ];
    svg(&curves, minutes as f64)
}
