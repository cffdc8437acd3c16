//! After every step of a long life, every state that a power cut may leave: it is opened, and holds a beginning of
//! what happened that contains all that was acked.

use super::double::{MemoryDisk, Step};
use super::life::{History, live, options};
use super::power::{Effort, Model, Random, Remains};
use super::*;
use std::collections::{HashMap, HashSet};

/// What was found out.
#[derive(Default)]
struct Tally {
    steps: u64,
    /// Events that were pushed.
    events: u64,
    /// Pairs of a moment and a state.
    moments: u64,
    /// States that differ, each rebuilt and opened.
    states: u64,
}

/// Opens what is left and says how many events it holds.
struct Judge {
    history: History,
    /// How many events a state holds, by its fingerprint.
    known: HashMap<u64, u64>,
    /// Segments that were read: log, first, messages, file.
    read: HashSet<(LogId, Seq, u64, u64)>,
    tally: Tally,
}

impl Judge {
    /// `acked..=pushed` events may be there.
    fn judge(&mut self, model: &mut Model, remains: &Remains, acked: u64, pushed: u64) {
        self.tally.moments += 1;
        let fingerprint = remains.fingerprint();
        let known = self.known.get(&fingerprint).copied();
        let held = known.unwrap_or_else(|| {
            let held = self.open(model.rebuild(remains), acked, pushed, remains);
            self.known.insert(fingerprint, held);
            held
        });
        assert!(
            (acked..=pushed).contains(&held),
            "{held} events are found where {acked} were acked and {pushed} pushed: {remains:#?}"
        );
    }

    fn open(&mut self, disk: MemoryDisk, acked: u64, pushed: u64, remains: &Remains) -> u64 {
        self.tally.states += 1;
        let opened = match open_disk(Box::new(disk.clone()), options(), 1) {
            Ok(opened) => opened,
            Err(error) => panic!("{error}\n{remains:#?}"),
        };
        let held = (acked..=pushed)
            .find(|&held| self.history.states[held as usize] == opened.state)
            .unwrap_or_else(|| panic!("no beginning of what happened is found in {remains:#?}"));
        let reader = opened.store.reader();
        for log in opened.state.logs() {
            self.check_log(&opened, &reader, log, &disk);
        }
        held
    }

    fn check_log(&mut self, opened: &Opened, reader: &Reader, log: LogId, disk: &MemoryDisk) {
        let last = opened.state.last_seq(log);
        assert_eq!(reader.last_seq(log), last, "{log:?}");
        let segments = opened.store.base.catalogue.segments(log);
        let mut folded = 0;
        for segment in segments.iter() {
            let id = disk.id(&segments::file(log, segment.first));
            if self.read.insert((log, segment.first, segment.messages, id)) {
                self.compare(reader, log, folded, segment.last());
            }
            folded = segment.last();
        }
        self.compare(reader, log, folded, last);
    }

    fn compare(&self, reader: &Reader, log: LogId, after: Seq, through: Seq) {
        if after == through {
            return;
        }
        let expected = &self.history.lines[&log][after as usize..through as usize];
        let found = reader.read_range(log, after, through);
        let found: Vec<Line> = found.map(Result::unwrap).collect();
        assert_eq!(found.len(), expected.len(), "{log:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.json(), expected.as_bytes(), "{log:?}");
        }
    }
}

/// A life of so many operations, cut at every step.
fn cut(seed: u64, operations: usize, effort: &Effort) -> Tally {
    let (disk, history) = live(seed, operations);
    let steps = disk.take_trace();
    let mut judge = Judge {
        history,
        known: HashMap::new(),
        read: HashSet::new(),
        tally: Tally::default(),
    };
    let mut model = Model::default();
    let mut random = Random::new(seed);
    let (mut acked, mut pushed) = (0, 0);
    for step in &steps {
        match step {
            Step::Acked(count) => acked = acked.max(*count),
            Step::Pushed(count) => pushed = pushed.max(*count),
            _ => judge.tally.steps += 1,
        }
        model.apply(step);
        let mut remains = Vec::new();
        model.remains(effort, &mut random, |state| remains.push(state));
        for state in &remains {
            judge.judge(&mut model, state, acked, pushed);
        }
    }
    assert_eq!(acked, pushed, "in the end all is acked");
    assert!(judge.known.len() as u64 == judge.tally.states);
    judge.tally.events = pushed;
    judge.tally
}

#[test]
fn whenever_the_power_goes_all_that_was_acked_is_found() {
    let long = std::env::var_os("MELANGERIE_LONG_TESTS").is_some_and(|value| value == "1");
    let (seeds, operations, effort) = match long {
        false => (
            2,
            110,
            Effort {
                every_byte: 64,
                between: 2,
                combinations: 8,
            },
        ),
        true => (
            2,
            300,
            Effort {
                every_byte: 200,
                between: 6,
                combinations: 32,
            },
        ),
    };
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|part| {
                let seeds = (1..=seeds).filter(move |seed| seed % 2 == part);
                scope.spawn(move || {
                    seeds
                        .map(|seed| cut(seed, operations, &effort))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let total = |field: fn(&Tally) -> u64| tallies.iter().map(field).sum::<u64>();
    let (steps, states) = (total(|tally| tally.steps), total(|tally| tally.states));
    println!(
        "power cuts: {seeds} lives, {} events, {steps} steps of the disk, {} states after them, {states} of them \
         different and opened",
        total(|tally| tally.events),
        total(|tally| tally.moments),
    );
    assert!(states > 5 * steps, "{states} states after {steps} steps");
}
