//! The sending end of a WebSocket: what the socket does not take at once waits here, bounded.
//!
//! 1. [`Outbox::push`](Receiver::push) never blocks.
//! 2. Frames leave in the order in which they were pushed, and whole: all that is written to the socket after the
//!    upgrade passes through here.
//! 3. A connection that is behind by more than the bound in bytes, or whose oldest frame has waited too long, is cut
//!    off.
//! 4. While a connection catches up with what it missed, what is pushed waits for that to end, and only its bytes
//!    count.
//! 5. One answer that is larger than half the bound may wait uncounted; whoever asked for it gets it at its own pace.
//! 6. What waits in all outboxes together is bounded, each frame counted once among those who receive it: see
//!    [`budget`].
//! 7. A close from outside waits for the frame that the reader has in hand, and drops no answer: see [`handover`].
//!
//! Where the system can send without blocking, the fan-out sends straight into the socket, and a writer thread
//! exists only while the connection is behind; while there is none to be had, whoever pushes sends what waits, and one
//! thread looks after all of them. Elsewhere each connection has a writer as long as it lives.

mod budget;
mod catching_up;
mod handover;
mod places;
mod queue;

use super::awake::nap;
use super::{is_timeout, lock};
use crate::hub::{Receiver, SharedFrame};
use crate::limits;
use crate::protocol::Frame;
use budget::Budget;
use handover::Handover;
use places::{Place, Writers};
use queue::{Cost, FRAME_BYTES_LEAST, Missed, Phase, Queue, Waiting};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// `MSG_DONTWAIT` of `send(2)`, where there is one.
#[cfg(any(target_os = "linux", target_os = "android"))]
const DO_NOT_WAIT: Option<i32> = Some(0x40);
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd"
))]
const DO_NOT_WAIT: Option<i32> = Some(0x80);
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd"
)))]
const DO_NOT_WAIT: Option<i32> = None;

/// A writer looks this often whether what it writes has become too old.
const AGE_CHECK: Duration = Duration::from_secs(1);
/// A writer takes so much at once.
const WRITE_BYTES: usize = 64 * 1024;

/// What all outboxes share.
pub struct Outboxes {
    /// Send without blocking; else through a thread a connection.
    direct: bool,
    backlog_bytes: usize,
    /// A peer that takes nothing of what it missed for so long is cut, whatever it sends meanwhile.
    pub(super) patience: Duration,
    pub(super) most_writers: usize,
    /// A test makes it so large that no thread can be had.
    pub(super) stack_bytes: usize,
    writers: Mutex<Writers>,
    budget: Budget,
}

impl Outboxes {
    /// A frame that the bound does not count, since it is a good part of it: a page of long messages.
    fn is_large(&self, frame: &Frame) -> bool {
        frame.bytes().len() > self.backlog_bytes / 2
    }

    /// What a waiting frame of which `left` bytes are unsent counts for: bytes, or a large answer.
    fn cost(&self, frame: &Frame, left: usize, receivers: u32) -> Cost {
        let large = self.is_large(frame);
        let bytes = left.max(FRAME_BYTES_LEAST);
        Cost {
            bytes: if large { 0 } else { bytes },
            large: usize::from(large),
            // It holds its memory until it is sent as a whole.
            own: size_of::<Waiting>() + frame.bytes().len() / receivers as usize,
        }
    }

    /// `writer_threads` asks for a thread a connection even where the system can do without.
    pub fn new(writer_threads: bool, backlog_bytes: usize) -> Outboxes {
        let direct = DO_NOT_WAIT.is_some() && !writer_threads;
        let most_writers = if direct {
            limits::WRITER_THREADS
        } else {
            usize::MAX
        };
        Outboxes {
            direct,
            backlog_bytes,
            patience: limits::SILENT_PEER,
            most_writers,
            stack_bytes: limits::CONNECTION_STACK_BYTES,
            writers: Mutex::default(),
            budget: Budget::new(limits::WAITING_BYTES),
        }
    }

    #[cfg(test)]
    pub(super) fn with_budget(mut self, bytes: usize) -> Outboxes {
        self.budget = Budget::new(bytes);
        self
    }
}

/// Where the bytes of a catch-up come from, at the pace at which the socket takes them.
pub trait Source: Send {
    /// The next piece; `None` at the end.
    fn next_piece(&mut self) -> Option<Vec<u8>>;
    /// Whether the last piece ended within a frame: then nothing but the next one may follow.
    fn is_within_frame(&self) -> bool;
}

pub struct Outbox {
    stream: Arc<TcpStream>,
    shared: Arc<Outboxes>,
    queue: Mutex<Queue>,
    /// For a writer that stays: there is something to write, or the end.
    filled: Condvar,
    /// A writer has written what it had in hand.
    written: Condvar,
    closing: AtomicBool,
    handover: Handover,
    this: Weak<Outbox>,
}

impl Outbox {
    pub fn new(stream: Arc<TcpStream>, shared: Arc<Outboxes>) -> io::Result<Arc<Outbox>> {
        stream.set_write_timeout(Some(AGE_CHECK))?;
        Ok(Arc::new_cyclic(|this| Outbox {
            stream,
            shared,
            queue: Mutex::new(Queue {
                phase: Phase::Live,
                frames: VecDeque::new(),
                sent: 0,
                cost: Cost::default(),
                reported: 0,
                writing: false,
                called: false,
                in_hand: false,
                missed: None,
                progress: Instant::now(),
            }),
            filled: Condvar::new(),
            written: Condvar::new(),
            closing: AtomicBool::new(false),
            handover: Handover::default(),
            this: this.clone(),
        }))
    }

    /// A frame of this connection alone.
    pub fn send(&self, frame: &Frame) {
        self.push(&[SharedFrame::own(frame)], frame.bytes());
    }

    /// An answer to a question of this connection, of any size. Only for the connection's own thread, as is
    /// [`Outbox::wait_for_room`].
    pub fn answer(&self, frame: &Frame) {
        if !self.shared.is_large(frame) || self.wait_for_room() {
            self.send(frame);
        }
    }

    /// Waits while an earlier large answer waits, so that one who asks and does not read holds one of them at most. False
    /// where the connection ends before there is room for another.
    pub fn wait_for_room(&self) -> bool {
        let queue = lock(&self.queue);
        let waits = |queue: &mut Queue| {
            queue.cost.large > 0 && queue.phase != Phase::Cut && !self.handover.is_ending()
        };
        let queue = self.written.wait_while(queue, waits);
        queue.unwrap_or_else(PoisonError::into_inner).cost.large == 0
    }

    /// The connection's thread has read a frame; until [`Outbox::finish_frame`] a close from outside waits. False where
    /// the connection is being closed already: then what it sent does not count.
    pub fn begin_frame(&self) -> bool {
        !self.is_closing() && self.handover.begin()
    }

    /// What was read is handed over, or answered.
    pub fn finish_frame(&self) {
        if let Some(close) = self.handover.finish() {
            self.end(&close);
        }
    }

    /// Waits until everything is sent, at most so long: before a socket is shut.
    pub fn wait_until_sent(&self, patience: Duration) {
        let queue = lock(&self.queue);
        let waits = |queue: &mut Queue| {
            let something = !queue.frames.is_empty() || queue.in_hand || queue.missed.is_some();
            something && queue.phase != Phase::Cut
        };
        let result = self.written.wait_timeout_while(queue, patience, waits);
        drop(result.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the connection is being closed by us: what it still sends does not count.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Sends this close frame behind what waits, and nothing behind it. Only the first one counts.
    pub fn end(&self, close: &Frame) {
        let mut queue = lock(&self.queue);
        if matches!(queue.phase, Phase::Closing | Phase::Cut) {
            return;
        }
        if queue.phase == Phase::CatchingUp {
            // Messages behind missed ones that are not sent would show a hole; they come with the next connection. Of
            // what was missed the rest of a piece stays, and of a frame, since the peer has its beginning.
            queue.keep_answers(&self.shared);
            queue.report(&self.shared.budget);
        }
        queue.phase = Phase::Closing;
        self.closing.store(true, Ordering::Release);
        self.push_locked(queue, &[SharedFrame::own(close)], close.bytes());
    }

    /// Shuts the socket and drops everything; whoever reads from it sees its end.
    pub fn cut(&self) {
        let mut queue = lock(&self.queue);
        self.cut_locked(&mut queue);
    }

    fn cut_locked(&self, queue: &mut Queue) {
        if queue.phase == Phase::Cut {
            return;
        }
        queue.phase = Phase::Cut;
        queue.frames = VecDeque::new();
        queue.missed = None;
        queue.cost = Cost::default();
        queue.report(&self.shared.budget);
        self.closing.store(true, Ordering::Release);
        // A socket that is gone already needs no shutting.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.filled.notify_all();
        self.written.notify_all();
    }

    /// Sends what the socket takes now.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = DO_NOT_WAIT.unwrap_or(0);
        let socket = SockRef::from(&*self.stream);
        let mut sent = 0;
        while sent < bytes.len() {
            match socket.send_with_flags(&bytes[sent..], flags) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Sends at once where nothing waits; what is left joins the queue.
    fn push_locked(&self, mut queue: MutexGuard<'_, Queue>, frames: &[SharedFrame], joined: &[u8]) {
        let mut sent = 0;
        if self.is_ours(&queue) {
            if !self.send_waiting(&mut queue) {
                return self.cut_locked(&mut queue);
            }
            if queue.frames.is_empty() {
                match self.send_now(joined) {
                    Ok(count) if count == joined.len() => return self.finish_if_closing(&queue),
                    Ok(count) => sent = count,
                    Err(_) => return self.cut_locked(&mut queue),
                }
            }
        }
        queue.append(frames, sent, &self.shared);
        queue.report(&self.shared.budget);
        if queue.cost.bytes > self.shared.backlog_bytes
            || queue.cost.large > 1
            || self.shared.budget.is_exceeded_by(queue.cost.own)
        {
            return self.cut_locked(&mut queue);
        }
        if queue.phase != Phase::CatchingUp {
            self.wake_writer(queue);
        }
    }

    /// Whether nobody else writes to the socket, so that who has the lock may, without waiting.
    fn is_ours(&self, queue: &Queue) -> bool {
        let free = !queue.writing && queue.missed.is_none() && queue.phase != Phase::CatchingUp;
        free && self.shared.direct
    }

    /// Sends what the socket takes of what waits for a thread. False where it failed or the oldest became too old.
    fn send_waiting(&self, queue: &mut Queue) -> bool {
        let waited = !queue.frames.is_empty();
        let keeps_up = self.send_what_fits(queue);
        if waited {
            queue.report(&self.shared.budget);
            self.written.notify_all();
        }
        keeps_up
    }

    fn send_what_fits(&self, queue: &mut Queue) -> bool {
        while let Some(waiting) = queue.frames.front() {
            let bytes = &waiting.frame.bytes()[queue.sent..];
            let Ok(sent) = self.send_now(bytes) else {
                return false;
            };
            if sent < bytes.len() {
                let since = waiting.since;
                queue.advance(sent, &self.shared);
                return since.elapsed() <= limits::BACKLOG_AGE;
            }
            queue.advance(sent, &self.shared);
        }
        true
    }

    /// For whoever looks after those that wait for a thread; false where this one waits no more.
    fn is_still_waiting(&self) -> bool {
        let mut queue = lock(&self.queue);
        if self.is_ours(&queue) {
            if !self.send_waiting(&mut queue) {
                self.cut_locked(&mut queue);
            } else if queue.frames.is_empty() {
                self.finish_if_closing(&queue);
            }
        }
        queue.called = !queue.frames.is_empty() && !queue.writing;
        queue.called
    }

    /// Behind a close frame comes nothing: the peer is told so.
    fn finish_if_closing(&self, queue: &Queue) {
        if queue.phase == Phase::Closing {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    // ---- the writer thread ----------------------------------------------------------------------

    /// Has somebody write what waits.
    fn wake_writer(&self, mut queue: MutexGuard<'_, Queue>) {
        if self.shared.direct && queue.frames.is_empty() && queue.missed.is_none() {
            return;
        }
        if queue.writing {
            drop(queue);
            self.filled.notify_all();
            return;
        }
        if std::mem::replace(&mut queue.called, true) {
            return;
        }
        drop(queue);
        let started = Place::take(&self.shared).is_some_and(|place| self.start_writer(place));
        if started {
            return;
        }
        match self.shared.direct {
            true => places::wait_for_one(&self.shared, &self.this),
            // Nobody can send without a thread.
            false => self.cut(),
        }
    }

    /// Hands the socket to a thread of its own; false where the system gives us none.
    fn start_writer(&self, place: Place) -> bool {
        let Some(outbox) = self.this.upgrade() else {
            return false;
        };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .stack_size(self.shared.stack_bytes);
        thread.spawn(move || place.write(outbox)).is_ok()
    }

    /// False where somebody else has done meanwhile what a writer was called for.
    fn begin_writing(&self) -> bool {
        let mut queue = lock(&self.queue);
        let needed = queue.called && !queue.writing;
        queue.called = false;
        queue.writing |= needed;
        needed
    }

    /// Writes what was missed and what waits. Ends when nothing does (where the fan-out can send by itself) or the
    /// connection ends.
    fn drain(&self) {
        if !self.begin_writing() {
            return;
        }
        let mut batch = Vec::new();
        loop {
            match self.next_work(&mut batch) {
                Work::Missed(missed) => self.write_missed(missed),
                Work::Batch { oldest, cost } => {
                    if !self.write_batch(&batch, oldest) {
                        return self.cut();
                    }
                    let mut queue = lock(&self.queue);
                    queue.cost.subtract(cost);
                    queue.report(&self.shared.budget);
                }
                Work::None => return,
            }
        }
    }

    /// What is to be written next; waits for it where this thread stays.
    fn next_work(&self, batch: &mut Vec<u8>) -> Work {
        batch.clear();
        batch.shrink_to(WRITE_BYTES);
        let mut queue = lock(&self.queue);
        queue.in_hand = false;
        self.written.notify_all();
        loop {
            // Cut, there is nothing missed; closing, the rest of it that goes ahead of the close.
            if let Some(missed) = queue.missed.take() {
                queue.in_hand = true;
                return Work::Missed(missed);
            }
            match queue.phase {
                Phase::Cut => return Work::None,
                Phase::CatchingUp => {}
                Phase::Live | Phase::Closing => {
                    if let Some(oldest) = queue.frames.front().map(|waiting| waiting.since) {
                        queue.in_hand = true;
                        let cost = queue.take_into(batch, &self.shared);
                        return Work::Batch { oldest, cost };
                    }
                }
            }
            if queue.phase == Phase::Closing || self.shared.direct {
                queue.writing = false;
                queue.frames.shrink_to(0);
                self.finish_if_closing(&queue);
                return Work::None;
            }
            queue = self
                .filled
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// False where the socket failed or the oldest frame became too old.
    fn write_batch(&self, batch: &[u8], mut oldest: Instant) -> bool {
        let mut written = 0;
        while written < batch.len() {
            let began = Instant::now();
            match (&*self.stream).write(&batch[written..]) {
                Ok(0) => return false,
                Ok(count) => written += count,
                Err(error) if is_timeout(&error) => {}
                Err(_) => return false,
            }
            oldest += self.forgive(began);
            if written < batch.len() && oldest.elapsed() > limits::BACKLOG_AGE {
                return false;
            }
        }
        true
    }
}

impl Outbox {
    /// What a write that began at `began` slept through counts against nothing that waits. Returns how much it was.
    fn forgive(&self, began: Instant) -> Duration {
        let nap = nap(began, AGE_CHECK, Instant::now());
        if !nap.is_zero() {
            lock(&self.queue).forgive(nap);
        }
        nap
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.cost = Cost::default();
        queue.report(&self.shared.budget);
    }
}

impl Receiver for Outbox {
    fn push(&self, frames: &[SharedFrame], joined: &[u8]) {
        let queue = lock(&self.queue);
        if matches!(queue.phase, Phase::CatchingUp | Phase::Live) {
            self.push_locked(queue, frames, joined);
        }
    }

    fn close(&self, code: u16, reason: &str) {
        match self.handover.end(Frame::close(code, reason)) {
            Some(close) => self.end(&close),
            None => {
                // Its reader may be waiting for room.
                let _queue = lock(&self.queue);
                self.written.notify_all();
            }
        }
    }
}

/// What a writer does next.
enum Work {
    Missed(Missed),
    /// Since when its first frame waits, and what it counts for.
    Batch {
        oldest: Instant,
        cost: Cost,
    },
    None,
}
