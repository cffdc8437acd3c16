//! A request's head, from bytes to meaning, and what it says about its body (RFC 9112).
//!
//! Owns the limits on heads and every reason to refuse one. Reads no socket, knows no route. Pure.

use crate::limits::{REQUEST_BODY_BYTES, REQUEST_HEAD_BYTES, REQUEST_HEADERS};
use crate::protocol::{Code, Error};
use std::net::IpAddr;
use tiny_http::{Header, Method};

/// Longest method that is looked at; the longest registered one has 17 letters.
const METHOD_BYTES: usize = 32;

/// Request line and headers.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: Method,
    /// Path and query as sent, `*`, or what else stood there; of an absolute target the part after the authority.
    pub target: String,
    /// HTTP/1.0; else HTTP/1.1.
    pub old: bool,
    /// Bytes beyond ASCII in a value have become `?`: no header that we read may have any.
    pub headers: Vec<Header>,
    /// Of an absolute target the authority, which goes before `Host` (RFC 9112, section 3.2.2).
    authority: Option<String>,
}

/// A whole request.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: Head,
    pub peer: IpAddr,
    pub body: Vec<u8>,
    /// Whether there was a `Content-Length`, be it 0.
    pub has_length: bool,
}

/// What follows the head, and whether there may be another request behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Bytes of body; `None` without `Content-Length`.
    pub length: Option<usize>,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The client wants to send more requests on this connection.
    pub keep_alive: bool,
}

/// Where the head in `bytes` ends, looking from `from` on: behind the first empty line.
pub fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(3);
    while let Some(newline) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        at += newline + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Refuses what can never become a request, before it is complete: TLS, other protocols, line noise.
pub fn check_beginning(bytes: &[u8]) -> Result<(), Error> {
    let method = bytes.iter().position(|&byte| byte == b' ');
    let letters = &bytes[..method.unwrap_or(bytes.len()).min(METHOD_BYTES + 1)];
    if letters.len() <= METHOD_BYTES && letters.iter().copied().all(is_token) {
        return Ok(());
    }
    Err(bad_request(
        "This is not an HTTP request. Open the address with http://, not https://.",
    ))
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The error for a head whose end does not come within the limit; `bytes` is its beginning.
pub fn too_large(bytes: &[u8]) -> Error {
    if bytes[..bytes.len().min(REQUEST_HEAD_BYTES)].contains(&b'\n') {
        let why = format!(
            "The request's headers are too long. Keep the head within {REQUEST_HEAD_BYTES} bytes."
        );
        return Error::new(Code::HeadTooLarge, why);
    }
    let why = format!(
        "The request's address is too long. Keep the head within {REQUEST_HEAD_BYTES} bytes."
    );
    Error::new(Code::UriTooLong, why)
}

/// Parses a complete head. Every error means that nothing behind it can be understood: answer and close.
pub fn parse_head(bytes: &[u8]) -> Result<Head, Error> {
    if bytes.len() > REQUEST_HEAD_BYTES {
        return Err(too_large(bytes));
    }
    let mut headers = [httparse::EMPTY_HEADER; REQUEST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => {
            return Err(bad_request("The request's head is not complete."));
        }
        Err(error) => return Err(head_error(error, bytes)),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(bad_request("The request has no method or no address."));
    };
    let method = method
        .parse()
        .map_err(|()| bad_request("The request's method is not ASCII."))?;
    let (authority, target) = split_target(target)?;
    Ok(Head {
        method,
        target,
        old: parsed.version == Some(0),
        headers: parsed.headers.iter().map(owned_header).collect(),
        authority,
    })
}

fn head_error(error: httparse::Error, bytes: &[u8]) -> Error {
    match error {
        httparse::Error::TooManyHeaders => {
            let why =
                format!("The request has more than {REQUEST_HEADERS} headers. Send fewer of them.");
            Error::new(Code::HeadTooLarge, why)
        }
        httparse::Error::Version if names_version(bytes) => {
            let why = "This server speaks HTTP/1.1 and HTTP/1.0. Use one of them.";
            Error::new(Code::VersionNotSupported, why)
        }
        other => bad_request(&format!(
            "The request's head is malformed ({other}). Check what was sent."
        )),
    }
}

/// Whether the request line is one, but of another version of HTTP.
fn names_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or(bytes);
    let mut words = line.split(|&byte| byte == b' ');
    words
        .nth(2)
        .is_some_and(|version| version.starts_with(b"HTTP/"))
        && words.next().is_none()
}

fn owned_header(header: &httparse::Header<'_>) -> Header {
    let ascii = |byte: &u8| if byte.is_ascii() { *byte } else { b'?' };
    let value: Vec<u8> = header.value.trim_ascii().iter().map(ascii).collect();
    Header::from_bytes(header.name, value).expect("both are ASCII")
}

/// The authority, where the target is absolute, and the path with its query (RFC 9112, section 3.2).
fn split_target(target: &str) -> Result<(Option<String>, String), Error> {
    if !target.is_ascii() {
        return Err(bad_request(
            "The address has characters that must be percent-encoded. Encode them.",
        ));
    }
    if target.starts_with('/') || target == "*" {
        return Ok((None, target.to_owned()));
    }
    let lower = target.get(..8).unwrap_or(target).to_ascii_lowercase();
    let rest = match &lower {
        scheme if scheme.starts_with("http://") => &target[7..],
        scheme if scheme.starts_with("https://") => &target[8..],
        _ => return Err(bad_request("The address must begin with a slash.")),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(bad_request("The address names no host."));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok((Some(authority.to_owned()), format!("{slash}{path}")))
}

impl Head {
    /// The values of all headers of this name.
    pub fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |header| header.field.equiv(name))
            .map(|header| header.value.as_str())
    }

    /// The value of the first header of this name.
    pub fn value(&self, name: &'static str) -> Option<&str> {
        self.values(name).next()
    }

    /// Whether one of the comma-separated words of these headers is `word`, in any case.
    pub fn has_word(&self, name: &'static str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// Host and port by which the client reached us.
    pub fn host(&self) -> Option<&str> {
        self.authority.as_deref().or_else(|| self.value("Host"))
    }

    /// What the head says about the body and the connection. Every error closes the connection.
    pub fn framing(&self) -> Result<Framing, Error> {
        self.check_host()?;
        if self.values("Transfer-Encoding").next().is_some() {
            return Err(length_required());
        }
        let length = self.content_length()?;
        Ok(Framing {
            length,
            expects_continue: self.expects_continue()? && length.is_some_and(|bytes| bytes > 0),
            keep_alive: !self.has_word("Connection", "close")
                && (!self.old || self.has_word("Connection", "keep-alive")),
        })
    }

    /// Exactly one `Host` in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112, section 3.2).
    fn check_host(&self) -> Result<(), Error> {
        let mut hosts = self.values("Host");
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host,
            (None, _) if self.old => return Ok(()),
            _ => return Err(bad_request("Send exactly one Host header.")),
        };
        let wrong =
            |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '\\' | '?' | '#' | '@' | ',');
        if host.contains(wrong) {
            return Err(bad_request("The Host header is not a host and a port."));
        }
        Ok(())
    }

    fn content_length(&self) -> Result<Option<usize>, Error> {
        let mut lengths = self.values("Content-Length");
        let length = match (lengths.next(), lengths.next()) {
            (None, _) => return Ok(None),
            (Some(length), None) => length,
            _ => return Err(bad_request("Send one Content-Length header, not several.")),
        };
        if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_request("The Content-Length header is not a number."));
        }
        // Digits beyond what a number holds are a number beyond the limit.
        match length.parse() {
            Ok(bytes) if bytes <= REQUEST_BODY_BYTES => Ok(Some(bytes)),
            _ => {
                let why =
                    format!("The body is too large. Send at most {REQUEST_BODY_BYTES} bytes.");
                Err(Error::new(Code::TooLarge, why))
            }
        }
    }

    /// HTTP/1.0 knows no expectations, and a server ignores them there (RFC 9110, section 10.1.1).
    fn expects_continue(&self) -> Result<bool, Error> {
        let Some(expected) = self.value("Expect").filter(|_| !self.old) else {
            return Ok(false);
        };
        if expected.eq_ignore_ascii_case("100-continue") {
            return Ok(true);
        }
        let why = "The only expectation that this server meets is 100-continue.";
        Err(Error::new(Code::ExpectationFailed, why))
    }
}

/// 411, for chunked bodies and for bodies that are not there.
pub fn length_required() -> Error {
    Error::new(
        Code::LengthRequired,
        "Send the body with a Content-Length header, not chunked and not without.",
    )
}

fn bad_request(why: &str) -> Error {
    Error::new(Code::BadRequest, why)
}

#[cfg(test)]
mod tests;
