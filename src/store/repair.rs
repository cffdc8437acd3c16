//! Making a damaged directory one that a server starts from, and saying exactly what that cost.
//!
//! Owns what is written: the damaged segments anew, `state.json`, an empty journal; and what is removed, once that is
//! durable. Whoever calls keeps a copy first. Doing it again after an interruption gives the same.

use super::check::counted;
use super::disk::{self, Disk};
use super::draft::{Cut, Draft, timestamp};
use super::error::OpenError;
use super::journal;
use super::maintain::NewPassword;
use super::salvage::{Salvage, salvage};
use super::segments::{self, Full, NewLines, Segment};
use super::snapshot::{self, SegmentTable};
use super::writer;
use crate::model::{LogId, State};
use crate::protocol::{Millis, RoomKind, Seq, fold};
use std::io;

/// What a repair needs from outside.
pub struct Means<'a> {
    pub now: Millis,
    /// When a new segment is full.
    pub full: Full,
    pub new_password: &'a mut dyn FnMut() -> Result<NewPassword, String>,
}

/// Repairs a directory. Returns what was lost and what takes its place, a sentence each.
pub fn repair(disk: &dyn Disk, means: &mut Means) -> Result<Vec<String>, OpenError> {
    let Salvage {
        mut draft,
        mut losses,
        lost_events,
        lost_journals,
        last_journal,
        first_user,
        ..
    } = salvage(disk)?;
    tell_rebuilt(&mut draft, &mut losses);
    let cuts = draft.cut();
    tell_cut(&draft, &cuts, &mut losses);
    let folded: Vec<(LogId, Seq)> = draft.logs.iter().map(|(&log, d)| (log, d.folded)).collect();
    let lost = draft.complete();
    tell_lost(&draft, &lost, &mut losses);
    let accounted: u64 = lost
        .iter()
        .map(|(log, ranges)| {
            let folded = folded
                .iter()
                .find(|(other, _)| other == log)
                .map_or(0, |f| f.1);
            let beyond = ranges
                .iter()
                .map(|&(first, last)| (last + 1).saturating_sub(first.max(folded + 1)));
            beyond.sum::<u64>()
        })
        .sum();
    let unknown = lost_events.saturating_sub(accounted);
    tell_unknown(unknown, lost_journals, &mut losses);
    find_administrator(&mut draft, first_user.as_deref(), &mut losses);
    give_passwords(&mut draft, means, &mut losses)?;
    write(disk, &draft, last_journal + 1, means)?;
    Ok(losses)
}

/// Rooms whose records are lost: what is known of them.
fn tell_rebuilt(draft: &mut Draft, losses: &mut Vec<String>) {
    for room in draft.rebuilt_rooms() {
        draft.learn(room);
        let record = &draft.rooms[room.0 as usize].record;
        let kind = match record.kind {
            RoomKind::Public => "public",
            RoomKind::Private => "private",
            RoomKind::Direct => "direct",
        };
        let members: Vec<&str> = record.members.keys().map(String::as_str).collect();
        let members = match members.is_empty() {
            true => "nobody in it is known".to_owned(),
            false => format!("in it are {}", members.join(", ")),
        };
        losses.push(format!(
            "What was kept of the room {:?} is lost, but not its messages. By them it is {kind}, and {members}.",
            record.name
        ));
    }
}

fn tell_cut(draft: &Draft, cuts: &[(LogId, Cut)], losses: &mut Vec<String>) {
    for (log, cut) in cuts {
        let whose = match log {
            LogId::Room(id) => {
                let name = &draft.rooms[id.0 as usize].record.name;
                format!("the room {name:?}")
            }
            LogId::Reports => "the reports".to_owned(),
        };
        let place = cut.place.as_deref().unwrap_or(snapshot::FILE);
        let what = match log {
            LogId::Room(_) => "message",
            LogId::Reports => "report",
        };
        losses.push(format!(
            "By {place} {} of {whose} would be missing from {} on, which is more than can be filled. So {whose} ends \
             there, and {} that stood behind that is left out; the copy has what there is.",
            counted(cut.missing, what),
            cut.first,
            counted(cut.behind, what),
        ));
    }
}

fn tell_lost(draft: &Draft, lost: &[(LogId, Vec<(Seq, Seq)>)], losses: &mut Vec<String>) {
    for (log, ranges) in lost {
        let count: u64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
        let list: Vec<String> = ranges
            .iter()
            .map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first} to {last}"),
            })
            .collect();
        let list = list.join(", ");
        losses.push(match log {
            LogId::Room(id) => format!(
                "The room {:?} has lost {}: {list}. In the place of each stands one from Server that says so.",
                draft.rooms[id.0 as usize].record.name,
                counted(count, "message")
            ),
            LogId::Reports => format!(
                "Lost: {}, {list}. In the place of each stands one from Server that says so.",
                counted(count, "report")
            ),
        });
    }
}

/// `maybe`: whether there may be some where none can be counted.
fn tell_unknown(count: u64, maybe: bool, losses: &mut Vec<String>) {
    let (events, they) = match count {
        0 if !maybe => return,
        0 => ("Events may be".to_owned(), "they were"),
        1 => ("At least 1 event is".to_owned(), "it was"),
        _ => (format!("At least {count} events are"), "they were"),
    };
    losses.push(format!(
        "{events} lost of which nobody can tell what {they}: the last messages of a room, a new account, room or member, \
         a password, a read position. If somebody had just changed a password or signed out everywhere, they should do so \
         again."
    ));
}

/// The first account is the administrator's.
fn find_administrator(draft: &mut Draft, first_user: Option<&str>, losses: &mut Vec<String>) {
    if draft.users.iter().any(|user| user.admin) {
        return;
    }
    let first = first_user.map(fold);
    let users = &mut draft.users;
    let index = users
        .iter()
        .position(|user| Some(fold(&user.name)) == first);
    if let Some(user) = users.get_mut(index.unwrap_or(0)) {
        user.admin = true;
        losses.push(format!(
            "It is lost who the administrator is; now it is {:?}.",
            user.name
        ));
    }
}

fn give_passwords(
    draft: &mut Draft,
    means: &mut Means,
    losses: &mut Vec<String>,
) -> Result<(), OpenError> {
    for user in &mut draft.users {
        if !draft.nameless.contains(&*fold(&user.name)) {
            continue;
        }
        let given = (means.new_password)().map_err(OpenError::new)?;
        user.password = given.hash;
        // Greater than any that a token has.
        user.generation = (means.now / 1_000) as u32;
        user.created = means.now;
        losses.push(format!(
            "The account {:?} is lost but for its name. It has a new password, {}, which its owner should change.",
            user.name, given.text
        ));
    }
    Ok(())
}

fn write(disk: &dyn Disk, draft: &Draft, journal: u64, means: &Means) -> Result<(), OpenError> {
    let failed = |e: io::Error| OpenError::io("write to", "the data directory", &e);
    let mut table = SegmentTable::new();
    for &log in draft.logs.keys() {
        table.insert(log, write_log(disk, draft, log, means.full)?);
    }
    let rooms: Vec<_> = draft.rooms.iter().map(|room| room.record.clone()).collect();
    let last_report = draft.logs.get(&LogId::Reports).map_or(0, |log| log.last);
    let state = State::from_records(&draft.users, &rooms, last_report)
        .map_err(|e| OpenError::new(format!("What is left contradicts itself: {e}.")))?;
    writer::create(disk, journal, None).map_err(failed)?;
    let segments = |log| table.get(&log).map_or(&[][..], Vec::as_slice);
    let content = snapshot::encode(journal, means.now, &state, segments);
    disk.replace(snapshot::FILE, &content)
        .and_then(|()| disk.sync_directory(""))
        .map_err(failed)?;
    remove_segments(disk, &table)?;
    remove_journals(disk, journal).map_err(failed)
}

/// Writes what is not in undamaged segments into new ones between them.
fn write_log(
    disk: &dyn Disk,
    draft: &Draft,
    log: LogId,
    full: Full,
) -> Result<Vec<Segment>, OpenError> {
    let parts = &draft.logs[&log];
    let mut segments: Vec<Segment> = parts.kept.values().cloned().collect();
    let mut lines = parts.lines.iter().peekable();
    let mut made = Vec::new();
    while let Some(&(&first, _)) = lines.peek() {
        let mut new = NewLines::default();
        let mut next = first;
        while let Some((_, json)) = lines.next_if(|&(&seq, _)| seq == next && !new.is_full(full)) {
            new.push(json, timestamp(json).unwrap_or(0));
            next += 1;
        }
        made.push((first, new));
    }
    segments.extend(segments::write_new(disk, log, &made)?);
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Removes the journals that the new `state.json` does not name.
fn remove_journals(disk: &dyn Disk, journal: u64) -> io::Result<()> {
    for name in disk.list("")? {
        let whole = name.strip_suffix(disk::TEMPORARY).unwrap_or(&name);
        let is_old = journal::number_of(whole).is_some_and(|number| number != journal);
        let is_temporary =
            whole != name && (whole == snapshot::FILE || journal::number_of(whole).is_some());
        if is_old || is_temporary {
            disk.remove(&name)?;
        }
    }
    disk.sync_directory("")
}

fn remove_segments(disk: &dyn Disk, table: &SegmentTable) -> Result<(), OpenError> {
    for log in segments::logs(disk)? {
        let known = table.get(&log).map_or(&[][..], Vec::as_slice);
        for first in segments::firsts(disk, log)? {
            if !known.iter().any(|segment| segment.first == first) {
                let file = segments::file(log, first);
                disk.remove(&file)
                    .map_err(|e| OpenError::io("remove", &file, &e))?;
            }
        }
    }
    Ok(())
}
