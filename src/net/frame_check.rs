//! What RFC 6455 asks of a client's frame headers and tungstenite does not check, or checks too late; and the close
//! codes for what either finds wrong.
//!
//! Owns the place in the stream: which bytes are headers. Looks at headers alone; what a message may be is
//! tungstenite's to say, and all bytes before a bad header still reach it. As it knows where a message ends, it also
//! gives back what a long one took.

use crate::limits;
use std::io::{self, Read, Write};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// The longest header: two bytes, a length of eight, a mask (section 5.2).
const HEADER_BYTES: usize = 14;
/// The longest payload of a control frame (section 5.5).
const CONTROL_BYTES: u8 = 125;

/// The server's end of a WebSocket over `stream`, of which `leftover` has been read already.
///
/// What reading fails with is for [`failure`] to explain.
pub fn accept<S: Read + Write>(stream: S, mut leftover: Vec<u8>) -> Socket<S> {
    let mut headers = Headers::default();
    leftover.truncate(headers.pass(&leftover));
    Socket {
        inner: Some(begin(Checked { stream, headers }, leftover)),
    }
}

fn begin<S: Read + Write>(checked: Checked<S>, leftover: Vec<u8>) -> WebSocket<Checked<S>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::WEBSOCKET_READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(limits::WEBSOCKET_MESSAGE_BYTES))
        .max_frame_size(Some(limits::WEBSOCKET_MESSAGE_BYTES));
    WebSocket::from_partially_read(checked, leftover, Role::Server, Some(config))
}

/// tungstenite's socket, which keeps a buffer as long as the longest frame that it ever read. Most connections are idle,
/// and one long message on each would cost a gigabyte; so behind such a frame, when all of it and of its message has been
/// heard, the socket is begun anew.
pub struct Socket<S> {
    /// Always there but while it is begun anew.
    inner: Option<WebSocket<Checked<S>>>,
}

impl<S: Read + Write> Socket<S> {
    /// The next message, or why there is none. Waits as the stream does.
    pub fn read(&mut self) -> Result<Message, Error> {
        loop {
            match self.socket().read() {
                Err(Error::Io(_)) if self.checked().headers.is_renewed() => {
                    let checked = self.inner.take().map(WebSocket::into_inner);
                    self.inner = checked.map(|checked| begin(checked, Vec::new()));
                }
                read => return read,
            }
        }
    }

    /// Sends the answers to pings and closes that are ready.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.socket().flush()
    }

    pub fn get_mut(&mut self) -> &mut S {
        &mut self.checked().stream
    }

    fn checked(&mut self) -> &mut Checked<S> {
        self.socket().get_mut()
    }

    fn socket(&mut self) -> &mut WebSocket<Checked<S>> {
        self.inner.as_mut().expect("it is there between two calls")
    }
}

/// A stream from a client; reading stops for good before the first header that is wrong.
struct Checked<S> {
    stream: S,
    headers: Headers,
}

impl<S: Read> Read for Checked<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.headers.violated {
            return Err(violation());
        }
        if self.headers.renew() {
            // As if nothing had come yet, which leaves tungstenite as it is; see `Socket::read`.
            return Err(io::ErrorKind::WouldBlock.into());
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
    /// The message has begun and its last frame has not.
    in_message: bool,
    /// A frame came that is longer than the buffer was.
    long: bool,
    /// The last read has the socket begun anew.
    renewed: bool,
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
                    self.note(payload);
                }
                Header::Wrong => {
                    self.violated = true;
                    return frame;
                }
            }
        }
        bytes.len()
    }

    /// Whose header has just been judged good.
    fn note(&mut self, payload: u64) {
        const FINAL: u8 = 0x80;
        const CONTROL: u8 = 0x08;
        let first = self.header[0];
        if first & CONTROL == 0 {
            self.in_message = first & FINAL == 0;
        }
        self.long |= payload > limits::WEBSOCKET_READ_BUFFER_BYTES as u64;
    }

    /// Whether a buffer that has become long may go: tungstenite asks for more where it has taken all that came, so
    /// between two messages there is nothing in it.
    fn renew(&mut self) -> bool {
        let between = self.payload == 0 && self.length == 0 && !self.in_message;
        self.renewed = self.long && between;
        self.long &= !self.renewed;
        self.renewed
    }

    /// Whether the last read was refused for that.
    fn is_renewed(&mut self) -> bool {
        std::mem::take(&mut self.renewed)
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

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | length as u8),
            length => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    /// tungstenite keeps the buffer of its longest frame: 64 KiB for each idle connection that ever said much.
    #[test]
    fn what_a_long_message_took_is_given_back() {
        let long = vec![b'x'; limits::WEBSOCKET_READ_BUFFER_BYTES + 1];
        let fragments = [
            frame(0x01, &long),
            frame(0x89, b"ping"),
            frame(0x80, b"end"),
        ];
        let bytes = [
            frame(0x81, &long),
            GOOD.to_vec(),
            fragments.concat(),
            frame(0x81, &long),
            frame(0x81, b"last"),
        ]
        .concat();
        let long = String::from_utf8(long).unwrap();
        for size in [1, 2, 7, 100, 4_096, usize::MAX] {
            let mut socket = accept(Pieces(&bytes, size), Vec::new());
            let expected = [
                Message::text(long.clone()),
                Message::text("{}"),
                Message::Ping(b"ping".to_vec().into()),
                Message::text(format!("{long}end")),
                Message::text(long.clone()),
                Message::text("last"),
            ];
            for message in expected {
                assert_eq!(socket.read().unwrap(), message, "in pieces of {size}");
            }
            assert_eq!(failure(&socket.read().unwrap_err()), None);
            let headers = &socket.checked().headers;
            assert!(!headers.long, "the buffer is short again");
        }
    }
}
