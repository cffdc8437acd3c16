//! Sections 5.5.1 and 7.4: closing. Autobahn's cases 7.

use super::case::Answer::{Close, EmptyClose, Error};
use super::case::*;
use super::common::raw::*;

/// Codes that may be sent, as Autobahn numbers them from 7.7.1 on; then others that may.
const GOOD: [u16; 13] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
];
const GOOD_TOO: [u16; 4] = [1012, 1013, 4401, 4408];
/// Codes that may not, from 7.9.1 on.
const BAD: [u16; 9] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
/// Of these Autobahn says that anything may happen: 7.13.1 and 7.13.2.
const BEYOND: [u16; 2] = [5000, 65_535];
const BAD_TOO: [u16; 2] = [1, 1015];

pub fn cases() -> Vec<Case> {
    let mut cases = behind_a_close();
    cases.extend(payloads());
    codes(&mut cases, "7.7.", &GOOD, true);
    codes(&mut cases, "", &GOOD_TOO, true);
    codes(&mut cases, "7.9.", &BAD, false);
    codes(&mut cases, "7.13.", &BEYOND, false);
    codes(&mut cases, "", &BAD_TOO, false);
    cases.into_iter().map(Case::client_closes).collect()
}

/// Each code with a reason and without; where `numbers` is empty, Autobahn has none of them.
fn codes(cases: &mut Vec<Case>, numbers: &str, codes: &[u16], good: bool) {
    for (at, &code) in codes.iter().enumerate() {
        let number = match numbers {
            "" => "§7.4".to_owned(),
            _ => format!("{numbers}{}", at + 1),
        };
        let answer = Close(if good { code } else { 1002 });
        for reason in ["", "bye"] {
            cases.push(Case::new(
                format!("{number}: close {code} {reason:?}"),
                [close(code, reason)],
                [answer.clone()],
            ));
        }
    }
}

fn behind_a_close() -> Vec<Case> {
    vec![
        Case::new(
            "7.1.1: a message, then a close",
            [text("x"), close(1000, "")],
            [Error, Close(1000)],
        ),
        Case::new(
            "7.1.2: two closes",
            [close(1000, ""), close(1000, "")],
            [Close(1000)],
        ),
        Case::new(
            "7.1.3: a ping behind a close",
            [close(1000, ""), ping("unheard")],
            [Close(1000)],
        ),
        Case::new(
            "7.1.4: a text behind a close",
            [close(1000, ""), text("unheard")],
            [Close(1000)],
        ),
        Case::new(
            "7.1.5: a close inside a message",
            [begin("x"), close(1000, ""), end("unheard")],
            [Close(1000)],
        ),
        Case::new(
            "§5.5.1: much behind a close",
            [
                vec![close(1000, "")],
                vec![text(vec![b'*'; 65_536]); 4],
                vec![ping("unheard")],
            ]
            .concat(),
            [Close(1000)],
        ),
        Case::new(
            "§5.5.1: violations behind a close",
            [close(1000, ""), unmasked(0xff, b"x"), end("x")],
            [Close(1000)],
        ),
    ]
}

fn payloads() -> Vec<Case> {
    let long_reason = "é".repeat(61) + "x";
    vec![
        Case::new("7.3.1: an empty close", [empty_close()], [EmptyClose]),
        Case::new(
            "7.3.2: a close of one byte",
            [frame_bytes(FIN | CLOSE, None, b"x")],
            [Close(1002)],
        ),
        Case::new(
            "7.3.3: a close without a reason",
            [close(1000, "")],
            [Close(1000)],
        ),
        Case::new(
            "7.3.4: a close with a reason",
            [close(1000, "Hello, world!")],
            [Close(1000)],
        ),
        Case::new(
            "7.3.5: a close with the longest reason",
            [close(1000, &long_reason)],
            [Close(1000)],
        ),
        Case::new(
            "7.3.6: a close with a longer reason",
            [close(1000, [b'*'; 124])],
            [Close(1002)],
        ),
        Case::new(
            "7.5.1: a reason that is no UTF-8",
            [close(
                1000,
                b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            )],
            [Close(1007)],
        ),
        Case::new(
            "§8.1: a reason that ends inside a character",
            [close(1000, b"caf\xc3")],
            [Close(1007)],
        ),
        Case::new(
            "§5.5: a close that claims to be far too large",
            [frame_bytes(FIN | CLOSE, Some(u64::MAX >> 1), b"\x03\xe8")],
            [Close(1002)],
        ),
    ]
}
