//! Pages of history with each message's newest text.
//!
//! A text that replaces another is a message of its own, further down: nothing that was stored is written again. Who
//! reads a page gets the newest text in the original's place, and is told when it was written.

use crate::model::Readable;
use crate::protocol::{Error, Message, Seq};
use crate::store::{Line, Page, Reader, Selection};

/// A page of a room, as it stands now.
pub fn page(reader: &Reader, room: &Readable, selection: Selection) -> Result<Page, Error> {
    let mut page = reader.page(room.log, selection)?;
    for (&original, &newest) in replaced_in(room, selection) {
        // A look is never ahead of the files; were it, the text is what it was.
        if let Some(newest) = reader.line(room.log, newest)? {
            let line = &mut page.lines[(original - page.first) as usize];
            *line = with_text_of(line, &newest);
        }
    }
    Ok(page)
}

/// Whether the page is made of the lines as they were stored.
pub fn is_untouched(room: &Readable, selection: Selection) -> bool {
    replaced_in(room, selection).next().is_none()
}

fn replaced_in(room: &Readable, selection: Selection) -> impl Iterator<Item = (&Seq, &Seq)> {
    // A range that ends before it begins would panic.
    let end = selection.last.saturating_add(1).max(selection.first);
    room.replaced.range(selection.first..end)
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
