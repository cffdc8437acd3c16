//! Sockets and HTTP: everything between the wire and the hub.
//!
//! Owns what all connections share, and a connection's way from the gate to its end. Decides nothing about users,
//! rooms and messages: that is the hub's.

pub mod assets;
mod awake;
pub mod capacity;
mod catch_up;
pub mod cors;
mod edits;
mod farewell;
pub mod frame_check;
mod gate;
pub mod http;
pub mod lan;
pub mod listener;
pub mod negotiation;
pub mod outbox;
#[cfg(test)]
mod outbox_tests;
mod pages;
pub mod path;
mod readings;
pub mod request;
pub mod response;
pub mod routes;
pub mod threads;
mod transport;
pub mod websocket;

use crate::auth::password::Hasher;
use crate::auth::throttle::{LoginThrottle, WindowThrottle};
use crate::auth::token::{Claims, Signer};
use crate::cli::Config;
use crate::hub::Hub;
use crate::limits::OPEN_REQUESTS_PER_MINUTE;
use crate::log::Log;
use crate::protocol::Error;
use crate::store::Reader;
use listener::{Accepted, Listener, Place, Stopper};
use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What all connections share.
pub struct Context {
    pub hub: Hub,
    pub reader: Reader,
    pub readings: Arc<readings::Readings>,
    pub pages: pages::Pages,
    /// Looking up what the files say of messages that are sent. Counted by itself: who searches can write.
    pub look_ups: Arc<readings::Readings>,
    pub signer: Signer,
    pub hasher: Hasher,
    pub throttles: Throttles,
    pub outboxes: Arc<outbox::Outboxes>,
    pub threads: Arc<threads::Threads>,
    pub config: Config,
    pub log: Log,
    /// Ends the listener; while it stops, no connection is kept for another request.
    pub stopper: Stopper,
}

/// How often one address may try what needs no token.
pub struct Throttles {
    pub logins: LoginThrottle,
    accounts: WindowThrottle,
    lookups: WindowThrottle,
    reports: WindowThrottle,
}

impl Throttles {
    /// Throttles that are not `enabled` refuse nothing.
    pub fn new(enabled: bool, now: Instant) -> Throttles {
        let window = || WindowThrottle::new(OPEN_REQUESTS_PER_MINUTE, enabled, now);
        Throttles {
            logins: LoginThrottle::new(enabled, now),
            accounts: window(),
            lookups: window(),
            reports: window(),
        }
    }

    /// Counts a new account.
    fn account(&self, peer: IpAddr) -> Result<(), Error> {
        take(&self.accounts, peer, "new accounts from your address")
    }

    /// Counts a question whether a name exists.
    fn lookup(&self, peer: IpAddr) -> Result<(), Error> {
        take(&self.lookups, peer, "questions for names from your address")
    }

    /// Counts a report, whichever way it comes.
    fn report(&self, peer: IpAddr) -> Result<(), Error> {
        take(&self.reports, peer, "reports from your address")
    }
}

fn take(throttle: &WindowThrottle, peer: IpAddr, what: &str) -> Result<(), Error> {
    throttle.take(peer, Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs() + 1;
        Error::rate_limited(
            format!("Too many {what}. Wait {seconds} seconds and try again."),
            wait,
        )
    })
}

/// A connection that has become a WebSocket: 101 is sent, and the socket has no deadlines.
pub struct Upgraded {
    pub stream: Arc<TcpStream>,
    /// What the client has sent already behind its request: the beginning of its frames.
    pub leftover: Vec<u8>,
    pub peer: IpAddr,
    /// The token of the upgrade request, where it had one; it was good then.
    pub token: Option<Claims>,
    pub place: Place,
}

/// Serves every connection that the listener lets in, until the listener is stopped.
pub fn run(listener: &Listener, context: Arc<Context>) {
    let (threads, log) = (context.threads.clone(), context.log.clone());
    listener.run(&threads, &log, move |accepted| serve(accepted, &context));
}

/// One connection, from its first request to its end. Its place is taken until then.
fn serve(accepted: Accepted, context: &Arc<Context>) {
    let Accepted {
        stream,
        peer,
        place,
    } = accepted;
    let upgrade = http::serve(&stream, peer, &routes::Routes::new(context, &stream));
    if let Some((leftover, token)) = upgrade {
        let upgraded = Upgraded {
            stream,
            leftover,
            peer,
            token,
            place,
        };
        websocket::serve(upgraded, context.clone());
    }
}

/// Locks whatever a panic left behind: the panic ended its own connection, and must end no other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing happened in time, which is no error: the socket is as it was.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// The time that tokens are issued and judged by: seconds since the Unix epoch.
pub(crate) fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_secs())
}
