//! Pages of history with each message's newest text.
//!
//! A text that replaces another is a message of its own, further down: nothing that was stored is written again. Who
//! reads a page gets the newest text in the original's place, and is told when it was written.

use crate::model::Readable;
use crate::protocol::{Error, Message, Seq};
use crate::store::{Line, Page, PageRange, Reader};

/// A page of a room, as it stands now.
pub fn page(reader: &Reader, room: &Readable, range: &PageRange) -> Result<Page, Error> {
    let mut page = reader.page(room.log, range)?;
    if room.replaced.is_empty() || page.lines.is_empty() {
        return Ok(page);
    }
    let last = page.first + page.lines.len() as Seq - 1;
    for (&original, &newest) in room.replaced.range(page.first..=last) {
        // The newest is not there yet where it is still on its way to the disk; then the text is what it was.
        if let Some(newest) = reader.line(room.log, newest)? {
            let line = &mut page.lines[(original - page.first) as usize];
            *line = with_text_of(line, &newest);
        }
    }
    Ok(page)
}

fn with_text_of(original: &Line, newest: &Line) -> Line {
    let parse = |line: &Line| serde_json::from_slice::<Message>(line.json());
    let (Ok(mut message), Ok(newest)) = (parse(original), parse(newest)) else {
        return original.clone();
    };
    message.content = newest.content;
    message.edited = Some(newest.timestamp);
    Line::of(&message)
}
