//! Messages: how many a second are delivered and acked, and how long one takes.

use crate::RUNS;
use crate::common::{Launch, Server};
use crate::load::office::{self, SECRET};
use crate::load::table::{Figure, Table, Target};
use crate::load::{Client, Office, Outcome, Paced, Plan, Saturation, Usage};
use melangerie::protocol::RoomKind;
use std::time::Duration;

/// A message's content, in bytes.
const CONTENT: usize = 200;
/// Messages of one sender that wait for their ack at most.
const WINDOW: usize = 16;
/// How long a run sends.
const TIME: Duration = Duration::from_secs(2);
/// Connections that are made at once.
const AT_ONCE: usize = 256;
/// Longer than presence waits.
const QUIET: Duration = Duration::from_millis(800);

/// A server whose rooms each have so many members, a connection for everybody, and each room by the client's number.
struct Stage {
    server: Server,
    client: Client,
    rooms: Vec<u32>,
    members: usize,
}

impl Stage {
    fn set(rooms: usize, members: usize) -> Stage {
        let launch = Launch::new().environment("JWT_SECRET", SECRET);
        let mut office = Office::open(launch.data_path());
        office.hire(rooms * members);
        for room in 0..rooms {
            let people = room * members..(room + 1) * members;
            office.furnish(&name(room), RoomKind::Private, people);
        }
        let last = office.last_seqs();
        office.close();
        let server = launch.start();
        let mut client = Client::new();
        let general = client.room("general", last["general"]);
        let numbers: Vec<u32> = (0..rooms)
            .map(|room| client.room(&name(room), last[&name(room)]))
            .collect();
        let plans = (0..rooms * members).map(|person| {
            let room = person / members;
            let since = vec![
                (general, last["general"]),
                (numbers[room], last[&name(room)]),
            ];
            Plan::new(office::token(person), since)
        });
        client.connect(server.address, plans, AT_ONCE);
        client.settle(QUIET);
        Stage {
            server,
            client,
            rooms: numbers,
            members,
        }
    }

    /// Runs it [`RUNS`] times, and adds what it cost to `figure`.
    fn saturate(
        &mut self,
        senders_per_room: usize,
        what: fn(&Outcome) -> f64,
    ) -> (Vec<f64>, String) {
        let mut senders = Vec::new();
        for (index, &room) in self.rooms.iter().enumerate() {
            senders.extend((0..senders_per_room).map(|n| (index * self.members + n, room)));
        }
        let run = Saturation {
            senders,
            window: WINDOW,
            content: CONTENT,
            time: TIME,
        };
        let before = Usage::of(self.server.pid());
        let (mut runs, mut deliveries, mut acks) = (Vec::new(), 0, Vec::new());
        for _ in 0..RUNS {
            let outcome = self.client.saturate(&run).whole(&self.client);
            runs.push(what(&outcome));
            deliveries += outcome.deliveries;
            acks.push(crate::load::traffic::median(&outcome.ack_ms));
        }
        let usage = Usage::of(self.server.pid());
        acks.sort_by(f64::total_cmp);
        let notes = format!(
            "{:.2} CPU s per million deliveries, ack {:.2} ms, {:.0} MiB, {} threads, 0 missing, 0 double",
            (usage.cpu - before.cpu) / deliveries as f64 * 1e6,
            crate::load::traffic::median(&acks),
            usage.resident,
            usage.threads
        );
        (runs, notes)
    }
}

fn name(room: usize) -> String {
    format!("floor {room}")
}

/// Four senders in one room of so many.
pub fn one_room(table: &mut Table, members: usize, target: f64) {
    let mut stage = Stage::set(1, members);
    let (runs, notes) = stage.saturate(4, Outcome::deliveries_per_second);
    let name = format!("deliveries, one room of {members}, 4 senders, window 16, 200 bytes");
    let target = Target::AtLeast(target);
    table.add(Figure::new(&name, "/s", target, runs).note(&notes));
}

/// Sixteen senders, each alone with one who listens in a room of its own.
pub fn acked(table: &mut Table) {
    let mut stage = Stage::set(16, 2);
    let (runs, notes) = stage.saturate(1, Outcome::acked_per_second);
    let name = "acked messages, 16 senders in 16 rooms of 2, window 16";
    table.add(Figure::new(name, "/s", Target::AtLeast(40_000.0), runs).note(&notes));
}

/// One message after another to a thousand, ten a second.
pub fn latency(table: &mut Table) {
    let mut stage = Stage::set(1, 1_000);
    let run = Paced {
        sender: (0, stage.rooms[0]),
        content: CONTENT,
        messages: 20,
        interval: Duration::from_millis(100),
    };
    let (mut each, mut last, mut acks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let outcome = stage.client.pace(&run).whole(&stage.client);
        each.push(crate::load::traffic::median(&outcome.delivery_ms));
        last.push(crate::load::traffic::median(&outcome.last_ms));
        acks.push(crate::load::traffic::median(&outcome.ack_ms));
    }
    acks.sort_by(f64::total_cmp);
    let ack = format!("ack {:.2} ms", crate::load::traffic::median(&acks));
    let name = "one message to 1,000, 10 a second: p50 over the receivers";
    table.add(Figure::new(name, "ms", Target::AtMost(7.0), each).note(&ack));
    let name = "the same: to the last receiver";
    table.add(Figure::new(name, "ms", Target::AtMost(14.0), last));
}
