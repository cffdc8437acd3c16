//! Sections 5.6 and 8.1: a text is UTF-8 (RFC 3629), however it is cut. Autobahn's cases 6.
//!
//! Its sequences are those of Markus Kuhn's "UTF-8 decoder capability and stress test".

use super::case::{Answer, Case, begin, end, more, text};

/// "κόσμε", the word of the stress test.
const KOSME: &[u8] = "κόσμε".as_bytes();

/// Text with its group in Autobahn's numbering.
const VALID: &[(&str, &[u8])] = &[
    ("6.5.1", b"hello\x24world"),
    ("6.5.2", b"hello\xc2\xa2world"),
    ("6.5.3", b"hello\xe2\x82\xacworld"),
    ("6.5.4", b"hello\xf0\xa4\xad\xa2world"),
    ("6.5.5", KOSME),
    ("6.7.1", b"\x00"),
    ("6.7.2", b"\xc2\x80"),
    ("6.7.3", b"\xe0\xa0\x80"),
    ("6.7.4", b"\xf0\x90\x80\x80"),
    ("6.9.1", b"\x7f"),
    ("6.9.2", b"\xdf\xbf"),
    ("6.9.3", b"\xef\xbf\xbf"),
    ("6.9.4", b"\xf4\x8f\xbf\xbf"),
    ("6.11.1", b"\xed\x9f\xbf"),
    ("6.11.2", b"\xee\x80\x80"),
    ("6.11.3", b"\xef\xbf\xbd"),
    ("6.22.1", b"\xef\xbf\xbe"),
    ("6.22.3", b"\xf0\x9f\xbf\xbe"),
    ("6.22.4", b"\xf0\x9f\xbf\xbf"),
    ("6.22.11", b"\xf1\x9f\xbf\xbe"),
    ("6.22.20", b"\xf2\xaf\xbf\xbf"),
    ("6.22.29", b"\xf3\xbf\xbf\xbe"),
    ("6.22.34", b"\xf4\x8f\xbf\xbe"),
    ("6.23.1", b"\xef\xbf\xb9"),
    ("6.23.4", b"\xef\xbf\xbc"),
];

const INVALID: &[(&str, &[u8])] = &[
    (
        "6.3.1",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
    ),
    ("6.8.1", b"\xf8\x88\x80\x80\x80"),
    ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
    ("6.10.1", b"\xf7\xbf\xbf\xbf"),
    ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
    ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    ("6.11.5", b"\xf4\x90\x80\x80"),
    ("6.12.1", b"\x80"),
    ("6.12.2", b"\xbf"),
    ("6.12.3", b"\x80\xbf"),
    ("6.12.4", b"\x80\xbf\x80"),
    ("6.12.7", b"\x80\xbf\x80\xbf\x80\xbf"),
    ("6.13.1", b"\xc0 \xc1 \xc2 \xc3 \xdf "),
    ("6.13.2", b"\xe0 \xe1 \xef "),
    ("6.13.3", b"\xf0 \xf1 \xf6 \xf7 "),
    ("6.13.4", b"\xf8 \xf9 \xfb "),
    ("6.13.5", b"\xfc \xfd "),
    ("6.14.1", b"\xc0"),
    ("6.14.2", b"\xe0\x80"),
    ("6.14.3", b"\xf0\x80\x80"),
    ("6.14.4", b"\xf8\x80\x80\x80"),
    ("6.14.5", b"\xfc\x80\x80\x80\x80"),
    ("6.14.6", b"\xdf"),
    ("6.14.7", b"\xef\xbf"),
    ("6.14.8", b"\xf7\xbf\xbf"),
    ("6.14.9", b"\xfb\xbf\xbf\xbf"),
    ("6.14.10", b"\xfd\xbf\xbf\xbf\xbf"),
    (
        "6.15.1",
        b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf",
    ),
    ("6.16.1", b"\xfe"),
    ("6.16.2", b"\xff"),
    ("6.16.3", b"\xfe\xfe\xff\xff"),
    ("6.17.1", b"\xc0\xaf"),
    ("6.17.2", b"\xe0\x80\xaf"),
    ("6.17.3", b"\xf0\x80\x80\xaf"),
    ("6.17.4", b"\xf8\x80\x80\x80\xaf"),
    ("6.17.5", b"\xfc\x80\x80\x80\x80\xaf"),
    ("6.18.1", b"\xc1\xbf"),
    ("6.18.2", b"\xe0\x9f\xbf"),
    ("6.18.3", b"\xf0\x8f\xbf\xbf"),
    ("6.18.4", b"\xf8\x87\xbf\xbf\xbf"),
    ("6.18.5", b"\xfc\x83\xbf\xbf\xbf\xbf"),
    ("6.19.1", b"\xc0\x80"),
    ("6.19.2", b"\xe0\x80\x80"),
    ("6.19.3", b"\xf0\x80\x80\x80"),
    ("6.19.4", b"\xf8\x80\x80\x80\x80"),
    ("6.19.5", b"\xfc\x80\x80\x80\x80\x80"),
    ("6.20.1", b"\xed\xa0\x80"),
    ("6.20.2", b"\xed\xad\xbf"),
    ("6.20.3", b"\xed\xae\x80"),
    ("6.20.4", b"\xed\xaf\xbf"),
    ("6.20.5", b"\xed\xb0\x80"),
    ("6.20.6", b"\xed\xbe\x80"),
    ("6.20.7", b"\xed\xbf\xbf"),
    ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
    ("6.21.2", b"\xed\xa0\x80\xed\xbf\xbf"),
    ("6.21.5", b"\xed\xae\x80\xed\xb0\x80"),
    ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, bytes) in VALID {
        valid(&mut cases, number, bytes);
    }
    // 6.6: every prefix of the word, of which some end inside a character.
    for length in 1..=KOSME.len() {
        let prefix = &KOSME[..length];
        let number = format!("6.6.{length}");
        match std::str::from_utf8(prefix) {
            Ok(_) => valid(&mut cases, &number, prefix),
            Err(_) => invalid(&mut cases, &number, prefix),
        }
    }
    for (number, bytes) in INVALID {
        invalid(&mut cases, number, bytes);
    }
    unfinished(&mut cases);
    cases
}

/// A message with this text in its `id`, and the offset of the text.
fn message(bytes: &[u8]) -> (Vec<u8>, usize) {
    let start = b"{\"action\":\"\",\"id\":\"";
    ([&start[..], bytes, b"\"}"].concat(), start.len())
}

/// Cut in two at this byte.
fn cut(bytes: &[u8], at: usize) -> Vec<Vec<u8>> {
    vec![begin(&bytes[..at]), end(&bytes[at..])]
}

/// Each byte a fragment.
fn cut_everywhere(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![begin("")];
    parts.extend(bytes.iter().map(|&byte| more([byte])));
    parts.push(end(""));
    parts
}

/// As it is, and cut at every place. The text comes back, where JSON lets it stand in a string.
fn valid(cases: &mut Vec<Case>, number: &str, bytes: &[u8]) {
    let word = String::from_utf8(bytes.to_vec()).expect("the table's text is UTF-8");
    let mut case = |what: &str, sent: Vec<Vec<u8>>, answer: Answer| {
        cases.push(Case::new(
            format!("{number}: {what} of {bytes:02x?}"),
            sent,
            [answer],
        ));
    };
    case("a text", vec![text(bytes)], Answer::Error);
    case("single bytes", cut_everywhere(bytes), Answer::Error);
    if bytes[0] < 0x20 {
        return;
    }
    let (message, start) = message(bytes);
    let echo = || Answer::ErrorTo(word.clone());
    case("an id", vec![text(&message)], echo());
    case("an id in single bytes", cut_everywhere(&message), echo());
    for at in 1..bytes.len() {
        case(&format!("a cut at {at}"), cut(&message, start + at), echo());
    }
}

/// In a frame of its own, inside good text, and cut at every place.
fn invalid(cases: &mut Vec<Case>, number: &str, bytes: &[u8]) {
    let (message, start) = message(bytes);
    let mut case = |what: &str, sent: Vec<Vec<u8>>| {
        let name = format!("{number}: {what} of {bytes:02x?}");
        cases.push(Case::new(name, sent, [Answer::Close(1007)]));
    };
    case("a text", vec![text(bytes)]);
    case("an id", vec![text(&message)]);
    case("single bytes", cut_everywhere(bytes));
    case("an id in single bytes", cut_everywhere(&message));
    for at in 0..=bytes.len() {
        case(&format!("a cut at {at}"), cut(&message, start + at));
    }
}

/// 6.4: a message fails with the fragment that makes it fail, not only with its last.
fn unfinished(cases: &mut Vec<Case>) {
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let mut case = |what: &str, sent: Vec<Vec<u8>>| {
        cases.push(Case::new(
            format!("6.4: {what}"),
            sent,
            [Answer::Close(1007)],
        ));
    };
    case("a first fragment", vec![begin(bad)]);
    case(
        "a second fragment",
        vec![begin(&bad[..11]), more(&bad[11..15])],
    );
    case(
        "the byte that makes it impossible",
        vec![begin(&bad[..12]), more(&bad[12..13])],
    );
}
