//! The benches' load client: that it counts what came, notices what did not, and hears whole frames in any pieces.

#[path = "../benches/load/mod.rs"]
mod load;

mod common;

use common::HANG;
use load::client::{Client, Phase};
use load::stage::Stage;
use load::traffic::Saturation;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A server's text frame (RFC 6455, section 5.2).
fn frame(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match payload.len() {
        short @ 0..=125 => bytes.push(short as u8),
        length => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend(payload.as_bytes());
    bytes
}

fn message(seq: u64) -> Vec<u8> {
    let content = "x".repeat(seq as usize % 200);
    frame(&format!(
        r#"{{"action":"Message","data":{{"room":"general","seq":{seq},"sender":"Eva","content":"{content}"}}}}"#
    ))
}

/// A client with one bare connection, in `general` up to number 7, and the other end of it.
fn connected() -> (Client, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::new();
    let room = client.room("general", 7);
    client.begin_bare(listener.local_addr().unwrap(), &[(room, 7)]);
    let (server, _) = listener.accept().unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// Goes on until so many bytes have come.
fn hear(client: &mut Client, bytes: usize) {
    let begin = Instant::now();
    while client.tally.bytes < bytes as u64 {
        client.turn(Some(Duration::from_millis(100)));
        assert!(begin.elapsed() < HANG, "{} of {bytes}", client.tally.bytes);
    }
}

#[test]
fn what_is_skipped_or_repeated_is_counted() {
    for (seqs, deliveries, missing, double) in [
        (&[8, 9, 10][..], 3, 0, 0),
        (&[8, 10], 2, 1, 0),
        (&[8, 8, 9], 2, 0, 1),
        (&[9, 8], 1, 1, 1),
        (&[7], 0, 0, 1),
    ] {
        let (mut client, mut server) = connected();
        let bytes: Vec<u8> = seqs.iter().flat_map(|&seq| message(seq)).collect();
        server.write_all(&bytes).unwrap();
        hear(&mut client, bytes.len());
        let tally = &client.tally;
        let counted = (tally.deliveries, tally.missing, tally.double);
        assert_eq!(counted, (deliveries, missing, double), "{seqs:?}");
    }
}

#[test]
fn a_delivery_that_does_not_come_is_missed() {
    let (mut client, mut server) = connected();
    let bytes = message(8);
    server.write_all(&bytes).unwrap();
    hear(&mut client, bytes.len());
    client.rooms[0].last = 10;
    assert_eq!(client.missing_now(), 2);
    assert!(!client.drain(Duration::from_millis(20)));
}

#[test]
fn frames_are_heard_in_whatever_pieces_they_come() {
    let long = frame(&format!(
        r#"{{"action":"History","data":{{"messages":["{}"]}},"id":"h"}}"#,
        "y".repeat(20_000)
    ));
    let other_room = frame(r#"{"action":"Message","data":{"room":"other","seq":1}}"#);
    let reordered = frame(r#"{"data":{"seq":9,"room":"general"},"action":"Message"}"#);
    let ping = vec![0x89, 0];
    let bytes = [message(8), other_room, long, reordered, ping, message(10)].concat();
    for piece in [1, 2, 3, 7, 64, 1_000, 30_000] {
        let (mut client, mut server) = connected();
        let mut sent = 0;
        for piece in bytes.chunks(piece) {
            server.write_all(piece).unwrap();
            sent += piece.len();
            hear(&mut client, sent);
        }
        let tally = &client.tally;
        let counted = (tally.deliveries, tally.pages, tally.missing, tally.double);
        assert_eq!(counted, (3, 1, 0, 0), "in pieces of {piece}");
    }
}

#[test]
fn a_connection_that_ends_is_counted() {
    let (mut client, server) = connected();
    drop(server);
    let begin = Instant::now();
    while client.tally.closed == 0 {
        client.turn(Some(Duration::from_millis(100)));
        assert!(begin.elapsed() < HANG);
    }
    assert_eq!(client.connections[0].phase, Phase::Closed(None));
}

#[test]
fn every_member_of_a_room_hears_all_that_is_acked() {
    let mut stage = Stage::set(2, 3);
    let run = Saturation {
        senders: vec![
            (0, stage.rooms[0]),
            (1, stage.rooms[0]),
            (3, stage.rooms[1]),
        ],
        window: 4,
        content: 100,
        time: Duration::from_millis(20),
    };
    let outcome = stage.client.saturate(&run).whole(&stage.client);
    assert!(outcome.acked > 0);
    assert_eq!(outcome.deliveries, 3 * outcome.acked);
}
