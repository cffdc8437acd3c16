//! A WebSocket's bytes: read from the socket before a deadline, written to the outbox.
//!
//! tungstenite asks for bytes until a message is whole. Were the deadline the socket's own, each byte would begin it
//! anew, and one byte now and then would keep a connection for ever.

use super::awake::Silence;
use super::outbox::Outbox;
use crate::protocol::Frame;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Transport {
    stream: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    wait: Wait,
    /// Where there is one: nothing is read after it, whatever else is waited for.
    end: Option<Instant>,
    silence: Silence,
}

/// How long a read may take.
#[derive(Clone, Copy)]
enum Wait {
    /// Every read: so long, as the socket was told.
    Each,
    /// All reads together: until then.
    Until(Instant),
}

impl Transport {
    pub fn new(stream: Arc<TcpStream>, outbox: Arc<Outbox>) -> Transport {
        Transport {
            stream,
            outbox,
            wait: Wait::Each,
            end: None,
            silence: Silence::from(Instant::now()),
        }
    }

    /// From here on no read waits longer than `time` for a byte.
    pub fn wait_for_each(&mut self, time: Duration) {
        self.wait = Wait::Each;
        self.set_timeout(time);
    }

    /// From here on nothing is read after `deadline`, not even what has come.
    pub fn wait_until(&mut self, deadline: Instant) {
        self.wait = Wait::Until(deadline);
    }

    /// From here on nothing is read after `end`, whatever comes until then.
    pub fn end_at(&mut self, end: Option<Instant>) {
        self.end = end;
    }

    /// A wait that was to last `meant` at most has brought nothing: how long the peer has sent nothing, not even a part
    /// of a frame, while we listened.
    pub fn silence(&mut self, meant: Duration) -> Duration {
        self.silence.waited(meant, Instant::now())
    }

    fn set_timeout(&self, time: Duration) {
        // Zero would mean for ever; a socket that takes no timeout is gone, which the next read says.
        let time = time.max(Duration::from_millis(1));
        let _ = self.stream.set_read_timeout(Some(time));
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Wait::Until(deadline) = self.wait {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.set_timeout(left);
        } else if self.end.is_some_and(|end| end <= Instant::now()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = (&*self.stream).read(buffer)?;
        self.silence = Silence::from(Instant::now());
        Ok(count)
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

#[cfg(test)]
mod tests {
    use super::super::outbox::Outboxes;
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = Arc::new(listener.accept().unwrap().0);
        let outbox = Outbox::new(stream.clone(), Arc::new(Outboxes::new(false, 1024))).unwrap();
        (Transport::new(stream, outbox), peer)
    }

    #[test]
    fn a_byte_now_and_then_does_not_move_the_deadline() {
        let (mut transport, mut peer) = pair();
        peer.write_all(b"abc").unwrap();
        let begin = Instant::now();
        transport.wait_until(begin + Duration::from_secs(60));
        assert_eq!(transport.read(&mut [0]).unwrap(), 1);
        assert!(transport.silence(Duration::ZERO) <= begin.elapsed());
        transport.wait_until(begin);
        let late = transport.read(&mut [0]).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        transport.wait_for_each(Duration::from_secs(60));
        transport.end_at(Some(begin));
        let late = transport.read(&mut [0]).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        transport.end_at(Some(begin + Duration::from_secs(60)));
        assert_eq!(transport.read(&mut [0; 8]).unwrap(), 2);
    }
}
