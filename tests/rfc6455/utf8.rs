//! Sections 5.6 and 8.1: a text is UTF-8 (RFC 3629), however it is cut. Autobahn's cases 6.
//!
//! Its sequences are those of Markus Kuhn's "UTF-8 decoder capability and stress test".

use super::case::{Answer, Case, begin, end, more, text};

/// "κόσμε", the word of the stress test, which has its accented letter in three bytes.
const KOSME: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/// Text with its group in Autobahn's numbering.
const VALID: &[(&str, &[u8])] = &[
    ("6.2.1, 6.2.2, 6.2.3", "Hello-µ@ßöäüàá-UTF-8!!".as_bytes()),
    ("6.2.4", KOSME),
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
    ("6.11.4", b"\xf4\x8f\xbf\xbf"),
    ("6.23.1", b"\xef\xbf\xb9"),
    ("6.23.2", b"\xef\xbf\xba"),
    ("6.23.3", b"\xef\xbf\xbb"),
    ("6.23.4", b"\xef\xbf\xbc"),
    ("6.23.5", b"\xef\xbf\xbd"),
    ("6.23.6", b"\xef\xbf\xbe"),
    ("6.23.7", b"\xef\xbf\xbf"),
];

const INVALID: &[(&str, &[u8])] = &[
    ("6.3.1, 6.3.2", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"),
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
    ("6.12.5", b"\x80\xbf\x80\xbf"),
    ("6.12.6", b"\x80\xbf\x80\xbf\x80"),
    ("6.12.7", b"\x80\xbf\x80\xbf\x80\xbf"),
    ("6.12.8", b"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\
          \x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\
          \xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\
          \xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf"),
    ("6.13.1", b"\xc0\x20\xc1\x20\xc2\x20\xc3\x20\xc4\x20\xc5\x20\xc6\x20\xc7\x20\
          \xc8\x20\xc9\x20\xca\x20\xcb\x20\xcc\x20\xcd\x20\xce\x20\xcf\x20\
          \xd0\x20\xd1\x20\xd2\x20\xd3\x20\xd4\x20\xd5\x20\xd6\x20\xd7\x20\
          \xd8\x20\xd9\x20\xda\x20\xdb\x20\xdc\x20\xdd\x20\xde\x20\xdf\x20"),
    ("6.13.2", b"\xe0\x20\xe1\x20\xe2\x20\xe3\x20\xe4\x20\xe5\x20\xe6\x20\xe7\x20\xe8\x20\xe9\x20\xea\x20\xeb\x20\xec\x20\xed\x20\xee\x20\xef\x20"),
    ("6.13.3", b"\xf0\x20\xf1\x20\xf2\x20\xf3\x20\xf4\x20\xf5\x20\xf6\x20\xf7\x20"),
    ("6.13.4", b"\xf8\x20\xf9\x20\xfa\x20\xfb\x20"),
    ("6.13.5", b"\xfc\x20\xfd\x20"),
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
    ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf"),
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
    ("6.21.3", b"\xed\xad\xbf\xed\xb0\x80"),
    ("6.21.4", b"\xed\xad\xbf\xed\xbf\xbf"),
    ("6.21.5", b"\xed\xae\x80\xed\xb0\x80"),
    ("6.21.6", b"\xed\xae\x80\xed\xbf\xbf"),
    ("6.21.7", b"\xed\xaf\xbf\xed\xb0\x80"),
    ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, bytes) in VALID {
        valid(&mut cases, number, bytes);
    }
    for (at, noncharacter) in noncharacters().enumerate() {
        let bytes = noncharacter.to_string();
        valid(&mut cases, &format!("6.22.{}", at + 1), bytes.as_bytes());
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

/// The last two places of each plane but the first of the second, as Autobahn numbers them: 6.22.
fn noncharacters() -> impl Iterator<Item = char> {
    let planes = (0x1_ffff..=0x10_ffff).step_by(0x1_0000);
    let ends = [0xffff].into_iter().chain(planes);
    ends.flat_map(|last| [last - 1, last])
        .map(|place| char::from_u32(place).expect("no surrogate"))
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
    // A cut shows nothing new inside what is long.
    for at in 0..=bytes.len().min(20) {
        case(&format!("a cut at {at}"), cut(&message, start + at));
    }
}

/// 6.4: a message fails with the fragment that makes it fail, not only with its last. RFC 6455 does not ask that it fail
/// inside a frame, and it does not: that is judged when all of it is there.
fn unfinished(cases: &mut Vec<Case>) {
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited";
    let mut case = |what: &str, sent: Vec<Vec<u8>>| {
        cases.push(Case::new(what, sent, [Answer::Close(1007)]));
    };
    case("§8.1: a first fragment", vec![begin(bad)]);
    case(
        "6.4.1: a second fragment, before the last",
        vec![begin(&bad[..11]), more(&bad[11..15])],
    );
    case(
        "6.4.2: the byte that makes it impossible",
        vec![begin(&bad[..12]), more(&bad[12..13])],
    );
    case("6.4.3, 6.4.4: the same in one frame", vec![text(bad)]);
}
