//! Journal files: their names, header and lines, and reading them back.
//!
//! Owns the format and the rule of what is a torn tail and what is damage. Opens no file.

use super::error::OpenError;
use super::{Data, Record, line, torn};
use memchr::memchr;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The format of the data directory. A greater number is refused; a smaller one is migrated.
pub const FORMAT: u64 = 1;

/// How many bytes of a journal count. What follows them is void: left by a failed write, or torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub journal: u64,
    pub bytes: u64,
}

/// A journal's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: u64,
    pub journal: u64,
    /// The journal before this one; none before the first.
    pub previous: Option<Extent>,
}

/// What reading a journal found.
#[derive(Debug)]
pub struct Scan {
    pub header: Header,
    /// How many bytes count.
    pub bytes: u64,
    pub events: u64,
    /// What was cut off, in words.
    pub note: Option<String>,
}

/// The name of a journal. Zeros in front, so that names sort.
pub fn file(number: u64) -> String {
    format!("journal-{number:06}.jsonl")
}

/// No journal has a greater number, however long a server runs.
pub const LAST_NUMBER: u64 = 1 << 48;

/// The number of the journal with this name, if it is one's.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".jsonl")?;
    let number = digits.parse().ok()?;
    (file(number) == name).then_some(number)
}

/// The journals of a range, of which those in `found` are there, each with 0; and for each gap its first with the length of
/// the gap, however long that is. `found` is sorted.
pub fn in_order(expected: RangeInclusive<u64>, found: &[u64]) -> Vec<(u64, u64)> {
    let (first, last) = (*expected.start(), *expected.end());
    let there = found.iter().filter(|number| expected.contains(number));
    let mut all = Vec::new();
    let mut next = first;
    for &number in there {
        if number > next {
            all.push((next, number - next));
        }
        all.push((number, 0));
        next = number.saturating_add(1);
    }
    if next <= last && found.last() != Some(&last) {
        all.push((next, last - next + 1));
    }
    all
}

/// So many journals from this one on are not there.
pub fn missing(number: u64, count: u64) -> OpenError {
    let why = match count {
        0 | 1 => "it holds what happened last".to_owned(),
        more => format!(
            "it holds what happened last, as do the {} after it, which are missing too",
            more - 1
        ),
    };
    OpenError::missing(&file(number), &why)
}

/// A journal without events.
pub fn header(number: u64, previous: Option<Extent>) -> Vec<u8> {
    let header = Header {
        format: FORMAT,
        journal: number,
        previous,
    };
    let mut line = serde_json::to_vec(&header).expect("numbers always serialise");
    line.pop();
    line::seal(&mut line, 0);
    line.push(b'\n');
    line
}

/// Appends the line of the `n`th event, which is written and synced together with those from `batch` on.
pub fn push_record(buffer: &mut Vec<u8>, n: u64, batch: u64, record: &Record) {
    use std::io::Write;
    let start = buffer.len();
    // Most events are written alone, and need not say so.
    let written = match batch == n {
        true => write!(buffer, r#"{{"n":{n}"#),
        false => write!(buffer, r#"{{"n":{n},"batch":{batch}"#),
    };
    written
        .and_then(|()| write!(buffer, r#","event":"{}","data":"#, record.event))
        .expect("a Vec takes all");
    debug_assert!(!record.data.json().contains(&b'\n'), "an event is one line");
    buffer.extend_from_slice(record.data.json());
    line::seal(buffer, start);
    buffer.push(b'\n');
}

impl Data {
    pub(super) fn json(&self) -> &[u8] {
        match self {
            Data::Message(frame) => frame.json(),
            Data::Json(json) => json,
        }
    }
}

/// Reads a journal and calls `each` with every event's line number, name and data.
///
/// `counts` is how many bytes count, by the next journal's header; without it this is the last journal, whose tail may
/// be torn: an unfinished line, or NUL bytes that a file system left (see [`torn`]). Anything else is damage.
pub fn scan(
    number: u64,
    content: &[u8],
    counts: Option<u64>,
    mut each: impl FnMut(u64, &str, &str) -> Result<(), OpenError>,
) -> Result<Scan, OpenError> {
    let name = file(number);
    let content = match counts {
        None => content,
        Some(counts) => usize::try_from(counts)
            .ok()
            .and_then(|counts| content.get(..counts))
            .ok_or_else(|| {
                let what = format!("it has {} bytes, and {counts} were written", content.len());
                OpenError::damaged(&name, None, &what)
            })?,
    };
    let header_end = memchr(b'\n', content)
        .ok_or_else(|| OpenError::damaged(&name, Some(1), "its header is cut off"))?;
    let header = read_header(&name, number, &content[..header_end])?;
    let mut scan = Scan {
        header,
        bytes: header_end as u64 + 1,
        events: 0,
        note: None,
    };
    let mut rest = &content[header_end + 1..];
    while let Some(end) = memchr(b'\n', rest) {
        let n = scan.events + 1;
        if line::unseal(&rest[..end]).is_none()
            && counts.is_none()
            && torn::has_lost_pages(content, scan.bytes as usize, n)
        {
            scan.note = Some(torn::note(&name, n, rest.len()));
            return Ok(scan);
        }
        read_event(&name, n, &rest[..end], &mut each)?;
        scan.events += 1;
        scan.bytes += end as u64 + 1;
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        let lost_pages = torn::has_lost_pages(content, scan.bytes as usize, scan.events + 1);
        read_tail(
            &name,
            rest,
            counts.is_none(),
            lost_pages,
            &mut scan,
            &mut each,
        )?;
    }
    Ok(scan)
}

fn read_header(name: &str, number: u64, bytes: &[u8]) -> Result<Header, OpenError> {
    let damaged = |what: &str| OpenError::damaged(name, Some(1), what);
    line::unseal(bytes).ok_or_else(|| damaged("its checksum does not fit"))?;
    let header: Header =
        serde_json::from_slice(bytes).map_err(|e| damaged(&format!("its header is wrong: {e}")))?;
    if header.format > FORMAT {
        return Err(newer(name, header.format));
    }
    if header.format < FORMAT {
        // A migration leaves none of these.
        let what = format!("it has format {}, and state.json {FORMAT}", header.format);
        return Err(damaged(&what));
    }
    if header.journal != number {
        return Err(damaged(&format!(
            "it is journal {} by its header",
            header.journal
        )));
    }
    Ok(header)
}

/// A file of a version to come.
pub fn newer(name: &str, format: u64) -> OpenError {
    OpenError::new(format!(
        "{name} has format {format}, and this version knows formats up to {FORMAT}. Start a newer Melangerie."
    ))
}

/// An event's number is one less than that of its line.
fn read_event(
    name: &str,
    n: u64,
    bytes: &[u8],
    each: &mut impl FnMut(u64, &str, &str) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let damaged = |what: &str| OpenError::damaged(name, Some(n + 1), what);
    let body = line::unseal(bytes).ok_or_else(|| damaged("its checksum does not fit"))?;
    let parts = split_event(body).ok_or_else(|| damaged("it is not an event"))?;
    if parts.n != n {
        let found = parts.n;
        return Err(damaged(&format!(
            "event {found} stands where event {n} belongs"
        )));
    }
    each(n + 1, parts.event, parts.data)
}

/// What is in an event's line.
pub struct Parts<'a> {
    pub n: u64,
    /// The first event that was written together with it.
    pub batch: u64,
    pub event: &'a str,
    pub data: &'a str,
}

/// The parts of `{"n":2,"batch":1,"event":"Message","data":{...}`: written by [`push_record`] and nobody else.
pub fn split_event(body: &[u8]) -> Option<Parts<'_>> {
    let body = std::str::from_utf8(body).ok()?;
    let (n, rest) = split_number(body.strip_prefix(r#"{"n":"#)?)?;
    let (batch, rest) = match rest.strip_prefix(r#","batch":"#) {
        Some(rest) => split_number(rest)?,
        None => (n, rest),
    };
    let (event, rest) = rest.strip_prefix(r#","event":""#)?.split_once('"')?;
    let data = rest.strip_prefix(r#","data":"#)?;
    Some(Parts {
        n,
        batch,
        event,
        data,
    })
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

/// What stands behind the last line end.
fn read_tail(
    name: &str,
    rest: &[u8],
    may_be_torn: bool,
    lost_pages: bool,
    scan: &mut Scan,
    each: &mut impl FnMut(u64, &str, &str) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let n = scan.events + 1;
    let nuls = rest.iter().rev().take_while(|&&b| b == 0).count();
    let written = &rest[..rest.len() - nuls];
    let mut kept = 0;
    if line::unseal(written).is_some() && (may_be_torn || nuls == 0) {
        // Only its line end is missing, so it may have been acked.
        read_event(name, n, written, each)?;
        scan.events += 1;
        scan.bytes += written.len() as u64;
        kept = written.len();
    // What was never synced may be anything after a power cut; but a whole line was, and only its end was changed.
    } else if !may_be_torn || line::begins_sealed(rest) && !lost_pages {
        let what = "something stands where its line end belongs";
        return Err(OpenError::damaged(name, Some(n + 1), what));
    }
    if kept < rest.len() {
        scan.note = Some(torn::note(name, scan.events + 1, rest.len() - kept));
    }
    Ok(())
}
