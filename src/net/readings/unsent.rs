//! What has been read and waits for its receivers, all users' together.
//!
//! Nobody waits for it to become less: beyond the bound whoever holds most of it loses their oldest answer, that is the
//! connection on which it is sent. Locks a table, and shuts sockets down under the lock, which waits for nothing.

use crate::net::lock;
use std::collections::{BTreeMap, HashMap};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Unsent {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    last: u64,
    /// By number, so that the oldest comes first.
    answers: BTreeMap<u64, Waiting>,
}

struct Waiting {
    user: String,
    bytes: usize,
    stream: Arc<TcpStream>,
}

impl Unsent {
    pub fn new(most: usize) -> Unsent {
        Unsent {
            most,
            state: Mutex::default(),
        }
    }

    /// One more; the answer is what [`Unsent::remove`] knows it by.
    pub fn add(&self, user: &str, bytes: usize, stream: &Arc<TcpStream>) -> u64 {
        let mut state = lock(&self.state);
        while state.bytes + bytes > self.most
            && let Some(number) = state.oldest_of_who_holds_most()
        {
            if let Some(given_up) = state.remove(number) {
                // Whoever writes to it fails, and drops the answer. One that is gone already is as good.
                let _ = given_up.stream.shutdown(Shutdown::Both);
            }
        }
        state.last += 1;
        let number = state.last;
        state.bytes += bytes;
        let waiting = Waiting {
            user: user.to_owned(),
            bytes,
            stream: stream.clone(),
        };
        state.answers.insert(number, waiting);
        number
    }

    /// It is sent, or nobody wants it any more.
    pub fn remove(&self, number: u64) {
        lock(&self.state).remove(number);
    }
}

impl State {
    fn oldest_of_who_holds_most(&self) -> Option<u64> {
        let mut held: HashMap<&str, usize> = HashMap::new();
        for answer in self.answers.values() {
            *held.entry(&answer.user).or_default() += answer.bytes;
        }
        let most = held.values().max()?;
        let mut oldest_first = self.answers.iter();
        let (number, _) = oldest_first.find(|(_, answer)| held[&*answer.user] == *most)?;
        Some(*number)
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let removed = self.answers.remove(&number)?;
        self.bytes -= removed.bytes;
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    /// A connection's two ends: the server's, and the receiver's.
    fn connection() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        receiver.set_nonblocking(true).unwrap();
        (Arc::new(listener.accept().unwrap().0), receiver)
    }

    fn is_open((_, receiver): &(Arc<TcpStream>, TcpStream)) -> bool {
        let mut receiver: &TcpStream = receiver;
        let nothing = receiver.read(&mut [0]);
        nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn whoever_holds_most_loses_their_oldest() {
        let unsent = Unsent::new(100);
        let connections: Vec<_> = (0..7).map(|_| connection()).collect();
        let open = || -> Vec<bool> { connections.iter().map(is_open).collect() };
        let add = |at: usize, user, bytes| unsent.add(user, bytes, &connections[at].0);
        add(0, "tom", 10);
        let first = add(1, "eva", 40);
        add(2, "mira", 25);
        add(3, "mira", 20);
        assert!(open().iter().all(|&open| open), "there is room");
        add(4, "ada", 20);
        let now = [true, true, false, true, true, true, true];
        assert_eq!(open(), now, "mira held 45");
        // What is given up is dropped later, and does not count twice.
        unsent.remove(3);
        assert_eq!(lock(&unsent.state).bytes, 10 + 40 + 20 + 20);
        add(5, "ada", 50);
        let now = [true, false, false, true, true, true, true];
        assert_eq!(open(), now, "eva held 40, and that was enough");
        unsent.remove(first);
        add(6, "ben", 100);
        let now = [false, false, false, false, false, false, true];
        assert_eq!(open(), now, "one that takes all of the room has it");
        assert_eq!(lock(&unsent.state).bytes, 100);
    }
}
