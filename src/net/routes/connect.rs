//! The upgrade of a request to a WebSocket (RFC 6455, section 4.2).
//!
//! Judges the request; the socket goes on in [`crate::net::websocket`].

use super::{Routes, token_of};
use crate::auth::token::Claims;
use crate::net::cors;
use crate::net::http::Outcome;
use crate::net::request::Head;
use crate::net::response::Answer;
use crate::protocol::{Code, Error};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tiny_http::Method;
use tungstenite::handshake::derive_accept_key;

/// 101 with the token of the request, where it had one and that is good; else the error.
pub(super) fn upgrade(routes: &Routes<'_>, head: &Head) -> Outcome<Option<Claims>> {
    let context = routes.context;
    let accept = match check(head, &context.config.allow_origins) {
        Ok(accept) => accept,
        Err(answer) => return Outcome::Answer(answer),
    };
    let claims = token_of(context, &routes.token, head).and_then(|claims| {
        // A token that verifies may be revoked all the same.
        claims
            .map(|claims| context.hub.account(&claims).map(|_| claims))
            .transpose()
    });
    match claims {
        Ok(claims) => Outcome::Upgrade(
            Answer::empty(101).with("Sec-WebSocket-Accept", &accept),
            claims,
        ),
        Err(error) => Outcome::Answer(error.into()),
    }
}

/// The value of `Sec-WebSocket-Accept`, or why this is no upgrade of ours.
fn check(head: &Head, allowed: &[String]) -> Result<String, Answer> {
    let upgrade = head.method == Method::Get
        && !head.old
        && head.has_word("Upgrade", "websocket")
        && head.has_word("Connection", "upgrade");
    if !upgrade {
        return Err(upgrade_required(
            "This address speaks WebSocket. Open it with a WebSocket client.",
        ));
    }
    let mut versions = head.values("Sec-WebSocket-Version");
    if (versions.next(), versions.next()) != (Some("13"), None) {
        let answer = upgrade_required("This server speaks version 13 of WebSocket. Use that one.");
        return Err(answer.with("Sec-WebSocket-Version", "13"));
    }
    let mut keys = head.values("Sec-WebSocket-Key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => key,
        _ => {
            let why = "Send one Sec-WebSocket-Key header with 16 bytes in base64.";
            return Err(Error::new(Code::BadRequest, why).into());
        }
    };
    if cors::is_foreign(head, allowed) {
        let why = "Pages of this origin may not connect. Whoever runs the server can allow it with --allow-origin.";
        return Err(Error::new(Code::BadOrigin, why).into());
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// 426 (RFC 9110, section 15.5.22).
fn upgrade_required(why: &str) -> Answer {
    let error = Error::new(Code::BadRequest, why);
    Answer::json(426, error.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::request::parse_head;

    /// The request of RFC 6455, section 1.3, and what becomes of it with `from` replaced by `to`.
    fn checked(from: &str, to: &str) -> Result<String, u16> {
        let text = "GET /chat/connect HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
                    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Origin: http://server.example.com\r\nSec-WebSocket-Version: 13\r\n\r\n";
        assert!(text.contains(from), "{from}");
        let head = parse_head(text.replace(from, to).as_bytes()).unwrap();
        check(&head, &["http://listed.example".to_owned()]).map_err(|answer| answer.status())
    }

    #[test]
    fn upgrades_are_judged_as_the_rfc_says() {
        let accepted = Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
        assert_eq!(checked("GET", "GET"), accepted);
        assert_eq!(checked("websocket", "WebSocket"), accepted);
        assert_eq!(
            checked("Origin: http://server.example.com\r\n", ""),
            accepted
        );
        assert_eq!(
            checked("http://server.example.com", "http://listed.example"),
            accepted
        );
        let table = [
            ("GET", "HEAD", 426),
            ("HTTP/1.1", "HTTP/1.0", 426),
            ("Upgrade: websocket\r\n", "", 426),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
            ("keep-alive, Upgrade", "keep-alive", 426),
            ("Version: 13", "Version: 8", 426),
            ("Sec-WebSocket-Version: 13\r\n", "", 426),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "?", 400),
            (
                "Origin: http://server.example.com",
                "Origin: http://evil.example",
                403,
            ),
            ("Origin: http://server.example.com", "Origin: null", 403),
            (
                "Origin: ",
                "Origin: http://server.example.com\r\nOrigin: ",
                403,
            ),
        ];
        for (from, to, status) in table {
            assert_eq!(checked(from, to), Err(status), "{from:?} -> {to:?}");
        }
    }
}
