//! What a connection missed, read from the store piece by piece as its socket takes it.
//!
//! Holds no more than one piece in memory, however much was missed.

use super::outbox::{CatchUpFailed, Source};
use crate::hub::Missed;
use crate::limits;
use crate::log::Log;
use crate::protocol::{Frame, Gap, text_frame};
use crate::store::{Lines, Reader};
use std::collections::VecDeque;

/// A piece is about this long.
const PIECE_BYTES: usize = 64 * 1024;

pub struct CatchUp {
    reader: Reader,
    log: Log,
    /// Frames that go ahead: `Welcome`, an `Ack`.
    first: Vec<Frame>,
    rooms: VecDeque<Missed>,
    lines: Option<Lines>,
}

impl CatchUp {
    pub fn new(reader: Reader, log: Log, first: Vec<Frame>, missed: Vec<Missed>) -> CatchUp {
        CatchUp {
            reader,
            log,
            first,
            rooms: missed.into(),
            lines: None,
        }
    }

    /// Begins the next room: with a `Gap` where too much is missing. False where there is none.
    fn next_room(&mut self, piece: &mut Vec<u8>) -> bool {
        let Some(Missed {
            log,
            room,
            mut after,
            through,
        }) = self.rooms.pop_front()
        else {
            return false;
        };
        if through - after > limits::CATCH_UP_MESSAGES {
            let first = through - limits::CATCH_UP_MESSAGES;
            let gap = Gap {
                room: &room,
                after,
                before: first + 1,
            };
            piece.extend_from_slice(text_frame("Gap", &gap).bytes());
            after = first;
        }
        self.lines = Some(self.reader.read_range(log, after, through));
        true
    }
}

impl Source for CatchUp {
    fn next_piece(&mut self) -> Option<Result<Vec<u8>, CatchUpFailed>> {
        let mut piece = Vec::new();
        for frame in self.first.drain(..) {
            piece.extend_from_slice(frame.bytes());
        }
        while piece.len() < PIECE_BYTES {
            match self.lines.as_mut().and_then(Iterator::next) {
                Some(Ok(line)) => piece.extend_from_slice(line.frame().frame().bytes()),
                Some(Err(error)) => {
                    self.log
                        .write("catch_up_failed", &[("reason", &error.message)]);
                    return Some(Err(CatchUpFailed));
                }
                None if self.next_room(&mut piece) => {}
                None => break,
            }
        }
        (!piece.is_empty()).then_some(Ok(piece))
    }
}
