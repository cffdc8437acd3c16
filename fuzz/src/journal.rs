//! Journals: as they are, and with lines whose checksums fit, torn and changed anywhere.

use melangerie::model::{Event, State};
use melangerie::store::fuzzing::{Files, decode_snapshot, encode_snapshot, journal, recover, scan};

/// The input is a journal; and, line by line, `Event data` of one whose checksums fit. Its length says where that one
/// is torn and which of its bits is changed.
pub fn check(data: &[u8]) {
    as_it_is(data);
    let text = String::from_utf8_lossy(data);
    let events: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(event, _)| event.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .collect();
    contradicted(&events);
    let whole = journal(1, &events);
    let Ok(found) = recover(files(whole.clone())) else {
        return;
    };
    let (state, notes) = found.expect("a journal was there");
    assert!(notes.is_empty(), "nothing was torn: {notes:?}");
    let read = decode_snapshot(&encode_snapshot(&state)).expect("what is written can be read");
    assert_eq!(read, state);
    torn(&whole, &events, data.len());
    changed(whole, data.len());
}

/// What contradicts the state leaves it as it was.
fn contradicted(events: &[(&str, &str)]) {
    let mut state = State::new(0);
    for (event, data) in events {
        let Ok(event) = Event::decode(event, data) else {
            continue;
        };
        let before = state.clone();
        if state.apply(&event).is_err() {
            assert_eq!(state, before);
        }
        let (name, data) = event.encode();
        let data = String::from_utf8(data).expect("JSON is UTF-8");
        assert_eq!(
            Event::decode(name, &data).expect("what is written can be read"),
            event
        );
    }
}

/// An empty office, and this journal.
fn files(journal: Vec<u8>) -> Files {
    let snapshot = encode_snapshot(&State::new(0));
    Files::from([
        ("state.json".to_owned(), snapshot),
        ("journal-000001.jsonl".to_owned(), journal),
    ])
}

fn as_it_is(data: &[u8]) {
    let Ok((bytes, events)) = scan(1, data, None) else {
        return;
    };
    let counted = scan(1, data, Some(bytes)).expect("what counts is whole");
    assert_eq!(counted, (bytes, events));
}

/// Cut off anywhere behind its header, it is a shorter journal: a crash loses what was not synced, and nothing else.
fn torn(whole: &[u8], events: &[(&str, &str)], dice: usize) {
    let header = journal(1, &[]).len();
    let cut = header + dice.wrapping_mul(0x9e37_79b9) % (whole.len() - header + 1);
    let (state, _) = recover(files(whole[..cut].to_vec()))
        .expect("a torn journal starts")
        .expect("a journal was there");
    // A line whose end alone is missing counts.
    let missing_end = whole.get(cut) == Some(&b'\n');
    let lines = whole[header..cut].iter().filter(|&&byte| byte == b'\n');
    let complete = lines.count() + usize::from(missing_end);
    let shorter = journal(1, &events[..complete]);
    let expected = recover(files(shorter)).expect("a prefix starts");
    assert_eq!(expected.expect("a journal was there").0, state);
}

/// No changed bit goes unnoticed.
fn changed(mut whole: Vec<u8>, dice: usize) {
    let bit = dice.wrapping_mul(0x85eb_ca6b) % (whole.len() * 8);
    whole[bit / 8] ^= 1 << (bit % 8);
    assert!(recover(files(whole)).is_err(), "bit {bit}");
}
