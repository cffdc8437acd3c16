//! Repairs: a directory that started, damaged in several places at once.

use melangerie::model::State;
use melangerie::protocol::Message;
use melangerie::store::fuzzing::{
    Files, check_files, directory, pieces, recover, repair_files, unsealed,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What is folded, and what stands in the live journal.
const OLD: &str = include_str!("repair/old.events");
const NEW: &str = include_str!("repair/new.events");

/// A directory, and the states and messages to which a journal that is cut off at some line leads.
static SOUND: LazyLock<Sound> = LazyLock::new(|| {
    let (old, new) = (events(OLD), events(NEW));
    let all = [&old[..], &new].concat();
    let until = |count| started(directory(&all[..count], &[])).expect("the events fit");
    let said = |count| whole_messages(&directory(&all[..count], &[]));
    let counts = old.len()..=all.len();
    Sound {
        files: directory(&old, &new),
        states: counts.clone().map(until).collect(),
        messages: counts.map(said).collect(),
    }
});

struct Sound {
    files: Files,
    states: Vec<State>,
    messages: Vec<Messages>,
}

/// By room and number.
type Messages = BTreeMap<(String, u64), Message>;

fn events(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines();
    lines.filter_map(|line| line.split_once(' ')).collect()
}

fn started(files: Files) -> Option<State> {
    Some(recover(files).ok()??.0)
}

/// The input says, in steps of 8 bytes, what happens to the directory.
pub fn check(data: &[u8]) {
    let sound = &*SOUND;
    let mut files = sound.files.clone();
    for step in data.chunks_exact(8).take(16) {
        damage(&mut files, step);
    }
    let checked = check_files(files.clone()).expect("files in memory can be read");
    if checked.problems.is_empty() {
        // Empty where everything is gone: that is a first start.
        let state = started(files).unwrap_or_else(|| State::new(0));
        assert!(sound.states.contains(&state) || state == State::new(0));
        return;
    }
    let whole = whole_messages(&files);
    let (repaired, losses) = repair_files(files).expect("what was written can be repaired");
    let checked = check_files(repaired.clone()).expect("files in memory can be read");
    assert_eq!(checked.problems, Vec::<String>::new());
    let state = started(repaired.clone()).expect("what is repaired starts");
    let found = whole_messages(&repaired);
    let mut counted = found.clone();
    counted.retain(|(room, seq), _| {
        let room = state.find_room(room).expect("only rooms have messages");
        *seq <= state.room(room).last_seq
    });
    // A torn end of the journal is no loss.
    let nothing_is_lost = sound.messages.contains(&counted);
    assert!(!losses.is_empty() || nothing_is_lost);
    for (at, message) in whole {
        assert_eq!(found.get(&at), Some(&message), "{at:?} was whole");
    }
    for (_, room) in state.rooms() {
        for seq in 1..=room.last_seq {
            let at = (room.name.to_string(), seq);
            assert!(found.contains_key(&at), "{at:?} has a message");
        }
    }
}

/// One thing that happens to a file: `[what, file, at, at, length, other file, other at, other at]`.
fn damage(files: &mut Files, step: &[u8]) {
    let Some(name) = nth(files, step[1]) else {
        return;
    };
    let other = nth(files, step[5]).expect("there is a file");
    let source = files[&other].clone();
    let content = files.get_mut(&name).expect("it is one of these");
    let at = place(content, &step[2..4]);
    let end = content.len().min(at + usize::from(step[4]));
    match step[0] % 8 {
        0 => {
            content.get_mut(at).into_iter().for_each(|b| *b ^= step[4]);
        }
        1 => content[at..end].fill(0),
        2 => content.truncate(at),
        3 => {
            content.drain(at..end);
        }
        4 => {
            // Blocks of one file in another.
            let from = place(&source, &step[6..8]);
            let until = source.len().min(from + usize::from(step[4]));
            content.splice(at..at, source[from..until].iter().copied());
        }
        5 => {
            files.remove(&name);
        }
        6 => {
            // A line of one file in the place of another's.
            let (from, to) = (line_at(&source, &step[6..8]), line_at(content, &step[2..4]));
            content.splice(to, source[from].iter().copied());
        }
        _ => content.splice(at..at, [step[4]]).for_each(drop),
    }
}

fn nth(files: &Files, index: u8) -> Option<String> {
    let index = usize::from(index).checked_rem(files.len())?;
    files.keys().nth(index).cloned()
}

fn place(content: &[u8], bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % (content.len() + 1)
}

fn line_at(content: &[u8], bytes: &[u8]) -> std::ops::Range<usize> {
    let at = place(content, bytes);
    let start = content[..at].iter().rposition(|&byte| byte == b'\n');
    let end = content[at..].iter().position(|&byte| byte == b'\n');
    start.map_or(0, |start| start + 1)..end.map_or(content.len(), |end| at + end + 1)
}

/// The messages that stand whole in the segments of their own rooms.
fn whole_messages(files: &Files) -> Messages {
    let mut messages = Messages::new();
    for (_, content) in files.iter().filter(|(name, _)| name.starts_with("rooms/")) {
        for (range, _) in pieces(content).into_iter().filter(|(_, whole)| *whole) {
            let body = unsealed(&content[range]).expect("it is whole");
            let json = [body, b"}"].concat();
            let Ok(message) = serde_json::from_slice::<Message>(&json) else {
                continue;
            };
            messages.insert((message.room.clone(), message.seq), message);
        }
    }
    messages
}
