//! Frames as the load client writes and reads them (RFC 6455, section 5), and just enough of their JSON.
//!
//! Reading looks at a frame's header and its first bytes only, so that the client costs the server under test as little
//! of the machine as it can. What does not begin as expected is parsed as JSON: slower, and as true.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Appends a text frame masked with `key`, as a client's must be (section 5.3).
pub fn push_masked(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    push_frame(out, 0x81, payload, key);
}

/// Appends the pong that answers a ping.
pub fn push_pong(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    push_frame(out, 0x8a, payload, key);
}

fn push_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: [u8; 4]) {
    out.push(first);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    for (index, byte) in out[start..].iter_mut().enumerate() {
        *byte ^= key[index & 3];
    }
}

/// What is spoken inside the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The contract, as docs/protocol.md has it.
    Melangerie,
    /// Engine.IO 4 and Socket.IO 5 over a WebSocket, an event `message` each way.
    SocketIo,
}

impl Dialect {
    /// The request for the upgrade. The key is any 16 bytes; what is made of it is the tests' to check.
    pub fn upgrade(self, host: &str, token: Option<&str>) -> Vec<u8> {
        let path = match self {
            Dialect::Melangerie => "/chat/connect",
            Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        };
        let authorization = token.map_or(String::new(), |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
        )
        .into_bytes()
    }

    /// Appends the message with this number. Neither name nor content holds anything that JSON escapes.
    pub fn push_message(
        self,
        out: &mut Vec<u8>,
        room: &[u8],
        content: &str,
        run: u32,
        number: usize,
    ) {
        let begin = match self {
            Dialect::Melangerie => r#"{"action":"Message","data":"#.to_owned(),
            Dialect::SocketIo => format!(r#"42{number}["message","#),
        };
        let end = match self {
            Dialect::Melangerie => format!(r#","id":"{run:08x}-{number}"}}"#),
            Dialect::SocketIo => "]".to_owned(),
        };
        let parts = [
            begin.as_bytes(),
            br#"{"room":""#,
            room,
            br#"","content":""#,
            content.as_bytes(),
            br#""}"#,
            end.as_bytes(),
        ];
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }

    pub fn hear(self, payload: &[u8]) -> Heard<'_> {
        match self {
            Dialect::Melangerie => hear(payload),
            Dialect::SocketIo => hear_socket_io(payload),
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub opcode: u8,
    /// Bytes of the header itself.
    pub length: usize,
    pub payload: usize,
}

/// The header at the beginning of `bytes`; `None` where more must come. Panics on what a server must not send: a
/// fragment (ours sends none), a reserved bit, a mask.
pub fn header(bytes: &[u8]) -> Option<Header> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0xf0, 0x80, "a final frame without extensions");
    assert_eq!(second & 0x80, 0, "a server's frame is not masked");
    let (length, payload) = match second {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    Some(Header {
        opcode: first & 0x0f,
        length,
        payload,
    })
}

/// What the client acts on.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    Message {
        room: &'a [u8],
        seq: u64,
    },
    /// The answer to the frame with this `id`; `seq` where a message was acked.
    Ack {
        id: &'a [u8],
        seq: Option<u64>,
    },
    Error(&'a [u8]),
    /// What must be answered at once, with these bytes.
    Answer(&'static [u8]),
    Known(Known),
}

/// A frame of which it is enough to know that it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Welcome,
    Gap,
    History,
    Other,
}

const MESSAGE: &[u8] = br#"{"action":"Message","data":{"room":""#;
const SEQ: &[u8] = br#"","seq":"#;
const ACK: &[u8] = br#"{"action":"Ack","data":"#;
const ID: &[u8] = br#","id":""#;

/// What a text frame is, by its first bytes (an `Ack` by its last ones too).
fn hear(payload: &[u8]) -> Heard<'_> {
    if let Some(rest) = payload.strip_prefix(MESSAGE)
        && let Some((room, seq)) = room_and_seq(rest)
    {
        return Heard::Message { room, seq };
    }
    if let Some(rest) = payload.strip_prefix(ACK)
        && let Some(id) = last_id(rest)
    {
        let seq = rest
            .strip_prefix(br#"{"room":""#)
            .and_then(room_and_seq)
            .map(|(_, seq)| seq);
        return Heard::Ack { id, seq };
    }
    other(payload)
}

/// `general","seq":17,`: the room and its number. A name has no quotes in it.
fn room_and_seq(rest: &[u8]) -> Option<(&[u8], u64)> {
    let end = memchr::memchr(b'"', rest)?;
    let digits = rest[end..].strip_prefix(SEQ)?;
    let mut seq: u64 = 0;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => seq = seq * 10 + u64::from(byte - b'0'),
            _ => return Some((&rest[..end], seq)),
        }
    }
    None
}

/// The `id` at the end of an envelope; ours have no quotes in them.
fn last_id(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_suffix(br#""}"#)?;
    let start = memchr::memrchr(b'"', rest)? + 1;
    rest[..start].ends_with(ID).then(|| &rest[start..])
}

/// The slow way, for what is rare or does not begin as expected.
fn other(payload: &[u8]) -> Heard<'_> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        action: &'a str,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(default)]
        id: Option<&'a str>,
    }
    #[derive(Deserialize)]
    struct Numbered<'a> {
        room: &'a str,
        seq: u64,
    }
    if let Some(known) = beginning(payload) {
        return Heard::Known(known);
    }
    let envelope: Envelope = serde_json::from_slice(payload).unwrap_or_else(|error| {
        panic!(
            "a frame that is no JSON: {error}: {}",
            String::from_utf8_lossy(payload)
        )
    });
    let numbered = envelope
        .data
        .and_then(|data| serde_json::from_str::<Numbered>(data.get()).ok());
    match (envelope.action, numbered, envelope.id) {
        ("Message", Some(Numbered { room, seq }), _) => Heard::Message {
            room: room.as_bytes(),
            seq,
        },
        ("Ack", numbered, Some(id)) => Heard::Ack {
            id: id.as_bytes(),
            seq: numbered.map(|numbered| numbered.seq),
        },
        ("Error", ..) => Heard::Error(payload),
        _ => Heard::Known(Known::Other),
    }
}

/// What a frame is whose beginning says enough, so that a long one need not be kept until it is whole.
pub fn beginning(payload: &[u8]) -> Option<Known> {
    let rest = payload.strip_prefix(br#"{"action":""#)?;
    let name = &rest[..memchr::memchr(b'"', rest)?];
    match name {
        b"Welcome" => Some(Known::Welcome),
        b"Gap" => Some(Known::Gap),
        b"History" => Some(Known::History),
        b"Presence" | b"List" | b"Room" | b"Added" | b"Left" | b"User" => Some(Known::Other),
        _ => None,
    }
}

/// <https://socket.io/docs/v4/engine-io-protocol/> and <https://socket.io/docs/v4/socket-io-protocol/>.
fn hear_socket_io(payload: &[u8]) -> Heard<'_> {
    if let Some(rest) = payload.strip_prefix(br#"42["message",{"room":""#)
        && let Some((room, seq)) = room_and_seq(rest)
    {
        return Heard::Message { room, seq };
    }
    if let Some(rest) = payload.strip_prefix(b"43")
        && let Some(open) = memchr::memchr(b'[', rest)
        && let Some((_, seq)) = rest[open..]
            .strip_prefix(br#"[{"room":""#)
            .and_then(room_and_seq)
    {
        let id = &rest[..open];
        return Heard::Ack { id, seq: Some(seq) };
    }
    match payload {
        [b'0', ..] => Heard::Answer(b"40"),
        [b'2'] => Heard::Answer(b"3"),
        [b'4', b'0', ..] => Heard::Known(Known::Welcome),
        _ => Heard::Error(payload),
    }
}
