//! How much of the history is read and waits to be sent: searches hold whole segments, long answers wait for slow
//! receivers, and looking for an `id` may walk through a segment, so that somebody who asks for hundreds of them would
//! fill the memory and keep every core busy.
//!
//! A user has so many bytes under way, of which each reading counts as an eighth at least; who has that much waits for
//! their own. Pages that are being read have room together, as searches have, which take longer; nothing but reading
//! holds it. For what is read and unsent see [`unsent`]: nobody waits for other people's receivers. Pages that were kept
//! ([`super::pages`]) are not read, and count there alone.

mod space;
mod unsent;

use super::lock;
use super::response::Long;
use crate::limits::{
    PAGE_MESSAGE_BYTES, PIECE_BYTES, READING_BYTES, READING_BYTES_OF_USER, READINGS_OF_USER,
    RESPONSE_DEADLINE, UNSENT_BYTES,
};
use crate::protocol::{Code, Error, Pieces, fold};
use space::Space;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use unsent::Unsent;

/// What a reading counts as in the room of its user, however short it is.
const LEAST: usize = READING_BYTES_OF_USER / READINGS_OF_USER;

pub struct Readings {
    /// Of those users who have any.
    own: Mutex<HashMap<String, Own>>,
    pages: Space,
    searches: Space,
    unsent: Unsent,
    /// How long one waits for room.
    patience: Duration,
}

impl Default for Readings {
    fn default() -> Readings {
        Readings {
            own: Mutex::default(),
            pages: Space::new(READING_BYTES),
            searches: Space::new(READING_BYTES),
            unsent: Unsent::new(UNSENT_BYTES),
            patience: RESPONSE_DEADLINE,
        }
    }
}

/// A user's room, and how many readings they have under way.
struct Own {
    space: Arc<Space>,
    readings: usize,
}

/// What is read: it says whose room that takes.
#[derive(Clone, Copy)]
enum What {
    Page,
    Search,
}

/// One reading that is under way, until it is dropped.
pub struct Reading {
    all: Arc<Readings>,
    user: String,
    own: Arc<Space>,
    /// What it counts as in its user's room.
    counted: usize,
    /// What it takes of the room for reading.
    room: Option<(What, usize)>,
}

/// What waits for its receiver. It counts until it is sent.
pub struct Waiting {
    bytes: Vec<u8>,
    number: u64,
    all: Arc<Readings>,
    #[expect(dead_code, reason = "held for its Drop")]
    reading: Option<Reading>,
}

impl Readings {
    /// Waits while the user has [`READINGS_OF_USER`] under way.
    pub fn begin(self: &Arc<Readings>, user: &str) -> Reading {
        let mut reading = self.none_yet(user);
        // For as long as it takes: what is not sent anywhere is read soon.
        if reading.own.take(LEAST, Duration::MAX) {
            reading.counted = LEAST;
        }
        reading
    }

    /// The same for a page of at most so many messages. Waits until there is room for one of the longest, so long as an
    /// answer may take to be sent.
    pub fn begin_page(self: &Arc<Readings>, user: &str, messages: u32) -> Result<Reading, Error> {
        self.begin_long(user, What::Page, messages)
    }

    pub fn begin_search(self: &Arc<Readings>, user: &str, found: u32) -> Result<Reading, Error> {
        self.begin_long(user, What::Search, found)
    }

    fn begin_long(
        self: &Arc<Readings>,
        user: &str,
        what: What,
        messages: u32,
    ) -> Result<Reading, Error> {
        let begin = Instant::now();
        let bytes = messages as usize * PAGE_MESSAGE_BYTES;
        let counted = bytes.max(LEAST);
        let mut reading = self.none_yet(user);
        if !reading.own.take(counted, self.patience) {
            let why = "Too many of your answers are waiting for you. Read them, and ask again.";
            return Err(Error::new(Code::Overloaded, why));
        }
        reading.counted = counted;
        let left = self.patience.saturating_sub(begin.elapsed());
        if !self.space(what).take(bytes, left) {
            let why = "Too many people are reading long pages. Ask again in a moment.";
            return Err(Error::new(Code::Overloaded, why));
        }
        reading.room = Some((what, bytes));
        Ok(reading)
    }

    fn none_yet(self: &Arc<Readings>, user: &str) -> Reading {
        let user = fold(user).into_owned();
        let fresh = || Own {
            space: Arc::new(Space::new(READING_BYTES_OF_USER)),
            readings: 0,
        };
        let mut all = lock(&self.own);
        let own = all.entry(user.clone()).or_insert_with(fresh);
        own.readings += 1;
        Reading {
            all: self.clone(),
            user,
            own: own.space.clone(),
            counted: 0,
            room: None,
        }
    }

    fn space(&self, what: What) -> &Space {
        match what {
            What::Page => &self.pages,
            What::Search => &self.searches,
        }
    }

    /// What is to be sent to this user on this connection.
    pub fn waiting(
        self: &Arc<Readings>,
        user: &str,
        bytes: Vec<u8>,
        stream: &Arc<TcpStream>,
    ) -> Waiting {
        Waiting {
            number: self.unsent.add(&fold(user), bytes.len(), stream),
            bytes,
            all: self.clone(),
            reading: None,
        }
    }

    /// The same for what is written out piece by piece. It counts as a whole: what it is made of may be nobody else's by now.
    pub fn waiting_pieces(
        self: &Arc<Readings>,
        user: &str,
        pieces: Pieces,
        stream: &Arc<TcpStream>,
    ) -> WaitingPieces {
        WaitingPieces {
            number: self.unsent.add(&fold(user), pieces.length(), stream),
            pieces,
            all: self.clone(),
        }
    }
}

/// What waits for its receiver and is written out as it is sent.
pub struct WaitingPieces {
    pieces: Pieces,
    number: u64,
    all: Arc<Readings>,
}

impl Long for WaitingPieces {
    fn length(&self) -> usize {
        self.pieces.length()
    }

    fn push_some(&mut self, bytes: &mut Vec<u8>) -> bool {
        self.pieces.push_some(bytes, PIECE_BYTES)
    }
}

impl Drop for WaitingPieces {
    fn drop(&mut self) {
        self.all.unsent.remove(self.number);
    }
}

impl Reading {
    /// What was read, to be sent on this connection. From here on it takes no more room than it has bytes.
    pub fn of(mut self, mut bytes: Vec<u8>, stream: &Arc<TcpStream>) -> Waiting {
        bytes.shrink_to_fit();
        let number = self.all.unsent.add(&self.user, bytes.len(), stream);
        self.end_reading();
        let now = bytes.len().max(LEAST);
        self.own.change(self.counted, now);
        self.counted = now;
        Waiting {
            bytes,
            number,
            all: self.all.clone(),
            reading: Some(self),
        }
    }

    fn end_reading(&mut self) {
        if let Some((what, bytes)) = self.room.take() {
            self.all.space(what).change(bytes, 0);
        }
    }
}

impl AsRef<[u8]> for Waiting {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.unsent.remove(self.number);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.end_reading();
        self.own.change(self.counted, 0);
        let mut all = lock(&self.all.own);
        if let Entry::Occupied(mut own) = all.entry(std::mem::take(&mut self.user)) {
            own.get_mut().readings -= 1;
            if own.get().readings == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ListedRoom, rooms_json};
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A connection's two ends: the server's, and the receiver's.
    fn connection() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), receiver)
    }

    /// Nobody waits.
    fn impatient() -> Arc<Readings> {
        Arc::new(Readings {
            patience: Duration::ZERO,
            ..Readings::default()
        })
    }

    fn is_refused<T>(answer: Result<T, Error>) -> bool {
        answer.is_err_and(|error| error.code == Code::Overloaded)
    }

    const LONGEST: u32 = crate::limits::PAGE_MESSAGES_MAX;

    #[test]
    fn one_more_waits_for_one_of_the_same_user() {
        let readings = Arc::new(Readings::default());
        let mut mine: Vec<Reading> = (0..READINGS_OF_USER)
            .map(|_| readings.begin("Eva"))
            .collect();
        let another = {
            let readings = readings.clone();
            std::thread::spawn(move || drop(readings.begin("eva")))
        };
        while mine[0].own.waiting() == 0 {
            std::thread::yield_now();
        }
        drop(readings.begin("mira"));
        assert!(!another.is_finished(), "mira's was not eva's");
        mine.pop();
        another.join().unwrap();
        drop(mine);
        assert!(lock(&readings.own).is_empty());
    }

    #[test]
    fn nobody_is_remembered_whose_readings_end_at_once() {
        let (readings, arrived) = (Arc::new(Readings::default()), AtomicUsize::new(0));
        // Waiting at a barrier, one would be woken long after the other.
        let meet = || {
            let goal = arrived.fetch_add(1, Ordering::SeqCst) / 2 * 2 + 2;
            while arrived.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
        };
        let read_on = || {
            let remembered = (0..20_000).filter(|_| {
                let reading = readings.begin("eva");
                meet();
                drop(reading);
                meet();
                let remembered = !lock(&readings.own).is_empty();
                meet();
                remembered
            });
            assert_eq!(remembered.count(), 0);
        };
        std::thread::scope(|scope| {
            scope.spawn(read_on);
            read_on();
        });
    }

    #[test]
    fn a_user_has_so_many_bytes_under_way() {
        let readings = impatient();
        let (stream, _receiver) = connection();
        let long = readings.begin_page("Eva", LONGEST).unwrap();
        assert!(is_refused(readings.begin_page("eva", LONGEST)));
        drop(readings.begin_page("mira", LONGEST).unwrap());
        // One that turned out short leaves room for all the others.
        let mut read = vec![long.of(vec![0; 100], &stream)];
        for _ in 1..READINGS_OF_USER {
            let page = readings.begin_page("eva", 1).unwrap();
            read.push(page.of(vec![0; 100], &stream));
        }
        assert!(is_refused(readings.begin_page("eva", 1)));
        read.pop();
        drop(readings.begin_page("eva", 1).unwrap());
        drop(read);
        assert!(lock(&readings.own).is_empty());
    }

    #[test]
    fn what_all_read_at_once_is_bounded() {
        let readings = impatient();
        let longest = LONGEST as usize * PAGE_MESSAGE_BYTES;
        let begin = |number: usize| readings.begin_page(&format!("user-{number}"), LONGEST);
        let fit = READING_BYTES / longest;
        let reading: Vec<Reading> = (0..fit).map(|number| begin(number).unwrap()).collect();
        assert!(is_refused(begin(fit)));
        drop(readings.begin_search("tom", LONGEST).unwrap());
        drop(reading);
        drop(begin(fit).unwrap());
        assert!(lock(&readings.own).is_empty(), "who was refused has none");
    }

    #[test]
    fn who_reads_nothing_keeps_nobody_waiting() {
        let readings = impatient();
        let mut connections = Vec::new();
        let mut page = |user: &str| {
            let (stream, receiver) = connection();
            connections.push(receiver);
            let reading = readings.begin_page(user, LONGEST).unwrap();
            reading.of(vec![0; LONGEST as usize * PAGE_MESSAGE_BYTES], &stream)
        };
        // As many as have room with the longest pages, and two more.
        let fit = UNSENT_BYTES / (LONGEST as usize * PAGE_MESSAGE_BYTES);
        let greedy = (0..fit + 2).map(|number| page(&format!("greedy-{number}")));
        let greedy: Vec<Waiting> = greedy.collect();
        let third = page("tom");
        assert_eq!(
            connections[0].read(&mut [0]).unwrap(),
            0,
            "the oldest ended"
        );
        let last = connections.last().unwrap();
        last.set_nonblocking(true).unwrap();
        assert!((&*last).read(&mut [0]).is_err(), "tom's is open");
        drop((greedy, third));
        assert!(lock(&readings.own).is_empty());
    }

    /// Each holds all that its rooms were when it was asked for, though nobody else may any more.
    #[test]
    fn lists_that_nobody_reads_are_given_up_by_their_whole_length() {
        const TENTH: usize = UNSENT_BYTES / 10;
        let readings = Arc::new(Readings::default());
        let room = ListedRoom {
            shared: "x".repeat(TENTH).into(),
            last_seq: 0,
            read_seq: 0,
        };
        let wait = || {
            let (stream, receiver) = connection();
            let list = rooms_json(vec![room.clone()]);
            (readings.waiting_pieces("eva", list, &stream), receiver)
        };
        let mut lists: Vec<_> = (0..10).map(|_| wait()).collect();
        let (_, first) = &mut lists[0];
        first.set_nonblocking(true).unwrap();
        assert_eq!(first.read(&mut [0]).ok(), Some(0), "the oldest ended");
    }
}
