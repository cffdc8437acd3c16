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
    fn something_behind_a_sealed_object_is_seen() {
        let mut line = sealed(r#"{"n":1"#);
        assert!(!begins_sealed(&line));
        line.push(b'x');
        assert!(begins_sealed(&line));
        assert!(!begins_sealed(&line[3..]));
    }
}
