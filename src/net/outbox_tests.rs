//! The outbox over real sockets, in both ways of writing.

use super::outbox::{Outbox, Outboxes, Source};
use crate::hub::Receiver;
use crate::protocol::Frame;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const BOUND: usize = 2 * 1024 * 1024;

/// An outbox and the socket at its other end.
fn pair(writer_threads: bool) -> (Arc<Outbox>, TcpStream) {
    pair_of(Outboxes::new(writer_threads, BOUND))
}

fn pair_of(shared: Outboxes) -> (Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    (
        Outbox::new(Arc::new(stream), Arc::new(shared)).unwrap(),
        peer,
    )
}

fn both_ways(test: impl Fn(Arc<Outbox>, TcpStream)) {
    for writer_threads in [false, true] {
        let (outbox, peer) = pair(writer_threads);
        test(outbox, peer);
    }
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<Frame> {
    numbers.map(|n| Frame::raw(&n.to_be_bytes())).collect()
}

fn push(outbox: &Outbox, frames: &[Frame]) {
    let joined: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.bytes().to_vec())
        .collect();
    outbox.push(frames, &joined);
}

fn read_numbers(peer: &mut TcpStream, count: u32) -> Vec<u32> {
    let mut bytes = vec![0; count as usize * 4];
    peer.read_exact(&mut bytes).unwrap();
    bytes
        .chunks_exact(4)
        .map(|four| u32::from_be_bytes(four.try_into().unwrap()))
        .collect()
}

/// Closes its outbox just before it gives its only piece.
struct Closer(Option<(Arc<Outbox>, Vec<u8>)>);

impl Source for Closer {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        let (outbox, piece) = self.0.take()?;
        outbox.close(1001, "");
        Some(piece)
    }
}

#[test]
fn a_close_in_the_middle_of_a_piece_comes_behind_the_piece() {
    both_ways(|outbox, mut peer| {
        outbox.hold();
        // More than the socket takes at once.
        let piece = vec![7; 16 * BOUND];
        let source = Closer(Some((outbox.clone(), piece.clone())));
        outbox.catch_up(Box::new(source));
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(
            all.len(),
            piece.len() + 4,
            "all of the piece, and the close"
        );
        assert_eq!(all.split_off(piece.len()), [0x88, 2, 0x03, 0xe9]);
        assert!(all == piece);
    });
}

/// Pieces that were prepared.
struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl Source for Pieces {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        self.0.next()
    }
}

fn pieces(numbers: std::ops::Range<u32>, per_piece: usize) -> Box<Pieces> {
    let all: Vec<u32> = numbers.collect();
    let piece = |part: &[u32]| part.iter().flat_map(|n| n.to_be_bytes()).collect();
    Box::new(Pieces(
        all.chunks(per_piece)
            .map(piece)
            .collect::<Vec<Vec<u8>>>()
            .into_iter(),
    ))
}

#[test]
fn frames_leave_in_order_whatever_the_socket_takes() {
    both_ways(|outbox, mut peer| {
        // More than a socket's buffers hold, in bursts, while the peer reads now and then.
        let mut read = Vec::new();
        for burst in 0..40 {
            push(&outbox, &numbered(burst * 5_000..(burst + 1) * 5_000));
            if burst % 4 == 3 {
                read.extend(read_numbers(&mut peer, 20_000));
            }
        }
        assert!(read.into_iter().eq(0..200_000));
    });
}

#[test]
fn a_peer_that_does_not_read_is_cut_at_the_bound_and_push_does_not_block() {
    both_ways(|outbox, mut peer| {
        let frame = Frame::raw(&[7; 64 * 1024]);
        let mut pushed = 0;
        while !outbox.is_closing() {
            outbox.send(&frame);
            pushed += frame.bytes().len();
            assert!(pushed < 512 * BOUND, "it is cut in the end");
        }
        let mut rest = Vec::new();
        // What was sent before arrives, then the end, as a reset or not.
        let _ = peer.read_to_end(&mut rest);
        assert!(rest.len() < pushed);
    });
}

#[test]
fn tiny_frames_count_for_what_they_cost() {
    both_ways(|outbox, _peer| {
        outbox.hold();
        let pong = Frame::raw(&[0x8a, 0]);
        let mut pushed = 0;
        while !outbox.is_closing() {
            outbox.send(&pong);
            pushed += 1;
        }
        assert!(pushed <= BOUND / 64 + 1, "{pushed} frames waited");
    });
}

#[test]
fn what_was_missed_goes_first_and_costs_no_backlog() {
    both_ways(|outbox, mut peer| {
        outbox.hold();
        push(&outbox, &numbered(3_000_000..3_000_010));
        // Six times the bound, which nobody reads yet.
        outbox.catch_up(pieces(0..3_000_000, 16 * 1024));
        push(&outbox, &numbered(3_000_010..3_000_020));
        assert!(!outbox.is_closing());
        assert!(
            read_numbers(&mut peer, 3_000_020)
                .into_iter()
                .eq(0..3_000_020)
        );
    });
}

#[test]
fn a_peer_that_takes_nothing_of_what_it_missed_is_cut_in_the_end() {
    for writer_threads in [false, true] {
        let mut shared = Outboxes::new(writer_threads, BOUND);
        shared.patience = Duration::ZERO;
        let (outbox, mut peer) = pair_of(shared);
        outbox.hold();
        outbox.catch_up(pieces(0..3_000_000, 16 * 1024));
        while !outbox.is_closing() {
            std::thread::yield_now();
        }
        let mut beginning = Vec::new();
        // The end, as a reset or not.
        let _ = peer.read_to_end(&mut beginning);
        assert!(beginning.len() < 12_000_000);
    }
}

#[test]
fn a_small_catch_up_needs_no_waiting() {
    both_ways(|outbox, mut peer| {
        outbox.hold();
        outbox.catch_up(pieces(0..10, 3));
        push(&outbox, &numbered(10..12));
        assert!(read_numbers(&mut peer, 12).into_iter().eq(0..12));
    });
}

#[test]
fn a_close_comes_last() {
    both_ways(|outbox, mut peer| {
        push(&outbox, &numbered(0..3));
        outbox.close(4401, "");
        push(&outbox, &numbered(3..4));
        assert!(read_numbers(&mut peer, 3).into_iter().eq(0..3));
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, [0x88, 2, 0x11, 0x31]);
    });
}

#[test]
fn a_close_while_catching_up_ends_it_between_pieces() {
    both_ways(|outbox, mut peer| {
        outbox.hold();
        outbox.catch_up(pieces(0..3_000_000, 16 * 1024));
        push(&outbox, &numbered(9..10));
        outbox.close(1001, "");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(all.split_off(all.len() - 4), [0x88, 2, 0x03, 0xe9]);
        assert_eq!(all.len() % 4, 0);
        let numbers = all
            .chunks_exact(4)
            .map(|four| u32::from_be_bytes(four.try_into().unwrap()));
        assert!(
            numbers.zip(0..).all(|(got, expected)| got == expected),
            "a beginning, and nothing behind it"
        );
    });
}
