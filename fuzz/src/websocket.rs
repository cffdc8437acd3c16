//! A WebSocket's bytes behind the upgrade, against a second reading of RFC 6455.

use melangerie::net::frame_check::{accept, failure};
use std::io::{self, Read, Write};
use tungstenite::Message;

/// The longest message.
const MESSAGE_BYTES: usize = 64 * 1024;

/// Two bytes of the input say in what pieces the rest comes: how many come with the upgrade, how many with each read.
pub fn check(data: &[u8]) {
    let Some((&[early, size], bytes)) = data.split_first_chunk() else {
        return;
    };
    let (early, rest) = bytes.split_at(bytes.len().min(early.into()));
    let stream = Pieces {
        bytes: rest,
        size: usize::from(size) + 1,
        sent: Vec::new(),
    };
    let mut socket = accept(stream, early.to_vec());
    let mut heard = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(Message::Close(frame)) => break End::Closed(frame.map(|frame| frame.code.into())),
            Ok(message) => {
                super::frame::check(&message.clone().into_data());
                let is_ping = message.is_ping();
                heard.push(message);
                if is_ping {
                    socket.flush().expect("memory takes all");
                }
            }
            Err(error) => break failure(&error).map_or(End::Open, |(code, _)| End::Failed(code)),
        }
    };
    let (expected, expected_end) = Reading::new(bytes).all();
    assert_eq!(heard, expected);
    assert_eq!(end, expected_end);
    let pings = heard.iter().filter(|message| message.is_ping());
    let pongs: Vec<u8> = pings
        .flat_map(|ping| pong(&ping.clone().into_data()))
        .collect();
    assert_eq!(socket.get_mut().sent, pongs);
}

fn pong(payload: &[u8]) -> Vec<u8> {
    [&[0x8a, payload.len() as u8], payload].concat()
}

#[derive(Debug, PartialEq)]
enum End {
    /// No more came, and nothing was wrong with what did.
    Open,
    /// The client closed with this code, or with one that is wrong, for which 1002 stands.
    Closed(Option<u16>),
    Failed(u16),
}

/// A stream that gives so many bytes at once, and keeps what is written.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
    sent: Vec<u8>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..most])
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The simplest reading of the RFC: all bytes are there, and each rule is checked where it stands in the text.
struct Reading<'a> {
    rest: &'a [u8],
    /// The message that has begun: whether it is text, and its bytes.
    message: Option<(bool, Vec<u8>)>,
}

impl<'a> Reading<'a> {
    fn new(bytes: &'a [u8]) -> Reading<'a> {
        Reading {
            rest: bytes,
            message: None,
        }
    }

    fn all(mut self) -> (Vec<Message>, End) {
        let mut heard = Vec::new();
        loop {
            match self.frame() {
                Ok(message) => heard.extend(message),
                Err(end) => return (heard, end),
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], End> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(End::Open)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, End> {
        let bytes = self.take(bytes)?;
        Ok(bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    /// The next frame, and the message that it completes.
    fn frame(&mut self) -> Result<Option<Message>, End> {
        let head = self.take(2)?;
        let (first, second) = (head[0], head[1]);
        let (opcode, short) = (first & 0x0f, second & 0x7f);
        if second & 0x80 == 0 || (opcode >= 8 && short > 125) {
            return Err(End::Failed(1002));
        }
        let length = match short {
            126 => self.number(2)?,
            127 => self.number(8)?,
            _ => short.into(),
        };
        let minimal = match length {
            0..126 => 0,
            126..0x1_0000 => 126,
            _ => 127,
        };
        if (short >= 126 && short != minimal) || length >> 63 != 0 {
            return Err(End::Failed(1002));
        }
        let mask = self.take(4)?;
        if matches!(opcode, 3..=7 | 11..) {
            return Err(End::Failed(1002));
        }
        if length > MESSAGE_BYTES as u64 {
            return Err(End::Failed(1009));
        }
        let masked = self.take(length as usize)?.iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = masked.map(|(byte, mask)| byte ^ mask).collect();
        if first & 0x70 != 0 {
            return Err(End::Failed(1002));
        }
        let last = first & 0x80 != 0;
        match opcode {
            8.. if !last => Err(End::Failed(1002)),
            8 => Err(closed(&payload)),
            9 => Ok(Some(Message::Ping(payload.into()))),
            10 => Ok(Some(Message::Pong(payload.into()))),
            _ => self.data(opcode, payload, last),
        }
    }

    fn data(&mut self, opcode: u8, payload: Vec<u8>, last: bool) -> Result<Option<Message>, End> {
        let (text, mut bytes) = match (opcode, self.message.take()) {
            (0, Some(begun)) => begun,
            (1 | 2, None) => (opcode == 1, Vec::new()),
            _ => return Err(End::Failed(1002)),
        };
        if bytes.len() + payload.len() > MESSAGE_BYTES {
            return Err(End::Failed(1009));
        }
        bytes.extend(payload);
        if text {
            // A character may go on in the next fragment, but not behind the last.
            let so_far = std::str::from_utf8(&bytes);
            if so_far.is_err_and(|error| last || error.error_len().is_some()) {
                return Err(End::Failed(1007));
            }
        }
        if !last {
            self.message = Some((text, bytes));
            return Ok(None);
        }
        Ok(Some(match text {
            true => Message::text(String::from_utf8(bytes).expect("it was checked")),
            false => Message::binary(bytes),
        }))
    }
}

fn closed(payload: &[u8]) -> End {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => End::Closed(None),
            _ => End::Failed(1002),
        };
    };
    if std::str::from_utf8(reason).is_err() {
        return End::Failed(1007);
    }
    let code = u16::from_be_bytes(code);
    let known = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
    End::Closed(Some(if known { code } else { 1002 }))
}
