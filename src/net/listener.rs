//! The gate: accepts connections, counts them, and gives each a thread of its own.
//!
//! Owns the listening socket, the number of connections there may be, and the answer to those beyond. Never reads
//! a request and never blocks on a client. Locks its counts only, for the length of an addition.

use super::lock;
use super::response::Answer;
use crate::limits::{ACCEPT_BACKLOG, CONNECTION_STACK_BYTES};
use crate::log::Log;
use crate::protocol::{Code, Error};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// After a failure that only time mends (no memory, no descriptors) the gate rests this long instead of spinning.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// The same trouble is logged at most this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(30);
/// Connecting to ourselves, to wake `accept` up, may take this long.
const WAKE_UP: Duration = Duration::from_secs(1);

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub total: usize,
    /// From one address; an IPv6 network of 64 bits counts as one address, loopback is exempt.
    pub per_address: usize,
}

/// Counts connections and says whether there is room for another.
pub struct Gate {
    caps: Caps,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place behind the gate; dropping it gives the place back.
pub struct Place {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    pub fn new(caps: Caps) -> Arc<Gate> {
        Arc::new(Gate {
            caps,
            counts: Mutex::default(),
        })
    }

    /// A place for a connection from `peer`, or `None` where there is no room.
    pub fn enter(self: &Arc<Gate>, peer: IpAddr) -> Option<Place> {
        let address = counted_address(peer);
        let mut counts = lock(&self.counts);
        if counts.total >= self.caps.total {
            return None;
        }
        if let Some(address) = address {
            let here = counts.by_address.entry(address).or_default();
            if *here >= self.caps.per_address {
                return None;
            }
            *here += 1;
        }
        counts.total += 1;
        Some(Place {
            gate: Arc::clone(self),
            address,
        })
    }

    /// Connections behind the gate now.
    pub fn connections(&self) -> usize {
        lock(&self.counts).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.gate.counts);
        counts.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(here) = counts.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// The address under which a peer is counted; none for loopback. A household or an attacker has a whole /64 of IPv6.
fn counted_address(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Some(Ipv6Addr::from_bits(network).into())
        }
        address => Some(address),
    }
}

/// A connection that was let in.
pub struct Accepted {
    pub stream: Arc<TcpStream>,
    /// The peer's address; an IPv4 one stays so on a socket that listens on both.
    pub peer: IpAddr,
    /// Keep it as long as the socket is open.
    pub place: Place,
}

/// The listening socket and what belongs to it.
pub struct Listener {
    socket: Arc<TcpListener>,
    address: SocketAddr,
    gate: Arc<Gate>,
    stopping: Arc<AtomicBool>,
}

/// Ends [`Listener::run`], from any thread, any number of times.
#[derive(Clone)]
pub struct Stopper {
    socket: Arc<TcpListener>,
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl Listener {
    /// Binds `address` and listens; port 0 picks a free one. Connections queue up until [`Listener::run`].
    pub fn bind(address: SocketAddr, caps: Caps) -> io::Result<Listener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // On Windows the option would let another program take the port over; there it is not needed either.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            // `[::]` serves IPv4 too, where the system can.
            let _ = socket.set_only_v6(false);
        }
        socket.bind(&address.into())?;
        socket.listen(ACCEPT_BACKLOG)?;
        let socket = TcpListener::from(socket);
        Ok(Listener {
            address: socket.local_addr()?,
            socket: Arc::new(socket),
            gate: Gate::new(caps),
            stopping: Arc::default(),
        })
    }

    /// The bound address, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub fn stopper(&self) -> Stopper {
        Stopper {
            socket: Arc::clone(&self.socket),
            address: self.address,
            stopping: Arc::clone(&self.stopping),
        }
    }

    /// Accepts until stopped. `serve` runs on the connection's own thread; if it panics, that connection alone ends.
    pub fn run<F>(&self, log: &Log, serve: F)
    where
        F: Fn(Accepted) + Send + Sync + 'static,
    {
        let mut doorway = Doorway {
            gate: &self.gate,
            log,
            serve: Arc::new(serve),
            farewell: super::farewell::Farewell::start(),
            spare: spare_descriptor(),
            refusals: Complaint::default(),
            failures: Complaint::default(),
        };
        while !self.stopping.load(Ordering::SeqCst) {
            match self.socket.accept() {
                Ok(_) if self.stopping.load(Ordering::SeqCst) => break,
                Ok((stream, peer)) => doorway.admit(stream, peer.ip().to_canonical()),
                Err(_) if self.stopping.load(Ordering::SeqCst) => break,
                Err(error) => doorway.survive(&error, &self.socket),
            }
        }
    }
}

impl Stopper {
    /// No connection is let in from now on. Those that are there stay.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // On Linux this ends a blocked `accept`, and costs no descriptor; elsewhere it is an error, so we knock.
        if SockRef::from(&*self.socket)
            .shutdown(Shutdown::Both)
            .is_err()
        {
            let _ = TcpStream::connect_timeout(&knock_address(self.address), WAKE_UP);
        }
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Where we ourselves reach a socket that is bound to `address`.
fn knock_address(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// A descriptor to give up when there is none left, so that the one who waits can be told.
fn spare_descriptor() -> Option<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()
}

/// What the accept loop needs at hand.
struct Doorway<'a, F> {
    gate: &'a Arc<Gate>,
    log: &'a Log,
    serve: Arc<F>,
    farewell: super::farewell::Farewell,
    spare: Option<UdpSocket>,
    refusals: Complaint,
    failures: Complaint,
}

impl<F> Doorway<'_, F>
where
    F: Fn(Accepted) + Send + Sync + 'static,
{
    fn admit(&mut self, stream: TcpStream, peer: IpAddr) {
        let Some(place) = self.gate.enter(peer) else {
            return self.refuse(stream, peer, "no_room");
        };
        // Small frames must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let accepted = Accepted {
            stream: Arc::clone(&stream),
            peer,
            place,
        };
        let serve = Arc::clone(&self.serve);
        let log = self.log.clone();
        let spawned = thread::Builder::new()
            .name("conn".to_owned())
            .stack_size(CONNECTION_STACK_BYTES)
            .spawn(move || guarded(&*serve, accepted, &log));
        if spawned.is_err()
            && let Some(stream) = Arc::into_inner(stream)
        {
            self.refuse(stream, peer, "no_thread");
        }
    }

    /// Tells the peer that there is no room, without waiting for it.
    fn refuse(&mut self, stream: TcpStream, peer: IpAddr, why: &str) {
        if let Some(times) = self.refusals.due(Instant::now()) {
            let (peer, times) = (peer.to_string(), times.to_string());
            let fields = [
                ("why", why),
                ("address", peer.as_str()),
                ("times", times.as_str()),
            ];
            self.log.write("connection_refused", &fields);
        }
        if stream.set_nonblocking(true).is_ok() && (&stream).write_all(&overloaded()).is_ok() {
            self.farewell.close(stream);
        }
    }

    /// No error ends the loop, and none makes it spin.
    fn survive(&mut self, error: &io::Error, socket: &TcpListener) {
        let hurried = matches!(
            error.kind(),
            io::ErrorKind::Interrupted
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
        );
        if hurried {
            return;
        }
        if let Some(times) = self.failures.due(Instant::now()) {
            let (text, times) = (error.to_string(), times.to_string());
            self.log.write(
                "error",
                &[("what", "accept"), ("error", &text), ("times", &times)],
            );
        }
        if !self.trade_spare(socket) {
            thread::sleep(ACCEPT_REST);
        }
    }

    /// Gives the spare descriptor up to tell whoever waits that there is none. `false` where that did not help.
    fn trade_spare(&mut self, socket: &TcpListener) -> bool {
        if self.spare.take().is_none() {
            self.spare = spare_descriptor();
            return false;
        }
        // Somebody waits, as `accept` has just failed; it must not block where they left meanwhile.
        let accepted = socket
            .set_nonblocking(true)
            .and_then(|()| socket.accept())
            .map(|(stream, _)| {
                let _ = stream
                    .set_nonblocking(true)
                    .and_then(|()| (&stream).write_all(&overloaded()));
            });
        let _ = socket.set_nonblocking(false);
        self.spare = spare_descriptor();
        accepted.is_ok() && self.spare.is_some()
    }
}

/// A connection's thread: a panic ends this connection, and what it said may be in the message, so only the fact is logged.
fn guarded<F: Fn(Accepted)>(serve: &F, accepted: Accepted, log: &Log) {
    let stream = Arc::clone(&accepted.stream);
    let peer = accepted.peer;
    if catch_unwind(AssertUnwindSafe(|| serve(accepted))).is_err() {
        let _ = stream.shutdown(Shutdown::Both);
        log.write(
            "error",
            &[
                ("what", "connection_panicked"),
                ("address", &peer.to_string()),
            ],
        );
    }
}

/// The whole answer to a connection for which there is no room.
fn overloaded() -> Vec<u8> {
    let error = Error::new(
        Code::Overloaded,
        "The server has as many connections as it can serve. Try again in a minute.",
    );
    Answer::error(&error).closing().to_bytes()
}

/// The same trouble again and again is one line now and then, with how often it happened.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
    times: u64,
}

impl Complaint {
    /// How often it happened since the last line, where it is time for one.
    fn due(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        let waiting = self
            .last
            .is_some_and(|last| now.duration_since(last) < COMPLAINT_INTERVAL);
        if waiting {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::mpsc;

    const CAPS: Caps = Caps {
        total: 3,
        per_address: 2,
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_gives_it_back() {
        let gate = Gate::new(CAPS);
        let first = gate.enter(address("192.0.2.1")).unwrap();
        let second = gate.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(
            gate.enter(address("192.0.2.1")).is_none(),
            "a third from one address"
        );
        let third = gate.enter(address("192.0.2.2")).unwrap();
        assert!(
            gate.enter(address("192.0.2.3")).is_none(),
            "a fourth in all"
        );
        assert_eq!(gate.connections(), 3);
        drop((first, second, third));
        assert_eq!(gate.connections(), 0);
        assert!(lock(&gate.counts).by_address.is_empty());
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_loopback_is_none() {
        let gate = Gate::new(Caps {
            total: 9,
            per_address: 1,
        });
        let _first = gate.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(gate.enter(address("2001:db8:1:2:ffff::9")).is_none());
        let _other = gate.enter(address("2001:db8:1:3::1")).unwrap();
        let _loopback: Vec<_> = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
            .map(|text| gate.enter(address(text)).unwrap())
            .into();
    }

    /// Runs a listener until its stopper is called; `serve` as in [`Listener::run`].
    fn start(
        caps: Caps,
        serve: impl Fn(Accepted) + Send + Sync + 'static,
    ) -> (Arc<Listener>, thread::JoinHandle<()>) {
        let listener = Arc::new(Listener::bind("127.0.0.1:0".parse().unwrap(), caps).unwrap());
        let running = Arc::clone(&listener);
        let handle = thread::spawn(move || running.run(&Log::discard(), serve));
        (listener, handle)
    }

    fn read_all(mut stream: &TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn beyond_the_cap_the_answer_is_503_and_a_freed_place_is_used_again() {
        let (entered, entries) = mpsc::channel();
        let (listener, handle) = start(
            Caps {
                total: 1,
                per_address: 1,
            },
            move |accepted| {
                entered.send(()).unwrap();
                read_all(&accepted.stream);
                drop(accepted);
                entered.send(()).unwrap();
            },
        );
        let first = TcpStream::connect(listener.address()).unwrap();
        entries.recv().unwrap();
        let second = TcpStream::connect(listener.address()).unwrap();
        let answer = read_all(&second);
        assert!(
            answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "{answer}"
        );
        assert!(answer.contains("Connection: close\r\n"), "{answer}");
        assert!(answer.contains(r#"{"code":"overloaded","#), "{answer}");
        first.shutdown(Shutdown::Write).unwrap();
        entries.recv().unwrap();
        let third = TcpStream::connect(listener.address()).unwrap();
        entries.recv().unwrap();
        drop(third);
        listener.stopper().stop();
        handle.join().unwrap();
    }

    #[test]
    fn a_panic_ends_its_connection_only_and_gives_its_place_back() {
        let (listener, handle) = start(CAPS, |accepted| {
            let mut first = [0];
            (&*accepted.stream).read_exact(&mut first).unwrap();
            assert_ne!(first[0], b'!', "this connection asks for a panic");
            (&*accepted.stream).write_all(&first).unwrap();
        });
        let mut bad = TcpStream::connect(listener.address()).unwrap();
        bad.write_all(b"!").unwrap();
        assert_eq!(read_all(&bad), "");
        let mut good = TcpStream::connect(listener.address()).unwrap();
        good.write_all(b"a").unwrap();
        assert_eq!(read_all(&good), "a");
        listener.stopper().stop();
        handle.join().unwrap();
    }

    #[test]
    fn stopping_twice_is_once_and_nobody_is_let_in_afterwards() {
        let (listener, handle) = start(CAPS, |_| ());
        listener.stopper().stop();
        listener.stopper().stop();
        handle.join().unwrap();
        assert!(listener.stopper().is_stopping());
        assert_eq!(listener.gate().connections(), 0);
    }

    #[test]
    fn the_same_trouble_is_told_now_and_then() {
        let start = Instant::now();
        let mut complaint = Complaint::default();
        assert_eq!(complaint.due(start), Some(1));
        assert_eq!(complaint.due(start + Duration::from_secs(1)), None);
        assert_eq!(complaint.due(start + COMPLAINT_INTERVAL), Some(2));
    }
}
