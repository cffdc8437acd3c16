//! What is written out as it is sent: bytes that may be many, of which only what is next is in memory.

use std::iter::Peekable;
use std::ops::Deref;
use std::sync::Arc;

/// A part of what is sent.
#[derive(Debug)]
pub enum Part {
    Fixed(&'static str),
    /// With much else that is sent.
    Shared(Arc<str>),
    Own(String),
}

impl Deref for Part {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Part::Fixed(text) => text,
            Part::Shared(text) => text,
            Part::Own(text) => text,
        }
    }
}

type Parts = Box<dyn Iterator<Item = Part> + Send>;

/// A header, and a text in parts, that come one piece after the other.
pub struct Pieces {
    /// Empty once it is taken.
    header: Vec<u8>,
    parts: Peekable<Parts>,
    /// Bytes of the parts that are left.
    left: usize,
}

impl Pieces {
    /// `length`: bytes of all `parts` together.
    pub fn new(
        header: Vec<u8>,
        parts: impl Iterator<Item = Part> + Send + 'static,
        length: usize,
    ) -> Pieces {
        let parts: Parts = Box::new(parts);
        Pieces {
            header,
            parts: parts.peekable(),
            left: length,
        }
    }

    /// How many bytes are left.
    pub fn length(&self) -> usize {
        self.header.len() + self.left
    }

    /// Appends what comes next, `most` bytes at most unless a single part has more; true where more is left.
    pub fn push_some(&mut self, bytes: &mut Vec<u8>, most: usize) -> bool {
        // No more than there will be: a buffer that has to grow is copied, and may be twice as large as it need be.
        bytes.reserve(self.length().min(most));
        bytes.append(&mut self.header);
        let empty = bytes.len();
        while let Some(part) = self
            .parts
            .next_if(|part| bytes.len() == empty || bytes.len() + part.len() <= most)
        {
            self.left -= part.len();
            bytes.extend_from_slice(part.as_bytes());
        }
        self.parts.peek().is_some()
    }

    /// All of it.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.push_some(&mut bytes, usize::MAX);
        bytes
    }
}
