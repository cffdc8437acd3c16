//! A connection's requests, one after the other, under deadlines that no trickle of bytes extends (RFC 9112).
//!
//! Owns the socket's bytes until the connection closes or becomes a WebSocket. Knows no route: what to answer is
//! the [`Service`]'s to say. Locks nothing.

use super::request::{Framing, Head, Request, check_beginning, head_end, parse_head, too_large};
use super::response::{Answer, Connection};
use crate::limits::*;
use crate::protocol::{Code, Error};
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::{Duration, Instant};
use tiny_http::Method;

/// What a connection's buffer holds while nothing comes.
const IDLE_BUFFER_BYTES: usize = 2 * 1024;
/// What is read and dropped after an answer that closes.
const LINGER_BYTES: usize = 256 * 1024;

/// What requests are answered with.
pub trait Service {
    /// What goes with a connection that becomes a WebSocket.
    type Upgrade;

    fn answer(&self, request: &Request) -> Outcome<Self::Upgrade>;

    /// The answer to a request that is not to be understood; `head` where at least that was.
    fn refuse(&self, head: Option<&Head>, error: &Error) -> Answer;

    /// No further request is to be taken from any connection.
    fn is_stopping(&self) -> bool;
}

/// What becomes of a request.
pub enum Outcome<U> {
    Answer(Answer),
    /// 101, and from then on the connection is a WebSocket.
    Upgrade(Answer, U),
}

/// Serves requests until the connection ends (`None`) or becomes a WebSocket: then what the client has sent already
/// of it, and what the service gave. The socket's deadlines are off then.
pub fn serve<S: Service>(
    stream: &TcpStream,
    peer: IpAddr,
    service: &S,
) -> Option<(Vec<u8>, S::Upgrade)> {
    let mut wire = Wire::new(stream);
    loop {
        let (request, framing) = match read_request(&mut wire, peer) {
            Ok(read) => read,
            Err(Interruption::Gone) => return None,
            Err(Interruption::Refused(head, error)) => {
                let answer = service.refuse(head.as_deref(), &error);
                let head_only = head.is_some_and(|head| head.method == Method::Head);
                if wire.send(answer, head_only, Connection::Closed).is_ok() {
                    wire.linger();
                }
                return None;
            }
        };
        let head_only = request.head.method == Method::Head;
        match service.answer(&request) {
            Outcome::Upgrade(answer, upgrade) => {
                wire.send(answer, false, Connection::Upgraded).ok()?;
                wire.stream.set_read_timeout(None).ok()?;
                wire.stream.set_write_timeout(None).ok()?;
                return Some((wire.into_pending(), upgrade));
            }
            Outcome::Answer(answer) => {
                let close = answer.close || !framing.keep_alive || service.is_stopping();
                let connection = match (close, request.head.old) {
                    (true, _) => Connection::Closed,
                    (false, true) => Connection::KeptAsAsked,
                    (false, false) => Connection::Kept,
                };
                wire.send(answer, head_only, connection).ok()?;
                if close {
                    wire.linger();
                    return None;
                }
            }
        }
    }
}

/// Why there is no request.
enum Interruption {
    /// The client left, or was silent for too long with nothing begun: nobody is there to be told.
    Gone,
    /// To be answered, then closed.
    Refused(Option<Box<Head>>, Error),
}

impl From<ReadError> for Interruption {
    fn from(_: ReadError) -> Interruption {
        Interruption::Gone
    }
}

fn read_request(wire: &mut Wire<'_>, peer: IpAddr) -> Result<(Request, Framing), Interruption> {
    let head = read_head(wire)?;
    let framing = match head.framing() {
        Ok(framing) => framing,
        Err(error) => return Err(Interruption::Refused(Some(Box::new(head)), error)),
    };
    let length = framing.length.unwrap_or(0);
    if framing.expects_continue && wire.pending().len() < length {
        wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .map_err(|_| Interruption::Gone)?;
    }
    let body = match wire.read_body(length) {
        Ok(body) => body,
        Err(ReadError::Closed) => return Err(Interruption::Gone),
        Err(ReadError::Late) => {
            let error = late("body", REQUEST_BODY_DEADLINE);
            return Err(Interruption::Refused(Some(Box::new(head)), error));
        }
    };
    let request = Request {
        head,
        peer,
        body,
        has_length: framing.length.is_some(),
    };
    Ok((request, framing))
}

fn read_head(wire: &mut Wire<'_>) -> Result<Head, Interruption> {
    wire.wait_for_first_byte()?;
    let deadline = Instant::now() + REQUEST_HEAD_DEADLINE;
    let refused = |error| Interruption::Refused(None, error);
    let mut searched = 0;
    loop {
        if searched == 0 {
            // Empty lines before a request are ignored (RFC 9112, section 2.2).
            wire.skip_line_breaks();
        }
        let pending = wire.pending();
        check_beginning(pending).map_err(refused)?;
        if let Some(end) = head_end(pending, searched) {
            let head = parse_head(&pending[..end]).map_err(refused)?;
            wire.consume(end);
            return Ok(head);
        }
        if pending.len() >= REQUEST_HEAD_BYTES {
            return Err(refused(too_large(pending)));
        }
        searched = pending.len();
        match wire.fill(deadline) {
            Ok(()) => {}
            Err(ReadError::Closed) => return Err(Interruption::Gone),
            Err(ReadError::Late) => return Err(refused(late("head", REQUEST_HEAD_DEADLINE))),
        }
    }
}

fn late(what: &str, within: Duration) -> Error {
    let seconds = within.as_secs();
    Error::new(
        Code::RequestTimeout,
        format!("The request's {what} did not arrive within {seconds} seconds. Send it again."),
    )
}

#[derive(Debug, PartialEq, Eq)]
enum ReadError {
    Closed,
    Late,
}

/// The socket and what was read from it ahead.
struct Wire<'a> {
    stream: &'a TcpStream,
    /// `buffer[start..end]` is read and not yet consumed.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The deadlines that the socket has now; setting one costs a system call.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl<'a> Wire<'a> {
    fn new(stream: &'a TcpStream) -> Wire<'a> {
        Wire {
            stream,
            buffer: vec![0; IDLE_BUFFER_BYTES],
            start: 0,
            end: 0,
            read_timeout: None,
            write_timeout: None,
        }
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn into_pending(self) -> Vec<u8> {
        self.pending().to_vec()
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    fn skip_line_breaks(&mut self) {
        let pending = self.pending().iter();
        let breaks = pending.take_while(|&&byte| matches!(byte, b'\r' | b'\n'));
        let count = breaks.count();
        self.consume(count);
    }

    /// Idles until the next request begins, with no more memory than idling needs.
    fn wait_for_first_byte(&mut self) -> Result<(), ReadError> {
        if !self.pending().is_empty() {
            return Ok(());
        }
        if self.buffer.len() > IDLE_BUFFER_BYTES {
            self.buffer = vec![0; IDLE_BUFFER_BYTES];
        }
        self.fill(Instant::now() + KEEP_ALIVE_IDLE)
    }

    /// Reads at least one byte; the buffer grows up to the largest head.
    fn fill(&mut self, deadline: Instant) -> Result<(), ReadError> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                let larger = (self.buffer.len() * 2).min(REQUEST_HEAD_BYTES);
                self.buffer.resize(larger, 0);
            }
        }
        let stream = self.stream;
        self.read_timeout = set_deadline(self.read_timeout, deadline, |timeout| {
            stream.set_read_timeout(timeout)
        })?;
        let count = read_before(stream, &mut self.buffer[self.end..], deadline)?;
        self.end += count;
        Ok(())
    }

    /// The next `length` bytes, of which some may be pending. Memory grows with what comes, not with what is said to.
    fn read_body(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        let ready = self.pending().len().min(length);
        let mut body = self.pending()[..ready].to_vec();
        self.consume(ready);
        let deadline = Instant::now() + REQUEST_BODY_DEADLINE;
        let stream = self.stream;
        let mut filled = ready;
        while filled < length {
            if filled == body.len() {
                let grown = (filled * 2).max(IDLE_BUFFER_BYTES).min(length);
                body.resize(grown, 0);
            }
            self.read_timeout = set_deadline(self.read_timeout, deadline, |timeout| {
                stream.set_read_timeout(timeout)
            })?;
            filled += read_before(stream, &mut body[filled..], deadline)?;
        }
        body.truncate(length);
        Ok(body)
    }

    fn send(&mut self, answer: Answer, head_only: bool, connection: Connection) -> io::Result<()> {
        let deadline = Instant::now() + RESPONSE_DEADLINE;
        let sender = Sender {
            wire: self,
            deadline,
        };
        answer.write_to(sender, head_only, connection)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let deadline = Instant::now() + RESPONSE_DEADLINE;
        Sender {
            wire: self,
            deadline,
        }
        .write_all(bytes)
    }

    /// Reads on for a moment after the last answer: closing with bytes unread would reset the connection, and the
    /// reset would overtake the answer.
    fn linger(&mut self) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + LINGER;
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            (self.start, self.end) = (0, 0);
            if self.fill(deadline).is_err() {
                return;
            }
            dropped += self.end;
        }
    }
}

/// Gives the socket what is left until `deadline`, where that differs from what it has. A fresh deadline of a fixed
/// length rounds to that length, so that the usual request costs no call.
fn set_deadline(
    current: Option<Duration>,
    deadline: Instant,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> Result<Option<Duration>, ReadError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ReadError::Late);
    }
    let milliseconds = u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    let left = Some(Duration::from_millis(milliseconds));
    if left != current {
        set(left).map_err(|_| ReadError::Closed)?;
    }
    Ok(left)
}

/// Reads once. The end of the stream, and every failure but lateness, is the client's leaving.
fn read_before(
    mut stream: &TcpStream,
    buffer: &mut [u8],
    deadline: Instant,
) -> Result<usize, ReadError> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(ReadError::Closed),
            Ok(count) => return Ok(count),
            Err(error)
                if error.kind() == io::ErrorKind::Interrupted && Instant::now() < deadline => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) =>
            {
                return Err(ReadError::Late);
            }
            Err(_) => return Err(ReadError::Closed),
        }
    }
}

/// Writes to the socket until a deadline.
struct Sender<'w, 'a> {
    wire: &'w mut Wire<'a>,
    deadline: Instant,
}

impl Write for Sender<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut stream = self.wire.stream;
        let set = set_deadline(self.wire.write_timeout, self.deadline, |timeout| {
            stream.set_write_timeout(timeout)
        });
        self.wire.write_timeout = set.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
