//! The store on files in memory, for the fuzz targets and the test that plays their seeds; for nothing else.
//!
//! Owns nothing. Nothing here is durable, and nothing fails.

use super::disk::{AppendFile, Disk, Metadata};
use super::draft::timestamp;
use super::repair::Means;
use super::segments::{Full, Position, Segment};
use super::{
    Checked, NewPassword, OpenError, Options, check, checkpoint, journal, line, open_disk,
    recovery, repair, segments, snapshot,
};
use crate::limits;
use crate::model::{LogId, State};
use crate::protocol::Seq;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// File names, relative to the data directory, and contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The first segment of `general`.
pub const GENERAL_SEGMENT: &str = "rooms/000000/000000001.jsonl";

/// What a start finds in these files: the state, and the notes for `log.txt`. `None` where nothing was ever stored.
pub fn recover(files: Files) -> Result<Option<(State, Vec<String>)>, OpenError> {
    let found = recovery::find(&Memory::new(files), |applied| {
        // As the store does: the line and the reference that each event adds.
        applied.added();
        applied.recent_id();
    })?;
    Ok(found.map(|found| (found.snapshot.state, found.notes)))
}

/// Reads a journal; answers how many of its bytes count, and how many events. `counts` as the next journal says.
pub fn scan(number: u64, content: &[u8], counts: Option<u64>) -> Result<(u64, u64), OpenError> {
    let scan = journal::scan(number, content, counts, |_, _, _| Ok(()))?;
    Ok((scan.bytes, scan.events))
}

/// A journal of these events: names, which are letters, and data, which have no line ends.
pub fn journal(number: u64, events: &[(&str, &str)]) -> Vec<u8> {
    let mut content = journal::header(number, None);
    for (index, (event, data)) in events.iter().enumerate() {
        let start = content.len();
        let body = format!(
            r#"{{"n":{},"event":"{event}","data":{data}"#,
            index as u64 + 1
        );
        content.extend_from_slice(body.as_bytes());
        line::seal(&mut content, start);
        content.push(b'\n');
    }
    content
}

/// An object that lacks its last brace, with its checksum.
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let mut line = body.to_vec();
    line::seal(&mut line, 0);
    line
}

/// A `state.json` with this state, where the messages of each log are one segment.
pub fn encode_snapshot(state: &State) -> Vec<u8> {
    let all = |last: u64| {
        let segment = Segment {
            first: 1,
            messages: last,
            // A line has its end at least.
            bytes: last,
            crc: 0,
            modified: 0,
            oldest: 0,
            newest: 0,
        };
        Vec::from_iter((last > 0).then_some(segment))
    };
    let segments: BTreeMap<_, _> = state
        .logs()
        .map(|log| (log, all(state.last_seq(log))))
        .collect();
    snapshot::encode(1, 0, state, |log| &segments[&log])
}

/// The reverse of [`encode_snapshot`].
pub fn decode_snapshot(content: &[u8]) -> Result<State, OpenError> {
    snapshot::decode(content).map(|snapshot| snapshot.state)
}

/// What [`check::check`] says of these files.
pub fn check_files(files: Files) -> Result<Checked, OpenError> {
    check::check(&Memory::new(files))
}

/// What [`repair::repair`] makes of these files, and what it says of them. Segments have 3 messages.
pub fn repair_files(files: Files) -> Result<(Files, Vec<String>), OpenError> {
    let disk = Memory::new(files);
    let mut new_password = || {
        Ok(NewPassword {
            text: "correct horse".to_owned(),
            hash: "$argon2id$new".to_owned(),
        })
    };
    let mut means = Means {
        now: 5_000_000,
        full: Full {
            messages: 3,
            bytes: limits::SEGMENT_BYTES,
        },
        new_password: &mut new_password,
    };
    let losses = repair::repair(&disk, &mut means)?;
    let files = disk.files().clone();
    Ok((files, losses))
}

/// A directory in which `old` events are folded, into segments of 3 messages, and `new` ones are in the live journal.
/// Both must fit.
pub fn directory(old: &[(&str, &str)], new: &[(&str, &str)]) -> Files {
    let disk = Memory::new(Files::from([
        ("state.json".to_owned(), encode_snapshot(&State::new(0))),
        (journal::file(1), journal(1, old)),
    ]));
    let options = Options {
        segment_messages: 3,
        ..Options::default()
    };
    let opened = open_disk(Box::new(disk.clone()), options, 0).expect("the old events fit");
    checkpoint::fold_last(&opened.store.base, 1).expect("memory takes all");
    let mut files = disk.files().clone();
    let events = journal(2, new).split_off(journal::header(2, None).len());
    let live = files.get_mut(&journal::file(2)).expect("the live journal");
    live.extend(events);
    files
}

/// A directory in which `general` has one segment, this one, and the record that fits it.
pub fn with_segment(content: &[u8]) -> Files {
    let lines = content.split_inclusive(|&byte| byte == b'\n');
    let times = lines.clone().map(|line| timestamp(line).unwrap_or(0));
    let segment = Segment {
        first: 1,
        messages: lines.count() as u64,
        bytes: content.len() as u64,
        crc: crc32fast::hash(content),
        modified: 0,
        oldest: times.clone().min().unwrap_or(u64::MAX),
        newest: times.max().unwrap_or(0),
    };
    let mut rooms = State::new(0).to_records().1;
    rooms[0].last_seq = segment.messages;
    let state = State::from_records(&[], &rooms, 0).expect("nobody is in it");
    let segments = match segment.messages {
        0 => Vec::new(),
        _ => vec![segment],
    };
    let snapshot = snapshot::encode(1, 0, &state, |log| match log {
        LogId::Room(_) => &segments,
        LogId::Reports => &[],
    });
    Files::from([
        (snapshot::FILE.to_owned(), snapshot),
        (journal::file(1), journal::header(1, None)),
        (GENERAL_SEGMENT.to_owned(), content.to_vec()),
    ])
}

/// The line with this `seq` of a segment that begins with 1, as JSON, where it is whole.
pub fn line(content: &[u8], seq: Seq) -> Option<Vec<u8>> {
    let mut position = Position { seq: 1, offset: 0 };
    let block = segments::split_block(content.to_vec(), &mut position, seq, seq, |_| {}).ok()?;
    let line = block.lines.first()?;
    Some(block.bytes[line.clone()].to_vec())
}

/// The parts of a damaged file, and which of them are whole objects.
pub fn pieces(content: &[u8]) -> Vec<(Range<usize>, bool)> {
    let pieces = line::pieces(content).into_iter();
    pieces.map(|p| (p.start..p.end, p.whole)).collect()
}

/// A sealed object's body, where the checksum fits.
pub fn unsealed(object: &[u8]) -> Option<&[u8]> {
    line::unseal(object)
}

#[derive(Clone)]
struct Memory(Arc<Mutex<Files>>);

/// An open file.
struct Appended {
    disk: Memory,
    name: String,
}

impl Memory {
    fn new(files: Files) -> Memory {
        Memory(Arc::new(Mutex::new(files)))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().expect("nobody panics here")
    }
}

impl Disk for Memory {
    fn read(&self, name: &str, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let files = self.files();
        let content = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let length = usize::try_from(bytes).map_or(content.len(), |most| content.len().min(most));
        into.clear();
        into.extend_from_slice(&content[..length]);
        Ok(())
    }

    fn read_part(
        &self,
        name: &str,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.read(name, u64::MAX, into)?;
        into.drain(..into.len().min(offset as usize));
        into.truncate(bytes);
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let within = |name: &String| {
            let name = match directory {
                "" => name,
                _ => name.strip_prefix(directory)?.strip_prefix('/')?,
            };
            name.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.files().keys().filter_map(within).collect();
        names.dedup();
        Ok(names)
    }

    fn metadata(&self, name: &str) -> io::Result<Metadata> {
        let files = self.files();
        let content = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        // A file that was changed has another time.
        Ok(Metadata {
            bytes: content.len() as u64,
            modified: crc32fast::hash(content).into(),
        })
    }

    /// Directories are there where files are in them.
    fn create_directory(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let (disk, name) = (self.clone(), name.to_owned());
        Ok(Box::new(Appended { disk, name }))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.files().insert(name.to_owned(), content.to_vec());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.files().remove(name);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

impl AppendFile for Appended {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.disk.files();
        let file = files.get_mut(&self.name).ok_or(io::ErrorKind::NotFound)?;
        file.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
