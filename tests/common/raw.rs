//! WebSocket by the byte (RFC 6455, section 5.2), to say what no proper client says.

use super::http::Connection;
use super::{HANG, Person, Server, Value};
use std::time::Instant;

/// The key of RFC 6455, section 1.3, and the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A final bit, an opcode and a payload.
pub type RawFrame = (bool, u8, Vec<u8>);

pub struct RawSocket {
    pub connection: Connection,
}

impl RawSocket {
    /// Upgraded over any stream, with more headers where they are given.
    pub fn upgrade(mut connection: Connection, host: &str, headers: &[(&str, &str)]) -> RawSocket {
        connection.send(upgrade_request(host, headers).as_bytes());
        let response = connection.response("GET");
        assert_eq!(response.status, 101, "{}", response.text());
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
        RawSocket { connection }
    }

    /// Signed in by the header; the welcome is read.
    pub fn signed_in(server: &Server, person: &Person) -> RawSocket {
        let connection = Connection::open(server.address);
        RawSocket::over(connection, server, person)
    }

    pub fn over(connection: Connection, server: &Server, person: &Person) -> RawSocket {
        let bearer = format!("Bearer {}", person.token);
        let host = server.address.to_string();
        let mut socket =
            RawSocket::upgrade(connection, &host, &[("Authorization", bearer.as_str())]);
        let welcome = socket.json();
        assert_eq!(welcome["action"], "Welcome");
        socket
    }

    /// A masked frame, as clients must send them.
    pub fn frame(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        self.connection.send(&frame_bytes(
            u8::from(fin) << 7 | opcode,
            Some(payload.len() as u64),
            payload,
        ));
    }

    pub fn text(&mut self, text: &str) {
        self.frame(true, TEXT, text.as_bytes());
    }

    /// The next frame, or none where the connection ended.
    pub fn read(&mut self) -> Option<RawFrame> {
        let head = self.connection.bytes(2);
        if head.len() < 2 {
            return None;
        }
        assert_eq!(head[0] & 0x70, 0, "no extension was agreed on");
        assert_eq!(head[1] & 0x80, 0, "a server never masks");
        let length = match head[1] {
            126 => {
                u16::from_be_bytes(self.connection.bytes(2).try_into().expect("a length")).into()
            }
            127 => u64::from_be_bytes(self.connection.bytes(8).try_into().expect("a length")),
            short => u64::from(short),
        };
        let payload = self.connection.bytes(length as usize);
        assert_eq!(payload.len() as u64, length, "the frame is whole");
        Some((head[0] & 0x80 != 0, head[0] & 0x0f, payload))
    }

    /// The next text frame, as JSON.
    pub fn json(&mut self) -> Value {
        loop {
            let (fin, opcode, payload) = self.read().expect("a frame");
            assert!(fin, "the server sends whole messages");
            if opcode == TEXT {
                return serde_json::from_slice(&payload).expect("JSON");
            }
            assert_ne!(opcode, CLOSE, "closed: {payload:?}");
        }
    }

    /// The next `Error` or answer with an id, past all that others cause.
    pub fn answer(&mut self) -> Value {
        loop {
            let frame = self.json();
            if frame["action"] == "Error" || !frame["id"].is_null() {
                return frame;
            }
        }
    }

    /// Reads on until the server's close frame; answers its code. The end of the connection must follow.
    pub fn expect_close(&mut self) -> u16 {
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < HANG, "the server does not close");
            let (_, opcode, payload) = self.read().expect("a close frame before the end");
            if opcode == CLOSE {
                assert!(payload.len() >= 2, "a close says why: {payload:?}");
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                self.frame(true, CLOSE, &payload[..2]);
                self.connection.expect_end();
                return code;
            }
        }
    }
}

/// The request of RFC 6455, section 1.2.
pub fn upgrade_request(host: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!(
        "GET /chat/connect HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// A masked frame with any first byte and any length in its header, true or not.
pub fn frame_bytes(first: u8, claimed: Option<u64>, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let length = claimed.unwrap_or(payload.len() as u64);
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}
