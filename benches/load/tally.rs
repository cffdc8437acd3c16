//! What arrived: every delivery counted, what is missing or double found.

use std::time::Instant;

/// A room as the load client knows it.
pub struct Room {
    pub name: Vec<u8>,
    /// The newest number that was acked or heard.
    pub last: u64,
    /// Connections that are to hear it.
    pub receivers: u64,
    /// The sum of the numbers that they had when they began.
    pub had: u64,
}

/// A connection's place in a room.
#[derive(Clone, Copy)]
pub struct Place {
    pub room: u32,
    /// The number that it must hear next.
    pub next: u64,
}

/// A delivery, noted while latencies are measured.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub room: u32,
    pub seq: u64,
    pub at: Instant,
}

/// Counts since the client was made.
#[derive(Default)]
pub struct Tally {
    /// Deliveries that came in their order.
    pub deliveries: u64,
    /// Numbers that were skipped.
    pub missing: u64,
    /// Numbers that came again, or after a later one.
    pub double: u64,
    /// Bytes read from all sockets.
    pub bytes: u64,
    /// `Gap` frames: what a client would fetch by itself.
    pub gaps: u64,
    /// Answers to `History`.
    pub pages: u64,
    /// Connections that were open and ended by the other side.
    pub closed: u64,
    /// The first `Error` frames, as they came.
    pub errors: Vec<String>,
    pub arrivals: Option<Vec<Arrival>>,
}

impl Tally {
    /// Counts a message against the place that hears it. `at` is when its bytes were read.
    pub fn message(&mut self, place: &mut Place, room: &mut Room, seq: u64, at: Option<Instant>) {
        if seq < place.next {
            self.double += 1;
            return;
        }
        self.missing += seq - place.next;
        place.next = seq + 1;
        self.deliveries += 1;
        room.last = room.last.max(seq);
        if let (Some(arrivals), Some(at)) = (&mut self.arrivals, at) {
            let room = place.room;
            arrivals.push(Arrival { room, seq, at });
        }
    }

    pub fn error(&mut self, frame: &[u8]) {
        const KEPT: usize = 8;
        if self.errors.len() < KEPT {
            let text = String::from_utf8_lossy(frame);
            self.errors.push(text.into_owned());
        }
    }
}

/// The value below which `share` (0 to 1) of `sorted` lie; 0 where there is none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}
