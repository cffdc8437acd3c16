//! `cargo bench --bench speed [-- ROW...]`: how fast the built server is, beside what it is to reach.
//!
//! Every row starts the server in a directory of its own, on this machine's disk, and loads it from this process. Server
//! and load share the machine. Without a ROW all are measured; `list` names them.

mod archive;
#[path = "../../tests/common/mod.rs"]
mod common;
mod connections;
mod deliveries;
mod http;
#[path = "../load/mod.rs"]
mod load;

use load::stage::WINDOW;
use load::table::Table;
use std::path::Path;

/// Messages of one sender that wait for their ack at most, where few receive them: 4 senders with 16 each never give the
/// server the 64 frames that it can join, since half of what is under way is with the receivers.
const WIDE_WINDOW: usize = 64;

/// How often each row is measured.
const RUNS: usize = 5;

/// Measures and adds its figures to the table.
type Row = fn(&mut Table);

const ROWS: [(&str, Row); 14] = [
    ("deliveries-1000", |table| {
        deliveries::one_room(table, 1_000, 2_000_000.0, &[WINDOW])
    }),
    ("deliveries-100", |table| {
        deliveries::one_room(table, 100, 1_600_000.0, &[WINDOW, WIDE_WINDOW])
    }),
    ("deliveries-5000", |table| {
        deliveries::one_room(table, 5_000, 1_600_000.0, &[WINDOW])
    }),
    ("acked", deliveries::acked),
    ("latency", deliveries::latency),
    ("connect", connections::many),
    ("connect-one", connections::many_of_one),
    ("return", connections::everybody_returns),
    ("start", archive::start_after_stop),
    ("history", archive::history),
    ("search", archive::search),
    ("killed", archive::start_after_kill),
    ("http", http::requests),
    ("idle", archive::idle),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(load::bare::ARGUMENT) => return load::bare::run(),
        Some(http::ARGUMENT) => {
            let directory = arguments.next().expect("a directory with the bodies");
            return http::run(Path::new(&directory));
        }
        _ => {}
    }
    load::use_the_disk();
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if wanted.iter().any(|name| name == "list") {
        return ROWS.iter().for_each(|(name, _)| println!("{name}"));
    }
    let unknown = wanted
        .iter()
        .find(|name| ROWS.iter().all(|(known, _)| known != name));
    if let Some(name) = unknown {
        eprintln!("There is no row {name}; -- list names them.");
        std::process::exit(2);
    }
    let mut table = Table::begin("Speed, the median of 5 runs");
    for (name, row) in ROWS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            row(&mut table);
        }
    }
    archive::tidy();
    println!("\n{} rows missed their target.", table.missed());
}
