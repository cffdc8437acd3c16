//! Accepts connections, lets those in for which there is room, and gives each a thread.
//!
//! Owns the listening socket and the answer to those who are not let in. Never reads a request, never blocks on a
//! client, and no error ends it. Locks nothing itself.

pub use super::gate::{Caps, Gate, Place};

use super::farewell::Farewell;
use super::response::Answer;
use super::threads::{Owner, Threads};
use crate::limits::{ACCEPT_BACKLOG, RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use crate::log::Log;
use crate::protocol::{Code, Error};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After a failure that only time mends (no memory, no descriptors) the gate rests this long instead of spinning.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// The same trouble is logged at most this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(30);
/// Connecting to ourselves, to wake `accept` up, may take this long.
const WAKE_UP: Duration = Duration::from_secs(1);

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
        // Connections inherit them; a system that takes no such wish is as generous as it likes.
        let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
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

    /// Accepts until stopped. `serve` runs on one of `threads`; if it panics, that connection alone ends.
    pub fn run<F>(&self, threads: &Arc<Threads>, log: &Log, serve: F)
    where
        F: Fn(Accepted) + Send + Sync + 'static,
    {
        let mut doorway = Doorway {
            gate: &self.gate,
            log,
            threads,
            serve: Arc::new(serve),
            farewell: Farewell::start(),
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
    threads: &'a Arc<Threads>,
    serve: Arc<F>,
    farewell: Farewell,
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
        let owner = Owner {
            stream: Arc::clone(&stream),
            peer,
        };
        let started = self.threads.arrive(owner, move || serve(accepted));
        if started.is_err()
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
mod tests;
