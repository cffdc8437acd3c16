//! `cargo bench --bench peers [-- MEMBERS... | latency]`: the same load on Melangerie and on what others would use, by turns.
//!
//! Installs the newest `ws` and `socket.io` from npm into the target directory, and runs the two servers beside this
//! file. Both keep messages in memory alone; Melangerie has each on the disk before it delivers it. Needs Node.js.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../load/mod.rs"]
mod load;

use common::server::follow;
use load::stage::{AT_ONCE, CONTENT, QUIET, Stage, WINDOW};
use load::table::{Figure, Table, Target};
use load::tally::percentile;
use load::traffic::{Outcome, Paced, Saturation};
use load::wire::Dialect;
use load::{Client, Plan, Usage};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const RUNS: usize = 5;
/// How long a run sends.
const TIME: Duration = Duration::from_secs(2);
const SENDERS: usize = 4;
/// The message by which latency is measured, ten a second.
const MESSAGES: usize = 20;
const INTERVAL: Duration = Duration::from_millis(100);

/// Their packages, their servers, and what they speak.
const PEERS: [(&str, &str, Dialect); 2] = [
    ("ws", "ws.mjs", Dialect::Melangerie),
    ("socket.io", "socketio.mjs", Dialect::SocketIo),
];

fn main() {
    let folder = install(&load::use_the_disk().join("peers"));
    let mut table = Table::begin("Peers, the median of 5 runs");
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_wanted = |row: &str| wanted.is_empty() || wanted.iter().any(|name| name == row);
    for members in [100, 1_000, 5_000] {
        if is_wanted(&members.to_string()) {
            deliveries(&mut table, &folder, members);
        }
    }
    if is_wanted("latency") {
        latency(&mut table, &folder, 1_000);
    }
}

/// Puts the packages and the servers into `folder`.
fn install(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).expect("the target directory can be written");
    let mut command = Command::new("npm");
    command
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder);
    command.args(PEERS.map(|(package, ..)| format!("{package}@latest")));
    let output = command.output().expect("npm runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the peers cannot be installed: {said}"
    );
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    for (package, file, _) in PEERS {
        std::fs::copy(sources.join(file), folder.join(file)).expect("the server is copied");
        let manifest = folder
            .join("node_modules")
            .join(package)
            .join("package.json");
        let manifest = std::fs::read_to_string(manifest).expect("it is installed");
        let manifest: common::Value = serde_json::from_str(&manifest).expect("JSON");
        println!("{package} {}", manifest["version"].as_str().unwrap_or("?"));
    }
    let node = Command::new("node")
        .arg("--version")
        .output()
        .expect("node runs");
    println!("node {}", String::from_utf8_lossy(&node.stdout).trim());
    folder.to_path_buf()
}

/// A peer's process, and connections to it that are all in one room.
struct Peer {
    child: Child,
    client: Client,
    room: u32,
}

impl Peer {
    fn start(folder: &Path, file: &str, dialect: Dialect, members: usize) -> Peer {
        let mut child = Command::new("node")
            .arg(folder.join(file))
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let line = follow(&mut child).recv_timeout(Duration::from_secs(20));
        let address: SocketAddr = line.expect("a line").parse().expect("an address");
        let mut client = Client::speaking(dialect);
        let room = client.room("floor 0", 0);
        let plans = (0..members).map(|_| Plan::new(String::new(), vec![(room, 0)]));
        client.connect(address, plans, AT_ONCE);
        client.settle(QUIET);
        Peer {
            child,
            client,
            room,
        }
    }

    fn saturate(&mut self) -> Outcome {
        let run = Saturation {
            senders: (0..SENDERS).map(|sender| (sender, self.room)).collect(),
            window: WINDOW,
            content: CONTENT,
            time: TIME,
        };
        self.client.saturate(&run).whole(&self.client)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It keeps nothing, so it needs no farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peers(folder: &Path, members: usize) -> Vec<(&'static str, Peer)> {
    let start = |(name, file, dialect)| (name, Peer::start(folder, file, dialect, members));
    PEERS.map(start).into_iter().collect()
}

fn deliveries(table: &mut Table, folder: &Path, members: usize) {
    let mut stage = Stage::set(1, members);
    let mut peers = peers(folder, members);
    let mut ours = Vec::new();
    let mut theirs = vec![(Vec::new(), Vec::new()); peers.len()];
    let mut notes = String::new();
    for _ in 0..RUNS {
        let runs = stage.saturate(SENDERS, WINDOW, 1);
        ours.extend(runs.each(Outcome::deliveries_per_second));
        notes = runs.notes();
        for ((_, peer), (rates, cpu)) in peers.iter_mut().zip(&mut theirs) {
            let before = Usage::of(peer.child.id()).cpu;
            let outcome = peer.saturate();
            let used = Usage::of(peer.child.id()).cpu - before;
            rates.push(outcome.deliveries_per_second());
            cpu.push(used / outcome.deliveries as f64 * 1e6);
        }
    }
    let name = format!("deliveries to {members}: Melangerie, durable");
    table.add(Figure::new(&name, "/s", Target::None, ours.clone()).note(&notes));
    for ((package, peer), (rates, cpu)) in peers.iter().zip(theirs) {
        let ratios = ours.iter().zip(&rates).map(|(a, b)| a / b).collect();
        let usage = Usage::of(peer.child.id());
        let notes = format!(
            "{:.2} CPU s per million deliveries, {:.0} MiB, in memory alone",
            cpu[RUNS / 2],
            usage.resident
        );
        let name = format!("deliveries to {members}: {package}");
        table.add(Figure::new(&name, "/s", Target::None, rates).note(&notes));
        let name = format!("Melangerie to {package}");
        table.add(Figure::new(&name, "×", Target::None, ratios));
    }
}

fn latency(table: &mut Table, folder: &Path, members: usize) {
    let mut stage = Stage::set(1, members);
    let mut peers = peers(folder, members);
    let mut measured = vec![(Vec::new(), Vec::new()); peers.len() + 1];
    let paced = |room| Paced {
        sender: (0, room),
        content: CONTENT,
        messages: MESSAGES,
        interval: INTERVAL,
    };
    for _ in 0..RUNS {
        let mut clients = vec![(&mut stage.client, stage.rooms[0])];
        clients.extend(
            peers
                .iter_mut()
                .map(|(_, peer)| (&mut peer.client, peer.room)),
        );
        for ((client, room), (each, last)) in clients.into_iter().zip(&mut measured) {
            let outcome = client.pace(&paced(room)).whole(client);
            each.push(percentile(&outcome.delivery_ms, 0.5));
            last.push(percentile(&outcome.last_ms, 0.5));
        }
    }
    let names = ["Melangerie, durable"]
        .into_iter()
        .chain(peers.iter().map(|&(name, _)| name));
    for (name, (each, last)) in names.zip(measured) {
        let name = format!("one message to {members}, 10 a second: {name}");
        table.add(Figure::new(&name, "ms, p50", Target::None, each));
        table.add(Figure::new(
            "the same: to the last receiver",
            "ms",
            Target::None,
            last,
        ));
    }
}
