//! Which pages of which origins may use the server: CORS for HTTP, the `Origin` check for WebSockets.
//!
//! Owns the comparison of origins (RFC 6454) and the headers of the Fetch standard's CORS protocol. CORS is off
//! where no origin is allowed. Pure.

use super::request::Head;
use super::response::Answer;

/// How long a browser may keep the answer to a preflight: a day; browsers cut it to less.
const PREFLIGHT_SECONDS: &str = "86400";
const REQUEST_HEADERS: &str = "authorization, content-type, if-none-match";
const EXPOSED_HEADERS: &str = "ETag, Retry-After";

/// Whether a WebSocket may be opened, or anything changed, from `origin` by way of `host`; the two headers as they came.
///
/// Whoever sends no origin is not a browser, and could claim any. A page of ours has the host and port by which the
/// browser reached us; a proxy in front may have added TLS, so the scheme may be either.
pub fn origin_allowed(origin: Option<&str>, host: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    is_listed(origin, allowed) || host.is_some_and(|host| is_same_host(origin, host))
}

/// Whether a page that is not ours, and not allowed, sent this. Who sends several origins hides one.
pub fn is_foreign(head: &Head, allowed: &[String]) -> bool {
    let mut origins = head.values("Origin");
    let origin = origins.next();
    origins.next().is_some() || !origin_allowed(origin, head.host(), allowed)
}

/// Adds what the origin of the request may need to read the answer.
pub fn decorate(answer: &mut Answer, head: Option<&Head>, allowed: &[String]) {
    if allowed.is_empty() {
        return;
    }
    answer.set("Vary", "Origin");
    if let Some(origin) = listed_origin(head, allowed) {
        answer.set("Access-Control-Allow-Origin", origin);
        answer.set("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    }
}

/// The answer to `OPTIONS` on a path with these methods: to a preflight from an allowed origin, and to all others.
pub fn options(head: &Head, methods: &str, allowed: &[String]) -> Answer {
    let answer = Answer::empty(204).with("Allow", methods);
    let asked = head.value("Access-Control-Request-Method").is_some();
    if !asked || listed_origin(Some(head), allowed).is_none() {
        return answer;
    }
    answer
        .with("Access-Control-Allow-Methods", methods)
        .with("Access-Control-Allow-Headers", REQUEST_HEADERS)
        .with("Access-Control-Max-Age", PREFLIGHT_SECONDS)
}

/// The request's one `Origin`, where that is allowed.
fn listed_origin<'a>(head: Option<&'a Head>, allowed: &[String]) -> Option<&'a str> {
    let mut origins = head?.values("Origin");
    let origin = origins.next()?;
    (origins.next().is_none() && is_listed(origin, allowed)).then_some(origin)
}

/// `allowed` is as browsers write origins: lower case, no default port.
fn is_listed(origin: &str, allowed: &[String]) -> bool {
    allowed
        .iter()
        .any(|listed| listed == origin || same_origin(listed, origin))
}

fn same_origin(one: &str, other: &str) -> bool {
    match (Origin::parse(one), Origin::parse(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn is_same_host(origin: &str, host: &str) -> bool {
    let Some(origin) = Origin::parse(origin) else {
        return false;
    };
    split_port(host, origin.default_port())
        .is_some_and(|(name, port)| name == origin.host && port == origin.port)
}

/// Scheme, host and port (RFC 6454, section 4), the letters in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (host, port) = split_port(rest, default_port(secure))?;
        Some(Origin { secure, host, port })
    }

    fn default_port(&self) -> u16 {
        default_port(self.secure)
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default,
        Some("") => default,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let wrong = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '\\' | '?' | '#' | '@' | ',');
    if host.is_empty() || host.contains(wrong) {
        return None;
    }
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::request::parse_head;

    #[test]
    fn who_may_open_a_websocket() {
        let listed = ["https://intranet.example".to_owned()];
        let table: &[(Option<&str>, Option<&str>, bool)] = &[
            (None, Some("chat:8080"), true),
            (None, None, true),
            (Some("http://chat:8080"), Some("chat:8080"), true),
            (Some("HTTP://Chat:8080"), Some("cHAT:8080"), true),
            (Some("http://chat"), Some("chat:80"), true),
            (Some("http://chat:80"), Some("chat"), true),
            (Some("https://chat"), Some("chat"), true),
            (Some("https://chat"), Some("chat:443"), true),
            (Some("http://[fe80::1]:8080"), Some("[FE80::1]:8080"), true),
            (Some("http://127.0.0.1:8080"), Some("127.0.0.1:8080"), true),
            (Some("https://intranet.example"), Some("chat:8080"), true),
            (Some("https://intranet.example:443"), Some("chat"), true),
            (Some("http://intranet.example"), Some("chat:8080"), false),
            (
                Some("https://intranet.example.evil"),
                Some("chat:8080"),
                false,
            ),
            (
                Some("https://sub.intranet.example"),
                Some("chat:8080"),
                false,
            ),
            (Some("http://chat:8081"), Some("chat:8080"), false),
            (Some("http://chat"), Some("chat:8080"), false),
            (Some("http://chat:8080"), Some("chat"), false),
            (Some("http://chat:8080.evil"), Some("chat:8080"), false),
            (Some("http://evil@chat:8080"), Some("chat:8080"), false),
            (Some("http://chat:8080/"), Some("chat:8080"), false),
            (Some("http://chat:8080"), None, false),
            (Some("http://localhost:8080"), Some("127.0.0.1:8080"), false),
            (Some("null"), Some("chat:8080"), false),
            (Some("null"), Some("null"), false),
            (Some(""), Some(""), false),
            (Some("http://"), Some(""), false),
            (Some("file://"), Some("chat:8080"), false),
            (Some("ws://chat:8080"), Some("chat:8080"), false),
        ];
        for (origin, host, expected) in table {
            assert_eq!(
                origin_allowed(*origin, *host, &listed),
                *expected,
                "{origin:?} by way of {host:?}"
            );
        }
        assert!(origin_allowed(
            Some("null"),
            Some("chat"),
            &["null".to_owned()]
        ));
    }

    fn head(headers: &str) -> Head {
        parse_head(format!("OPTIONS / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap()
    }

    #[test]
    fn answers_tell_allowed_origins_and_nobody_else() {
        let allowed = ["http://a.example".to_owned()];
        let origin_of = |headers: &str, allowed: &[String]| {
            let mut answer = Answer::empty(204);
            decorate(&mut answer, Some(&head(headers)), allowed);
            let told = answer.value("Access-Control-Allow-Origin");
            (
                told.map(str::to_owned),
                answer.value("Vary").map(str::to_owned),
            )
        };
        let vary = || Some("Origin".to_owned());
        assert_eq!(
            origin_of("Origin: http://a.example\r\n", &allowed),
            (Some("http://a.example".to_owned()), vary())
        );
        assert_eq!(
            origin_of("Origin: http://b.example\r\n", &allowed),
            (None, vary())
        );
        assert_eq!(origin_of("Origin: null\r\n", &allowed), (None, vary()));
        let twice = "Origin: http://a.example\r\nOrigin: http://b.example\r\n";
        assert_eq!(origin_of(twice, &allowed), (None, vary()));
        assert_eq!(origin_of("", &allowed), (None, vary()));
        assert_eq!(
            origin_of("Origin: http://a.example\r\n", &[]),
            (None, None),
            "off"
        );
    }

    #[test]
    fn preflights_of_allowed_origins_alone_are_granted() {
        let allowed = ["http://a.example".to_owned()];
        let granted = |headers: &str, allowed: &[String]| {
            let answer = options(&head(headers), "POST, OPTIONS", allowed);
            assert_eq!(
                (answer.status(), answer.value("Allow")),
                (204, Some("POST, OPTIONS"))
            );
            answer
                .value("Access-Control-Allow-Methods")
                .map(str::to_owned)
        };
        let preflight = |origin| {
            format!("Origin: http://{origin}.example\r\nAccess-Control-Request-Method: POST\r\n")
        };
        assert_eq!(
            granted(&preflight("a"), &allowed),
            Some("POST, OPTIONS".to_owned())
        );
        assert_eq!(granted(&preflight("b"), &allowed), None);
        assert_eq!(granted(&preflight("a"), &[]), None);
        assert_eq!(granted("Origin: http://a.example\r\n", &allowed), None);
    }
}
