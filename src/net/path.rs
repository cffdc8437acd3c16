//! A request's target as decoded path segments and query parameters (RFC 3986).
//!
//! Owns percent-decoding, once and strict. Knows no route. Pure.

use crate::protocol::{Code, Error};
use std::borrow::Cow;

/// Path and query of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Decoded one by one, so that an encoded slash stays inside its segment. One slash at the end means nothing.
    pub segments: Vec<String>,
    pub query: Query<'a>,
}

/// The part behind `?`, decoded where somebody asks for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a>(&'a str);

impl<'a> Target<'a> {
    /// Errors: `bad_request` for an empty segment, a bad escape, or bytes that are not UTF-8.
    pub fn parse(target: &'a str) -> Result<Target<'a>, Error> {
        // A fragment is never sent; where one is, it is no part of the path.
        let target = target.split('#').next().unwrap_or(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = match path {
            "" if target.starts_with("//") => return Err(empty_segment()),
            "" => Vec::new(),
            _ => path.split('/').map(segment).collect::<Result<_, _>>()?,
        };
        Ok(Target {
            segments,
            query: Query(query),
        })
    }
}

fn segment(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Err(empty_segment());
    }
    decode(text, false).map(Cow::into_owned).ok_or_else(|| {
        bad_request(
            "The address has a part that is not percent-encoded UTF-8. Encode it as encodeURIComponent does.",
        )
    })
}

fn empty_segment() -> Error {
    bad_request("The address has two slashes together. Remove one of them.")
}

impl Query<'_> {
    /// The value of a parameter; `None` where it is absent. Errors: `bad_request` where it is repeated or malformed.
    pub fn value(&self, name: &str) -> Result<Option<String>, Error> {
        let mut found = None;
        for pair in self.0.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key, true).as_deref() != Some(name) {
                continue;
            }
            let value = decode(value, true).ok_or_else(|| {
                bad_request(&format!(
                    "The parameter {name:?} is not percent-encoded UTF-8. Encode it as encodeURIComponent does."
                ))
            })?;
            if found.replace(value.into_owned()).is_some() {
                return Err(bad_request(&format!(
                    "The parameter {name:?} is given twice. Give it once."
                )));
            }
        }
        Ok(found)
    }

    /// The value of a parameter that is a non-negative integer.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.value(name)? else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(Some(number)),
            _ => Err(bad_request(&format!(
                "The parameter {name:?} must be a number from 0 on."
            ))),
        }
    }
}

/// `None` for a bad escape or bytes that are not UTF-8. In a `form` a plus is a space.
fn decode(text: &str, form: bool) -> Option<Cow<'_, str>> {
    let escaped = |c: char| c == '%' || (form && c == '+');
    if !text.contains(escaped) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' if form => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    // The digit of a base-16 number is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn bad_request(why: &str) -> Error {
    Error::new(Code::BadRequest, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_something() {
        let table: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("", &[]),
            ("/?q", &[]),
            ("/chat/list", &["chat", "list"]),
            ("/chat/list/", &["chat", "list"]),
            ("/chat/list/?a=b/c", &["chat", "list"]),
            ("/a%2Fb/%2e%2E", &["a/b", ".."]),
            ("/front%20office+x", &["front office+x"]),
            ("/kova%C4%8d/%00", &["kovač", "\0"]),
            ("/a#b/c?d", &["a"]),
            ("/%2520", &["%20"]),
        ];
        for (target, segments) in table {
            let parsed = Target::parse(target).unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(parsed.segments, *segments, "{target}");
        }
    }

    #[test]
    fn paths_that_are_refused() {
        for target in [
            "//",
            "//evil.example/",
            "/a//b",
            "/a//",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/%ff",
            "/%c3",
            "/%ed%a0%80",
            "/a%",
        ] {
            let error = Target::parse(target).expect_err(target);
            assert_eq!(error.code, Code::BadRequest, "{target}");
        }
    }

    #[test]
    fn queries() {
        let value = |target: &'static str, name: &str| {
            Target::parse(target)
                .unwrap()
                .query
                .value(name)
                .map_err(|error| error.code)
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(value("/?q=a+b%2B%26", "q"), some("a b+&"));
        assert_eq!(value("/?q", "q"), some(""));
        assert_eq!(value("/?a=1&q=x=y&b", "q"), some("x=y"));
        assert_eq!(value("/?%71=x", "q"), some("x"));
        assert_eq!(value("/?a=1", "q"), Ok(None));
        assert_eq!(
            value("/?%zz=1&a=%zz&q=ok", "q"),
            some("ok"),
            "what is not known does not matter"
        );
        assert_eq!(value("/?q=1&q=1", "q"), Err(Code::BadRequest));
        assert_eq!(value("/?q=%f", "q"), Err(Code::BadRequest));
        assert_eq!(value("/?q=%ff", "q"), Err(Code::BadRequest));
    }

    #[test]
    fn numbers() {
        let number = |target: &'static str| Target::parse(target).unwrap().query.number("n").ok();
        assert_eq!(number("/?n=0"), Some(Some(0)));
        assert_eq!(number("/?n=0042"), Some(Some(42)));
        assert_eq!(number("/"), Some(None));
        for bad in [
            "/?n=",
            "/?n=-1",
            "/?n=%2B1",
            "/?n=1.0",
            "/?n=x",
            "/?n=18446744073709551616",
            "/?n=1&n=2",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
