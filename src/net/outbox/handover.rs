//! A frame of the peer's that is in its reader's hands: read, and not yet handed over.
//!
//! A connection that closes under it would leave the frame without the answer that it is promised. So whoever closes
//! leaves the close frame here meanwhile, and the reader sends it behind what it has to say. Owns that one state of a
//! connection, and a lock that only a close ever contends for.

use super::lock;
use crate::protocol::Frame;
use std::sync::Mutex;

#[derive(Default)]
pub(super) struct Handover(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// The reader has a frame in hand.
    Busy,
    /// As before, and this close frame waits for it.
    Ending(Frame),
    /// The connection is being closed: what is read now is nobody's.
    Over,
}

impl Handover {
    /// The reader has read a frame; false where that was too late.
    pub(super) fn begin(&self) -> bool {
        let mut state = lock(&self.0);
        if let State::Idle = *state {
            *state = State::Busy;
        }
        !matches!(*state, State::Over)
    }

    /// The frame is handed over, or answered; gives the close frame to be sent now, where one waited for that.
    pub(super) fn finish(&self) -> Option<Frame> {
        let mut state = lock(&self.0);
        match std::mem::take(&mut *state) {
            State::Idle | State::Busy => None,
            State::Ending(close) => {
                *state = State::Over;
                Some(close)
            }
            State::Over => {
                *state = State::Over;
                None
            }
        }
    }

    /// The connection is to be closed: gives the frame back where it may be sent at once.
    pub(super) fn end(&self, close: Frame) -> Option<Frame> {
        let mut state = lock(&self.0);
        match *state {
            State::Idle | State::Over => {
                *state = State::Over;
                Some(close)
            }
            State::Busy => {
                *state = State::Ending(close);
                None
            }
            // The first one counts.
            State::Ending(_) => None,
        }
    }

    /// Whether a close frame waits for the reader.
    pub(super) fn is_ending(&self) -> bool {
        matches!(*lock(&self.0), State::Ending(_))
    }
}
