//! `cargo bench --bench growth [-- FILE.svg]`: how the figures grow with people, connections and messages.
//!
//! Prints a table and draws the curves into `docs/performance/growth.svg`, or the file that is named.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../load/mod.rs"]
mod load;

use load::archive::Archive;
use load::bare::{self, Bare};
use load::crowd;
use load::plot::{self, Curve, Panel};
use load::reading::{pages, searches, timed_start};
use load::stage::{Stage, WINDOW};
use load::table::{Figure, Table, Target};
use load::traffic::Outcome;
use std::path::PathBuf;
use std::time::Duration;

const RUNS: usize = 3;
const MEMBERS: [usize; 4] = [10, 100, 1_000, 5_000];
const CONNECTIONS: [usize; 3] = [1_000, 5_000, 10_000];
const MESSAGES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// An office; more connections than that are second devices.
const PEOPLE: usize = 5_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let argument =
        arguments.find(|argument| argument == bare::ARGUMENT || !argument.starts_with("--"));
    if argument.as_deref() == Some(bare::ARGUMENT) {
        return bare::run();
    }
    let picture = argument.map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/performance/growth.svg"),
        PathBuf::from,
    );
    load::use_the_disk();
    let mut table = Table::begin("Growth, the median of 3 runs");
    let panels = [
        deliveries(&mut table),
        memory(&mut table),
        start(&mut table),
        reading(&mut table),
    ];
    std::fs::create_dir_all(picture.parent().expect("a directory")).expect("docs can be written");
    std::fs::write(&picture, plot::draw(&panels)).expect("docs can be written");
    println!("\nDrawn into {}", picture.display());
}

fn curve(name: &str, points: Vec<(f64, f64)>) -> Curve {
    let name = name.to_owned();
    Curve { name, points }
}

fn panel(title: &str, across: &'static str, curves: Vec<Curve>) -> Panel {
    let title = title.to_owned();
    Panel {
        title,
        across,
        curves,
    }
}

fn deliveries(table: &mut Table) -> Panel {
    const TIME: Duration = Duration::from_secs(1);
    let mut curves = [Vec::new(), Vec::new(), Vec::new()];
    for members in MEMBERS {
        let mut stage = Stage::set(1, members);
        let mut bare = Bare::with(members);
        let mut measured = [Vec::new(), Vec::new(), Vec::new()];
        let mut notes = String::new();
        for _ in 0..RUNS {
            let runs = stage.saturate(4, WINDOW, 1);
            measured[0].extend(runs.each(Outcome::deliveries_per_second));
            notes = runs.notes();
            measured[1].push(bare.flood(TIME, 1));
            measured[2].push(bare.flood(TIME, 16));
        }
        let names = ["deliveries", "bare loop, 1 a call", "bare loop, 16 a call"];
        let rows = names.iter().zip(measured).zip(&mut curves);
        for (index, ((name, runs), points)) in rows.enumerate() {
            let figure = Figure::new(
                &format!("{name}, {members} members"),
                "/s",
                Target::None,
                runs,
            );
            let notes = if index == 0 { notes.as_str() } else { "" };
            points.push((members as f64, table.add(figure.note(notes))));
        }
    }
    let names = [
        "Melangerie, durable",
        "bare loop, one message a call",
        "bare loop, 16 a call",
    ];
    let curves = names.iter().zip(curves);
    let curves = curves.map(|(name, points)| curve(name, points)).collect();
    panel("Deliveries a second", "members of the room", curves)
}

fn memory(table: &mut Table) -> Panel {
    let (mut many, mut one) = (Vec::new(), Vec::new());
    for connections in CONNECTIONS {
        let of = [(connections.min(PEOPLE), &mut many), (1, &mut one)];
        for (people, points) in of {
            let crowds = crowd::gather(connections, people, RUNS);
            let runs = crowds.iter().map(|crowd| crowd.usage.resident).collect();
            let name = format!("resident memory, {connections} idle connections of {people}");
            let figure = Figure::new(&name, "MiB", Target::None, runs);
            let median = table.add(figure.note(&crowds[RUNS - 1].notes()));
            points.push((connections as f64, median));
        }
    }
    let curves = vec![
        curve("of up to 5,000 people", many),
        curve("of one person", one),
    ];
    panel("Resident memory, MiB", "idle connections", curves)
}

/// Each start is a clean one, and each archive is written for it alone, so that nothing is warm that would not be.
fn start(table: &mut Table) -> Panel {
    let mut points = Vec::new();
    for messages in MESSAGES {
        let archive = Archive::write(messages);
        let runs = (0..RUNS)
            .map(|_| {
                let (server, time) = timed_start(&archive.launch);
                assert!(server.stop().success(), "an orderly stop");
                time
            })
            .collect();
        let name = format!("start with {messages} messages");
        let median = table.add(Figure::new(&name, "ms", Target::None, runs));
        points.push((messages as f64, median));
    }
    panel(
        "Start after a clean stop, ms",
        "messages",
        vec![curve("until it listens", points)],
    )
}

fn reading(table: &mut Table) -> Panel {
    let (mut of_pages, mut of_searches) = (Vec::new(), Vec::new());
    for messages in MESSAGES {
        let archive = Archive::write(messages);
        let server = archive.launch.start();
        let page_runs = (0..RUNS)
            .map(|_| pages(&server, messages, 1_000).0)
            .collect();
        let search_runs = (0..RUNS).map(|_| searches(&server, 50).0).collect();
        let name = format!("a page of 50 of {messages} messages, p99");
        let median = table.add(Figure::new(&name, "ms", Target::None, page_runs));
        of_pages.push((messages as f64, median));
        let name = format!("search of {messages} messages for a rare word, p99");
        let median = table.add(Figure::new(&name, "ms", Target::None, search_runs));
        of_searches.push((messages as f64, median));
    }
    let curves = vec![
        curve("a page of 50", of_pages),
        curve("a search for a rare word", of_searches),
    ];
    panel("Reading, ms at p99", "messages", curves)
}
