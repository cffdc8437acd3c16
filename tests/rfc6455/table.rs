//! The table. A row's name begins with the cases of the Autobahn test suite that it stands for, or, where there is none,
//! with the section of RFC 6455 (`§`). Where Autobahn tells one write from several and from single bytes, one row stands
//! for all of them, since each is sent in all three ways.

use super::case::Answer::{Close, Error, Pong};
use super::case::*;
use super::common::raw::*;
use super::{closing, sizes, utf8};

pub fn table() -> Vec<Case> {
    let sections = [
        lengths(),
        masking(),
        pings(),
        reserved(),
        fragments(),
        utf8::cases(),
        closing::cases(),
        sizes::cases(),
    ];
    sections.into_iter().flatten().collect()
}

/// Section 5.2: all forms of a length, and that the shortest must be used.
fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    // Autobahn sends 65,536 bytes in pieces of 997, too; so do we.
    let lengths = [
        (0, "1"),
        (125, "2"),
        (126, "3"),
        (127, "4"),
        (128, "5"),
        (65_535, "6"),
        (65_536, "7"),
        (65_536, "8"),
    ];
    for (length, number) in lengths {
        cases.push(Case::new(
            format!("1.1.{number}: a text of {length} bytes"),
            [text(vec![b'*'; length])],
            [Error],
        ));
        cases.push(Case::new(
            format!("1.2.{number}: a binary message of {length} bytes"),
            [binary(vec![0xfe; length])],
            [Error],
        ));
    }
    for length in [125, 126, 127, 65_535, 65_536] {
        cases.push(Case::new(
            format!("§5.2: a text of {length} bytes comes through whole"),
            [text(padded("whole", length))],
            [echo_of("whole")],
        ));
    }
    cases.push(Case::new(
        "§5.6.2: a binary message is as good as a text",
        [binary(padded("binary", 64))],
        [echo_of("binary")],
    ));
    let too_wide = [
        (2, 0),
        (2, 1),
        (2, 125),
        (8, 0),
        (8, 125),
        (8, 126),
        (8, 65_535),
    ];
    for (length_bytes, length) in too_wide {
        for first in [FIN | TEXT, FIN | BINARY, TEXT, FIN | PING, FIN | CLOSE] {
            cases.push(Case::new(
                format!("§5.2: {length} in {length_bytes} bytes of length, first byte {first:#x}"),
                [wide(
                    first,
                    length_bytes,
                    length,
                    &vec![b'*'; length as usize],
                )],
                [Close(1002)],
            ));
        }
    }
    for length in [1 << 63, u64::MAX] {
        cases.push(Case::new(
            format!("§5.2: a length of {length}, its highest bit set"),
            [wide(FIN | TEXT, 8, length, b"x")],
            [Close(1002)],
        ));
    }
    cases
}

/// Sections 5.1 and 5.3.
fn masking() -> Vec<Case> {
    let message = padded("masked", 60);
    let mut cases = vec![
        Case::new(
            "§5.1: an unmasked frame behind a good one",
            [text("good"), unmasked(FIN | TEXT, b"bad"), text("unheard")],
            [Error, Close(1002)],
        ),
        Case::new(
            "§5.1: an unmasked fragment",
            [begin("{"), unmasked(FIN, b"}")],
            [Close(1002)],
        ),
        Case::new(
            "§5.1: an unmasked frame, of which only the header comes",
            [vec![FIN | TEXT, 100]],
            [Close(1002)],
        ),
        Case::new(
            "§5.1: an unmasked frame that claims to be too large",
            [vec![FIN | TEXT, 127, 0, 0, 0, 0, 0, 1, 0, 1, b'x', b'x']],
            [Close(1002)],
        ),
    ];
    for first in [
        FIN | TEXT,
        FIN | BINARY,
        TEXT,
        FIN | PING,
        FIN | PONG,
        FIN | CLOSE,
    ] {
        for payload in [&b""[..], b"{}"] {
            cases.push(Case::new(
                format!("§5.1: unmasked {payload:?}, first byte {first:#x}"),
                [unmasked(first, payload)],
                [Close(1002)],
            ));
        }
    }
    for mask in [[0; 4], [0xff; 4], [1, 2, 3, 4], *b"{\"ac"] {
        cases.push(Case::new(
            format!("§5.3: the mask {mask:?}"),
            [masked_with(mask, &message)],
            [echo_of("masked")],
        ));
    }
    cases
}

/// Sections 5.5, 5.5.2, 5.5.3.
fn pings() -> Vec<Case> {
    let all_bytes: Vec<u8> = (0..=124).map(|n| n * 2).collect();
    let pong_of = |payload: &[u8]| Pong(payload.to_vec());
    let mut cases = vec![
        Case::new("2.1: an empty ping", [ping("")], [pong_of(b"")]),
        Case::new(
            "2.2: a ping with a text",
            [ping("Hello, world!")],
            [pong_of(b"Hello, world!")],
        ),
        Case::new(
            "2.3: a ping that is no UTF-8",
            [ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")],
            [pong_of(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")],
        ),
        Case::new(
            "2.4, 2.6: a ping of 125 bytes",
            [ping(&all_bytes)],
            [pong_of(&all_bytes)],
        ),
        Case::new(
            "2.5: a ping of 126 bytes",
            [ping([0xfe; 126])],
            [Close(1002)],
        ),
        Case::new("2.7: an empty pong that nobody asked for", [pong("")], []),
        Case::new("2.8: a pong that nobody asked for", [pong("unasked")], []),
        Case::new(
            "2.9: a pong that nobody asked for, then a ping",
            [pong("unasked"), ping("asked")],
            [pong_of(b"asked")],
        ),
        Case::new(
            "§5.5: a pong of 126 bytes",
            [pong([b'x'; 126])],
            [Close(1002)],
        ),
        Case::new(
            "§5.5: a ping that claims to be far too large",
            [frame_bytes(FIN | PING, Some(1 << 40), b"")],
            [Close(1002)],
        ),
        Case::new(
            "§5.5: a long ping, of which only the header comes",
            [frame_bytes(FIN | PING, Some(126), b"")],
            [Close(1002)],
        ),
        Case::new(
            "§5.5: a fragmented ping",
            [frame_bytes(PING, None, b"x")],
            [Close(1002)],
        ),
        Case::new(
            "§5.5: a fragmented pong",
            [frame_bytes(PONG, None, b"x")],
            [Close(1002)],
        ),
        Case::new(
            "§5.5: a fragmented close",
            [frame_bytes(CLOSE, None, &1000u16.to_be_bytes())],
            [Close(1002)],
        ),
    ];
    for count in [10, 300] {
        let payload = |n: usize| format!("payload {n}").into_bytes();
        cases.push(Case::new(
            format!("2.10, 2.11: {count} pings"),
            (0..count).map(|n| ping(payload(n))).collect::<Vec<_>>(),
            (0..count).map(|n| Pong(payload(n))).collect::<Vec<_>>(),
        ));
    }
    cases.push(Case::new(
        "§5.5.2: pings and messages keep their order",
        [ping("1"), text("2"), ping("3"), text("4"), ping("5")],
        [pong_of(b"1"), Error, pong_of(b"3"), Error, pong_of(b"5")],
    ));
    cases
}

/// Section 5.2: reserved bits and opcodes.
fn reserved() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 1..8u8 {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            cases.push(Case::new(
                format!("3.{bits}: reserved bits {bits:03b} with opcode {opcode}"),
                [
                    text("good"),
                    frame_bytes(FIN | bits << 4 | opcode, None, b""),
                ],
                [Error, Close(1002)],
            ));
        }
        cases.push(Case::new(
            format!("3.{bits}: reserved bits {bits:03b} in a continuation"),
            [
                begin("x"),
                frame_bytes(FIN | bits << 4, None, b"x"),
                ping("unheard"),
            ],
            [Close(1002)],
        ));
    }
    for opcode in (3..8).chain(11..16) {
        let number = match opcode {
            3..8 => format!("4.1.{}", opcode - 2),
            _ => format!("4.2.{}", opcode - 10),
        };
        for payload in [&b""[..], b"payload"] {
            cases.push(Case::new(
                format!("{number}: opcode {opcode} with {payload:?}"),
                [
                    text("good"),
                    frame_bytes(FIN | opcode, None, payload),
                    ping("unheard"),
                ],
                [Error, Close(1002)],
            ));
        }
        cases.push(Case::new(
            format!("{number}: opcode {opcode} inside a message"),
            [begin("x"), frame_bytes(FIN | opcode, None, b"x")],
            [Close(1002)],
        ));
    }
    cases
}

/// Section 5.4.
fn fragments() -> Vec<Case> {
    let message = padded("in parts", 100);
    let (first, rest) = message.split_at(30);
    let (second, third) = rest.split_at(30);
    let echo = || echo_of("in parts");
    let pong_of = |payload: &[u8]| Pong(payload.to_vec());
    let single_bytes = || -> Vec<Vec<u8>> {
        let middle = message[1..message.len() - 1].iter();
        let mut frames = vec![begin(&message[..1])];
        frames.extend(middle.map(|&byte| more([byte])));
        frames.push(end(&message[message.len() - 1..]));
        frames
    };
    vec![
        Case::new(
            "5.1: a ping in two parts",
            [frame_bytes(PING, None, b"a"), end("b")],
            [Close(1002)],
        ),
        Case::new(
            "5.2: a pong in two parts",
            [frame_bytes(PONG, None, b"a"), end("b")],
            [Close(1002)],
        ),
        Case::new(
            "5.3, 5.4, 5.5: a text in two parts",
            [begin(first), end(rest)],
            [echo()],
        ),
        Case::new(
            "§5.4: in three parts",
            [begin(first), more(second), end(third)],
            [echo()],
        ),
        Case::new(
            "§5.4: a binary message in three parts",
            [begin_binary(first), more(second), end(third)],
            [echo()],
        ),
        Case::new("§5.4: byte by byte", single_bytes(), [echo()]),
        Case::new(
            "5.6, 5.7, 5.8: a ping between the parts",
            [begin(first), ping("between"), end(rest)],
            [pong_of(b"between"), echo()],
        ),
        Case::new(
            "§5.5: an empty ping, and a pong that nobody asked for, between the parts",
            [begin(first), ping(""), pong("unasked"), end(rest)],
            [pong_of(b""), echo()],
        ),
        Case::new(
            "5.9, 5.10, 5.11: a continuation of nothing",
            [end("x"), text("unheard")],
            [Close(1002)],
        ),
        Case::new(
            "5.12, 5.13, 5.14: an unfinished continuation of nothing",
            [more("x"), text("unheard")],
            [Close(1002)],
        ),
        Case::new(
            "§5.4: a continuation of nothing behind a message",
            [text("good"), more("x"), text("unheard")],
            [Error, Close(1002)],
        ),
        Case::new(
            "5.15: a message in parts, then a continuation of nothing",
            [begin(first), end(rest), more("x"), text("unheard")],
            [echo(), Close(1002)],
        ),
        Case::new(
            "5.16: an unfinished continuation of nothing before a message in parts, twice",
            vec![vec![more("a"), begin("b"), end("c")]; 2].concat(),
            [Close(1002)],
        ),
        Case::new(
            "5.17: a continuation of nothing before a message in parts, twice",
            vec![vec![end("a"), begin("b"), end("c")]; 2].concat(),
            [Close(1002)],
        ),
        Case::new(
            "5.18: a message in parts that both begin a text",
            [begin("{"), text("}")],
            [Close(1002)],
        ),
        Case::new(
            "§5.4: a binary message inside a text",
            [begin("{"), binary("}")],
            [Close(1002)],
        ),
        Case::new(
            "§5.4: a text inside a binary message",
            [begin_binary("{"), text("}")],
            [Close(1002)],
        ),
        Case::new(
            "§5.4: a second beginning",
            [begin("{"), begin("}")],
            [Close(1002)],
        ),
        Case::new(
            "5.19, 5.20: pings between five parts",
            [
                begin(first),
                more(&second[..15]),
                ping("pongme 1!"),
                more(&second[15..]),
                more(&third[..20]),
                ping("pongme 2!"),
                end(&third[20..]),
            ],
            [pong_of(b"pongme 1!"), pong_of(b"pongme 2!"), echo()],
        ),
        Case::new("6.1.1: an empty text", [text("")], [Error]),
        Case::new(
            "6.1.2: three empty parts",
            [begin(""), more(""), end("")],
            [Error],
        ),
        Case::new(
            "6.1.3: empty parts around a full one",
            [begin(""), more(&message), end("")],
            [echo()],
        ),
        Case::new(
            "§5.4: many empty parts",
            [vec![begin(&message)], vec![more(""); 500], vec![end("")]].concat(),
            [echo()],
        ),
        Case::new(
            "§5.4: two messages in parts, one behind the other",
            [
                begin(first),
                end(rest),
                begin_binary(first),
                more(second),
                end(third),
            ],
            [echo(), echo()],
        ),
    ]
}
