//! The beginning of a connection: what it missed goes first, at its own pace, while what happens meanwhile waits.
//!
//! Owns the way from [`Phase::CatchingUp`] to [`Phase::Live`]. Reads what was missed through its [`Source`] alone.

use super::places::Place;
use super::queue::{Missed, Phase};
use super::{Outbox, Source, is_timeout, lock};
use std::io::Write;
use std::time::Instant;

impl Outbox {
    /// When the socket last took a piece of what was missed, if that is still going on: a peer that takes what it
    /// missed is alive, though its answers to pings wait behind it.
    pub fn catching_up(&self) -> Option<Instant> {
        let queue = lock(&self.queue);
        (queue.phase == Phase::CatchingUp).then_some(queue.progress)
    }

    /// From here on what is pushed waits, until [`Outbox::catch_up`] has sent what was missed.
    pub fn hold(&self) {
        let mut queue = lock(&self.queue);
        if queue.phase == Phase::Live {
            queue.phase = Phase::CatchingUp;
            queue.progress = Instant::now();
        }
    }

    /// Nothing was missed, or it will not be sent: lets go what waits.
    pub fn release(&self) {
        let mut queue = lock(&self.queue);
        if queue.phase == Phase::CatchingUp {
            queue.go_live();
            self.wake_writer(queue);
        }
    }

    /// Sends what was missed, then what waits. Returns at once where the socket takes it all or a thread can be had
    /// for the rest; else blocks until it is done.
    pub fn catch_up(&self, source: Box<dyn Source>) {
        let mut queue = lock(&self.queue);
        if queue.phase != Phase::CatchingUp {
            return;
        }
        let missed = Missed {
            piece: Vec::new(),
            source,
        };
        if queue.writing || !self.shared.direct {
            queue.missed = Some(missed);
            return self.wake_writer(queue);
        }
        queue.writing = true;
        drop(queue);
        if let Some(rest) = self.send_missed(missed) {
            return self.catch_up_slowly(rest);
        }
        self.give_up_writing();
    }

    /// Sends what the socket takes without waiting; answers what is left.
    fn send_missed(&self, mut missed: Missed) -> Option<Missed> {
        while self.goes_on(&*missed.source) {
            match missed.source.next_piece() {
                Some(piece) => missed.piece = piece,
                None => {
                    lock(&self.queue).go_live();
                    return None;
                }
            }
            let Ok(sent) = self.send_now(&missed.piece) else {
                self.cut();
                return None;
            };
            if sent < missed.piece.len() {
                missed.piece.drain(..sent);
                return Some(missed);
            }
        }
        None
    }

    fn catch_up_slowly(&self, missed: Missed) {
        {
            let mut queue = lock(&self.queue);
            queue.missed = Some(missed);
            (queue.writing, queue.called) = (false, true);
        }
        if Place::take_for_catch_up(&self.shared).is_some_and(|place| self.start_writer(place)) {
            return;
        }
        // Without a thread this one does it; the peer's own frames wait meanwhile.
        let missed = {
            let mut queue = lock(&self.queue);
            (queue.writing, queue.called) = (true, false);
            queue.missed.take()
        };
        if let Some(missed) = missed {
            // That may take long; a close comes behind the piece in hand, in which the answer to signing in is.
            self.finish_frame();
            self.write_missed(missed);
        }
        self.give_up_writing();
    }

    /// This thread had the socket; what waits now is for a writer.
    fn give_up_writing(&self) {
        let mut queue = lock(&self.queue);
        queue.writing = false;
        if !queue.frames.is_empty() {
            self.wake_writer(queue);
        }
    }

    /// Writes what was missed at the receiver's pace.
    pub(super) fn write_missed(&self, mut missed: Missed) {
        while self.write_piece(&missed.piece) && self.goes_on(&*missed.source) {
            match missed.source.next_piece() {
                Some(piece) => missed.piece = piece,
                None => return lock(&self.queue).go_live(),
            }
        }
    }

    /// Whether another piece is to be sent. Only between frames may something else be, be it a close.
    fn goes_on(&self, source: &dyn Source) -> bool {
        match lock(&self.queue).phase {
            Phase::CatchingUp => true,
            Phase::Closing => source.is_within_frame(),
            Phase::Live | Phase::Cut => false,
        }
    }

    /// False where the connection was cut.
    fn write_piece(&self, piece: &[u8]) -> bool {
        let mut written = 0;
        while written < piece.len() {
            let began = Instant::now();
            match (&*self.stream).write(&piece[written..]) {
                Ok(count) if count > 0 => {
                    written += count;
                    lock(&self.queue).progress = Instant::now();
                }
                Err(error) if is_timeout(&error) && !self.is_stuck(began) => {}
                _ => {
                    self.cut();
                    return false;
                }
            }
            if lock(&self.queue).phase == Phase::Cut {
                return false;
            }
        }
        true
    }

    /// Catching up goes at the receiver's pace, but it has to go: else a peer that asks and never reads would hold a
    /// writer's place for as long as it answers pings. `began`: when the wait did that has brought nothing.
    fn is_stuck(&self, began: Instant) -> bool {
        self.forgive(began);
        lock(&self.queue).progress.elapsed() > self.shared.patience
    }
}
