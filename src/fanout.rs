//! The fan-out: a few threads that each own a share of the connections and send what is durable.
//!
//! [`Delivery`] hears from the journal, brings the read model up to date, answers the threads that wait, and hands every
//! batch to every shard. A shard knows which of its connections hear which room; nobody else does. Never blocks on a
//! socket, never does file I/O, decides nothing.

mod shard;

use crate::hub::{Effect, Inbox, Outcome, ReadModel, Reply, Turn};
use crate::limits;
use crate::log::Log;
use crate::model::{LogId, RecentId, State};
use crate::protocol::Seq;
use crate::store::{Failed, Sink};
use shard::Shard;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What a batch leads to; every shard reads all of it and carries out its share.
type Batch = Arc<Delivered>;

struct Delivered {
    /// In order.
    effects: Vec<Effect>,
    #[expect(dead_code, reason = "held until the last shard drops the batch")]
    turns: Vec<Turn>,
}

/// The threads of the fan-out. They end when their [`Delivery`] is dropped.
pub struct Fanout {
    threads: Vec<JoinHandle<()>>,
}

impl Fanout {
    /// Starts `shards` threads, and makes the sink that feeds them.
    pub fn start(
        shards: usize,
        read_model: ReadModel,
        inbox: Inbox,
        log: Log,
    ) -> std::io::Result<(Fanout, Delivery)> {
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        for index in 0..shards.max(1) {
            let (sender, batches) = sync_channel(limits::FANOUT_QUEUE);
            let mut shard = Shard::new(index as u64, shards.max(1) as u64);
            let thread = std::thread::Builder::new()
                .name(format!("fan-out {index}"))
                .spawn(move || shard.run(&batches))?;
            senders.push(sender);
            threads.push(thread);
        }
        let delivery = Delivery {
            shards: senders,
            read_model,
            inbox,
            log,
        };
        Ok((Fanout { threads }, delivery))
    }

    /// Waits until everything that was handed over is sent or queued.
    pub fn join(self) {
        for thread in self.threads {
            // A shard that panicked has said so already; the others are still waited for.
            let _ = thread.join();
        }
    }
}

/// What the journal's thread does with what is durable.
pub struct Delivery {
    shards: Vec<SyncSender<Batch>>,
    read_model: ReadModel,
    inbox: Inbox,
    log: Log,
}

impl Delivery {
    fn deliver(&self, outcomes: impl Iterator<Item = Outcome>) {
        let (mut effects, mut turns) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            if let Some((event, fields)) = outcome.log {
                let fields: Vec<(&str, &str)> = fields
                    .iter()
                    .map(|(key, value)| (*key, value.as_str()))
                    .collect();
                self.log.write(event, &fields);
            }
            if let Some(Reply::Call(tell)) = outcome.reply {
                tell(Ok(()));
            }
            effects.extend(outcome.effects);
            turns.extend(outcome.turn);
        }
        if effects.is_empty() {
            return;
        }
        let batch: Batch = Arc::new(Delivered { effects, turns });
        for shard in &self.shards {
            // A shard that is gone has panicked: its connections are lost, the others are not.
            let _ = shard.send(batch.clone());
        }
    }
}

impl Sink<Outcome> for Delivery {
    /// Nobody hears of a change that a look would not find.
    fn committed(&mut self, batch: Vec<Outcome>) {
        self.read_model
            .apply(batch.iter().filter_map(|outcome| outcome.change.as_ref()));
        self.deliver(batch.into_iter());
    }

    fn failed(&mut self, batch: Vec<Failed<Outcome>>, message: &str) {
        self.log.write(
            "storage_failed",
            &[("entries", &batch.len().to_string()), ("reason", message)],
        );
        self.deliver(
            batch
                .into_iter()
                .map(|failed| failed.then.unmade(failed.had_record)),
        );
    }

    /// The hub knows these ids, and more: those that went into segments lately.
    fn rolled_back(&mut self, state: State, _: Vec<RecentId>, epoch: u32) {
        self.inbox.rolled_back(state, epoch);
    }

    fn recovered(&mut self) {
        self.log.write("storage_recovered", &[]);
        self.inbox.recovered();
    }

    fn folded(&mut self, through: Vec<(LogId, Seq)>) {
        self.inbox.folded(through);
    }

    fn log(&mut self, event: &str, fields: &[(&str, &str)]) {
        self.log.write(event, fields);
    }
}
