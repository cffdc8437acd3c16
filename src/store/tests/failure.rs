//! A failing disk and a dying process, at every operation: what was acked is there, and nobody acks what is not.

use super::double::*;
use super::*;

/// Rotation and checkpoints within a dozen messages.
fn tiny() -> Options {
    Options {
        journal_bytes: 1_000,
        segment_messages: 3,
        segment_bytes: limits::SEGMENT_BYTES,
        read_bytes: 200,
        retry: Duration::from_millis(1),
    }
}

/// What became of the script.
struct Ran {
    /// What all acked events make.
    state: State,
    /// The event that was failed last, after which the disk stayed dead.
    open: Option<Event>,
    /// All lines that were acked.
    contents: Vec<(LogId, Vec<String>)>,
}

type Make = fn(&Hub) -> Event;

/// A short life: a user, a room, messages in both rooms, a report, a read position.
fn script() -> Vec<Make> {
    let general: Make = |hub| hub.message("general", "Eva", "to all", Some(&hub.count.to_string()));
    let inside: Make = |hub| hub.message("Office", "Eva", "inside", Some(&hub.count.to_string()));
    vec![
        |hub| hub.user("Eva"),
        general,
        |_| room("Office", &["Eva"]),
        inside,
        general,
        general,
        inside,
        |hub| hub.report("slow"),
        general,
        inside,
        |_| Event::Read {
            room: "Office".into(),
            user: "Eva".into(),
            seq: 2,
        },
        general,
    ]
}

/// Pushes the script's events one by one. One that fails is tried again once the store has recovered; with a disk that
/// is dead for good it ends there.
fn run(hub: &mut Hub, dead: bool) -> Ran {
    let mut acked = hub.state.clone();
    for make in script() {
        loop {
            let event = make(hub);
            if push(hub, &event, dead) {
                acked.apply(&event).unwrap();
                break;
            }
            if dead {
                let contents = contents(&acked, &hub.reader);
                return Ran {
                    state: acked,
                    open: Some(event),
                    contents,
                };
            }
            assert_eq!(hub.state, acked, "what is durable is what was acked");
            assert_eq!(
                contents(&acked, &hub.reader),
                contents_of(&acked, hub),
                "reads go on"
            );
        }
    }
    let contents = contents(&acked, &hub.reader);
    Ran {
        state: acked,
        open: None,
        contents,
    }
}

fn contents_of(state: &State, hub: &Hub) -> Vec<(LogId, Vec<String>)> {
    let found = contents(state, &hub.reader);
    for (log, lines) in &found {
        assert_eq!(lines.len() as u64, state.last_seq(*log));
    }
    found
}

/// Whether the event was acked. If not, and the disk is not dead, waits until the store takes events again.
fn push(hub: &mut Hub, event: &Event, dead: bool) -> bool {
    let epoch = hub.epoch;
    let then = hub.push(event);
    let mut failed = false;
    let mut writable = true;
    loop {
        match hub
            .heard
            .recv_timeout(PATIENCE)
            .expect("the store says something")
        {
            Heard::Committed(batch) => {
                assert_eq!(batch, [then]);
                return true;
            }
            Heard::Failed(batch) => {
                assert_eq!(batch, [(then, true)]);
                failed = true;
            }
            Heard::RolledBack(state, recent, epoch) => {
                assert!(
                    recent
                        .iter()
                        .all(|id| id.seq <= state.last_seq(LogId::Room(id.room)))
                );
                hub.state = *state;
                hub.epoch = epoch;
                writable = false;
            }
            Heard::Recovered => writable = true,
            Heard::Folded(_) | Heard::Log(_) => {}
        }
        if failed && (dead || writable && hub.epoch > epoch) {
            return false;
        }
    }
}

/// Opens what is left, and finds all that was acked, and nothing else but the event that was left open.
fn check_survivor(disk: MemoryDisk, ran: &Ran) {
    let opened = open_disk(Box::new(disk.clone()), tiny(), 1);
    let hub = Hub::start(opened.unwrap_or_else(|e| panic!("{e}\n{:#?}", texts(&disk))));
    if hub.state != ran.state {
        let mut with_open = ran.state.clone();
        with_open
            .apply(ran.open.as_ref().expect("nothing was left open"))
            .unwrap();
        assert_eq!(hub.state, with_open);
    }
    let found = contents_of(&hub.state, &hub);
    for (log, lines) in &ran.contents {
        let now = &found.iter().find(|(found, _)| found == log).unwrap().1;
        assert!(
            now.starts_with(lines),
            "{log:?}: {lines:#?} is not in {now:#?}"
        );
    }
    let state = hub.state.clone();
    hub.journal.close().unwrap();
    let opened = open_disk(Box::new(disk), tiny(), 1).unwrap();
    assert_eq!(opened.state, state);
    assert_eq!(contents(&state, &opened.store.reader()), found);
}

fn texts(disk: &MemoryDisk) -> Vec<(String, String)> {
    let text =
        |(name, content): (String, Vec<u8>)| (name, String::from_utf8_lossy(&content).into_owned());
    disk.files().into_iter().map(text).collect()
}

fn operations() -> u64 {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), tiny(), 1).unwrap());
    run(&mut hub, false);
    hub.journal.close().unwrap();
    assert!(
        disk.files()
            .keys()
            .any(|name| name == "rooms/000001/000000001.jsonl")
    );
    disk.operations()
}

#[test]
fn whatever_operation_dies_with_the_process_all_that_was_acked_is_found() {
    for first in 0..operations() + 2 {
        for fault in FAULTS {
            let disk = MemoryDisk::default();
            disk.plan(Some(Plan {
                first,
                count: u64::MAX,
                fault,
            }));
            let fresh = || Ran {
                state: State::new(1),
                open: None,
                contents: Vec::new(),
            };
            let ran = match open_disk(Box::new(disk.clone()), tiny(), 1) {
                Err(_) => fresh(),
                Ok(opened) => {
                    let mut hub = Hub::start(opened);
                    let ran = run(&mut hub, true);
                    if ran.open.is_none() {
                        // The error, if there is one, is about folding; everything is in the journals.
                        let _ = hub.journal.close();
                    }
                    ran
                }
            };
            for survival in SURVIVALS {
                check_survivor(disk.survivor(survival), &ran);
            }
        }
    }
}

#[test]
fn whatever_operation_fails_for_a_while_nothing_is_lost_and_work_goes_on() {
    for first in 0..operations() {
        for fault in FAULTS {
            for count in [1, 3] {
                let disk = MemoryDisk::default();
                disk.plan(Some(Plan {
                    first,
                    count,
                    fault,
                }));
                let opened = (0..8).find_map(|_| open_disk(Box::new(disk.clone()), tiny(), 1).ok());
                let mut hub = Hub::start(opened.expect("the disk fails only for a while"));
                let ran = run(&mut hub, false);
                let _ = hub.journal.close();
                for survival in SURVIVALS {
                    check_survivor(disk.survivor(survival), &ran);
                }
            }
        }
    }
}

#[test]
fn entries_that_were_decided_on_lost_ground_fail_in_order() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), tiny(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    disk.plan(Some(Plan {
        first: 0,
        count: u64::MAX,
        fault: Fault::Half,
    }));
    let durable = hub.state.clone();
    let mut entries: Vec<_> = (0..3)
        .map(|_| {
            let event = hub.message("general", "Eva", "hi", None);
            hub.decide(&event)
        })
        .collect();
    entries.push(Entry {
        epoch: 0,
        record: None,
        then: 99,
    });
    hub.journal.push(&mut entries);
    let failed = hub.wait_for(|heard| match heard {
        Heard::Failed(batch) => Some(batch),
        Heard::Log(event) => {
            assert_eq!(event, "storage_failed");
            None
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(failed, [(2, true), (3, true), (4, true), (99, false)]);
    let (state, epoch) = rolled_back(&hub);
    assert_eq!(state, durable);
    // What was under way meanwhile was decided on the old state.
    hub.journal.push(&mut vec![Entry {
        epoch: 0,
        record: None,
        then: 100,
    }]);
    hub.wait_for(|heard| {
        matches!(heard, Heard::Failed(batch) if batch == [(100, false)]).then_some(())
    });
    // What needs no writing goes on, as long as nothing before it has failed.
    hub.journal.push(&mut vec![Entry {
        epoch,
        record: None,
        then: 101,
    }]);
    hub.wait(101);
    hub.epoch = epoch;
    hub.state = state;
    push_too_early(&mut hub, &durable);
    disk.plan(None);
    hub.wait_for(|heard| matches!(heard, Heard::Recovered).then_some(()));
    hub.journal.close().unwrap();
}

/// A hub that writes before the recovery is rolled back once more.
fn push_too_early(hub: &mut Hub, durable: &State) {
    let epoch = hub.epoch;
    let event = hub.message("general", "Eva", "too early", None);
    let mut entries = vec![
        hub.decide(&event),
        Entry {
            epoch,
            record: None,
            then: 103,
        },
    ];
    let early = entries[0].then;
    hub.journal.push(&mut entries);
    let mut expected = vec![(early, true), (103, false)].into_iter();
    let (state, later) = hub.wait_for(|heard| match heard {
        Heard::Failed(batch) => {
            assert_eq!(batch, [expected.next().unwrap()]);
            None
        }
        Heard::RolledBack(state, _, epoch) => Some((*state, epoch)),
        Heard::Log(_) => None,
        other => panic!("{other:?}"),
    });
    assert_eq!((&state, later), (durable, epoch + 1));
}

fn rolled_back(hub: &Hub) -> (State, u32) {
    hub.wait_for(|heard| match heard {
        Heard::RolledBack(state, _, epoch) => Some((*state, epoch)),
        _ => None,
    })
}

#[test]
fn a_disk_that_does_not_read_either_is_waited_for() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), tiny(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    disk.plan(Some(Plan {
        first: 0,
        count: 1,
        fault: Fault::Nothing,
    }));
    disk.fail_reads(3);
    let event = hub.message("general", "Eva", "hi", None);
    assert!(!push(&mut hub, &event, false));
    hub.push_and_wait(&event);
    hub.journal.close().unwrap();
}

#[test]
fn a_full_disk_does_not_gather_journals() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), tiny(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    hub.journal.close().unwrap();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), tiny(), 1).unwrap());
    for round in 0..20 {
        // The header fits, the message does not.
        disk.plan(Some(Plan {
            first: 0,
            count: 1,
            fault: Fault::Half,
        }));
        let event = hub.message("general", "Eva", "hi", None);
        assert!(!push(&mut hub, &event, false), "round {round}");
    }
    let journals = disk
        .files()
        .into_keys()
        .filter(|name| name.starts_with("journal-"))
        .count();
    assert!(journals <= 3, "{journals} journals");
    hub.push_and_wait(&hub.message("general", "Eva", "hi", None));
    hub.journal.close().unwrap();
}
