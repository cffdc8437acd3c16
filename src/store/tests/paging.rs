//! Pages, ranges and ids against naive models, over segments and tails.

use super::double::MemoryDisk;
use super::*;
use crate::model::RoomId;

const OFFICE: LogId = LogId::Room(RoomId(0));
const LINES: u64 = 20;

/// `general` with 20 messages, `folded` of them in segments of up to 7.
fn hub(folded: u64) -> Hub {
    hub_with(folded, small)
}

/// Segments that end with whichever message makes them long enough: with the second or third, mostly.
fn by_bytes() -> Options {
    Options {
        segment_bytes: 250,
        ..small()
    }
}

fn hub_with(folded: u64, options: fn() -> Options) -> Hub {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    for _ in 1..folded {
        say(&mut hub);
    }
    hub.journal.close().unwrap();
    let mut hub = Hub::start(open_disk(Box::new(disk), options(), 1).unwrap());
    while hub.state.last_seq(OFFICE) < LINES {
        say(&mut hub);
    }
    hub
}

fn say(hub: &mut Hub) {
    let seq = hub.state.last_seq(OFFICE) + 1;
    let id = (!seq.is_multiple_of(4)).then(|| format!("id \"{}\"", seq / 2));
    let sender = ["Eva", "mira"][(seq % 2) as usize];
    hub.push_and_wait(&hub.message("general", sender, &format!("number {seq}"), id.as_deref()));
}

fn seqs(lines: &[Line]) -> Vec<Seq> {
    let seq = |line: &Line| serde_json::from_slice::<Message>(line.json()).unwrap().seq;
    lines.iter().map(seq).collect()
}

#[test]
fn a_page_is_what_a_naive_model_says() {
    let ways = [small, by_bytes].map(|options| [1, 7, 10, 14, LINES].map(|f| (f, options)));
    for (folded, options) in ways.into_iter().flatten() {
        let hub = hub_with(folded, options);
        let ends = [
            None,
            Some(0),
            Some(1),
            Some(2),
            Some(7),
            Some(8),
            Some(14),
            Some(15),
            Some(20),
            Some(21),
            Some(22),
            Some(u64::MAX),
        ];
        for before in ends {
            for after in ends {
                for limit in [0, 1, 2, 6, 7, 8, 19, 20, 21, u32::MAX] {
                    let range = PageRange {
                        before,
                        after,
                        limit,
                    };
                    let page = page_of(&hub.reader, OFFICE, &range).unwrap();
                    let mut asked: Vec<Seq> = (1..=LINES).collect();
                    asked.retain(|&seq| {
                        before.is_none_or(|b| seq < b) && after.is_none_or(|a| seq > a)
                    });
                    let fits = asked.len().min(limit as usize);
                    let expected = match after {
                        Some(_) => &asked[..fits],
                        None => &asked[asked.len() - fits..],
                    };
                    assert_eq!(seqs(&page.lines), expected, "{range:?}");
                    assert_eq!(page.more, fits < asked.len(), "{range:?}");
                    assert_eq!(page.first, expected.first().copied().unwrap_or(0));
                    let json: serde_json::Value = serde_json::from_slice(&page.to_json()).unwrap();
                    assert_eq!(json["more"], page.more);
                    assert_eq!(json["messages"].as_array().unwrap().len(), expected.len());
                }
            }
        }
    }
}

#[test]
fn nothing_is_selected_after_what_one_may_read() {
    let hub = hub(14);
    let range = PageRange {
        limit: 3,
        ..PageRange::default()
    };
    let select = |range: &PageRange, through| {
        let selected = hub.reader.select(OFFICE, range, through);
        (selected.first, selected.last, selected.more)
    };
    assert_eq!(select(&range, 16), (14, 16, true));
    assert_eq!(select(&range, LINES + 9), (LINES - 2, LINES, true));
    let after = PageRange {
        after: Some(15),
        ..range
    };
    assert_eq!(select(&after, 16), (16, 16, false));
    assert_eq!(select(&after, 15), (1, 0, false));
}

#[test]
fn a_range_is_read_line_by_line() {
    let ways = [small, by_bytes].map(|options| [1, 10, 14].map(|f| (f, options)));
    for (folded, options) in ways.into_iter().flatten() {
        let hub = hub_with(folded, options);
        for after in 0..=LINES + 1 {
            for through in [0, 1, 7, 8, 13, LINES, LINES + 5, u64::MAX] {
                let lines: Vec<Line> = hub
                    .reader
                    .read_range(OFFICE, after, through)
                    .map(|l| l.unwrap())
                    .collect();
                let expected: Vec<Seq> = (after + 1..=through.min(LINES)).collect();
                assert_eq!(seqs(&lines), expected);
                for line in &lines {
                    assert_eq!(line.frame().json(), line.json());
                }
            }
        }
    }
}

#[test]
fn a_log_without_lines_is_empty() {
    let hub = hub(7);
    for log in [LogId::Reports, LogId::Room(RoomId(9))] {
        assert_eq!(hub.reader.last_seq(log), 0);
        let range = PageRange {
            before: None,
            after: None,
            limit: 5,
        };
        assert_eq!(
            page_of(&hub.reader, log, &range).unwrap().to_json(),
            br#"{"messages":[],"more":false}"#
        );
        assert!(hub.reader.line(log, 1).unwrap().is_none());
        assert!(hub.reader.read_range(log, 0, 9).next().is_none());
        let nothing = IdLookup {
            found: None,
            covered: 0,
        };
        assert_eq!(hub.reader.find_id(log, "Eva", "x", || ()).unwrap(), nothing);
    }
}

#[test]
fn an_id_is_found_in_the_segments_for_its_sender_alone() {
    let ways = [small, by_bytes].map(|options| [1, 7, 10, LINES].map(|f| (f, options)));
    for (folded, options) in ways.into_iter().flatten() {
        let hub = hub_with(folded, options);
        for seq in 1..=LINES {
            for sender in ["Eva", "mira", "eva"] {
                for id in [format!("id \"{seq}\""), "none".to_owned()] {
                    let lookup = hub.reader.find_id(OFFICE, sender, &id, || ()).unwrap();
                    let is_it =
                        |line: &Message| line.sender == sender && line.id.as_ref() == Some(&id);
                    let expected = hub
                        .reader
                        .read_range(OFFICE, 0, folded)
                        .map(|line| {
                            serde_json::from_slice::<Message>(line.unwrap().json()).unwrap()
                        })
                        .find(is_it)
                        .map(|message| (message.seq, message.timestamp));
                    assert_eq!(
                        lookup,
                        IdLookup {
                            found: expected,
                            covered: folded
                        }
                    );
                }
            }
        }
    }
}

#[test]
fn ids_are_found_while_checkpoints_move_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(open(dir.path(), small(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    let mut through = 0;
    for seq in 2..400 {
        let then =
            hub.push(&hub.message("general", "Eva", &"x".repeat(60), Some(&seq.to_string())));
        hub.wait_for(|heard| match heard {
            Heard::Folded(folded) => {
                through = folded
                    .iter()
                    .find(|(log, _)| *log == OFFICE)
                    .map_or(through, |f| f.1);
                None
            }
            Heard::Committed(batch) => batch.contains(&then).then_some(()),
            other => panic!("{other:?}"),
        });
        let probe = 2 + seq / 2;
        let lookup = hub
            .reader
            .find_id(OFFICE, "Eva", &probe.to_string(), || ())
            .unwrap();
        assert!(
            lookup.covered >= through,
            "what the hub may forget is covered"
        );
        assert_eq!(
            lookup.found.map(|f| f.0),
            (probe <= lookup.covered).then_some(probe)
        );
    }
    assert!(through > 100, "{through}");
    hub.journal.close().unwrap();
}

/// A thousand connections may be reading, and a segment of an older version may have many megabytes.
#[test]
fn a_long_segment_is_read_in_parts() {
    let disk = MemoryDisk::default();
    let options = || Options {
        journal_bytes: u64::MAX,
        segment_messages: 1_000,
        segment_bytes: u64::MAX,
        ..Options::default()
    };
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    for index in 0..40 {
        // Each byte takes six in a file.
        let content = "\u{1}".repeat(if index % 2 == 0 { 16_384 } else { 3 });
        let id = format!("id {index}");
        hub.push_and_wait(&hub.message("general", "Eva", &content, Some(&id)));
    }
    hub.journal.close().unwrap();
    let hub = Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    assert_eq!(
        hub.reader
            .find_id(OFFICE, "Eva", "none", || ())
            .unwrap()
            .covered,
        41
    );
    disk.longest_read();
    let mut expected = 1..=41;
    for line in hub.reader.read_range(OFFICE, 0, u64::MAX) {
        assert_eq!(seqs(&[line.unwrap()]), [expected.next().unwrap()]);
    }
    assert!(expected.is_empty());
    let range = PageRange {
        before: Some(31),
        after: None,
        limit: 2,
    };
    let page = page_of(&hub.reader, OFFICE, &range).unwrap();
    assert_eq!(seqs(&page.lines), [29, 30]);
    let found = hub
        .reader
        .find_id(OFFICE, "Eva", "id 7", || ())
        .unwrap()
        .found;
    assert_eq!(found.map(|(seq, _)| seq), Some(9));
    let longest = disk.longest_read();
    assert!(longest <= limits::READ_BYTES, "{longest} bytes at once");
}
