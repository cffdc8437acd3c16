//! Pages from the middle of long segments: short reads, the right lines, and damage that is noticed all the same.

use super::double::MemoryDisk;
use super::*;
use crate::model::RoomId;
use crate::protocol::Code;

const OFFICE: LogId = LogId::Room(RoomId(0));
const FILE: &str = "rooms/000000/000000001.jsonl";
const LINES: u64 = 300;

fn long() -> Options {
    Options {
        journal_bytes: u64::MAX,
        segment_messages: 1_000,
        ..small()
    }
}

fn start(disk: &MemoryDisk) -> Hub {
    Hub::start(open_disk(Box::new(disk.clone()), long(), 1).unwrap())
}

/// One segment with [`LINES`] messages.
fn disk() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut hub = start(&disk);
    hub.push_and_wait(&hub.user("Eva"));
    say(&mut hub, LINES - 1);
    hub.journal.close().unwrap();
    disk
}

fn say(hub: &mut Hub, count: u64) {
    for _ in 0..count {
        hub.push_and_wait(&hub.message("general", "Eva", "some words", None));
    }
}

fn page(reader: &Reader, first: Seq, limit: u32) -> Result<Vec<Seq>, Code> {
    let range = PageRange {
        after: Some(first - 1),
        before: None,
        limit,
    };
    let page = page_of(reader, OFFICE, &range).map_err(|error| error.code)?;
    let seq = |line: &Line| serde_json::from_slice::<Message>(line.json()).unwrap().seq;
    Ok(page.lines.iter().map(seq).collect())
}

/// Steps through all numbers below `count` and visits each once, in no order that anybody reads in.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    const STRIDE: u64 = 97;
    (0..count).map(move |at| at * STRIDE % count)
}

#[test]
fn every_page_has_its_lines_whatever_was_read_before() {
    let hub = start(&disk());
    for limit in [1, 5, 16, 50] {
        for first in scattered(LINES).map(|at| at + 1) {
            let expected: Vec<Seq> = (first..=LINES).take(limit as usize).collect();
            assert_eq!(page(&hub.reader, first, limit), Ok(expected));
        }
    }
}

#[test]
fn a_page_from_the_middle_is_a_short_read() {
    let disk = disk();
    let options = Options {
        read_bytes: usize::MAX / 4,
        ..long()
    };
    let hub = Hub::start(open_disk(Box::new(disk.clone()), options, 1).unwrap());
    let line = disk.files()[FILE].len() / LINES as usize;
    disk.longest_read();
    page(&hub.reader, LINES, 1).unwrap();
    assert!(
        disk.longest_read() > line * 200,
        "the first one passes what is before it"
    );
    for first in [1, 77, 160, 250] {
        page(&hub.reader, first, 20).unwrap();
        let read = disk.longest_read();
        assert!(read < line * 60, "{read} bytes for 20 lines from {first}");
    }
}

#[test]
fn a_segment_that_grew_is_read_on() {
    let disk = disk();
    let mut hub = start(&disk);
    page(&hub.reader, LINES - 10, 10).unwrap();
    say(&mut hub, 100);
    let reader = hub.reader.clone();
    hub.journal.close().unwrap();
    assert_eq!(
        disk.files().keys().filter(|n| n.contains("rooms/")).count(),
        1
    );
    for first in scattered(LINES + 100).map(|at| at + 1) {
        let expected: Vec<Seq> = (first..=LINES + 100).take(20).collect();
        assert_eq!(page(&reader, first, 20), Ok(expected));
    }
}

/// Segments of the server's own size, which end with their bytes: some lines are a thousand times longer than others.
#[test]
fn segments_that_end_by_bytes_are_marked_too() {
    const SIZES: [usize; 5] = [3, 16_000, 300, 9_000, 40];
    let options = || Options {
        journal_bytes: u64::MAX,
        ..Options::default()
    };
    let say = |hub: &mut Hub, count: u64| {
        for _ in 0..count {
            let size = SIZES[hub.count as usize % SIZES.len()];
            hub.push_and_wait(&hub.message("general", "Eva", &"x".repeat(size), None));
        }
    };
    let disk = MemoryDisk::default();
    let start = || Hub::start(open_disk(Box::new(disk.clone()), options(), 1).unwrap());
    let mut hub = start();
    hub.push_and_wait(&hub.user("Eva"));
    say(&mut hub, 3 * LINES - 1);
    hub.journal.close().unwrap();
    let mut hub = start();
    let check = |reader: &Reader, last: Seq| {
        for (limit, first) in scattered(last).map(|at| (1 + at % 20, at + 1)) {
            let expected: Vec<Seq> = (first..=last).take(limit as usize).collect();
            assert_eq!(page(reader, first, limit as u32), Ok(expected));
        }
    };
    check(&hub.reader, 3 * LINES);
    // The last one grows until it is full, and others follow it.
    say(&mut hub, LINES);
    let reader = hub.reader.clone();
    hub.journal.close().unwrap();
    check(&reader, 4 * LINES);
    let files = disk.files();
    let segments = files.iter().filter(|(name, _)| name.contains("rooms/"));
    let mut bytes: Vec<usize> = segments.map(|(_, content)| content.len()).collect();
    bytes.pop();
    let longest = SIZES[1] + 200;
    let ends = limits::SEGMENT_BYTES as usize..limits::SEGMENT_BYTES as usize + longest;
    assert!(bytes.len() > 4, "{bytes:?}");
    assert!(bytes.iter().all(|size| ends.contains(size)), "{bytes:?}");
    // With all marks known, a line costs the sixteen from one mark to the next, and these have 85 KB at most.
    disk.longest_read();
    for first in scattered(4 * LINES).map(|at| at + 1) {
        page(&reader, first, 1).unwrap();
    }
    let read = disk.longest_read();
    assert!(read < 100_000, "{read} bytes for one line");
}

#[test]
fn damage_behind_a_mark_is_noticed_and_nothing_wrong_is_remembered() {
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let disk = disk();
    let hub = start(&disk);
    let content = disk.files()[FILE].clone();
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &content).collect();
    page(&hub.reader, LINES, 1).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = content.clone();
        change(&mut changed);
        disk.put(FILE, changed, false);
    };
    // Line 151 ends at `ends[150]`.
    let changes: [Damage<'_>; 4] = [
        &|bytes| bytes[ends[150] - 40] ^= 1,
        &|bytes| bytes[ends[150]] = b' ',
        &|bytes| drop(bytes.drain(ends[149] + 1..=ends[150])),
        &|bytes| bytes.truncate(ends[150] - 1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        with(change);
        for _ in 0..2 {
            let found = page(&hub.reader, 145, 20);
            assert_eq!(found, Err(Code::StorageFailed), "change {index}");
            hub.wait_for(|heard| {
                matches!(heard, Heard::Log(event) if event == "damaged").then_some(())
            });
        }
        assert_eq!(page(&hub.reader, 100, 20), Ok((100..120).collect()));
        disk.put(FILE, content.clone(), false);
        for first in [290, 145, 1] {
            assert_eq!(page(&hub.reader, first, 11).unwrap()[0], first);
        }
    }
}
