//! Closes refused sockets politely: a reset must not overtake the answer that says why.
//!
//! Owns one thread and a few sockets for at most [`LINGER`] each. Never blocks whoever hands a socket over, never
//! holds more than [`LINGERING`] of them. Locks nothing.

use crate::limits::LINGER;
use std::collections::VecDeque;
use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

/// Sockets that may linger at once; in a flood the oldest goes first. They live on spare descriptors.
const LINGERING: usize = 16;
/// What a refused peer may have sent meanwhile, and is read before closing.
const DROPPED_BYTES: usize = 16 * 1024;

/// Where refused sockets go.
pub(super) struct Farewell {
    queue: Option<SyncSender<TcpStream>>,
}

impl Farewell {
    /// Starts the thread. Without one, sockets are closed at once.
    pub(super) fn start() -> Farewell {
        let (queue, sockets) = sync_channel(LINGERING);
        let started = thread::Builder::new()
            .name("farewell".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || close_in_turn(&sockets));
        Farewell {
            queue: started.is_ok().then_some(queue),
        }
    }

    /// Ends our side of a non-blocking `stream` now and closes it when its peer has had time to read.
    pub(super) fn close(&self, stream: TcpStream) {
        let _ = stream.shutdown(Shutdown::Write);
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(stream);
        }
    }
}

fn close_in_turn(sockets: &Receiver<TcpStream>) {
    let mut waiting: VecDeque<(Instant, TcpStream)> = VecDeque::with_capacity(LINGERING);
    loop {
        let next = match waiting.front() {
            None => sockets.recv().map_err(RecvTimeoutError::from),
            Some((until, _)) => {
                sockets.recv_timeout(until.saturating_duration_since(Instant::now()))
            }
        };
        match next {
            Ok(stream) => waiting.push_back((Instant::now() + LINGER, stream)),
            Err(RecvTimeoutError::Timeout) => drain(waiting.pop_front()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if waiting.len() > LINGERING / 2 {
            drain(waiting.pop_front());
        }
    }
}

/// Closing a socket with unread bytes resets it, so they are read first.
fn drain(waiting: Option<(Instant, TcpStream)>) {
    let Some((_, mut stream)) = waiting else {
        return;
    };
    let mut dropped = 0;
    let mut buffer = [0; 2048];
    while dropped < DROPPED_BYTES {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => dropped += count,
        }
    }
}
