//! The threads of connections: one for each, taken where the connection arrives and again where it stays.
//!
//! Owns how such threads begin and end, and what a panic may end (its own connection). Knows neither HTTP nor
//! WebSocket. Locks only its list of idle threads.
//!
//! Arriving goes deep: requests, tokens, the first frames. What that leaves behind (pages of stack, freed blocks that
//! the allocator keeps for a thread) is as much as a connection needs that only listens, and most of them only listen.
//! So a WebSocket stays on a fresh thread, and the one on which it arrived takes the next connection.

use super::lock;
use crate::limits::{CONNECTION_STACK_BYTES, HANDOVERS, IDLE_THREAD, IDLE_THREADS};
use crate::log::Log;
use std::io;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// Whose thread it is: what a panic ends, and what the log says of it.
#[derive(Clone)]
pub struct Owner {
    pub stream: Arc<TcpStream>,
    pub peer: IpAddr,
}

/// The threads on which connections arrive.
pub struct Threads {
    log: Log,
    /// Those that wait for a connection; the last to come is the first to go, since its memory is warm.
    idle: Mutex<Vec<Arc<Seat>>>,
    handovers: Handovers,
}

/// Where an idle thread waits.
#[derive(Default)]
struct Seat {
    work: Mutex<Option<Work>>,
    given: Condvar,
}

impl Threads {
    pub fn new(log: Log) -> Arc<Threads> {
        Arc::new(Threads {
            log,
            idle: Mutex::default(),
            handovers: Handovers::default(),
        })
    }

    /// Serves a connection that arrives on an idle thread, or on a new one. The error says that the system gives none;
    /// `work` is dropped then.
    pub fn arrive(
        self: &Arc<Threads>,
        owner: Owner,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let work = self.guarded(owner, work);
        let seat = lock(&self.idle).pop();
        if let Some(seat) = seat {
            *lock(&seat.work) = Some(work);
            seat.given.notify_one();
            return Ok(());
        }
        let threads = self.clone();
        spawn(move || threads.serve(work))
    }

    /// Goes on with a connection that stays on a thread of its own; where the system gives none, on this one.
    pub fn stay(self: &Arc<Threads>, owner: Owner, work: impl FnOnce() + Send + 'static) {
        let handover = self.handovers.begin();
        // A thread that does not begin drops its closure, so the work lies where both can take it.
        let work = Arc::new(Mutex::new(Some(self.guarded(owner, work))));
        let taken = work.clone();
        let begun = spawn(move || {
            let work = lock(&taken).take();
            drop(taken);
            work.into_iter().for_each(|work| work());
        });
        drop(handover);
        if begun.is_err() {
            let work = lock(&work).take();
            work.into_iter().for_each(|work| work());
        }
    }

    fn guarded(self: &Arc<Threads>, owner: Owner, work: impl FnOnce() + Send + 'static) -> Work {
        let threads = self.clone();
        Box::new(move || {
            if catch_unwind(AssertUnwindSafe(work)).is_ok() {
                return;
            }
            let _ = owner.stream.shutdown(Shutdown::Both);
            // What was said in the panic may hold what the client sent, so only the fact is logged.
            let peer = owner.peer.to_string();
            let fields = [("what", "connection_panicked"), ("address", peer.as_str())];
            threads.log.write("error", &fields);
        })
    }

    /// An arrival thread's life.
    fn serve(&self, first: Work) {
        let seat = Arc::new(Seat::default());
        let mut next = Some(first);
        while let Some(work) = next {
            work();
            next = self.wait(&seat);
        }
    }

    /// The next connection's work; `None` where enough others wait already, or none came.
    fn wait(&self, seat: &Arc<Seat>) -> Option<Work> {
        {
            let mut idle = lock(&self.idle);
            if idle.len() >= IDLE_THREADS {
                return None;
            }
            idle.push(seat.clone());
        }
        let work = lock(&seat.work);
        let waited = seat
            .given
            .wait_timeout_while(work, IDLE_THREAD, |work| work.is_none());
        let mut work = waited.unwrap_or_else(PoisonError::into_inner).0;
        if work.is_some() {
            return work.take();
        }
        drop(work);
        let mut idle = lock(&self.idle);
        if let Some(at) = idle.iter().position(|its| Arc::ptr_eq(its, seat)) {
            idle.remove(at);
            return None;
        }
        drop(idle);
        // Somebody has taken the seat from the list just now, and is about to put work on it.
        let work = lock(&seat.work);
        let waited = seat.given.wait_while(work, |work| work.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("conn".to_owned())
        .stack_size(CONNECTION_STACK_BYTES)
        .spawn(work)
        .map(drop)
}

/// The steps from one thread to the next that are under way. While one is, its connection has two threads; so few may
/// have that, that the room which was reckoned for threads suffices.
#[derive(Default)]
struct Handovers {
    under_way: Mutex<usize>,
    ended: Condvar,
}

/// One step's place among [`HANDOVERS`].
struct Handover<'a>(&'a Handovers);

impl Handovers {
    fn begin(&self) -> Handover<'_> {
        let under_way = lock(&self.under_way);
        let full = |under_way: &mut usize| *under_way >= HANDOVERS;
        let waited = self.ended.wait_while(under_way, full);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Handover(self)
    }
}

impl Drop for Handover<'_> {
    fn drop(&mut self) {
        *lock(&self.0.under_way) -= 1;
        self.0.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread::{ThreadId, current};

    fn owner() -> (Owner, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        let owner = Owner {
            stream: Arc::new(stream),
            peer: peer.ip(),
        };
        (owner, client)
    }

    /// Work that says on which thread it runs, and then waits for the other end to be dropped.
    fn work() -> (impl FnOnce() + Send + 'static, Receiver<ThreadId>) {
        let (sender, threads) = channel();
        (move || sender.send(current().id()).unwrap(), threads)
    }

    #[test]
    fn an_idle_thread_takes_the_next_connection() {
        let threads = Threads::new(Log::discard());
        let (owner, _client) = owner();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (work, thread) = work();
            threads.arrive(owner.clone(), work).unwrap();
            seen.push(thread.recv().unwrap());
            while lock(&threads.idle).is_empty() {
                thread::yield_now();
            }
        }
        assert!(seen.iter().all(|&id| id == seen[0]), "{seen:?}");
    }

    #[test]
    fn who_stays_leaves_the_thread_and_the_place_comes_back() {
        let threads = Threads::new(Log::discard());
        let (owner, _client) = owner();
        for _ in 0..HANDOVERS * 2 {
            let (work, thread) = work();
            threads.stay(owner.clone(), work);
            assert_ne!(thread.recv().unwrap(), current().id());
        }
        assert_eq!(*lock(&threads.handovers.under_way), 0);
    }

    #[test]
    fn a_panic_ends_its_own_connection_and_the_thread_goes_on() {
        let threads = Threads::new(Log::discard());
        let (first, mut client) = owner();
        threads.arrive(first, || panic!("on purpose")).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let (second, mut client) = owner();
        threads.stay(second, || panic!("on purpose"));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let (third, _client) = owner();
        let (work, thread) = work();
        threads.arrive(third, work).unwrap();
        thread.recv().unwrap();
    }
}
