//! The head of a request, what it says of its body, and bodies.

use melangerie::net::cors::origin_allowed;
use melangerie::net::negotiation::{choose_coding, etag_matches};
use melangerie::net::path::Target;
use melangerie::net::request::{Head, check_beginning, head_end, parse_head, too_large};
use melangerie::protocol::{
    Code, CreateRequest, CredentialsRequest, Error, MessageRequest, PasswordRequest, ReportRequest,
    parse_body,
};

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
    let origin = head.value("Origin");
    let allowed = origin_allowed(origin, head.host(), &[]);
    assert!(allowed || origin.is_some());
    choose_coding(head.value("Accept-Encoding"), |_| true);
    if let Some(tags) = head.value("If-None-Match") {
        etag_matches(tags, "\"tag\"");
    }
}

fn check_bodies(body: &[u8]) {
    let checked = |result: Result<(), Error>| {
        let code = result.map_or_else(|error| error.code, |()| Code::BadRequest);
        assert!(matches!(code, Code::BadJson | Code::BadRequest));
    };
    checked(parse_body::<CredentialsRequest>(body).map(drop));
    checked(parse_body::<PasswordRequest>(body).map(drop));
    checked(parse_body::<ReportRequest>(body).map(drop));
    checked(parse_body::<CreateRequest>(body).map(drop));
    let message = parse_body::<MessageRequest>(body);
    if let Ok(message) = &message {
        let _ = message.check();
    }
    checked(message.map(drop));
}
