//! Thousands who come and then are idle.

use super::client::{Client, Plan};
use super::office::{self, Office};
use super::process::Usage;
use super::stage::{QUIET, launch};

/// Connections that may be under way at once: about what the system keeps in a listening socket's queue
/// (`net.core.somaxconn`, 4,096 by default). Beyond it the kernel drops what comes, and the peer tries again a second
/// later: a test of that second.
pub const AT_ONCE: usize = 4_000;

/// What it took to let them all in, and what they cost then.
pub struct Crowd {
    pub connections: usize,
    /// Until the last was welcomed.
    pub seconds: f64,
    /// Of the server before they came, and when they were idle.
    pub empty: Usage,
    pub usage: Usage,
    /// Sent by the server.
    pub bytes: u64,
}

impl Crowd {
    /// KiB of resident memory for each.
    pub fn each(&self) -> f64 {
        (self.usage.resident - self.empty.resident) * 1024.0 / self.connections as f64
    }

    pub fn notes(&self) -> String {
        format!(
            "{:.1} KiB each, peak {:.0} MiB, {:.2} CPU s, {} threads, {} descriptors, {} MB sent",
            self.each(),
            self.usage.peak,
            self.usage.cpu - self.empty.cpu,
            self.usage.threads,
            self.usage.descriptors,
            self.bytes / 1_000_000,
        )
    }
}

/// So many connections of so many people, who have read all there is, to a server that has just started; `times` times.
pub fn gather(connections: usize, people: usize, times: usize) -> Vec<Crowd> {
    let launch = launch();
    let mut office = Office::open(launch.data_path());
    office.hire(people);
    let general = office.last_seqs()["general"];
    office.close();
    let tokens: Vec<String> = (0..people).map(office::token).collect();
    let gather_once = |_| {
        let server = launch.start();
        let empty = Usage::of(server.pid());
        let mut client = Client::new();
        let room = client.room("general", general);
        let plans = (0..connections)
            .map(|number| Plan::new(tokens[number % people].clone(), vec![(room, general)]));
        let time = client.connect(server.address, plans, AT_ONCE);
        client.settle(QUIET);
        Crowd {
            connections,
            seconds: time.as_secs_f64(),
            empty,
            usage: Usage::of(server.pid()),
            bytes: client.tally.bytes,
        }
    };
    (0..times).map(gather_once).collect()
}
