//! Who sends what when: senders with a window, and a sender by the clock.
//!
//! Owns the messages under way, and the latencies. A run ends when every ack and every delivery that follows from it has
//! come, or when nothing comes any more; what is missing then is part of its result.

use super::client::Client;
use super::tally::Arrival;
use std::time::{Duration, Instant};

/// Deliveries that do not come within this never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message that was sent.
struct Sent {
    at: Instant,
    sender: u32,
    /// Its number in its room, and when we heard of it.
    acked: Option<(u64, Instant)>,
}

/// A connection that sends.
struct Sender {
    connection: usize,
    room: u32,
    /// Messages that are not acked.
    under_way: usize,
}

#[derive(Default)]
pub struct Traffic {
    sent: Vec<Sent>,
    senders: Vec<Sender>,
    /// Most messages of one sender that wait for their ack; 0 stops sending.
    window: usize,
    acked: usize,
    content: String,
    frame: Vec<u8>,
}

/// Senders that send as fast as their windows let them.
pub struct Saturation {
    /// Each a connection and the room that it writes to.
    pub senders: Vec<(usize, u32)>,
    pub window: usize,
    /// Bytes of a message's content.
    pub content: usize,
    pub time: Duration,
}

/// One sender that sends by the clock, whatever comes back.
pub struct Paced {
    pub sender: (usize, u32),
    pub content: usize,
    pub messages: usize,
    pub interval: Duration,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages that were acked, and those that never were.
    pub acked: u64,
    pub unacked: u64,
    pub deliveries: u64,
    pub missing: u64,
    pub double: u64,
    /// From the first send to the last delivery.
    pub seconds: f64,
    /// From a send to its ack, in milliseconds, sorted.
    pub ack_ms: Vec<f64>,
    /// From a send to its receipt, for each receiver, in milliseconds, sorted.
    pub delivery_ms: Vec<f64>,
    /// From a send to its last receipt, for each message, in milliseconds, sorted.
    pub last_ms: Vec<f64>,
}

impl Outcome {
    pub fn deliveries_per_second(&self) -> f64 {
        self.deliveries as f64 / self.seconds
    }

    pub fn acked_per_second(&self) -> f64 {
        self.acked as f64 / self.seconds
    }

    /// Panics where anything is missing, double or not acked: then no figure means anything.
    pub fn whole(self, client: &Client) -> Outcome {
        assert!(
            self.missing == 0 && self.double == 0 && self.unacked == 0,
            "{} missing, {} double, {} not acked of {} messages; {} connections closed; errors: {:?}",
            self.missing,
            self.double,
            self.unacked,
            self.acked + self.unacked,
            client.tally.closed,
            client.tally.errors
        );
        self
    }
}

/// Where the counts stood when a run began.
struct Before {
    deliveries: u64,
    missing: u64,
    double: u64,
    sent: usize,
    at: Instant,
}

impl Client {
    pub fn saturate(&mut self, run: &Saturation) -> Outcome {
        let before = self.prepare(&run.senders, run.content);
        self.traffic.window = run.window;
        for sender in 0..run.senders.len() {
            self.fill_window(sender);
        }
        while before.at.elapsed() < run.time {
            self.turn(Some(Duration::from_millis(20)));
        }
        self.traffic.window = 0;
        self.finish(&before)
    }

    pub fn pace(&mut self, run: &Paced) -> Outcome {
        self.tally.arrivals = Some(Vec::new());
        let before = self.prepare(&[run.sender], run.content);
        self.traffic.window = 0;
        for number in 0..run.messages as u32 {
            let due = before.at + run.interval * number;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                self.turn(Some(left));
            }
            self.write(0);
            let connection = self.traffic.senders[0].connection;
            self.flush(connection);
        }
        let mut outcome = self.finish(&before);
        self.delivery_latencies(&before, &mut outcome);
        outcome
    }

    fn prepare(&mut self, senders: &[(usize, u32)], content: usize) -> Before {
        for connection in &mut self.connections {
            connection.sender = None;
        }
        self.traffic.senders.clear();
        for (number, &(connection, room)) in senders.iter().enumerate() {
            self.connections[connection].sender = Some(number as u32);
            self.traffic.senders.push(Sender {
                connection,
                room,
                under_way: 0,
            });
        }
        self.traffic.content = "What the office talks about all day. ".repeat(content / 37 + 1);
        self.traffic.content.truncate(content);
        Before {
            deliveries: self.tally.deliveries,
            missing: self.tally.missing,
            double: self.tally.double,
            sent: self.traffic.sent.len(),
            at: Instant::now(),
        }
    }

    /// Another message by this sender, into its connection's buffer.
    fn write(&mut self, sender: usize) {
        let traffic = &mut self.traffic;
        let Sender {
            connection, room, ..
        } = traffic.senders[sender];
        let mut frame = std::mem::take(&mut traffic.frame);
        frame.clear();
        let name = &self.rooms[room as usize].name;
        let (run, number) = (self.run, traffic.sent.len());
        self.dialect
            .push_message(&mut frame, name, &traffic.content, run, number);
        traffic.sent.push(Sent {
            at: Instant::now(),
            sender: sender as u32,
            acked: None,
        });
        traffic.senders[sender].under_way += 1;
        self.push(connection, &frame);
        self.traffic.frame = frame;
    }

    fn fill_window(&mut self, sender: usize) {
        while self.traffic.senders[sender].under_way < self.traffic.window {
            self.write(sender);
        }
        let connection = self.traffic.senders[sender].connection;
        self.flush(connection);
    }

    /// The replies that a read brought to a connection.
    pub(super) fn answered(&mut self, connection: usize) {
        let now = Instant::now();
        for reply in std::mem::take(&mut self.replies) {
            let sent = &mut self.traffic.sent[reply.number as usize];
            assert!(sent.acked.is_none(), "a frame was acked twice");
            sent.acked = Some((reply.seq, now));
            let sender = &mut self.traffic.senders[sent.sender as usize];
            sender.under_way -= 1;
            self.traffic.acked += 1;
            let room = &mut self.rooms[sender.room as usize];
            room.last = room.last.max(reply.seq);
        }
        if let Some(sender) = self.connections[connection].sender {
            self.fill_window(sender as usize);
        }
    }

    /// Waits for the last acks and deliveries.
    fn finish(&mut self, before: &Before) -> Outcome {
        let mut last = (self.tally.bytes, Instant::now());
        while self.traffic.acked < self.traffic.sent.len() && last.1.elapsed() < PATIENCE {
            self.turn(Some(Duration::from_millis(20)));
            if self.tally.bytes > last.0 {
                last = (self.tally.bytes, Instant::now());
            }
        }
        let begin = Instant::now();
        let drained = self.drain(PATIENCE);
        let waited = if drained {
            Duration::ZERO
        } else {
            PATIENCE.min(begin.elapsed())
        };
        let seconds = (before.at.elapsed() - waited).as_secs_f64();
        let sent = &self.traffic.sent[before.sent..];
        let acked = sent
            .iter()
            .filter_map(|sent| Some((sent.at, sent.acked?.1)));
        let mut ack_ms: Vec<f64> = acked.map(|(at, acked)| millis(acked - at)).collect();
        ack_ms.sort_by(f64::total_cmp);
        Outcome {
            acked: ack_ms.len() as u64,
            unacked: (sent.len() - ack_ms.len()) as u64,
            deliveries: self.tally.deliveries - before.deliveries,
            missing: self.tally.missing - before.missing + self.missing_now(),
            double: self.tally.double - before.double,
            seconds,
            ack_ms,
            ..Outcome::default()
        }
    }

    /// Which message an arrival was is told by its ack, so this comes last.
    fn delivery_latencies(&mut self, before: &Before, outcome: &mut Outcome) {
        let sent = &self.traffic.sent[before.sent..];
        let messages = sent
            .iter()
            .filter_map(|sent| Some((sent.acked?.0, sent.at)))
            .collect();
        let arrivals = self.tally.arrivals.take().unwrap_or_default();
        (outcome.delivery_ms, outcome.last_ms) = latencies(messages, &arrivals);
    }
}

/// In milliseconds and sorted: from a message's sending to each arrival, and to its last one. `messages` are those of
/// one room, with their numbers.
pub fn latencies(mut messages: Vec<(u64, Instant)>, arrivals: &[Arrival]) -> (Vec<f64>, Vec<f64>) {
    messages.sort_unstable_by_key(|&(seq, _)| seq);
    let mut each = Vec::with_capacity(arrivals.len());
    let mut last = vec![0.0f64; messages.len()];
    for arrival in arrivals {
        let Ok(index) = messages.binary_search_by_key(&arrival.seq, |&(seq, _)| seq) else {
            continue;
        };
        let latency = millis(arrival.at - messages[index].1);
        each.push(latency);
        last[index] = last[index].max(latency);
    }
    each.sort_by(f64::total_cmp);
    last.sort_by(f64::total_cmp);
    (each, last)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
