//! The hub's thread: takes commands, lets [`Core`] decide, hands what follows to the journal. The one place of the
//! hub that reads the clock.

use super::core::{Core, Now};
use super::directory::Directory;
use super::effect::{ConnectionId, Effect, Outcome, Reply};
use super::messages::LookedUp;
use super::queue::Queue;
use super::read_model::ReadModel;
use super::turns::Turn;
use super::{Hub, Settings};
use crate::limits;
use crate::model::{LogId, RecentId, State};
use crate::protocol::{Millis, Seq, UserAction};
use crate::store::{Entry, Journal, Reader};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Close code of connections when the server stops (RFC 6455, section 7.4.1: "going away").
const CLOSE_GOING_AWAY: u16 = 1001;

type Decide = Box<dyn FnOnce(&mut Core) -> Reply + Send>;

pub(super) enum Command {
    /// A thread asks and waits.
    Call(Decide),
    /// A connection sent a frame.
    Frame {
        connection: ConnectionId,
        turn: Turn,
        id: Option<String>,
        action: UserAction,
        looked_up: LookedUp,
    },
    Disconnect {
        connection: ConnectionId,
    },
    /// A write failed: this is what is durable.
    RolledBack {
        state: Box<State>,
        epoch: u32,
    },
    /// Writing works again.
    Recovered,
    /// Segments hold these logs this far.
    Folded(Vec<(LogId, Seq)>),
    /// Nothing more is decided; everybody is sent away. Called when all that came before is answered.
    Stop(Box<dyn FnOnce() + Send>),
}

/// The way from the journal back to the hub: news of storage, which never wait.
#[derive(Clone)]
pub struct Inbox(Arc<Queue<Command>>);

impl Inbox {
    pub fn new() -> Inbox {
        Inbox(Arc::new(Queue::new(limits::HUB_QUEUE)))
    }

    pub fn rolled_back(&self, state: State, epoch: u32) {
        self.tell(Command::RolledBack {
            state: Box::new(state),
            epoch,
        });
    }

    pub fn recovered(&self) {
        self.tell(Command::Recovered);
    }

    pub fn folded(&self, through: Vec<(LogId, Seq)>) {
        self.tell(Command::Folded(through));
    }

    /// A hub that has stopped decides nothing any more, so no news is any to it.
    fn tell(&self, news: Command) {
        let _ = self.0.push_now(news);
    }
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox::new()
    }
}

/// The running thread. It owns the journal, and gives it back when it stops.
pub struct HubThread {
    queue: Arc<Queue<Command>>,
    thread: JoinHandle<Journal<Outcome>>,
}

impl HubThread {
    pub fn start(
        state: State,
        recent: Vec<RecentId>,
        settings: Settings,
        inbox: &Inbox,
        journal: Journal<Outcome>,
        reader: Reader,
        read_model: ReadModel,
    ) -> std::io::Result<(HubThread, Hub)> {
        let queue = inbox.0.clone();
        let directory = Arc::new(Directory::of(&state));
        let hub = Hub {
            queue: queue.clone(),
            directory: directory.clone(),
            reader,
            read_model,
            settings,
            connections: Arc::new(AtomicU64::new(1)),
        };
        let core = Core::new(state, recent, settings, directory, now());
        let worker = Worker {
            core,
            queue: queue.clone(),
            journal,
            entries: Vec::new(),
            presence_due: None,
            answered: None,
        };
        let thread = std::thread::Builder::new()
            .name("hub".into())
            .spawn(move || {
                catch_unwind(AssertUnwindSafe(|| worker.run())).unwrap_or_else(|_| give_up())
            })?;
        Ok((HubThread { queue, thread }, hub))
    }

    /// Refuses all further commands, and sends everybody away behind the answers to all that came before. The journal
    /// that comes back is to be closed, which makes everything durable; `answered` is called when it has.
    pub fn stop(
        self,
        answered: impl FnOnce() + Send + 'static,
    ) -> std::thread::Result<Journal<Outcome>> {
        // A hub that has ended by itself says so when it is joined.
        let _ = self.queue.push_now(Command::Stop(Box::new(answered)));
        self.thread.join()
    }
}

struct Worker {
    core: Core,
    queue: Arc<Queue<Command>>,
    journal: Journal<Outcome>,
    entries: Vec<Entry<Outcome>>,
    /// When the changes of presence go out.
    presence_due: Option<Instant>,
    /// To be called when everything is answered; the hub stops.
    answered: Option<Box<dyn FnOnce() + Send>>,
}

impl Worker {
    fn run(mut self) -> Journal<Outcome> {
        let mut commands = Vec::new();
        loop {
            self.queue.take_all(&mut commands, self.presence_due);
            self.core.now = now();
            for command in commands.drain(..) {
                self.carry_out(command);
            }
            if self.core.stopping {
                self.send_everybody_away();
                self.journal.push(&mut self.entries);
                return self.journal;
            }
            self.announce_presence();
            self.journal.push(&mut self.entries);
        }
    }

    /// Whatever was handed over is answered before the connections close, if only to say that it is not taken.
    fn send_everybody_away(&mut self) {
        for command in self.queue.close() {
            self.carry_out(command);
        }
        self.core.effect(Effect::CloseAll {
            code: CLOSE_GOING_AWAY,
            reason: "The server is stopping.",
        });
        self.entries.extend(self.core.take_entry(None));
        // An entry of its own: where it fails, the one before must stand.
        let reply = self
            .answered
            .take()
            .map(|answered| Reply::Call(Box::new(move |_| answered())));
        self.entries.extend(self.core.take_entry(reply));
    }

    fn carry_out(&mut self, command: Command) {
        let mut its_turn = None;
        let reply = match command {
            Command::Call(decide) => Some(decide(&mut self.core)),
            Command::Frame {
                connection,
                turn,
                id,
                action,
                looked_up,
            } => {
                its_turn = Some(turn);
                Some(self.core.frame(connection, id, action, looked_up))
            }
            Command::Disconnect { connection } => {
                self.core.disconnect(connection);
                None
            }
            Command::RolledBack { state, epoch } => {
                self.core.roll_back(*state, epoch);
                None
            }
            Command::Recovered => {
                self.core.storage_works = true;
                None
            }
            Command::Folded(through) => {
                self.core.recent.folded(&through);
                None
            }
            Command::Stop(answered) => {
                self.core.stopping = true;
                self.answered = Some(answered);
                None
            }
        };
        if let Some(mut entry) = self.core.take_entry(reply) {
            entry.then.turn = its_turn;
            self.entries.push(entry);
        }
    }

    fn announce_presence(&mut self) {
        if !self.core.presence.has_changes() {
            return;
        }
        let due = *self
            .presence_due
            .get_or_insert(self.core.now.instant + limits::PRESENCE_DELAY);
        if self.core.now.instant >= due {
            self.presence_due = None;
            self.core.announce_presence();
            self.entries.extend(self.core.take_entry(None));
        }
    }
}

/// A defect of ours showed in the one place that decides. What was acked is durable; to go on with a state that may be
/// wrong would be worse than to stop, and whoever restarts us finds everything.
fn give_up() -> ! {
    let why = "stopping after a defect in the hub; nothing that was confirmed is lost";
    // `eprintln!` would panic where nobody listens, and the process would go on without a hub.
    let _ = writeln!(std::io::stderr(), "melangerie: {why}");
    std::process::exit(1)
}

fn now() -> Now {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        millis: since_epoch.as_millis() as Millis,
        instant: Instant::now(),
    }
}

#[cfg(test)]
mod tests;
