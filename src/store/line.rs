//! The checksum at the end of every stored line.
//!
//! Owns one rule: a stored object ends with `,"crc":"xxxxxxxx"}`, the CRC-32 of all bytes before that comma. Inside a
//! JSON string a quote never follows a comma unescaped, so the mark stands nowhere else.

/// What stands before the checksum's eight hexadecimal digits.
const MARK: &[u8] = br#","crc":""#;
/// What stands after them.
const END: &[u8] = br#""}"#;
/// How much longer a sealed object is than its body.
const SEAL_BYTES: usize = MARK.len() + 8 + END.len();

/// Ends the object whose body (all but its last brace) is `buffer[start..]`.
pub fn seal(buffer: &mut Vec<u8>, start: usize) {
    let digits = digits(crc32fast::hash(&buffer[start..]));
    buffer.extend_from_slice(MARK);
    buffer.extend_from_slice(&digits);
    buffer.extend_from_slice(END);
}

fn digits(crc: u32) -> [u8; 8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|index| DIGITS[(crc >> (28 - 4 * index) & 15) as usize])
}

/// The body of a sealed object without its line end, or `None` where it is not what was written.
pub fn unseal(line: &[u8]) -> Option<&[u8]> {
    let body = unsealed_length(line)?;
    // The digits are compared as text: a flip from `a` to `A` is a changed byte too.
    let written = &line[body + MARK.len()..][..8];
    (written == digits(crc32fast::hash(&line[..body]))).then(|| &line[..body])
}

/// Where the body ends, without looking at the checksum.
pub fn unsealed_length(line: &[u8]) -> Option<usize> {
    let body = line.len().checked_sub(SEAL_BYTES)?;
    (line[body..].starts_with(MARK) && line.ends_with(END)).then_some(body)
}

/// A part of a file that is to hold one sealed object a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The line that it begins in, from 1.
    pub line: u64,
    pub start: usize,
    /// Where it ends, without the line's end.
    pub end: usize,
    /// Whether it is a sealed object.
    pub whole: bool,
}

/// All of a file in pieces, whatever happened to it: a line's end may have become something else, or stand where none
/// belongs. Between two whole pieces that stand side by side a single byte is no piece: it was a line's end.
pub fn pieces(content: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let ends = memchr::memchr_iter(b'\n', content).chain([content.len()]);
    let mut start = 0;
    for (line, end) in (1..).zip(ends) {
        if start < end {
            split(content, start, end, line, &mut pieces);
        }
        start = end + 1;
    }
    pieces
}

/// The pieces of a line. Where it is not whole, whole objects in it are looked for.
fn split(content: &[u8], start: usize, end: usize, line: u64, into: &mut Vec<Piece>) {
    let mut from = start;
    if unseal(&content[start..end]).is_none() {
        for mark in memchr::memmem::find_iter(&content[start..end], MARK) {
            let until = start + mark + SEAL_BYTES;
            if until > end || start + mark < from {
                continue;
            }
            let begins = memchr::memmem::find_iter(&content[from..until], b"{\"");
            let found = begins
                .map(|begin| from + begin)
                .find(|&begin| unseal(&content[begin..until]).is_some());
            if let Some(begin) = found {
                push_rest(from, begin, start, line, into);
                into.push(Piece {
                    line,
                    start: begin,
                    end: until,
                    whole: true,
                });
                from = until;
            }
        }
        return push_rest(from, end, start, line, into);
    }
    into.push(Piece {
        line,
        start,
        end,
        whole: true,
    });
}

fn push_rest(from: usize, to: usize, line_start: usize, line: u64, into: &mut Vec<Piece>) {
    let was_line_end = to - from == 1 && from > line_start;
    if from < to && !was_line_end {
        into.push(Piece {
            line,
            start: from,
            end: to,
            whole: false,
        });
    }
}

/// Whether a sealed object stands at the beginning of `bytes`, with something else behind it.
pub fn begins_sealed(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, MARK).any(|body| {
        let end = body + SEAL_BYTES;
        end < bytes.len() && unseal(&bytes[..end]).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(body: &str) -> Vec<u8> {
        let mut line = body.as_bytes().to_vec();
        seal(&mut line, 0);
        line
    }

    #[test]
    fn a_sealed_line_is_json_and_gives_its_body_back() {
        let line = sealed(r#"{"n":1,"data":{}"#);
        assert_eq!(line, br#"{"n":1,"data":{},"crc":"bf84295e"}"#);
        assert_eq!(unseal(&line).unwrap(), br#"{"n":1,"data":{}"#);
        serde_json::from_slice::<serde_json::Value>(&line).unwrap();
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let line = sealed(r#"{"n":1,"data":{"content":"a,\"crc\":\"00000000\"}"}"#);
        for index in 0..line.len() {
            assert!(unseal(&line[..index]).is_none());
            for bit in 0..8 {
                let mut changed = line.clone();
                changed[index] ^= 1 << bit;
                assert!(unseal(&changed).is_none(), "byte {index}, bit {bit}");
            }
        }
    }

    #[test]
    fn whole_lines_are_found_beside_damaged_ones() {
        let lines = [r#"{"n":1"#, r#"{"n":2,"x":{"y":1}"#, r#"{"n":3"#].map(sealed);
        let content = [&lines[0][..], b"\n", &lines[1], b"\n", &lines[2], b"\n"].concat();
        for index in 0..content.len() {
            for change in [content[index] ^ 1, b'\n', b'{', 0] {
                let mut changed = content.clone();
                changed[index] = change;
                let found: Vec<_> = pieces(&changed)
                    .into_iter()
                    .filter(|piece| piece.whole)
                    .map(|piece| changed[piece.start..piece.end].to_vec())
                    .collect();
                let is_line_end = content[index] == b'\n' || change == content[index];
                let hit = content[..index].iter().filter(|&&b| b == b'\n').count();
                let expected: Vec<_> = lines
                    .iter()
                    .enumerate()
                    .filter(|&(line, _)| is_line_end || line != hit)
                    .map(|(_, line)| line.clone())
                    .collect();
                assert_eq!(found, expected, "byte {index} made {change}");
            }
        }
    }

    #[test]
    fn something_behind_a_sealed_object_is_seen() {
        let mut line = sealed(r#"{"n":1"#);
        assert!(!begins_sealed(&line));
        line.push(b'x');
        assert!(begins_sealed(&line));
        assert!(!begins_sealed(&line[3..]));
    }
}
