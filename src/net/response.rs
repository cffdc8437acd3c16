//! An answer: tiny_http's `Response`, and what it leaves to its user.
//!
//! Owns the headers that every answer carries, the mapping from errors to answers, and the bytes of both. Knows no
//! route and no socket.

use crate::protocol::Error;
use std::io::{self, IoSlice, Write};
use tiny_http::{HTTPVersion, Header, Response, StatusCode};

/// What the answer says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// HTTP/1.1's default, unsaid.
    Kept,
    /// HTTP/1.0 has to be told.
    KeptAsAsked,
    Closed,
    /// It speaks WebSocket from here on.
    Upgraded,
}

/// Room for the headers of most answers.
const HEADERS: usize = 8;
/// And for the bytes of most heads.
const HEAD_BYTES: usize = 1024;

/// An answer to a request.
pub struct Answer {
    /// The head; tiny_http would copy a body piece by piece.
    response: Response<io::Empty>,
    body: Body,
    /// The connection ends after this answer: what follows on it cannot be understood.
    pub close: bool,
}

enum Body {
    Whole(Box<dyn AsRef<[u8]> + Send>),
    Long(Box<dyn Long>),
}

/// A body that may be long, and is written out as its receiver takes it.
pub trait Long: Send + 'static {
    /// How many bytes it has, before the first of them is taken.
    fn length(&self) -> usize;
    /// Appends what comes next; true where more is left.
    fn push_some(&mut self, bytes: &mut Vec<u8>) -> bool;
}

impl Answer {
    fn new(status: u16, body: Body, length: usize) -> Answer {
        let headers = Vec::with_capacity(HEADERS);
        let response = Response::new(StatusCode(status), headers, io::empty(), Some(length), None)
            .with_chunked_threshold(usize::MAX);
        let answer = Answer {
            response,
            body,
            close: false,
        };
        answer
            .with("Server", "Melangerie")
            .with("X-Content-Type-Options", "nosniff")
    }

    /// Without a body, such as 204.
    pub fn empty(status: u16) -> Answer {
        Answer::new(status, Body::Whole(Box::new([])), 0).with("Cache-Control", "no-store")
    }

    /// `body` is JSON already; what is shared with other answers is not copied.
    pub fn json<B>(status: u16, body: B) -> Answer
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        Answer::revalidated_json(status, body).with("Cache-Control", "no-store")
    }

    /// The same of what may be long.
    pub fn long_json(status: u16, body: impl Long) -> Answer {
        let length = body.length();
        Answer::new(status, Body::Long(Box::new(body)), length)
            .with("Content-Type", "application/json")
            .with("Cache-Control", "no-store")
    }

    /// JSON whose caching the caller names.
    pub fn revalidated_json<B>(status: u16, body: B) -> Answer
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        Answer::bytes(status, body).with("Content-Type", "application/json")
    }

    /// A body whose type and caching the caller names.
    pub fn bytes<B>(status: u16, body: B) -> Answer
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let length = body.as_ref().len();
        Answer::new(status, Body::Whole(Box::new(body)), length)
    }

    /// 304 for a representation of `length` bytes.
    pub fn not_modified(length: usize) -> Answer {
        Answer::new(304, Body::Whole(Box::new([])), length)
    }

    /// `value` serialised.
    pub fn of<T: serde::Serialize + ?Sized>(status: u16, value: &T) -> Answer {
        let body = serde_json::to_vec(value).expect("protocol types always serialise");
        Answer::json(status, body)
    }

    /// The error with its status and the headers that belong to it.
    pub fn error(error: &Error) -> Answer {
        let status = error.code.status();
        let answer = Answer::json(status, error.to_json());
        let answer = match error.retry_after_ms() {
            Some(wait) => answer.with("Retry-After", &wait.div_ceil(1_000).to_string()),
            None => answer,
        };
        match status {
            401 => answer.with("WWW-Authenticate", "Bearer"),
            _ => answer,
        }
    }

    /// With one more header. `name` and `value` are ASCII without line breaks.
    pub fn with(mut self, name: &'static str, value: &str) -> Answer {
        self.set(name, value);
        self
    }

    /// See [`Answer::with`].
    pub fn set(&mut self, name: &'static str, value: &str) {
        debug_assert!(!value.contains(['\r', '\n']), "{name}: {value:?}");
        let header = Header::from_bytes(name, value).expect("headers of ours are ASCII");
        self.response.add_header(header);
    }

    /// The same, and the connection ends after it.
    pub fn closing(mut self) -> Answer {
        self.close = true;
        self
    }

    pub fn status(&self) -> u16 {
        self.response.status_code().0
    }

    /// The value of the first header of this name.
    pub fn value(&self, name: &'static str) -> Option<&str> {
        let mut headers = self.response.headers().iter();
        let found = headers.find(|header| header.field.equiv(name))?;
        Some(found.value.as_str())
    }

    /// Writes all of it; `head_only` keeps the body back and its length in.
    pub fn write_to(
        self,
        mut writer: impl Write,
        head_only: bool,
        connection: Connection,
    ) -> io::Result<()> {
        let fix = HeadFix {
            connection,
            status: self.status(),
        };
        let upgrade = (connection == Connection::Upgraded).then_some("websocket");
        // No request headers: `TE` would make tiny_http choose chunks.
        let version = HTTPVersion(1, 1);
        let mut head = Vec::with_capacity(HEAD_BYTES);
        self.response
            .raw_print(&mut head, version, &[], true, upgrade)?;
        fix.apply(&mut head);
        match self.body {
            _ if head_only => write_both(&mut writer, &head, &[])?,
            Body::Whole(body) => write_both(&mut writer, &head, (*body).as_ref())?,
            Body::Long(body) => write_long(&mut writer, head, body)?,
        }
        writer.flush()
    }

    /// All of it in memory, where the connection closes after it.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes, false, Connection::Closed)
            .expect("memory takes all");
        bytes
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Answer {
        Answer::error(&error)
    }
}

/// What `raw_print` cannot be told: it drops `Connection` and `Upgrade`, and gives 204 a length.
struct HeadFix {
    connection: Connection,
    status: u16,
}

impl HeadFix {
    /// `bytes` begins with a whole head.
    fn apply(self, bytes: &mut Vec<u8>) {
        const LENGTH: &[u8] = b"Content-Length: 0\r\n";
        // RFC 9110, section 8.6.
        if self.status == 204
            && let Some(at) = bytes
                .windows(LENGTH.len())
                .position(|window| window == LENGTH)
        {
            bytes.drain(at..at + LENGTH.len());
        }
        let lines: &[u8] = match (self.connection, self.status) {
            // RFC 9110, section 15.5.22.
            (Connection::Closed, 426) => b"Upgrade: websocket\r\nConnection: upgrade, close\r\n",
            (_, 426) => b"Upgrade: websocket\r\nConnection: upgrade\r\n",
            (Connection::Kept | Connection::Upgraded, _) => return,
            (Connection::KeptAsAsked, _) => b"Connection: keep-alive\r\n",
            (Connection::Closed, _) => b"Connection: close\r\n",
        };
        if let Some(at) = bytes.iter().position(|&byte| byte == b'\n') {
            bytes.splice(at + 1..at + 1, lines.iter().copied());
        }
    }
}

fn write_long(
    writer: &mut impl Write,
    mut head: Vec<u8>,
    mut body: Box<dyn Long>,
) -> io::Result<()> {
    let mut piece = Vec::new();
    while body.push_some(&mut piece) {
        write_both(writer, &head, &piece)?;
        head.clear();
        piece.clear();
    }
    write_both(writer, &head, &piece)
}

/// One after the other, in one packet and one call where they fit.
fn write_both(writer: &mut impl Write, head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(head), IoSlice::new(body)];
    let mut left = &mut slices[..];
    // Nothing is left of slices that are empty.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match writer.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Code;
    use std::sync::Arc;
    use std::time::Duration;

    fn text(answer: Answer, head_only: bool, connection: Connection) -> String {
        let mut bytes = Vec::new();
        answer.write_to(&mut bytes, head_only, connection).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_has_its_type_and_is_not_kept() {
        let answer = text(
            Answer::json(200, Arc::<[u8]>::from(&b"[]"[..])),
            false,
            Connection::Kept,
        );
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n[]"), "{answer}");
        for header in [
            "Content-Type: application/json",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Content-Length: 2",
            "Server: Melangerie",
        ] {
            assert_eq!(
                answer.matches(&format!("\r\n{header}\r\n")).count(),
                1,
                "{header}: {answer}"
            );
        }
        assert!(!answer.contains("Connection:"), "{answer}");
        assert!(answer.contains("\r\nDate: "), "{answer}");
    }

    #[test]
    fn a_head_alone_has_the_length_of_the_body() {
        let answer = text(Answer::json(200, b"[1,2]"), true, Connection::Kept);
        assert!(answer.contains("Content-Length: 5\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    /// So many times the same.
    struct Repeated(usize);

    const REPEATED: &[u8] = b"[1,2,3]\n";

    impl Long for Repeated {
        fn length(&self) -> usize {
            self.0 * REPEATED.len()
        }

        fn push_some(&mut self, bytes: &mut Vec<u8>) -> bool {
            assert!(bytes.is_empty(), "what is sent is in memory no more");
            bytes.extend_from_slice(REPEATED);
            self.0 -= 1;
            self.0 > 0
        }
    }

    #[test]
    fn a_long_body_is_written_out_piece_by_piece() {
        for count in 1..4 {
            let answer = |head_only| {
                let answer = Answer::long_json(200, Repeated(count));
                text(answer, head_only, Connection::Kept)
            };
            let body = std::str::from_utf8(REPEATED).unwrap().repeat(count);
            let length = format!("\r\nContent-Length: {}\r\n", body.len());
            let (head, all) = (answer(true), answer(false));
            assert!(head.contains(&length) && all.contains(&length), "{all}");
            assert!(head.ends_with("\r\n\r\n"), "{head}");
            assert!(all.ends_with(&format!("\r\n\r\n{body}")), "{all}");
            assert!(all.contains("\r\nContent-Type: application/json\r\n"));
            assert!(all.contains("\r\nCache-Control: no-store\r\n"));
        }
    }

    #[test]
    fn empty_answers_have_the_length_that_they_may_have() {
        let answer = text(Answer::empty(204), false, Connection::Closed);
        assert!(!answer.contains("Content-Length"), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        let answer = text(Answer::not_modified(77), false, Connection::KeptAsAsked);
        assert!(answer.contains("Content-Length: 77\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nConnection: keep-alive\r\n"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn an_upgrade_has_neither_length_nor_chunks() {
        let answer = text(Answer::empty(101), false, Connection::Upgraded);
        assert!(
            answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nConnection: upgrade\r\n"), "{answer}");
        assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
        assert!(!answer.contains("Content-Length"), "{answer}");
        assert!(!answer.contains("Transfer-Encoding"), "{answer}");
    }

    #[test]
    fn whoever_must_upgrade_is_told_to_what() {
        for (connection, expected) in [
            (Connection::Kept, "upgrade"),
            (Connection::KeptAsAsked, "upgrade"),
            (Connection::Closed, "upgrade, close"),
        ] {
            let answer = text(Answer::json(426, b"{}"), false, connection);
            let lines = format!("\r\nUpgrade: websocket\r\nConnection: {expected}\r\n");
            assert!(answer.contains(&lines), "{answer}");
            assert!(answer.ends_with("\r\n\r\n{}"), "{answer}");
        }
    }

    #[test]
    fn errors_carry_what_their_status_asks_for() {
        let late = Error::rate_limited("Wait.", Duration::from_millis(1_001));
        let answer = Answer::error(&late);
        assert_eq!(
            (answer.status(), answer.value("Retry-After")),
            (429, Some("2"))
        );
        let stranger = Answer::error(&Error::new(Code::Unauthorized, "Sign in."));
        assert_eq!(stranger.value("WWW-Authenticate"), Some("Bearer"));
    }

    /// Takes a few bytes at a time, and is interrupted now and then.
    struct Narrow {
        taken: Vec<u8>,
        most: usize,
        calls: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let all = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = self.taken.len();
            self.taken.extend(all.take(self.most));
            Ok(self.taken.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_taken_in_pieces_arrives_as_what_is_taken_at_once() {
        let answers: [fn() -> Answer; 3] = [
            || Answer::json(200, b"[1,2,3]"),
            || Answer::empty(204),
            || Answer::not_modified(9),
        ];
        let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
        for (answer, expected) in answers.iter().zip(["[1,2,3]", "", ""]) {
            for head_only in [false, true] {
                let at_once = text(answer(), head_only, Connection::Closed);
                let expected = if head_only { "" } else { expected };
                assert_eq!(body(&at_once), expected);
                for most in (1..at_once.len() + 2).filter(|most| most % 7 < 3) {
                    let mut narrow = Narrow {
                        taken: Vec::new(),
                        most,
                        calls: 0,
                    };
                    answer()
                        .write_to(&mut narrow, head_only, Connection::Closed)
                        .unwrap();
                    let taken = String::from_utf8(narrow.taken).unwrap();
                    // All but the second in which it was written.
                    let lasting = |text: &str| {
                        let lines = text
                            .split("\r\n")
                            .filter(|line| !line.starts_with("Date: "));
                        lines.map(str::to_owned).collect::<Vec<_>>()
                    };
                    assert_eq!(lasting(&taken), lasting(&at_once), "{most}");
                }
            }
        }
    }

    #[test]
    fn large_bodies_arrive_whole() {
        let body: Vec<u8> = (0..100_000u32).map(|at| b'a' + (at % 26) as u8).collect();
        let answer = text(Answer::json(200, body.clone()), false, Connection::Closed);
        let (head, sent) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Connection: close"), "{head}");
        assert!(sent.as_bytes() == body);
    }
}
