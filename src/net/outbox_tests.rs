//! The outbox over real sockets, in both ways of writing.

use super::outbox::{Outbox, Outboxes, Source};
use crate::hub::{Receiver, SharedFrame};
use crate::protocol::{Frame, reply_frame, text_frame};
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
    another_pair(&Arc::new(shared))
}

fn another_pair(shared: &Arc<Outboxes>) -> (Arc<Outbox>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let outbox = Outbox::new(Arc::new(stream), shared.clone()).unwrap();
    (outbox, peer)
}

/// More than the system's buffers hold, and less than a backlog of [`WIDE`].
const MUCH: usize = 32 * MIB;
const WIDE: usize = 64 * MIB;
const MIB: usize = 1024 * 1024;

/// Has so much wait for a peer that reads nothing yet.
fn fall_behind(outbox: &Outbox) {
    let frame = Frame::raw(&[7; 64 * 1024]);
    for _ in 0..MUCH / frame.bytes().len() {
        push(outbox, std::slice::from_ref(&frame));
    }
}

#[test]
fn a_thread_that_is_held_holds_up_nobody_else() {
    let mut shared = Outboxes::new(false, WIDE);
    shared.most_writers = 1;
    let shared = Arc::new(shared);
    let (held, _peer) = another_pair(&shared);
    fall_behind(&held);
    let (outbox, mut peer) = another_pair(&shared);
    fall_behind(&outbox);
    let mut bytes = vec![0; MUCH];
    peer.read_exact(&mut bytes).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 7));
    outbox.close(1000, "");
    bytes.clear();
    peer.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [0x88, 2, 0x03, 0xe8]);
    assert!(!held.is_closing(), "its end was not waited for");
}

#[test]
fn without_any_thread_what_waits_goes_with_what_comes() {
    let mut shared = Outboxes::new(false, WIDE);
    // No system maps a stack of this size.
    shared.stack_bytes = usize::MAX >> 2;
    let (outbox, mut peer) = pair_of(shared);
    fall_behind(&outbox);
    assert!(!outbox.is_closing(), "behind is not lost");
    peer.set_nonblocking(true).unwrap();
    let (mut read, mut pings) = (0, 0);
    let mut buffer = vec![0; MIB];
    while read < MUCH + pings * 2 || pings == 0 {
        match peer.read(&mut buffer) {
            Ok(count) => read += count,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                outbox.send(&Frame::ping());
                pings += 1;
            }
        }
    }
    assert_eq!(read, MUCH + pings * 2);
}

/// There is room as soon as the earlier answer is gone, though more is waiting.
#[test]
fn without_any_thread_room_for_an_answer_is_told_too() {
    let mut shared = Outboxes::new(false, WIDE);
    shared.stack_bytes = usize::MAX >> 2;
    let (outbox, mut peer) = pair_of(shared);
    let long = Frame::raw(&vec![7; WIDE / 2 + 1]);
    outbox.answer(&long);
    fall_behind(&outbox);
    let (sender, has_room) = std::sync::mpsc::channel();
    let asks = outbox.clone();
    std::thread::spawn(move || sender.send(asks.wait_for_room()));
    peer.set_nonblocking(true).unwrap();
    let mut left = long.bytes().len();
    let mut buffer = vec![0; MIB];
    while left > 0 {
        match peer.read(&mut buffer[..left.min(MIB)]) {
            Ok(count) => left -= count,
            Err(_) => outbox.send(&Frame::ping()),
        }
    }
    outbox.send(&Frame::ping());
    assert_eq!(has_room.recv_timeout(Duration::from_secs(30)), Ok(true));
    assert!(!outbox.is_closing());
}

#[test]
fn answers_that_nobody_reads_are_bounded_over_all_connections() {
    const MOST: usize = 64 * MIB;
    let shared = Outboxes::new(false, 4 * MIB).with_budget(MOST);
    let shared = Arc::new(shared);
    let page = Frame::raw(&vec![7; 8 * MIB]);
    let greedy: Vec<_> = (0..32).map(|_| another_pair(&shared)).collect();
    for (outbox, _) in &greedy {
        outbox.answer(&page);
    }
    let holding = greedy.iter().filter(|(outbox, _)| !outbox.is_closing());
    let holding = holding.count();
    assert!(holding >= 7, "within the bound there is room: {holding}");
    assert!(holding * page.bytes().len() <= 2 * MOST, "{holding} hold");
    // Who has little waiting keeps it; who reads has all of a page.
    let (modest, mut peer) = another_pair(&shared);
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; 8 * MIB + 2];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    });
    modest.send(&Frame::ping());
    modest.answer(&Frame::raw(&vec![7; MIB]));
    assert!(!modest.is_closing());
    for _ in 0..7 {
        modest.wait_until_sent(Duration::from_secs(60));
        modest.answer(&Frame::raw(&vec![7; MIB]));
    }
    assert!(reader.join().unwrap()[2..].iter().all(|&byte| byte == 7));
    let gone: Vec<_> = greedy.iter().map(|(it, _)| Arc::downgrade(it)).collect();
    drop(greedy);
    // Their writers notice it one after the other.
    while gone.iter().any(|outbox| outbox.strong_count() > 0) {
        std::thread::yield_now();
    }
    let (again, _peer) = another_pair(&shared);
    again.answer(&page);
    assert!(!again.is_closing(), "what was cut is counted no more");
}

/// A frame that all receive is in memory once; its place in a queue is not.
#[test]
fn places_in_queues_are_bounded_over_all_connections() {
    const MOST: usize = MIB;
    const FRAMES: usize = 10_000;
    let shared = Outboxes::new(false, WIDE).with_budget(MOST);
    let shared = Arc::new(shared);
    let behind = |frames| catching_up(&shared, frames);
    let greedy: Vec<_> = (0..32).map(|_| behind(FRAMES)).collect();
    let holding = greedy.iter().filter(|(outbox, _)| !outbox.is_closing());
    let holding = holding.count();
    assert!((2..10).contains(&holding), "{holding} hold");
    let (modest, _peer) = behind(100);
    assert!(!modest.is_closing(), "it has less than its share");
    drop(greedy);
    let (again, _peer) = behind(FRAMES);
    assert!(!again.is_closing(), "what was cut is counted no more");
}

/// What few share is counted among them, so that it is bounded even where nobody shares anything.
#[test]
fn frames_in_queues_are_bounded_over_all_connections() {
    const MOST: usize = 4 * MIB;
    let holding = |receivers: u32| {
        let shared = Outboxes::new(false, WIDE).with_budget(MOST);
        let shared = Arc::new(shared);
        let all: Vec<_> = (0..64).map(|_| another_pair(&shared)).collect();
        let frame = Frame::raw(&[7; 16 * 1024]);
        for (outbox, _) in &all {
            outbox.hold();
            for _ in 0..64 {
                push_to_so_many(outbox, std::slice::from_ref(&frame), receivers);
            }
        }
        let holding = all.iter().filter(|(outbox, _)| !outbox.is_closing());
        holding.count()
    };
    let alone = holding(1);
    assert!((2..10).contains(&alone), "{alone} hold a MiB each");
    let pairs = holding(2);
    assert!((alone + 1..20).contains(&pairs), "{pairs} hold half of one");
    assert_eq!(holding(64), 64, "together they hold one");
}

/// Its peer takes nothing of what it missed, and so many frames wait for that.
fn catching_up(shared: &Arc<Outboxes>, frames: usize) -> (Arc<Outbox>, TcpStream) {
    let (outbox, peer) = another_pair(shared);
    let frame = Frame::raw(&[7; 100]);
    outbox.hold();
    for _ in 0..frames {
        push(&outbox, std::slice::from_ref(&frame));
    }
    (outbox, peer)
}

#[test]
fn what_a_close_drops_is_counted_no_more() {
    const FRAMES: usize = 20_000;
    for writer_threads in [false, true] {
        let shared = Outboxes::new(writer_threads, WIDE).with_budget(MIB);
        let shared = Arc::new(shared);
        let (closing, _peer) = catching_up(&shared, FRAMES);
        assert!(!closing.is_closing(), "there is room for one");
        closing.close(1001, "");
        let (next, _peer) = catching_up(&shared, FRAMES);
        assert!(!next.is_closing(), "the place of the first is free");
    }
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

/// Frames that more receive than they have bytes.
fn push(outbox: &Outbox, frames: &[Frame]) {
    push_to_so_many(outbox, frames, u32::MAX);
}

fn push_to_so_many(outbox: &Outbox, frames: &[Frame], receivers: u32) {
    let joined: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.bytes().to_vec())
        .collect();
    let shared = frames.iter().cloned();
    let shared: Vec<_> = shared
        .map(|frame| SharedFrame { frame, receivers })
        .collect();
    outbox.push(&shared, &joined);
}

fn read_numbers(peer: &mut TcpStream, count: u32) -> Vec<u32> {
    let mut bytes = vec![0; count as usize * 4];
    peer.read_exact(&mut bytes).unwrap();
    bytes
        .chunks_exact(4)
        .map(|four| u32::from_be_bytes(four.try_into().unwrap()))
        .collect()
}

/// Closes its outbox just before it gives the first of some pieces, that are a frame together; another follows.
struct Closer {
    outbox: Arc<Outbox>,
    piece: Vec<u8>,
    of_frame: usize,
}

impl Source for Closer {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        self.outbox.close(1001, "");
        self.of_frame = self.of_frame.wrapping_sub(1);
        Some(self.piece.clone())
    }

    fn is_within_frame(&self) -> bool {
        self.of_frame > 0
    }
}

#[test]
fn a_close_in_the_middle_of_a_frame_comes_behind_the_frame() {
    for of_frame in [1, 3] {
        both_ways(|outbox, mut peer| {
            outbox.hold();
            // More than the socket takes at once.
            let piece = vec![7; 16 * BOUND];
            outbox.catch_up(Box::new(Closer {
                outbox: outbox.clone(),
                piece: piece.clone(),
                of_frame,
            }));
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            let frame = of_frame * piece.len();
            assert_eq!(all.len(), frame + 4, "all of the frame, and the close");
            assert_eq!(all.split_off(frame), CLOSE_1001);
            assert!(all.iter().all(|&byte| byte == 7));
        });
    }
}

/// Pieces that were prepared.
struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl Source for Pieces {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        self.0.next()
    }

    fn is_within_frame(&self) -> bool {
        false
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

fn read_all(mut peer: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    all
}

const CLOSE_1001: [u8; 4] = [0x88, 2, 0x03, 0xe9];

#[test]
fn a_close_from_outside_waits_for_the_frame_in_hand() {
    both_ways(|outbox, peer| {
        let answer = reply_frame("Error", "too late", Some("1"));
        assert!(outbox.begin_frame());
        outbox.close(1001, "");
        outbox.close(4401, "");
        assert!(!outbox.is_closing());
        outbox.send(&answer);
        outbox.finish_frame();
        assert!(!outbox.begin_frame(), "what comes now is too late");
        outbox.finish_frame();
        assert_eq!(read_all(peer), [answer.bytes(), &CLOSE_1001].concat());
    });
}

#[test]
fn who_waits_for_room_does_not_hold_up_a_close() {
    both_ways(|outbox, mut peer| {
        let page = Frame::raw(&vec![7; 16 * BOUND]);
        outbox.answer(&page);
        assert!(outbox.begin_frame());
        std::thread::scope(|scope| {
            // It waits for the first to be read, which is only read below.
            let asking = scope.spawn(|| outbox.answer(&page));
            outbox.close(1001, "");
            asking.join().unwrap();
        });
        outbox.finish_frame();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), page.bytes().len() + CLOSE_1001.len());
        assert!(all.ends_with(&CLOSE_1001));
    });
}

#[test]
fn a_close_while_catching_up_drops_no_answer() {
    both_ways(|outbox, peer| {
        let (ack, news) = (
            reply_frame("Ack", "1", Some("1")),
            text_frame("Message", "2"),
        );
        outbox.hold();
        outbox.catch_up(pieces(0..3_000_000, 16 * 1024));
        push(&outbox, &[news.clone(), ack.clone(), news]);
        outbox.close(1001, "");
        let all = read_all(peer);
        assert!(all.ends_with(&[ack.bytes(), &CLOSE_1001].concat()));
        let missed = all.len() - ack.bytes().len() - CLOSE_1001.len();
        assert_eq!(missed % 4, 0, "whole pieces, and nothing but the answer");
    });
}
