//! Readable lines that stand where nothing records them: left by an interrupted checkpoint, newer than a `state.json` that
//! was put back, or in another room's file.
//!
//! Owns which of them become part of their log: journals come first, and a log is only continued. Says what it takes and
//! what not.

use super::check::counted;
use super::draft::{Draft, Place};
use crate::limits;
use crate::model::LogId;
use crate::protocol::Seq;
use std::collections::BTreeMap;

/// By room's name, which reports have none of, and `seq`.
#[derive(Default)]
pub struct Spare {
    lines: BTreeMap<Option<String>, BTreeMap<Seq, SpareLine>>,
}

struct SpareLine {
    json: Vec<u8>,
    file: String,
    number: u64,
    /// Where what it belongs to begins: its segment, or itself.
    from: Seq,
}

/// How many lines of which file, in the words of what they are.
type Counts = BTreeMap<(String, &'static str), u64>;

impl Spare {
    /// `segment` is the first `seq` of the file, where that is its log's own.
    pub fn put(
        &mut self,
        room: Option<String>,
        seq: Seq,
        json: Vec<u8>,
        place: Place,
        segment: Option<Seq>,
    ) {
        // No segment has more, so a forged number makes no longer gap.
        let fits =
            |first: &Seq| (*first..first.saturating_add(limits::SEGMENT_MESSAGES)).contains(&seq);
        let line = SpareLine {
            json,
            file: place.file.to_owned(),
            number: place.line,
            from: segment.filter(fits).unwrap_or(seq),
        };
        self.lines.entry(room).or_default().insert(seq, line);
    }

    /// Adds to the draft what belongs there. Returns how many lines there are now beyond what state and journals tell of.
    pub fn give(self, draft: &mut Draft, losses: &mut Vec<String>) -> u64 {
        let (mut taken, mut left) = (Counts::new(), Counts::new());
        for (room, lines) in self.lines {
            let (log, what) = match &room {
                None => (Some(LogId::Reports), "report"),
                Some(name) => (draft.find_room(name).map(LogId::Room), "message"),
            };
            give_to(draft, log, lines, |line, is_taken| {
                let counts = if is_taken { &mut taken } else { &mut left };
                *counts.entry((line.file.clone(), what)).or_default() += 1;
            });
        }
        for ((file, what), &count) in &taken {
            let are = if count == 1 { "is" } else { "are" };
            losses.push(format!(
                "{file} has {} that state.json does not record, which {are} taken.",
                counted(count, what)
            ));
        }
        for ((file, what), &count) in &left {
            let (are, they) = if count == 1 {
                ("is", "it is")
            } else {
                ("are", "they are")
            };
            losses.push(format!(
                "{file}: {} {are} not taken, since {they} no continuation of what else there is. The copy has them.",
                counted(count, &format!("readable {what}"))
            ));
        }
        taken.values().sum()
    }
}

/// Tells `counted` of each line that continues the log, and of each that is not taken.
fn give_to(
    draft: &mut Draft,
    log: Option<LogId>,
    lines: BTreeMap<Seq, SpareLine>,
    mut counted: impl FnMut(&SpareLine, bool),
) {
    let Some(log) = log else {
        lines.values().for_each(|line| counted(line, false));
        return;
    };
    let parts = draft.log(log);
    // What says other than the journals is of another history, and so is what follows it.
    let differs = |(seq, line): &(&Seq, &SpareLine)| {
        let known = parts.lines.get(seq);
        known.is_some_and(|known| *known != line.json)
    };
    let foreign_from = lines.iter().find(differs).map(|(&seq, _)| seq);
    let mut grown = false;
    for (seq, line) in &lines {
        let is_beyond = *seq > parts.last;
        let continues = line.from <= parts.last.saturating_add(1);
        let is_known = parts.lines.get(seq) == Some(&line.json);
        let is_foreign = foreign_from.is_some_and(|from| *seq >= from) && !is_known;
        if is_foreign || is_beyond && !continues {
            counted(line, false);
            continue;
        }
        let place = Place {
            file: &line.file,
            line: line.number,
        };
        grown |= parts.add(*seq, &line.json, place) && *seq > parts.folded;
        if is_beyond {
            counted(line, true);
        }
    }
    if let (true, LogId::Room(room)) = (grown, log) {
        draft.learn_beyond(room);
    }
}
