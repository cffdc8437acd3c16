//! A case of the table, and the frames that cases are made of.

use super::common::raw::*;

/// What a client sends and what it must get.
pub struct Case {
    pub name: String,
    /// The bytes, cut at the ends of frames.
    pub sent: Vec<Vec<u8>>,
    /// All answers, in order. A close frame is the last; without one the connection stays open.
    pub answers: Vec<Answer>,
    /// The client itself sends a close frame, so it answers none.
    pub client_closes: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The echo of a message that is no action.
    Error,
    /// The echo of a message with this `id`.
    ErrorTo(String),
    Pong(Vec<u8>),
    Close(u16),
    /// A close frame without a code.
    EmptyClose,
}

use Answer::{Close, EmptyClose, Error, ErrorTo};

impl Case {
    pub fn new(
        name: impl Into<String>,
        sent: impl Into<Vec<Vec<u8>>>,
        answers: impl Into<Vec<Answer>>,
    ) -> Case {
        Case {
            name: name.into(),
            sent: sent.into(),
            answers: answers.into(),
            client_closes: false,
        }
    }

    pub fn client_closes(mut self) -> Case {
        self.client_closes = true;
        self
    }

    pub fn closes(&self) -> bool {
        matches!(self.answers.last(), Some(Close(_) | EmptyClose))
    }

    /// A message means something else while nobody is signed in.
    pub fn needs_a_user(&self) -> bool {
        let is_echo = |answer: &Answer| matches!(answer, Error | ErrorTo(_));
        self.answers.iter().any(is_echo)
    }
}

// ---- frames -------------------------------------------------------------------------------------

pub const FIN: u8 = 0x80;

pub fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(FIN | TEXT, None, payload.as_ref())
}

pub fn binary(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(FIN | BINARY, None, payload.as_ref())
}

pub fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(FIN | PING, None, payload.as_ref())
}

pub fn pong(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(FIN | PONG, None, payload.as_ref())
}

/// The first fragment of a text.
pub fn begin(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(TEXT, None, payload.as_ref())
}

pub fn begin_binary(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(BINARY, None, payload.as_ref())
}

/// A fragment between the first and the last.
pub fn more(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(CONTINUATION, None, payload.as_ref())
}

pub fn end(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_bytes(FIN | CONTINUATION, None, payload.as_ref())
}

/// A close frame with this code and reason.
pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = [&code.to_be_bytes()[..], reason.as_ref()].concat();
    frame_bytes(FIN | CLOSE, None, &payload)
}

pub fn empty_close() -> Vec<u8> {
    frame_bytes(FIN | CLOSE, None, b"")
}

/// A frame as only servers may send them.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= 125);
    [&[first, payload.len() as u8][..], payload].concat()
}

/// The mask's four bytes may be any.
pub fn masked_with(mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FIN | TEXT, 0x80 | payload.len() as u8];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// A masked frame whose length takes 2 or 8 more bytes, whether it needs them or not. The mask is zero.
pub fn wide(first: u8, length_bytes: usize, claimed: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | if length_bytes == 2 { 126 } else { 127 }];
    bytes.extend_from_slice(&claimed.to_be_bytes()[8 - length_bytes..]);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A message that is echoed with its `id`, padded to this many bytes.
pub fn padded(id: &str, length: usize) -> Vec<u8> {
    let mut message = format!("{{\"action\":\"\",\"id\":\"{id}\",\"x\":\"").into_bytes();
    message.resize(length - 2, b'x');
    message.extend_from_slice(b"\"}");
    message
}

pub fn echo_of(id: &str) -> Answer {
    ErrorTo(id.to_owned())
}
