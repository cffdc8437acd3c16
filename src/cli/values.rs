//! Values of options: text in, a checked value out, or the end of a sentence that says what would be right.
//!
//! Owns no option; `cli` says which takes what. Asks the system for nothing but the addresses of a host's name.

use std::ffi::OsStr;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;

pub(super) fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "it is not UTF-8".to_owned())
}

pub(super) fn number(value: &OsStr, range: RangeInclusive<u64>) -> Result<u64, String> {
    let number = text(value)?.parse().ok();
    number.filter(|n| range.contains(n)).ok_or_else(|| {
        format!(
            "use a whole number from {} to {}",
            range.start(),
            range.end()
        )
    })
}

pub(super) fn directory(value: &OsStr) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("name a directory".to_owned());
    }
    Ok(PathBuf::from(value))
}

/// A host's name may have several addresses; the first IPv4 one is taken, which most of an office can reach.
pub(super) fn resolve(value: &str) -> Result<SocketAddr, String> {
    const FORM: &str = "write ADDR:PORT, such as 0.0.0.0:8080, [::]:8080 or localhost:8080";
    if let Ok(address) = value.parse() {
        return Ok(address);
    }
    let (host, port) = value.rsplit_once(':').ok_or(FORM)?;
    let port: u16 = port.parse().map_err(|_| FORM)?;
    if host.is_empty() || host.contains(['[', ']', ':', '/', '@']) {
        return Err(FORM.to_owned());
    }
    let found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("the host is not known ({error})"))?
        .collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| "the host has no address".to_owned())
}

pub(super) fn add_origin(origins: &mut Vec<String>, value: &str) -> Result<(), String> {
    let origin = normalise_origin(value)?;
    if !origins.contains(&origin) {
        origins.push(origin);
    }
    Ok(())
}

/// An origin as browsers write it in the `Origin` header (RFC 6454, section 6.2; WHATWG HTML, "serialization of an
/// origin"): scheme and host in lower case, no default port, nothing after the host and port.
///
/// Errors: a sentence's end that says what to write.
pub fn normalise_origin(origin: &str) -> Result<String, String> {
    const FORM: &str =
        "write scheme://host or scheme://host:port, such as https://intranet.example";
    let (scheme, rest) = origin.split_once("://").ok_or(FORM)?;
    let scheme = scheme.to_ascii_lowercase();
    let valid_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !valid_scheme {
        return Err(FORM.to_owned());
    }
    if rest.contains(['/', '?', '#']) {
        return Err("an origin has no path: end it after the host and port".to_owned());
    }
    let (host, port) = split_port(rest)?;
    let host = normalise_host(host)?;
    let default = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Ok(match port.filter(|port| Some(*port) != default) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let host_end = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[host_end..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(host_end + colon);
    let digits = &port[1..];
    let parsed = digits.parse().ok().filter(|port| *port > 0);
    if parsed.is_none() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the port is a number from 1 to 65535".to_owned());
    }
    Ok((host, parsed))
}

fn normalise_host(host: &str) -> Result<String, String> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let address: Ipv6Addr = inner
            .parse()
            .map_err(|_| "what stands in brackets is not an IPv6 address".to_owned())?;
        return Ok(format!("[{address}]"));
    }
    if !host.is_ascii() {
        return Err("write the host in its ASCII form, which begins with xn--".to_owned());
    }
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || !host.bytes().all(valid) {
        return Err("the host has letters, digits, \"-\", \".\" or \"_\" only".to_owned());
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_as_browsers_write_them() {
        for (given, expected) in [
            ("http://a", "http://a"),
            ("HTTP://A.Example:80", "http://a.example"),
            ("https://a.example:443", "https://a.example"),
            ("https://a.example:80", "https://a.example:80"),
            ("http://a:0080", "http://a"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(normalise_origin(given).as_deref(), Ok(expected));
        }
        for bad in [
            "",
            "*",
            "null",
            "a.example",
            "//a",
            "://a",
            "1http://a",
            "http:/a",
            "http://",
            "http://a/",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://u@a",
            "http://a:0",
            "http://a:65536",
            "http://a:",
            "http://a:+1",
            "http://a:1:2",
            "http://[::1",
            "http://::1",
            "http://[x]",
            "http://[::1]x",
            "http://a b",
            "http://münchen.example",
            "http://a\n",
            "http://*.a",
        ] {
            assert!(normalise_origin(bad).is_err(), "{bad:?}");
        }
    }
}
