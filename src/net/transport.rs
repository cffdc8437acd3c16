//! What a WebSocket runs on: reads come from the socket, until a deadline; writes go to the outbox.
//!
//! Owns no bytes. Writing never blocks.

use super::outbox::Outbox;
use crate::protocol::Frame;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Transport {
    stream: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    wait: Wait,
}

/// How long to wait for bytes.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    /// Each read so long.
    AtMost(Duration),
    /// All reads together: a byte now and then does not extend it.
    Until(Instant),
}

impl Transport {
    pub(super) fn new(stream: Arc<TcpStream>, outbox: Arc<Outbox>) -> Transport {
        let wait = Wait::Until(Instant::now());
        Transport {
            stream,
            outbox,
            wait,
        }
    }

    pub(super) fn wait(&mut self, wait: Wait) {
        self.wait = wait;
        if let Wait::AtMost(time) = wait {
            self.set_timeout(time);
        }
    }

    fn set_timeout(&self, time: Duration) {
        // Zero would mean for ever; a socket that takes no timeout is gone, which the next read says.
        let time = time.max(Duration::from_millis(1));
        let _ = self.stream.set_read_timeout(Some(time));
    }
}

impl Read for Transport {
    /// Fails with [`is_timeout`](super::is_timeout) where nothing came in time.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Wait::Until(deadline) = self.wait {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.set_timeout(left);
        }
        (&*self.stream).read(buffer)
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.send(&Frame::raw(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
