//! Frames as bytes: encoded once, shared by all who receive them.
//!
//! A server's WebSocket frames are unmasked (RFC 6455, section 5.1), so the same bytes serve every receiver.

use super::Message;
use serde::Serialize;
use std::sync::Arc;

/// One WebSocket frame, header included, ready for any number of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Arc<[u8]>,
}

/// How a final text frame begins (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;
/// Two bytes, and a length of eight.
const LONGEST_HEADER: usize = 10;

impl Frame {
    /// A final text frame around `payload`.
    pub fn text(payload: &[u8]) -> Frame {
        Frame::build(TEXT, payload)
    }

    /// A ping without payload (section 5.5.2).
    pub fn ping() -> Frame {
        Frame::build(0x89, &[])
    }

    /// A close frame (section 5.5.1); `reason` is cut so that the frame stays a control frame.
    pub fn close(code: u16, reason: &str) -> Frame {
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..end]);
        Frame::build(0x88, &payload)
    }

    /// A close frame without a code, the answer to one.
    pub fn empty_close() -> Frame {
        Frame::build(0x88, &[])
    }

    /// Bytes that are frames already, such as tungstenite's pongs.
    pub fn raw(bytes: &[u8]) -> Frame {
        Frame {
            bytes: bytes.into(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether this answers a frame of the receiver's, rather than telling of what happened.
    pub fn is_answer(&self) -> bool {
        const ANSWERS: [&str; 4] = ["Ack", "Error", "List", "History"];
        let header = header_length_of(&self.bytes);
        let payload = self.bytes.get(header..).unwrap_or_default();
        let action = payload.strip_prefix(ACTION_PREFIX).unwrap_or_default();
        ANSWERS.iter().any(|name| {
            let rest = action.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"\""))
        })
    }

    fn build(first: u8, payload: &[u8]) -> Frame {
        Frame::written(first, payload.len(), |bytes| {
            bytes.extend_from_slice(payload)
        })
        .0
    }

    /// Around what `write` adds, of about `length` bytes; and how long the header is.
    fn written(first: u8, length: usize, write: impl FnOnce(&mut Vec<u8>)) -> (Frame, usize) {
        // The header tells the length, so it comes last and goes where room was left for the longest.
        let mut bytes = Vec::with_capacity(LONGEST_HEADER + length);
        bytes.resize(LONGEST_HEADER, 0);
        write(&mut bytes);
        let payload = bytes.len() - LONGEST_HEADER;
        let header = header_length(payload);
        let start = LONGEST_HEADER - header;
        write_header(&mut bytes[start..LONGEST_HEADER], first, payload);
        let frame = Frame {
            bytes: bytes[start..].into(),
        };
        (frame, header)
    }
}

fn header_length(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

/// How long the header is that `bytes`, an unmasked frame, begin with.
fn header_length_of(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    }
}

/// `header` is as long as [`header_length`] says.
fn write_header(header: &mut [u8], first: u8, payload: usize) {
    header[0] = first;
    match payload {
        0..=125 => header[1] = payload as u8,
        126..=0xffff => {
            header[1] = 126;
            header[2..].copy_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload as u64).to_be_bytes());
        }
    }
}

/// The header of a final text frame.
pub fn text_header(payload: usize) -> Vec<u8> {
    let mut header = vec![0; header_length(payload)];
    write_header(&mut header, TEXT, payload);
    header
}

/// How the payload of every frame of ours begins: see [`Envelope`].
const ACTION_PREFIX: &[u8] = br#"{"action":""#;

#[derive(Serialize)]
struct Envelope<'a, T: ?Sized> {
    action: &'a str,
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// A frame that answers nothing: `{"action", "data"}`.
pub fn text_frame<T: Serialize + ?Sized>(action: &str, data: &T) -> Frame {
    reply_frame(action, data, None)
}

/// A frame that answers the frame with this `id`.
pub fn reply_frame<T: Serialize + ?Sized>(action: &str, data: &T, id: Option<&str>) -> Frame {
    let envelope = Envelope { action, data, id };
    let write = |bytes: &mut Vec<u8>| {
        serde_json::to_writer(bytes, &envelope).expect("protocol types always serialise");
    };
    Frame::written(TEXT, USUAL_BYTES, write).0
}

/// Room for most answers, and for all of a message but its content.
const USUAL_BYTES: usize = 256;

const MESSAGE_PREFIX: &[u8] = br#"{"action":"Message","data":"#;

/// A message in the frame that delivers it; the message's own JSON is a part of the same bytes.
///
/// The journal and the tail of a room share this allocation with every receiver.
#[derive(Clone, Debug)]
pub struct MessageFrame {
    frame: Frame,
    json_start: usize,
}

impl MessageFrame {
    pub fn new(message: &Message) -> MessageFrame {
        MessageFrame::written(message.content.len() + USUAL_BYTES, |bytes| {
            serde_json::to_writer(bytes, message).expect("messages always serialise");
        })
    }

    /// From a message's JSON as it is stored.
    pub fn from_json(json: &[u8]) -> MessageFrame {
        MessageFrame::written(json.len(), |bytes| bytes.extend_from_slice(json))
    }

    fn written(length: usize, write: impl FnOnce(&mut Vec<u8>)) -> MessageFrame {
        let around = MESSAGE_PREFIX.len() + b"}".len();
        let (frame, header) = Frame::written(TEXT, around + length, |bytes| {
            bytes.extend_from_slice(MESSAGE_PREFIX);
            write(bytes);
            bytes.push(b'}');
        });
        MessageFrame {
            frame,
            json_start: header + MESSAGE_PREFIX.len(),
        }
    }

    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The message alone, as history answers it and segments store it.
    pub fn json(&self) -> &[u8] {
        let bytes = self.frame.bytes();
        &bytes[self.json_start..bytes.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length_on_wire(payload: usize) -> (usize, Vec<u8>) {
        let frame = Frame::text(&vec![b'a'; payload]);
        (frame.bytes().len(), frame.bytes()[..4].to_vec())
    }

    #[test]
    fn headers_take_the_shortest_form() {
        assert_eq!(length_on_wire(125), (127, vec![0x81, 125, b'a', b'a']));
        assert_eq!(length_on_wire(126), (130, vec![0x81, 126, 0, 126]));
        assert_eq!(
            length_on_wire(65_535),
            (65_539, vec![0x81, 126, 0xff, 0xff])
        );
        assert_eq!(length_on_wire(65_536).0, 65_546);
    }

    #[test]
    fn a_close_frame_stays_a_control_frame_and_utf8() {
        let frame = Frame::close(4401, &"é".repeat(100));
        assert!(frame.bytes()[1] <= 125);
        assert!(std::str::from_utf8(&frame.bytes()[4..]).is_ok());
    }

    #[test]
    fn answers_are_told_from_news() {
        for payload in [0, 200, 70_000] {
            let data = "a".repeat(payload);
            for answer in ["Ack", "Error", "List", "History"] {
                assert!(reply_frame(answer, &data, Some("1")).is_answer());
            }
            for news in ["Message", "Room", "Read", "Acknowledged"] {
                assert!(!text_frame(news, &data).is_answer());
            }
        }
        for other in [Frame::ping(), Frame::empty_close(), Frame::raw(&[0x8a])] {
            assert!(!other.is_answer());
        }
    }

    #[test]
    fn a_message_frame_holds_the_message_once() {
        let json = br#"{"room":"general","seq":1}"#;
        let message = MessageFrame::from_json(json);
        assert_eq!(message.json(), json);
        let expected = br#"{"action":"Message","data":{"room":"general","seq":1}}"#;
        assert_eq!(&message.frame().bytes()[2..], expected);
    }
}
