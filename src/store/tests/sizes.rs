//! Segments that end by their bytes, beside those of a version that ended them by the number of their messages alone.

use super::double::MemoryDisk;
use super::*;
use crate::model::RoomId;

const GENERAL: LogId = LogId::Room(RoomId(0));

/// Long messages, folded at once.
fn long(hub: &mut Hub, count: u64) {
    for _ in 0..count {
        let seq = hub.state.last_seq(GENERAL) + 1;
        let content = "\u{1}".repeat(limits::CONTENT_BYTES);
        let event = hub.message("general", "Eva", &content, Some(&format!("id {seq}")));
        hub.push_and_wait(&event);
    }
}

/// A life on this disk with `bytes` as the bound: so many long messages more.
fn live(disk: &MemoryDisk, bytes: u64, count: u64) {
    let options = Options {
        segment_bytes: bytes,
        ..Options::default()
    };
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), options, 1).unwrap());
    if hub.state.find_user("Eva").is_none() {
        hub.push_and_wait(&hub.user("Eva"));
    }
    long(&mut hub, count);
    hub.journal.close().unwrap();
}

fn segments_of(disk: &MemoryDisk) -> Vec<segments::Segment> {
    let snapshot = snapshot::load(disk).unwrap().unwrap();
    snapshot.segments[&GENERAL].clone()
}

/// Everything is read in every way there is.
fn assert_all_is_read(disk: &MemoryDisk, last: Seq) {
    let opened = open_disk(Box::new(disk.clone()), Options::default(), 1).unwrap();
    let reader = opened.store.reader();
    assert_eq!(all_lines(&reader, GENERAL).len() as u64, last);
    for after in 0..last {
        let next = reader.read_range(GENERAL, after, u64::MAX).next();
        let message: Message = serde_json::from_slice(next.unwrap().unwrap().json()).unwrap();
        assert_eq!(message.seq, after + 1);
    }
    for seq in 2..=last {
        let id = format!("id {seq}");
        let lookup = reader.find_id(GENERAL, "Eva", &id, || ()).unwrap();
        assert_eq!(lookup.found.map(|found| found.0), Some(seq));
    }
    assert_eq!(check::check(disk).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_segment_of_long_messages_ends_when_it_is_long_enough() {
    let disk = MemoryDisk::default();
    live(&disk, limits::SEGMENT_BYTES, 40);
    let segments = segments_of(&disk);
    assert!(segments.len() >= 4, "{segments:#?}");
    let longest_line = 7 * limits::CONTENT_BYTES as u64;
    for (index, segment) in segments.iter().enumerate() {
        assert!(segment.bytes < limits::SEGMENT_BYTES + longest_line);
        let is_last = index + 1 == segments.len();
        assert!(is_last || segment.bytes >= limits::SEGMENT_BYTES);
    }
    assert_all_is_read(&disk, 41);
    // No part of the store has more than one segment in memory.
    let opened = open_disk(Box::new(disk.clone()), Options::default(), 1).unwrap();
    let reader = opened.store.reader();
    disk.longest_read();
    reader.find_id(GENERAL, "Eva", "id 9", || ()).unwrap();
    for chunk in reader.chunks(GENERAL) {
        reader.read_chunk(&chunk, &mut Vec::new()).unwrap();
    }
    let longest = disk.longest_read() as u64;
    assert!(longest < limits::SEGMENT_BYTES + longest_line, "{longest}");
}

/// Written by a version that knew no bound, or by one with another.
#[test]
fn longer_segments_of_an_older_version_are_read_and_left_as_they_are() {
    let disk = MemoryDisk::default();
    live(&disk, u64::MAX, 30);
    let old = segments_of(&disk);
    assert_eq!(old.len(), 1, "{old:#?}");
    assert!(old[0].bytes > 2 * limits::SEGMENT_BYTES);
    let file = segments::file(GENERAL, 1);
    let id = disk.id(&file);
    assert_all_is_read(&disk, 31);
    live(&disk, limits::SEGMENT_BYTES, 15);
    let new = segments_of(&disk);
    assert_eq!(disk.id(&file), id, "it takes no more, so it is not written");
    assert_eq!((new[0].messages, new[1].first), (31, 32));
    assert!(new.len() >= 3, "{new:#?}");
    assert_all_is_read(&disk, 46);
}

/// A checkpoint rewrites the last segment and no other, however long a history is.
#[test]
fn a_full_segment_is_never_written_again() {
    let disk = MemoryDisk::default();
    let mut known: Vec<(segments::Segment, u64)> = Vec::new();
    for _ in 0..12 {
        live(&disk, limits::SEGMENT_BYTES, 4);
        let segments = segments_of(&disk);
        for (segment, id) in &known {
            assert!(segments.contains(segment));
            assert_eq!(disk.id(&segments::file(GENERAL, segment.first)), *id);
        }
        let full = segments
            .into_iter()
            .filter(|s| s.bytes >= limits::SEGMENT_BYTES);
        let full = full.map(|segment| {
            let id = disk.id(&segments::file(GENERAL, segment.first));
            (segment, id)
        });
        known = full.collect();
    }
    assert!(known.len() >= 4, "{}", known.len());
}
