//! A start from files in memory, for the fuzz targets and the test that plays their seeds; for nothing else.
//!
//! Owns nothing. Only reads: writing fails.

use super::disk::{AppendFile, Disk, Metadata};
use super::segments::Segment;
use super::{OpenError, journal, line, recovery, snapshot};
use crate::model::State;
use std::collections::BTreeMap;
use std::io;

/// File names, relative to the data directory, and contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a start finds in these files: the state, and the notes for `log.txt`. `None` where nothing was ever stored.
pub fn recover(files: Files) -> Result<Option<(State, Vec<String>)>, OpenError> {
    let found = recovery::find(&Memory(files), |applied| {
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
            bytes: 0,
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

struct Memory(Files);

impl Memory {
    fn file(&self, name: &str) -> io::Result<&Vec<u8>> {
        self.0.get(name).ok_or(io::ErrorKind::NotFound.into())
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for Memory {
    fn read(&self, name: &str, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let content = self.file(name)?;
        let length = usize::try_from(bytes).map_or(content.len(), |most| content.len().min(most));
        into.clear();
        into.extend_from_slice(&content[..length]);
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
        Ok(self.0.keys().filter_map(within).collect())
    }

    fn metadata(&self, name: &str) -> io::Result<Metadata> {
        let bytes = self.file(name)?.len() as u64;
        Ok(Metadata { bytes, modified: 0 })
    }

    fn create_directory(&self, _: &str) -> io::Result<()> {
        refused()
    }

    fn append(&self, _: &str) -> io::Result<Box<dyn AppendFile>> {
        refused()
    }

    fn replace(&self, _: &str, _: &[u8]) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        refused()
    }

    fn sync_directory(&self, _: &str) -> io::Result<()> {
        refused()
    }
}
