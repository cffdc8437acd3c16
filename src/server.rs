//! Putting the house together, and taking it apart in the right order.

use crate::auth::password::Hasher;
use crate::auth::token::Signer;
use crate::cli::Config;
use crate::fanout::Fanout;
use crate::hub::{Hub, HubThread, Inbox, ReadModel, Settings};
use crate::limits;
use crate::log::Log;
use crate::net::listener::{Caps, Listener};
use crate::net::outbox::Outboxes;
use crate::net::threads::Threads;
use crate::net::{self, Context, Throttles, capacity};
use crate::protocol::Millis;
use crate::store::{self, Opened, Options};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shards of the fan-out: as many as there are cores, but sending is not all that a machine does.
const MOST_SHARDS: usize = 4;
/// While stopping, this often we look whether the last connection is gone.
const DRAIN_CHECK: Duration = Duration::from_millis(5);
/// Kept of [`limits::SHUTDOWN`] for the process to end in.
const EXIT: Duration = Duration::from_millis(300);
/// Peers have this long to answer the close; what is left of [`limits::SHUTDOWN`] is for the disk.
const DRAIN: Duration = Duration::from_millis(1_500);

/// Why the server does not start, in a sentence for whoever started it.
#[derive(Debug)]
pub struct StartError(String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A server that listens; connections wait until [`Server::run`].
pub struct Server {
    listener: Arc<Listener>,
    context: Arc<Context>,
    hub: HubThread,
    fanout: Fanout,
    log: Log,
}

impl Server {
    /// Opens the data directory and the port. Where the port is not to be had, a directory that was empty holds what a
    /// first start makes; of what was there nothing is changed.
    pub fn open(config: Config) -> Result<Server, StartError> {
        let (opened, secret) = open_data(&config)?;
        let log = Log::open(&config.data, config.log_bytes);
        let notes = opened.notes.iter();
        notes.for_each(|note| log.write("recovered", &[("note", note)]));
        let listener = listen(&config, &log)?;
        let reader = opened.store.reader();
        let pipeline = Pipeline::start(opened, &config, &log)?;
        let context = Context {
            hub: pipeline.hub,
            reader,
            readings: Arc::default(),
            pages: Default::default(),
            look_ups: Arc::default(),
            signer: Signer::new(&secret),
            hasher: Hasher::new(),
            throttles: Throttles::new(config.rate_limits, Instant::now()),
            outboxes: Arc::new(Outboxes::new(config.writer_threads, config.backlog_bytes)),
            threads: Threads::new(log.clone()),
            config,
            log: log.clone(),
            stopper: listener.stopper(),
        };
        let (version, address) = (env!("CARGO_PKG_VERSION"), listener.address().to_string());
        log.write("started", &[("version", version), ("address", &address)]);
        Ok(Server {
            listener: Arc::new(listener),
            context: Arc::new(context),
            hub: pipeline.hub_thread,
            fanout: pipeline.fanout,
            log,
        })
    }

    /// The bound address, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` says so or is dropped; then makes everything durable and closes every socket, within
    /// [`limits::SHUTDOWN`].
    pub fn run(self, stop: &Receiver<()>) -> Result<(), StartError> {
        let (listener, context) = (self.listener.clone(), self.context.clone());
        let accepting = std::thread::Builder::new()
            .name("accept".into())
            .spawn(move || net::run(&listener, context))
            .map_err(no_thread)?;
        // A dropped sender means that nobody is left to ask us to stop, which is asking us to stop.
        let _ = stop.recv();
        self.log.write("stopping", &[]);
        let answered = Arc::new(AtomicBool::new(false));
        self.give_up_when_late(answered.clone());
        self.context.stopper.stop();
        let closed = match self
            .hub
            .stop(move || answered.store(true, Ordering::Release))
        {
            Ok(journal) => journal.close(),
            Err(_) => Err("the hub had stopped by itself".to_owned()),
        };
        self.fanout.join();
        // It has seen the stop; a panic in it is no reason not to end in good order.
        let _ = accepting.join();
        let drained = Instant::now() + DRAIN;
        while self.listener.gate().connections() > 0 && Instant::now() < drained {
            std::thread::sleep(DRAIN_CHECK);
        }
        match &closed {
            Ok(()) => self.log.write("stopped", &[]),
            Err(reason) => self.log.write("error", &[("stopping", reason)]),
        }
        self.log.flush();
        closed.map_err(StartError)
    }

    /// A disk that hangs must not keep the process for ever. Where everything is durable and `answered`, and only the
    /// folding of journals takes its time, the next start folds them, and this was an orderly end.
    fn give_up_when_late(&self, answered: Arc<AtomicBool>) {
        let log = self.log.clone();
        let watch = move || {
            std::thread::sleep(limits::SHUTDOWN - EXIT);
            let in_order = answered.load(Ordering::Acquire);
            match in_order {
                true => log.write("stopped", &[("left", "folding, to the next start")]),
                false => log.write("error", &[("stopping", "took too long")]),
            }
            log.flush();
            std::process::exit(i32::from(!in_order));
        };
        // Without this thread stopping is only less bounded.
        let _ = std::thread::Builder::new()
            .name("deadline".into())
            .spawn(watch);
    }
}

/// What the data directory holds, and the secret; one that is to be made is made in a directory that is ours.
fn open_data(config: &Config) -> Result<(Opened, Vec<u8>), StartError> {
    let options = Options {
        journal_bytes: config.journal_bytes,
        ..Options::default()
    };
    let known = std::env::var_os("JWT_SECRET");
    let secret = store::known_secret(&config.data, known).map_err(failed)?;
    let opened = store::open(&config.data, options, unix_millis()).map_err(failed)?;
    let secret = match secret {
        Some(secret) => secret,
        None => store::make_secret(&config.data).map_err(failed)?,
    };
    Ok((opened, secret))
}

fn listen(config: &Config, log: &Log) -> Result<Listener, StartError> {
    let caps = Caps {
        total: capacity::capacity(config.max_connections, config.writer_threads, log),
        per_address: config.max_connections_per_address,
    };
    Listener::bind(config.listen, caps).map_err(|error| cannot_listen(config.listen, &error))
}

/// The threads that decide, make durable and tell.
struct Pipeline {
    hub: Hub,
    hub_thread: HubThread,
    fanout: Fanout,
}

impl Pipeline {
    /// From the last to the first: each is handed what it passes its work to.
    fn start(opened: Opened, config: &Config, log: &Log) -> Result<Pipeline, StartError> {
        let inbox = Inbox::new();
        let read_model = ReadModel::new(opened.state.clone());
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let shards = cores.min(MOST_SHARDS);
        let fanout = Fanout::start(shards, read_model.clone(), inbox.clone(), log.clone());
        let (fanout, delivery) = fanout.map_err(no_thread)?;
        let reader = opened.store.reader();
        let journal = opened.store.start(delivery).map_err(no_thread)?;
        let settings = Settings {
            rate_limits: config.rate_limits,
            registration_closed: config.close_registration,
        };
        let started = HubThread::start(
            opened.state,
            opened.recent,
            settings,
            &inbox,
            journal,
            reader,
            read_model,
        );
        let (hub_thread, hub) = started.map_err(no_thread)?;
        Ok(Pipeline {
            hub,
            hub_thread,
            fanout,
        })
    }
}

fn failed(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

fn no_thread(error: std::io::Error) -> StartError {
    StartError(format!("The system gives us no thread: {error}."))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> StartError {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let port = address.port();
    let advice = match error.kind() {
        AddrInUse => format!(
            "Something else uses port {port}. Stop it, or choose another one with --listen."
        ),
        PermissionDenied => {
            format!("Port {port} needs more rights. Choose one above 1023 with --listen.")
        }
        AddrNotAvailable => {
            "This machine does not have that address. Choose another one with --listen.".to_owned()
        }
        _ => "Choose another address with --listen.".to_owned(),
    };
    StartError(format!("Cannot listen on {address}: {error}. {advice}"))
}

fn unix_millis() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as Millis
}
