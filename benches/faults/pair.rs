//! A healthy sender and a healthy receiver, who must not notice what happens beside them.
//!
//! Owns two sockets and a thread; measures each message from the sender's call to the receiver's hands. Asserts that
//! every message arrives, once, in order.

use crate::common::{Person, Server, Socket, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between one message and the next.
const PACE: Duration = Duration::from_millis(20);

/// A pair that talks until it is asked how it went.
pub struct Pair {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

/// What the pair saw.
pub struct Health {
    pub messages: usize,
    pub median: Duration,
    pub p99: Duration,
    pub slowest: Duration,
}

impl Pair {
    /// They talk in `room`, in which both are.
    pub fn start(server: &Server, sender: &Person, receiver: &Person, room: &str) -> Pair {
        let mut from = Socket::connect(server, sender);
        let mut to = Socket::connect(server, receiver);
        let (room, name) = (room.to_owned(), sender.name.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut latencies = Vec::new();
            while !told.load(Ordering::Relaxed) {
                latencies.push(exchange(&mut from, &mut to, &room, &name, latencies.len()));
                std::thread::sleep(PACE);
            }
            latencies
        });
        Pair { stop, thread }
    }

    /// Waits for the message that is under way.
    pub fn stop(self) -> Health {
        self.stop.store(true, Ordering::Relaxed);
        let mut latencies = self.thread.join().expect("the pair is not disturbed");
        latencies.sort_unstable();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        Health {
            messages: latencies.len(),
            median: at(50),
            p99: at(99),
            slowest: at(100),
        }
    }
}

/// One message, there and acked.
fn exchange(
    from: &mut Socket,
    to: &mut Socket,
    room: &str,
    sender: &str,
    number: usize,
) -> Duration {
    let id = format!("pair-{number}");
    let content = format!("message {number} of the pair");
    let begin = Instant::now();
    from.send(json!({"action": "Message", "data": {"room": room, "content": content}, "id": id}));
    let heard = to.until(|frame| {
        frame["action"] == "Message"
            && frame["data"]["room"] == room
            && frame["data"]["sender"] == sender
    });
    let latency = begin.elapsed();
    assert_eq!(
        heard["data"]["content"], content,
        "the pair's messages arrive in order, once each"
    );
    let (answer, data) = from.reply(&id);
    assert_eq!(answer, "Ack", "{data}");
    // What others say in the room is not the sender's to keep.
    from.forget();
    latency
}
