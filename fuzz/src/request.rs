//! The head of a request, what it says of its body, and bodies.

use melangerie::net::cors::origin_allowed;
use melangerie::net::negotiation::{choose_coding, etag_matches};
use melangerie::net::path::Target;
use melangerie::net::request::{Head, check_beginning, head_end, parse_head, too_large};
use melangerie::protocol::{
    Code, CredentialsRequest, MessageRequest, PasswordRequest, ReportRequest, check_content,
    parse_body,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// The input is what comes from a socket: a head, and behind it a body.
pub fn check(data: &[u8]) {
    check_bodies(data);
    // As the server does: empty lines ahead are skipped, and what cannot become a request is refused at once.
    let breaks = data
        .iter()
        .take_while(|&byte| matches!(byte, b'\r' | b'\n'));
    let data = &data[breaks.count()..];
    if check_beginning(data).is_err() {
        return;
    }
    let end = head_end(data, 0);
    // Where the end is found does not depend on how the bytes came.
    let step = data.len() / 16 + 1;
    for cut in (0..data.len()).step_by(step) {
        let earlier = head_end(&data[..cut], 0);
        assert_eq!(earlier.or_else(|| head_end(data, cut)), end);
    }
    let Some(end) = end else {
        too_large(data);
        return;
    };
    let (head, body) = data.split_at(end);
    check_bodies(body);
    if let Ok(parsed) = parse_head(head) {
        check_head(head, &parsed);
    }
}

fn check_head(bytes: &[u8], head: &Head) {
    assert!(bytes.len() <= 16 * 1024);
    assert!(head.headers.len() <= 64);
    assert!(head.target.is_ascii());
    assert!(head.target.starts_with('/') || head.target == "*");
    assert!(
        !head
            .target
            .contains(|c: char| c.is_ascii_control() || c == ' ')
    );
    for header in &head.headers {
        let value = header.value.as_str();
        assert!(
            !value.contains(['\r', '\n', '\0']),
            "a value is no second line"
        );
        let name = header.field.as_str().as_str();
        assert!(!name.contains([' ', '\t', ':', '\r', '\n']));
    }
    let _ = Target::parse(&head.target);
    if let Ok(framing) = head.framing() {
        // Whoever stands between us and the client cannot take the body for another length.
        assert!(head.values("Transfer-Encoding").next().is_none());
        let lengths: Vec<&str> = head.values("Content-Length").collect();
        assert!(lengths.len() <= 1);
        let length = lengths.first().map(|digits| digits.parse().unwrap());
        assert_eq!(framing.length, length);
        assert!(length.is_none_or(|length: usize| length <= 64 * 1024));
        assert!(head.values("Host").count() <= 1);
        assert!(head.old || head.host().is_some());
    }
    same_reading(bytes, head);
    let origin = head.value("Origin");
    let allowed = origin_allowed(origin, head.host(), &[]);
    assert!(allowed || origin.is_some());
    choose_coding(head.value("Accept-Encoding"), |_| true);
    if let Some(tags) = head.value("If-None-Match") {
        etag_matches(tags, "\"tag\"");
    }
}

/// The simplest reading of RFC 9112, section 5: what is accepted cannot be understood otherwise by who stands between.
fn same_reading(bytes: &[u8], head: &Head) {
    let mut lines = bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().expect("a request line");
    let words: Vec<&[u8]> = first.split(|&byte| byte == b' ').collect();
    assert_eq!(words.len(), 3, "method, target, version");
    assert_eq!(words[0], head.method.as_str().as_bytes());
    assert!(words[1].ends_with(head.target.trim_start_matches('/').as_bytes()));
    let version: &[u8] = if head.old { b"HTTP/1.0" } else { b"HTTP/1.1" };
    assert_eq!(words[2], version);
    let mut headers = head.headers.iter();
    for line in lines.take_while(|line| !line.is_empty()) {
        assert!(!line.contains(&b'\r'), "a bare CR ends no line");
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.expect("a header has a colon"));
        let read = headers.next().expect("no line is left out");
        assert!(!name.is_empty());
        assert_eq!(read.field.as_str().as_str().as_bytes(), name);
        let value: Vec<u8> = value[1..]
            .trim_ascii()
            .iter()
            .map(|&byte| if byte.is_ascii() { byte } else { b'?' })
            .collect();
        assert_eq!(read.value.as_str().as_bytes(), value);
    }
    assert!(headers.next().is_none(), "no header comes from nowhere");
}

fn check_bodies(body: &[u8]) {
    check_body::<CredentialsRequest>(body, |json, read| {
        assert_eq!(json["name"], *read.name);
        assert_eq!(json["password"], *read.password);
    });
    check_body::<PasswordRequest>(body, |json, read| {
        assert_eq!(json["old"], *read.old);
        assert_eq!(json["new"], *read.new);
    });
    check_body::<ReportRequest>(body, |json, read| {
        assert_eq!(json["name"], *read.name);
        assert_eq!(json["issue"], *read.issue);
    });
    check_body::<MessageRequest>(body, |json, read| {
        assert_eq!(json["room"], *read.room);
        assert_eq!(json["content"], *read.content);
        assert_eq!(json["id"].as_str(), read.id.as_deref());
        assert_eq!(json["sender"].as_str(), read.sender.as_deref());
        assert_eq!(json["replaces"].as_u64(), read.replaces);
        if read.check().is_ok() {
            check_content(&read.content).expect("it was checked");
            assert!(
                read.id
                    .as_ref()
                    .is_none_or(|id| (1..=64).contains(&id.len()))
            );
        }
    });
}

/// A body says what a second reading of it does, and says it again however the JSON is written.
fn check_body<T: DeserializeOwned + Debug>(body: &[u8], compare: impl Fn(&Value, &T)) {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    match (parse_body::<T>(body), json) {
        (Ok(read), Some(json)) => {
            compare(&json, &read);
            let again = parse_body::<T>(json.to_string().as_bytes());
            let again = again.expect("the same, written otherwise");
            assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
        // JSON that is nested too deeply for a second opinion is fine for the first.
        (Ok(_), None) => assert!(std::str::from_utf8(body).is_ok()),
        (Err(error), json) => {
            assert!(matches!(error.code, Code::BadJson | Code::BadRequest));
            assert!(json.is_none() || error.code == Code::BadRequest);
        }
    }
}
