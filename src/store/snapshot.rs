//! `state.json`: users, rooms, their segments, and the journal to go on with.
//!
//! Owns the format. One user or room a line, so that `less` shows it and `jq` reads it; each with a checksum, so that
//! what one damaged byte costs is one line, should it come to a repair. Opens no file but its own.

use super::disk::Disk;
use super::error::OpenError;
use super::journal::{FORMAT, LAST_NUMBER, newer};
use super::line;
use super::segments::Segment;
use crate::model::{LogId, RoomId, RoomRecord, State, UserRecord};
use crate::protocol::{Millis, Seq};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io;

/// The file's name.
pub const FILE: &str = "state.json";

/// What stands before the reports.
const REPORTS: &[u8] = br#"],"reports":"#;

/// The segments of every log that has any.
pub type SegmentTable = HashMap<LogId, Vec<Segment>>;

/// What a checkpoint saves.
pub struct Snapshot {
    /// The first journal that is not included.
    pub journal: u64,
    pub state: State,
    pub segments: SegmentTable,
}

#[derive(Deserialize)]
struct Document<'a> {
    format: u64,
    journal: u64,
    users: Vec<UserRecord>,
    #[serde(borrow)]
    rooms: Vec<&'a RawValue>,
    reports: Reports,
}

#[derive(Serialize, Deserialize)]
struct Reports {
    last_seq: Seq,
    segments: Vec<Segment>,
}

/// What a room's line holds besides its record.
#[derive(Deserialize)]
struct RoomFiles {
    id: u32,
    segments: Vec<Segment>,
}

/// The content of `state.json`. `segments` gives each log's.
pub fn encode<'a>(
    journal: u64,
    saved: Millis,
    state: &State,
    segments: impl Fn(LogId) -> &'a [Segment],
) -> Vec<u8> {
    let (users, rooms, last_report) = state.to_records();
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(
        r#"{{"format":{FORMAT},"version":"{version}","journal":{journal},"saved":{saved},"users":["#
    )
    .into_bytes();
    push_lines(&mut out, users.iter().map(|user| sealed(json(user))));
    out.extend_from_slice(br#"],"rooms":["#);
    let lines = rooms.iter().enumerate().map(|(id, record)| {
        let segments = segments(LogId::Room(RoomId(id as u32)));
        room_line(id, record, segments)
    });
    push_lines(&mut out, lines);
    out.extend_from_slice(REPORTS);
    out.extend(sealed(json(&Reports {
        last_seq: last_report,
        segments: segments(LogId::Reports).to_vec(),
    })));
    out.push(b'\n');
    line::seal(&mut out, 0);
    out.push(b'\n');
    out
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records always serialise")
}

fn sealed(mut object: Vec<u8>) -> Vec<u8> {
    object.pop();
    line::seal(&mut object, 0);
    object
}

fn push_lines(out: &mut Vec<u8>, lines: impl Iterator<Item = Vec<u8>>) {
    for (index, line) in lines.enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        out.extend(line);
    }
    out.push(b'\n');
}

/// `{"id":0,` the record's fields `,"segments":[...]}`
fn room_line(id: usize, record: &RoomRecord, segments: &[Segment]) -> Vec<u8> {
    let mut line = format!(r#"{{"id":{id},"#).into_bytes();
    let record = json(record);
    line.extend_from_slice(&record[1..record.len() - 1]);
    line.extend_from_slice(br#","segments":"#);
    line.extend(json(&segments));
    line.push(b'}');
    sealed(line)
}

/// Reads `state.json`; `None` where there is none.
pub fn load(disk: &dyn Disk) -> Result<Option<Snapshot>, OpenError> {
    let mut content = Vec::new();
    match disk.read(FILE, u64::MAX, &mut content) {
        Ok(()) => decode(&content).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(OpenError::io("read", FILE, &e)),
    }
}

/// The reverse of [`encode`].
pub fn decode(content: &[u8]) -> Result<Snapshot, OpenError> {
    let damaged = |what: String| OpenError::damaged(FILE, None, &what);
    // The last line end holds nothing; all else is covered by the checksum.
    let sealed = content.strip_suffix(b"\n").unwrap_or(content);
    if line::unseal(sealed).is_none() {
        return Err(damaged("its checksum does not fit".to_owned()));
    }
    let document = std::str::from_utf8(sealed)
        .map_err(|e| damaged(e.to_string()))
        .and_then(|text| parse(text).map_err(|e| damaged(format!("its content is wrong: {e}"))))?;
    if document.format > FORMAT {
        return Err(newer(FILE, document.format));
    }
    if document.format < FORMAT {
        return Err(OpenError::new(format!(
            "{FILE} has format {}. Start Melangerie once, which migrates it to format {FORMAT}.",
            document.format
        )));
    }
    if document.journal > LAST_NUMBER {
        let what = format!("no journal has the number {}", document.journal);
        return Err(damaged(what));
    }
    let mut segments = SegmentTable::new();
    let mut rooms = Vec::with_capacity(document.rooms.len());
    for (index, raw) in document.rooms.iter().enumerate() {
        let (record, files) = parse_room(raw.get())
            .map_err(|e| damaged(format!("its room {index} is wrong: {e}")))?;
        if files.id as usize != index {
            return Err(damaged(format!(
                "room {} stands at place {index}",
                files.id
            )));
        }
        check_segments(&record.name, record.last_seq, &files.segments).map_err(damaged)?;
        segments.insert(LogId::Room(RoomId(files.id)), files.segments);
        rooms.push(record);
    }
    let reports = document.reports;
    check_segments("reports", reports.last_seq, &reports.segments).map_err(damaged)?;
    segments.insert(LogId::Reports, reports.segments);
    let state = State::from_records(&document.users, &rooms, reports.last_seq)
        .map_err(|e| damaged(e.to_string()))?;
    Ok(Snapshot {
        journal: document.journal,
        state,
        segments,
    })
}

/// Another format may have other fields; its number is told before they are missed.
fn parse(text: &str) -> Result<Document<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    serde_json::from_str(text).or_else(|error| match serde_json::from_str(text) {
        Ok(Format { format }) if format != FORMAT => Ok(Document {
            format,
            journal: 0,
            users: Vec::new(),
            rooms: Vec::new(),
            reports: Reports {
                last_seq: 0,
                segments: Vec::new(),
            },
        }),
        _ => Err(error),
    })
}

fn parse_room(text: &str) -> Result<(RoomRecord, RoomFiles), serde_json::Error> {
    Ok((serde_json::from_str(text)?, serde_json::from_str(text)?))
}

/// A checkpoint folds everything, so the segments are all messages there are.
fn check_segments(log: &str, last_seq: Seq, segments: &[Segment]) -> Result<(), String> {
    let mut last: Seq = 0;
    for segment in segments {
        // Each has its line end at least. So no file is believed to hold more than it can.
        if segment.messages > segment.bytes {
            return Err(format!(
                "{log:?} has {} messages in a segment of {} bytes",
                segment.messages, segment.bytes
            ));
        }
        let next = last.checked_add(1).filter(|&next| next == segment.first);
        let end = last.checked_add(segment.messages);
        last = match (next, end) {
            (Some(_), Some(end)) if segment.messages > 0 => end,
            _ => return Err(format!("{log:?} has no segment that follows {last}")),
        };
    }
    if last != last_seq {
        return Err(format!(
            "{log:?} ends with {last_seq}, its segments with {last}"
        ));
    }
    Ok(())
}

/// What can still be read of a damaged `state.json`: the lines whose own checksums fit, in their order.
#[derive(Default)]
pub struct Readable {
    pub users: Vec<UserRecord>,
    /// Each with its id and segments.
    pub rooms: Vec<(RoomId, RoomRecord, Vec<Segment>)>,
    pub reports: Option<(Seq, Vec<Segment>)>,
}

/// The lines of a damaged `state.json` that are undamaged, each once, though one may stand in another's place too.
pub fn readable(content: &[u8]) -> Readable {
    let mut readable = Readable::default();
    for piece in line::pieces(content).iter().filter(|piece| piece.whole) {
        let object = &content[piece.start..piece.end];
        if let Ok(user) = serde_json::from_slice::<UserRecord>(object) {
            if !readable.users.iter().any(|known| known.name == user.name) {
                readable.users.push(user);
            }
        } else if let Some((record, files)) = std::str::from_utf8(object)
            .ok()
            .and_then(|text| parse_room(text).ok())
        {
            // One that contradicts itself tells nothing.
            if check_segments(&record.name, record.last_seq, &files.segments).is_err() {
                continue;
            }
            let id = RoomId(files.id);
            if !readable.rooms.iter().any(|&(known, ..)| known == id) {
                readable.rooms.push((id, record, files.segments));
            }
        } else if let Ok(Reports { last_seq, segments }) = serde_json::from_slice(object)
            && check_segments("reports", last_seq, &segments).is_ok()
        {
            readable.reports = Some((last_seq, segments));
        }
    }
    readable
}

/// The numbers of the lines that hold no undamaged user, room or reports, but should.
pub fn damaged_lines(content: &[u8]) -> Vec<u64> {
    let pieces = line::pieces(content);
    let holds = |line: u64| pieces.iter().any(|piece| piece.whole && piece.line == line);
    let lines: Vec<&[u8]> = content.split(|&b| b == b'\n').collect();
    // The first and the last line and the one before the rooms hold no object of their own.
    let is_frame = |line: &[u8]| {
        line.is_empty()
            || line == br#"],"rooms":["#
            || line.starts_with(br#"{"format":"#)
            || line.starts_with(br#","crc":""#)
    };
    (1..)
        .zip(lines)
        .filter(|&(number, line)| !is_frame(line) && !holds(number))
        .map(|(number, _)| number)
        .collect()
}
