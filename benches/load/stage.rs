//! A server that runs, rooms with people in them, and a connection for everybody.

use super::client::{Client, Plan};
use super::office::{self, Office, SECRET};
use super::process::Usage;
use super::tally::percentile;
use super::traffic::{Outcome, Saturation};
use crate::common::{Launch, Server};
use melangerie::protocol::RoomKind;
use std::time::Duration;

/// A message's content, in bytes.
pub const CONTENT: usize = 200;
/// Messages of one sender that wait for their ack at most.
pub const WINDOW: usize = 16;
/// How long a run sends.
const TIME: Duration = Duration::from_secs(2);
/// Connections that are made at once.
pub const AT_ONCE: usize = 256;
/// Longer than presence waits.
pub const QUIET: Duration = Duration::from_millis(800);

/// How the benches start the server: with the key that they sign with, and without rate limits.
pub fn launch() -> Launch {
    Launch::new().environment("JWT_SECRET", SECRET)
}

/// Rooms that each have so many members of their own, everybody connected.
pub struct Stage {
    pub server: Server,
    pub client: Client,
    /// The rooms, by the client's numbers.
    pub rooms: Vec<u32>,
    members: usize,
}

/// What came of several runs.
pub struct Runs {
    pub outcomes: Vec<Outcome>,
    /// Seconds of the server's processor time per million deliveries.
    pub cpu_per_million: f64,
    pub usage: Usage,
}

impl Stage {
    pub fn set(rooms: usize, members: usize) -> Stage {
        Stage::set_with(launch(), rooms, members)
    }

    pub fn set_with(launch: Launch, rooms: usize, members: usize) -> Stage {
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
            let its_last = last[&name(room)];
            let since = vec![(general, last["general"]), (numbers[room], its_last)];
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

    /// So many senders in each room send as fast as their windows let them, `times` times. All arrives, or it panics.
    pub fn saturate(&mut self, senders_per_room: usize, window: usize, times: usize) -> Runs {
        let mut senders = Vec::new();
        for (index, &room) in self.rooms.iter().enumerate() {
            senders.extend((0..senders_per_room).map(|n| (index * self.members + n, room)));
        }
        let run = Saturation {
            senders,
            window,
            content: CONTENT,
            time: TIME,
        };
        let before = Usage::of(self.server.pid());
        let outcomes: Vec<Outcome> = (0..times)
            .map(|_| self.client.saturate(&run).whole(&self.client))
            .collect();
        let usage = Usage::of(self.server.pid());
        let deliveries: u64 = outcomes.iter().map(|outcome| outcome.deliveries).sum();
        Runs {
            outcomes,
            cpu_per_million: (usage.cpu - before.cpu) / deliveries as f64 * 1e6,
            usage,
        }
    }
}

impl Runs {
    pub fn each(&self, figure: fn(&Outcome) -> f64) -> Vec<f64> {
        self.outcomes.iter().map(figure).collect()
    }

    pub fn notes(&self) -> String {
        let mut acks = self.each(|outcome| percentile(&outcome.ack_ms, 0.5));
        acks.sort_by(f64::total_cmp);
        format!(
            "{:.2} CPU s per million deliveries, ack {:.2} ms, {:.0} MiB, {} threads; 0 missing, 0 double",
            self.cpu_per_million,
            percentile(&acks, 0.5),
            self.usage.resident,
            self.usage.threads
        )
    }
}

fn name(room: usize) -> String {
    format!("floor {room}")
}
