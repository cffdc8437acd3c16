//! What RFC 6455 asks of a client's frame headers and tungstenite does not check, or checks too late; and the close
//! codes for what either finds wrong.
//!
//! Owns the place in the stream: which bytes are headers. Looks at headers alone; what a message may be is
//! tungstenite's to say, and all bytes before a bad header still reach it.

use crate::limits;
use std::io::{self, Read, Write};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

/// The longest header: two bytes, a length of eight, a mask (section 5.2).
const HEADER_BYTES: usize = 14;
/// The longest payload of a control frame (section 5.5).
const CONTROL_BYTES: u8 = 125;

/// The server's end of a WebSocket over `stream`, of which `leftover` has been read already.
///
/// What reading fails with is for [`failure`] to explain.
pub fn accept<S: Read + Write>(stream: S, mut leftover: Vec<u8>) -> WebSocket<Checked<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::WEBSOCKET_READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(limits::WEBSOCKET_MESSAGE_BYTES))
        .max_frame_size(Some(limits::WEBSOCKET_MESSAGE_BYTES));
    let mut headers = Headers::default();
    leftover.truncate(headers.pass(&leftover));
    let checked = Checked { stream, headers };
    WebSocket::from_partially_read(checked, leftover, Role::Server, Some(config))
}

/// A stream from a client; reading stops for good before the first header that is wrong.
pub struct Checked<S> {
    stream: S,
    headers: Headers,
}

impl<S> Checked<S> {
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: Read> Read for Checked<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.headers.violated {
            return Err(violation());
        }
        let count = self.stream.read(buffer)?;
        match self.headers.pass(&buffer[..count]) {
            0 if count > 0 => Err(violation()),
            good => Ok(good),
        }
    }
}

impl<S: Write> Write for Checked<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Close codes of RFC 6455, section 7.4.1.
const CLOSE_PROTOCOL_ERROR: u16 = 1002;
const CLOSE_NOT_UTF8: u16 = 1007;
const CLOSE_TOO_BIG: u16 = 1009;

/// The close code and reason for what went wrong in reading; `None` where the peer is just gone.
pub fn failure(error: &Error) -> Option<(u16, &'static str)> {
    match error {
        Error::Capacity(_) => Some((CLOSE_TOO_BIG, "A message has at most 64 KiB.")),
        Error::Utf8(_) => Some((CLOSE_NOT_UTF8, "Text must be UTF-8.")),
        Error::Io(error) if !is_violation(error) => None,
        Error::ConnectionClosed | Error::AlreadyClosed => None,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        _ => Some((
            CLOSE_PROTOCOL_ERROR,
            "That is not how WebSocket works (RFC 6455).",
        )),
    }
}

/// Whether reading failed because of a wrong header, not because of the socket.
fn is_violation(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

fn violation() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The place in a stream of frames.
#[derive(Default)]
struct Headers {
    /// The header that has begun, as far as it has come.
    header: [u8; HEADER_BYTES],
    length: usize,
    /// What is still to come of the payload behind the last header.
    payload: u64,
    violated: bool,
}

impl Headers {
    /// How many of these bytes may pass: all, or those before the first frame whose header is wrong.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut frame = 0;
        while at < bytes.len() {
            if self.payload > 0 {
                let left = (bytes.len() - at) as u64;
                let skipped = self.payload.min(left);
                self.payload -= skipped;
                at += skipped as usize;
                continue;
            }
            if self.length == 0 {
                frame = at;
            }
            self.header[self.length] = bytes[at];
            self.length += 1;
            at += 1;
            match judge(&self.header[..self.length]) {
                Header::Unfinished => {}
                Header::Good { payload } => {
                    self.payload = payload;
                    self.length = 0;
                }
                Header::Wrong => {
                    self.violated = true;
                    return frame;
                }
            }
        }
        bytes.len()
    }
}

#[derive(Debug, PartialEq)]
enum Header {
    Unfinished,
    Good { payload: u64 },
    Wrong,
}

/// Judges a header, or its beginning. It is never longer than [`HEADER_BYTES`].
fn judge(header: &[u8]) -> Header {
    let &[first, second, ref rest @ ..] = header else {
        return Header::Unfinished;
    };
    // Section 5.1: "The server MUST close the connection upon receiving a frame that is not masked." tungstenite waits
    // for the whole payload first.
    let masked = second & 0x80 != 0;
    // Section 5.5: "All control frames MUST have a payload length of 125 bytes or less". tungstenite takes a claim of
    // more than a message may have for a message that is too big.
    let short = second & 0x7f;
    let control = first & 0x08 != 0;
    if !masked || (control && short > CONTROL_BYTES) {
        return Header::Wrong;
    }
    let (length_bytes, least, most) = match short {
        126 => (2, 126, u64::from(u16::MAX)),
        127 => (8, u64::from(u16::MAX) + 1, u64::MAX >> 1),
        _ => (0, 0, u64::MAX),
    };
    let Some(bytes) = rest.get(..length_bytes) else {
        return Header::Unfinished;
    };
    let payload = match length_bytes {
        0 => u64::from(short),
        _ => bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
    };
    // Section 5.2: "the minimal number of bytes MUST be used to encode the length", and of eight bytes "the most
    // significant bit MUST be 0". tungstenite checks neither.
    if !(least..=most).contains(&payload) {
        return Header::Wrong;
    }
    const MASK_BYTES: usize = 4;
    match rest.len() - length_bytes {
        MASK_BYTES => Header::Good { payload },
        _ => Header::Unfinished,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tungstenite::Message;

    const GOOD: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'{', b'}'];

    /// Judges a header byte by byte, as it comes.
    fn judged(header: &[u8]) -> Header {
        (1..=header.len())
            .map(|length| judge(&header[..length]))
            .find(|judgement| *judgement != Header::Unfinished)
            .unwrap_or(Header::Unfinished)
    }

    fn with_mask(header: &[u8]) -> Header {
        judged(&[header, &[1, 2, 3, 4]].concat())
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        let good = |payload| Header::Good { payload };
        assert_eq!(with_mask(&[0x81, 0x80]), good(0));
        assert_eq!(with_mask(&[0x81, 0x80 | 125]), good(125));
        assert_eq!(with_mask(&[0x81, 0x80 | 126, 0, 126]), good(126));
        assert_eq!(with_mask(&[0x81, 0x80 | 126, 0, 125]), Header::Wrong);
        assert_eq!(with_mask(&[0x81, 0x80 | 126, 255, 255]), good(65_535));
        let wide = |length: u64| with_mask(&[&[0x82, 0xff][..], &length.to_be_bytes()].concat());
        assert_eq!(wide(65_535), Header::Wrong);
        assert_eq!(wide(65_536), good(65_536));
        assert_eq!(wide(u64::MAX >> 1), good(u64::MAX >> 1));
        assert_eq!(wide(1 << 63), Header::Wrong);
    }

    #[test]
    fn a_header_is_wrong_as_soon_as_it_can_be() {
        assert_eq!(judge(&[0x81]), Header::Unfinished);
        assert_eq!(judge(&[0x81, 0x05]), Header::Wrong);
        assert_eq!(judge(&[0x89, 0xfe]), Header::Wrong);
        assert_eq!(judge(&[0x88, 0xff]), Header::Wrong);
        assert_eq!(judge(&[0x89, 0x80 | 125]), Header::Unfinished);
    }

    /// Hands out pieces of this size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    impl Write for Pieces<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_comes_before_a_wrong_header_is_heard() {
        let bytes = [GOOD, GOOD, &[0x81, 0x02], b"{}"].concat();
        for size in 1..=bytes.len() {
            for leftover in 0..=bytes.len() {
                let (read, unread) = bytes.split_at(leftover);
                let mut socket = accept(Pieces(unread, size), read.to_vec());
                for _ in 0..2 {
                    assert_eq!(socket.read().unwrap(), Message::text("{}"));
                }
                for _ in 0..2 {
                    let error = socket.read().unwrap_err();
                    assert_eq!(failure(&error).unwrap().0, CLOSE_PROTOCOL_ERROR);
                }
            }
        }
    }

    #[test]
    fn the_end_of_a_stream_is_no_violation() {
        let mut socket = accept(Pieces(GOOD, 3), Vec::new());
        assert_eq!(socket.read().unwrap(), Message::text("{}"));
        assert_eq!(failure(&socket.read().unwrap_err()), None);
    }
}
