//! Lines of messages, as a segment holds them.

use melangerie::protocol::Message;
use melangerie::store::fuzzing::{
    GENERAL_SEGMENT, check_files, line, pieces, recover, sealed, unsealed, with_segment,
};

/// The input is a segment as it is; line by line the messages of one whose checksums fit, each without its last brace;
/// and the content of a message. Its length says which bit is changed.
pub fn check(data: &[u8]) {
    check_pieces(data);
    let mut content = Vec::new();
    for body in data.split(|&byte| byte == b'\n') {
        content.extend(sealed(body));
        content.push(b'\n');
    }
    check_segment(&content, data.len());
    stored(data);
}

/// The parts of a file stand in it one behind the other, and what is called whole is.
fn check_pieces(content: &[u8]) {
    let mut behind = 0;
    for (range, whole) in pieces(content) {
        assert!(behind <= range.start && range.start < range.end);
        assert!(range.end <= content.len());
        assert_eq!(unsealed(&content[range.clone()]).is_some(), whole);
        // What is left out were line ends.
        assert!(range.start - behind <= 1 || content[behind..range.start].iter().all(is_line_end));
        behind = range.end;
    }
    assert!(content.len() - behind <= 1 || content[behind..].iter().all(is_line_end));
}

fn is_line_end(byte: &u8) -> bool {
    *byte == b'\n'
}

/// What a check lets pass a start takes and a reader answers; a changed bit it does not let pass.
fn check_segment(content: &[u8], dice: usize) {
    let files = with_segment(content);
    let checked = check_files(files.clone()).expect("files in memory can be read");
    let lines = content.iter().filter(|byte| is_line_end(byte)).count() as u64;
    if checked.problems.is_empty() {
        recover(files.clone()).expect("a start takes what is checked");
        for seq in 1..=lines {
            let json = line(content, seq).expect("each line was checked");
            let message: Message = serde_json::from_slice(&json).expect("a message");
            assert_eq!((message.room.as_str(), message.seq), ("general", seq));
        }
    }
    let mut changed = files;
    let file = changed.get_mut(GENERAL_SEGMENT).expect("it is there");
    let bit = dice.wrapping_mul(0x85eb_ca6b) % (file.len() * 8);
    file[bit / 8] ^= 1 << (bit % 8);
    let checked = check_files(changed.clone()).expect("files in memory can be read");
    let named = |problem: &String| problem.starts_with(GENERAL_SEGMENT);
    assert!(checked.problems.iter().any(named), "bit {bit}");
    assert!(recover(changed).is_err(), "bit {bit}");
}

/// A message is read as it was written, whatever is in it.
fn stored(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let message = Message {
        room: "general".to_owned(),
        seq: 1,
        sender: "Eva".to_owned(),
        content: text.clone().into_owned(),
        timestamp: data.len() as u64,
        id: Some(text.into_owned()),
        replaces: None,
        edited: None,
        event: None,
    };
    let json = serde_json::to_vec(&message).expect("messages always serialise");
    let mut content = sealed(&json[..json.len() - 1]);
    assert!(!content.contains(&b'\n'), "a message is one line");
    content.push(b'\n');
    assert_eq!(line(&content, 1).as_deref(), Some(&json[..]));
    let read: Message = serde_json::from_slice(&json).expect("what is written can be read");
    assert_eq!(read, message);
    let checked = check_files(with_segment(&content)).expect("files in memory can be read");
    assert_eq!(checked.problems, Vec::<String>::new());
}
