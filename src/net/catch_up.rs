//! What a connection missed, read from the store piece by piece as its socket takes it.
//!
//! Holds no more than one piece in memory, however much was missed and however long the `Welcome` is.

use super::outbox::Source;
use crate::hub::{Missed, error_frame};
use crate::limits;
use crate::log::Log;
use crate::protocol::{Error, Frame, Gap, Pieces, Seq, WelcomeFrame, text_frame};
use crate::store::{Lines, Reader};
use std::collections::VecDeque;
use std::sync::Arc;

pub struct CatchUp {
    reader: Reader,
    log: Log,
    /// What goes ahead, and the `Ack` of the `Hello` that asked for it.
    first: Option<(Pieces, Option<Frame>)>,
    /// Of the `Welcome` a part was given, and not all.
    within_welcome: bool,
    rooms: VecDeque<Missed>,
    current: Option<Current>,
}

/// The room that is being read.
struct Current {
    room: Arc<str>,
    /// The last message that was sent, or what the peer had before.
    sent: Seq,
    through: Seq,
    lines: Lines,
}

impl CatchUp {
    pub fn new(
        reader: Reader,
        log: Log,
        welcome: WelcomeFrame,
        ack: Option<Frame>,
        missed: Vec<Missed>,
    ) -> CatchUp {
        let rooms = missed.into();
        CatchUp {
            reader,
            log,
            first: Some((welcome.into_pieces(), ack)),
            within_welcome: false,
            rooms,
            current: None,
        }
    }

    /// Begins the next room: with a `Gap` where too much is missing. False where there is none.
    fn next_room(&mut self, piece: &mut Vec<u8>) -> bool {
        let Some(missed) = self.rooms.pop_front() else {
            return false;
        };
        let Missed {
            log,
            room,
            mut after,
            through,
        } = missed;
        if through - after > limits::CATCH_UP_MESSAGES {
            let newest = through - limits::CATCH_UP_MESSAGES;
            push_gap(piece, &room, after, newest + 1);
            after = newest;
        }
        let lines = self.reader.read_range(log, after, through);
        self.current = Some(Current {
            room,
            sent: after,
            through,
            lines,
        });
        true
    }

    /// What cannot be read is told as an error and as a gap; the other rooms, and what comes live, are not held up.
    fn skip_room(&mut self, piece: &mut Vec<u8>, error: &Error) {
        self.log
            .write("catch_up_failed", &[("reason", &error.message)]);
        let Some(Current {
            room,
            sent,
            through,
            ..
        }) = self.current.take()
        else {
            return;
        };
        piece.extend_from_slice(error_frame(error, None).bytes());
        push_gap(piece, &room, sent, through + 1);
    }
}

fn push_gap(piece: &mut Vec<u8>, room: &str, after: Seq, before: Seq) {
    piece.extend_from_slice(
        text_frame(
            "Gap",
            &Gap {
                room,
                after,
                before,
            },
        )
        .bytes(),
    );
}

impl Source for CatchUp {
    fn next_piece(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        if let Some((welcome, ack)) = &mut self.first {
            self.within_welcome = welcome.push_some(&mut piece, limits::PIECE_BYTES);
            if self.within_welcome {
                return Some(piece);
            }
            ack.iter()
                .for_each(|ack| piece.extend_from_slice(ack.bytes()));
            self.first = None;
        }
        while piece.len() < limits::PIECE_BYTES {
            match self
                .current
                .as_mut()
                .and_then(|current| current.lines.next())
            {
                Some(Ok(line)) => {
                    piece.extend_from_slice(line.frame().frame().bytes());
                    self.current
                        .iter_mut()
                        .for_each(|current| current.sent += 1);
                }
                Some(Err(error)) => self.skip_room(&mut piece, &error),
                None if self.next_room(&mut piece) => {}
                None => break,
            }
        }
        (!piece.is_empty()).then_some(piece)
    }

    fn is_within_frame(&self) -> bool {
        self.within_welcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::NameList;
    use crate::store::{Options, open};

    /// Somebody may have many connections that read nothing.
    #[test]
    fn of_a_long_welcome_only_a_piece_is_in_memory() {
        const ROOMS: Seq = 1_000;
        const TOPIC: usize = 1_000;
        let home = tempfile::tempdir().unwrap();
        let reader = open(home.path(), Options::default(), 0).unwrap();
        let reader = reader.store.reader();
        let log = Log::discard();
        let topic = "x".repeat(TOPIC);
        let welcome = WelcomeFrame::of_rooms(ROOMS, &topic, NameList::default());
        let ack = Frame::raw(b"ack");
        let mut source = CatchUp::new(reader, log, welcome, Some(ack), Vec::new());
        let mut all = Vec::new();
        assert!(!source.is_within_frame());
        while let Some(piece) = source.next_piece() {
            assert!(piece.len() < 2 * limits::PIECE_BYTES, "{}", piece.len());
            all.extend(piece);
            assert_eq!(source.is_within_frame(), !all.ends_with(b"]}}ack"));
        }
        assert!(all.ends_with(b"]}}ack"));
        assert!(all.len() > ROOMS as usize * TOPIC);
    }
}
