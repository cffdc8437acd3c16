//! What each fuzz target does with an input: hands it to the code that takes it from the network or the disk, and
//! asserts what must hold whatever it is.
//!
//! `targets/` makes a fuzzer of each of these; `tests/seeds.rs` of the main crate plays `seeds/` through them, and with
//! them every input that ever failed.

#![forbid(unsafe_code)]

pub mod frame;
pub mod journal;
pub mod log;
pub mod name;
pub mod path;
pub mod repair;
pub mod request;
pub mod segment;
pub mod snapshot;
pub mod token;
pub mod websocket;

/// Takes any input and panics where it finds a defect.
type Check = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Check); 11] = [
    ("frame", frame::check),
    ("journal", journal::check),
    ("log", log::check),
    ("name", name::check),
    ("path", path::check),
    ("repair", repair::check),
    ("request", request::check),
    ("segment", segment::check),
    ("snapshot", snapshot::check),
    ("token", token::check),
    ("websocket", websocket::check),
];

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
