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

    /// Appends what comes next, so that there are `most` bytes at most, unless a single part has more: that one comes
    /// alone. True where more is left.
    pub fn push_some(&mut self, bytes: &mut Vec<u8>, most: usize) -> bool {
        // No more than there will be: a buffer that has to grow is copied, and may be twice as large as it need be.
        bytes.reserve(self.length().min(most));
        bytes.append(&mut self.header);
        let fits = |bytes: &[u8], part: &Part| {
            part.is_empty() || bytes.is_empty() || bytes.len() + part.len() <= most
        };
        while let Some(part) = self.parts.next_if(|part| fits(bytes, part)) {
            self.left -= part.len();
            bytes.extend_from_slice(part.as_bytes());
        }
        self.left > 0
    }

    /// All of it.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.push_some(&mut bytes, usize::MAX);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces_of(header: &[u8], parts: &[usize], most: usize) -> Vec<usize> {
        let own: Vec<Part> = parts
            .iter()
            .map(|&length| Part::Own("x".repeat(length)))
            .collect();
        let mut pieces = Pieces::new(header.to_vec(), own.into_iter(), parts.iter().sum());
        let mut lengths = Vec::new();
        loop {
            let mut piece = Vec::new();
            let more = pieces.push_some(&mut piece, most);
            lengths.push(piece.len());
            if !more {
                return lengths;
            }
        }
    }

    #[test]
    fn a_piece_ends_before_what_does_not_fit() {
        assert_eq!(pieces_of(b"", &[4, 6, 1], 10), [10, 1]);
        assert_eq!(pieces_of(b"", &[4, 7, 3], 10), [4, 10]);
        assert_eq!(pieces_of(b"", &[4, 25, 4], 10), [4, 25, 4]);
        assert_eq!(pieces_of(b"head", &[6, 3], 10), [10, 3]);
        assert_eq!(pieces_of(b"head", &[7, 3], 10), [4, 10]);
        assert_eq!(pieces_of(b"head", &[25], 10), [4, 25]);
        assert_eq!(pieces_of(b"", &[0, 10, 0, 0], 10), [10], "no empty piece");
        assert_eq!(pieces_of(b"", &[25, 0], 10), [25], "nor here");
        assert_eq!(pieces_of(b"head", &[], 10), [4]);
        assert_eq!(pieces_of(b"", &[], 10), [0]);
    }
}
