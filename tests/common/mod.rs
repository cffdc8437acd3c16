//! The harness: the built binary in a directory of its own, and clients that are not the server's.
//!
//! Owns processes, sockets and temporary directories of the tests; never looks at how the server works. What the
//! tests know, they know from the wire. Bytes are asserted as raw JSON, so a change of the server's own types
//! cannot change what the tests expect.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own part of the harness"
)]

pub mod http;
pub mod people;
pub mod raw;
pub mod server;
pub mod socket;
pub mod token;

pub use http::{Connection, Request, Response};
pub use people::{Person, fresh, register, register_from, room_of};
pub use raw::RawSocket;
pub use server::{Launch, Server, both_ways, shared};
pub use socket::Socket;

pub use serde_json::{Value, json};

use std::time::{Duration, Instant};

/// Nothing in the suite waits longer: a guard against hanging, never a measure of speed.
pub const HANG: Duration = Duration::from_secs(60);
/// Everybody's password, since what it is does not matter to most tests.
pub const PASSWORD: &str = "correct horse battery";

/// Asks again until there is an answer. For what the contract promises "within" a time and nothing announces.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < HANG, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Milliseconds since the Unix epoch, by the test's clock, which is the server's.
pub fn now_millis() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("the clock stands after 1970")
        .as_millis() as u64
}

/// Asserts `{"code", "message"}` with this code and a sentence in it.
pub fn assert_error(data: &Value, code: &str) {
    assert_eq!(data["code"], code, "{data}");
    let message = data["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(' ') && message.len() > 8,
        "an error's message is a sentence: {data}"
    );
}

/// The names in a JSON array, sorted.
pub fn names(array: &Value) -> Vec<String> {
    let mut names: Vec<String> = array
        .as_array()
        .unwrap_or_else(|| panic!("not an array: {array}"))
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    names
}

/// Sorted copies, to compare with [`names`].
pub fn sorted(list: &[&str]) -> Vec<String> {
    let mut sorted: Vec<String> = list.iter().map(|name| (*name).to_owned()).collect();
    sorted.sort();
    sorted
}

/// The sequence numbers of `[Message]`, in their order.
pub fn seqs(messages: &Value) -> Vec<u64> {
    messages
        .as_array()
        .unwrap_or_else(|| panic!("not an array: {messages}"))
        .iter()
        .map(|message| message["seq"].as_u64().expect("a seq"))
        .collect()
}

/// The contents of `[Message]`, in their order.
pub fn contents(messages: &Value) -> Vec<String> {
    messages
        .as_array()
        .unwrap_or_else(|| panic!("not an array: {messages}"))
        .iter()
        .map(|message| message["content"].as_str().expect("a content").to_owned())
        .collect()
}

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3), for one segment of a path.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
