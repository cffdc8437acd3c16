//! The contract's own bound: a message has at most 64 KiB, and what is longer closes with 1009. Autobahn's cases 9 go up
//! to 16 MiB, and 10; those beyond the bound are here with the answer that they get.

use super::case::Answer::{Close, Error, Pong};
use super::case::*;
use super::common::raw::*;

const MOST: usize = 65_536;

pub fn cases() -> Vec<Case> {
    let mut cases = at_the_bound();
    beyond_it(&mut cases);
    in_large_parts(&mut cases);
    many(&mut cases);
    cases
}

fn chopped(payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = payload.chunks(size).map(more).collect();
    parts[0][0] |= TEXT;
    parts.last_mut().unwrap()[0] |= FIN;
    parts
}

fn at_the_bound() -> Vec<Case> {
    let whole = padded("large", MOST);
    let (first, rest) = whole.split_at(30_000);
    let too_long = vec![b'*'; MOST + 1];
    vec![
        Case::new(
            "9.1.1: a text of 64 KiB",
            [text(&whole)],
            [echo_of("large")],
        ),
        Case::new(
            "9.2.1: a binary message of 64 KiB",
            [binary(&whole)],
            [echo_of("large")],
        ),
        Case::new(
            "§10.4: 64 KiB in two parts",
            [begin(first), end(rest)],
            [echo_of("large")],
        ),
        Case::new(
            "10.1.1: 64 KiB in parts of 1,300",
            chopped(&whole, 1_300),
            [echo_of("large")],
        ),
        Case::new(
            "§10.4: 64 KiB in parts of 64",
            chopped(&whole, 64),
            [echo_of("large")],
        ),
        Case::new(
            "§10.4: a text of 64 KiB and a byte",
            [text(&too_long)],
            [Close(1009)],
        ),
        Case::new(
            "§10.4: a binary message of 64 KiB and a byte",
            [binary(&too_long)],
            [Close(1009)],
        ),
        Case::new(
            "§10.4: 64 KiB and a byte in two parts",
            [begin(first), end(&too_long[30_000..])],
            [Close(1009)],
        ),
        Case::new(
            "§10.4: 64 KiB and a byte in parts of 1,300",
            chopped(&too_long, 1_300),
            [Close(1009)],
        ),
        Case::new(
            "§10.4: the byte too many before the end",
            [begin(first), more(rest), more("x")],
            [Close(1009)],
        ),
        Case::new(
            "§10.4: a large part with a ping before it",
            [
                begin_binary(first),
                ping("between"),
                end(&too_long[30_000..]),
            ],
            [Pong(b"between".to_vec()), Close(1009)],
        ),
        Case::new(
            "§10.4: two messages of 64 KiB, since each counts by itself",
            [text(&whole), text(&whole)],
            [echo_of("large"), echo_of("large")],
        ),
    ]
}

/// Section 10.4: judged by what the header claims, before the rest comes; in how many pieces it would come does not count.
fn beyond_it(cases: &mut Vec<Case>) {
    const KIB: u64 = 1024;
    let claims = [
        ("2", 256 * KIB),
        ("3", KIB * KIB),
        ("4", 4 * KIB * KIB),
        ("5", 8 * KIB * KIB),
        ("6", 16 * KIB * KIB),
    ];
    for (number, claimed) in claims {
        for (section, first) in [("9.1", FIN | TEXT), ("9.2", FIN | BINARY)] {
            cases.push(Case::new(
                format!("{section}.{number}: a claim of {claimed} bytes"),
                [frame_bytes(first, Some(claimed), b"{")],
                [Close(1009)],
            ));
        }
    }
    // Autobahn's differ only in how a text of a mebibyte is cut into writes.
    for (section, first) in [("9.5", FIN | TEXT), ("9.6", FIN | BINARY)] {
        let numbers: Vec<String> = (1..=6).map(|n| format!("{section}.{n}")).collect();
        cases.push(Case::new(
            format!("{}: the beginning of 1 MiB", numbers.join(", ")),
            [frame_bytes(first, Some(KIB * KIB), &[b'*'; 2_048])],
            [Close(1009)],
        ));
    }
    for claimed in [65_537, 1 << 31, 1 << 32, (1 << 63) - 1] {
        cases.push(Case::new(
            format!("§10.4: a claim of {claimed} bytes"),
            [frame_bytes(FIN | TEXT, Some(claimed), b"{")],
            [Close(1009)],
        ));
    }
    cases.push(Case::new(
        "7.1.6: 256 KiB, of which the beginning comes, where a text, a close and a ping would follow",
        [
            frame_bytes(FIN | TEXT, Some(256 * KIB), &[b'*'; 2_048]),
            text("unheard"),
            close(1000, ""),
            ping("unheard"),
        ],
        [Close(1009)],
    ));
}

/// 4 MiB in parts of 64 bytes to 4 MiB, as far as the part that is too much.
fn in_large_parts(cases: &mut Vec<Case>) {
    for number in 1..=9u32 {
        let size = 64 << (2 * (number - 1));
        for (section, opcode) in [("9.3", TEXT), ("9.4", BINARY)] {
            let part = vec![b'*'; size.min(MOST)];
            let mut parts = vec![more(&part); MOST / size];
            parts.push(frame_bytes(CONTINUATION, Some(size as u64), &part));
            parts[0][0] |= opcode;
            cases.push(Case::new(
                format!("{section}.{number}: 4 MiB in parts of {size}"),
                parts,
                [Close(1009)],
            ));
        }
    }
}

/// Autobahn measures the time of a thousand.
fn many(cases: &mut Vec<Case>) {
    const COUNT: usize = 200;
    for (at, size) in [0, 16, 64, 256, 1_024, 4_096].into_iter().enumerate() {
        let frames = [
            ("9.7", text(vec![b'*'; size])),
            ("9.8", binary(vec![0xfe; size])),
        ];
        for (section, frame) in frames {
            cases.push(Case::new(
                format!("{section}.{}: {COUNT} messages of {size} bytes", at + 1),
                vec![frame; COUNT],
                vec![Error; COUNT],
            ));
        }
    }
}
