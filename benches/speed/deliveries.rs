//! Messages: how many a second are delivered and acked, how long one takes, and what a bare loop makes of the same.

use crate::RUNS;
use crate::load::bare::Bare;
use crate::load::stage::{CONTENT, Runs, Stage, WINDOW};
use crate::load::table::{Figure, Table, Target};
use crate::load::tally::percentile;
use crate::load::traffic::{Outcome, Paced};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// What the bare loop joins at most.
const JOINED: usize = 16;

/// Four senders in one room of so many, with each of `windows` and the bare loop by turns. The first window is the one
/// for which `target` is set. The ratios to the loop are to be reached under saturation: with the last one, which lets
/// enough messages be under way for as many to be joined as can be.
pub fn one_room(table: &mut Table, members: usize, target: f64, windows: &[usize]) {
    let mut stage = Stage::set(1, members);
    let mut bare = Bare::with(members);
    let mut runs: Vec<Vec<Runs>> = windows.iter().map(|_| Vec::new()).collect();
    let (mut one, mut joined) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        for (&window, runs) in windows.iter().zip(&mut runs) {
            runs.push(stage.saturate(4, window, 1));
        }
        one.push(bare.flood(Duration::from_secs(1), 1));
        joined.push(bare.flood(Duration::from_secs(1), JOINED));
    }
    let mut ratios = Vec::new();
    for (place, (window, runs)) in windows.iter().zip(&runs).enumerate() {
        let each = runs
            .iter()
            .flat_map(|run| run.each(Outcome::deliveries_per_second));
        let figures: Vec<f64> = each.collect();
        let saturated = place + 1 == windows.len();
        for (limit, least, limits) in [("one message", 12.0, &one), ("16 messages", 1.0, &joined)] {
            let name = format!("window {window}: ratio to the loop with {limit} a call");
            let ratio = figures.iter().zip(limits).map(|(a, b)| a / b).collect();
            ratios.push(Figure::new(&name, "×", at_least(least, saturated), ratio));
        }
        let name =
            format!("deliveries, one room of {members}, 4 senders, window {window}, 200 bytes");
        let target = at_least(target, place == 0);
        table.add(Figure::new(&name, "/s", target, figures).note(&runs[RUNS / 2].notes()));
    }
    let limit = format!("limit: bare loop to {members} sockets");
    let name = format!("{limit}, one message a call");
    table.add(Figure::new(&name, "/s", Target::None, one));
    let name = format!("{limit}, 16 messages a call");
    table.add(Figure::new(&name, "/s", Target::None, joined));
    for ratio in ratios {
        table.add(ratio);
    }
}

fn at_least(least: f64, due: bool) -> Target {
    if due {
        Target::AtLeast(least)
    } else {
        Target::None
    }
}

/// Sixteen senders, each in a room with one who listens.
pub fn acked(table: &mut Table) {
    let mut stage = Stage::set(16, 2);
    let runs = stage.saturate(1, WINDOW, RUNS);
    let name = "acked messages, 16 senders in 16 rooms of 2, window 16";
    let figures = runs.each(Outcome::acked_per_second);
    table.add(Figure::new(name, "/s", Target::AtLeast(40_000.0), figures).note(&runs.notes()));
}

/// One message after another to a thousand, ten a second; a bare loop that passes on as many, and one sync.
pub fn latency(table: &mut Table) {
    const MEMBERS: usize = 1_000;
    const MESSAGES: usize = 20;
    const INTERVAL: Duration = Duration::from_millis(100);
    let mut stage = Stage::set(1, MEMBERS);
    let mut bare = Bare::with(MEMBERS);
    let run = Paced {
        sender: (0, stage.rooms[0]),
        content: CONTENT,
        messages: MESSAGES,
        interval: INTERVAL,
    };
    let (mut each, mut last, mut acks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare_each, mut bare_last, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    let sync_file = stage.server.data.with_file_name("sync");
    let half = |sorted: &[f64]| percentile(sorted, 0.5);
    for _ in 0..RUNS {
        let outcome = stage.client.pace(&run).whole(&stage.client);
        each.push(half(&outcome.delivery_ms));
        last.push(half(&outcome.last_ms));
        acks.push(half(&outcome.ack_ms));
        let (to_each, to_last) = bare.pace(MESSAGES, INTERVAL);
        bare_each.push(half(&to_each));
        bare_last.push(half(&to_last));
        syncs.push(sync_ms(&sync_file, MESSAGES, INTERVAL / 4));
    }
    let bound = bare_last
        .iter()
        .zip(&syncs)
        .map(|(bare, sync)| 1.5 * bare + sync);
    let of_bound = last
        .iter()
        .zip(bound)
        .map(|(last, bound)| last / bound)
        .collect();
    acks.sort_by(f64::total_cmp);
    let ack = format!("ack {:.2} ms", half(&acks));
    let name = "one message to 1,000, 10 a second: p50 over the receivers";
    table.add(Figure::new(name, "ms", Target::AtMost(7.0), each).note(&ack));
    let name = "the same: to the last receiver";
    table.add(Figure::new(name, "ms", Target::AtMost(14.0), last));
    let name = "limit: bare loop, one message a call: p50 over the receivers";
    table.add(Figure::new(name, "ms", Target::None, bare_each));
    let name = "the same: to the last receiver";
    table.add(Figure::new(name, "ms", Target::None, bare_last));
    table.add(Figure::new("one fdatasync", "ms", Target::None, syncs));
    let name = "the last receiver's, as a share of 1.5 bare loops and a sync";
    table.add(Figure::new(name, "×", Target::AtMost(1.0), of_bound));
}

/// The median of `count` appends that are synced each, in milliseconds.
fn sync_ms(path: &std::path::Path, count: usize, pause: Duration) -> f64 {
    let mut file = File::create(path).expect("the disk takes it");
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            std::thread::sleep(pause);
            file.write_all(&[b'x'; 330]).expect("the disk takes it");
            let begin = Instant::now();
            file.sync_data().expect("the disk takes it");
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    std::fs::remove_file(path).expect("it is ours");
    times.sort_by(f64::total_cmp);
    percentile(&times, 0.5)
}
