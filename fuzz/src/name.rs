//! Names, passwords, contents: what is accepted is what the rules promise.

use super::percent_encode;
use melangerie::net::path::Target;
use melangerie::protocol::{
    RESERVED_NAMES, check_content, check_password, check_report, check_room_name, check_user_name,
    fold,
};

/// The input is the text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if check_user_name(text).is_ok() {
        assert!(text.chars().count() <= 32);
        assert!(!text.contains(char::is_whitespace));
        check_name(text);
        check_room_name(text).expect("what names a user may name a room");
    }
    if check_room_name(text).is_ok() {
        assert!(text.chars().count() <= 64);
        assert_eq!(text.trim(), text);
        assert!(!text.contains("  "));
        check_name(text);
    }
    if check_content(text).is_ok() {
        assert!((1..=16_384).contains(&text.len()));
        let json = serde_json::to_string(text).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
    assert_eq!(check_report(text).is_ok(), check_content(text).is_ok());
    assert_eq!(
        check_password(text).is_ok(),
        (8..=256).contains(&text.len())
    );
}

fn check_name(name: &str) {
    let wrong = |c: char| c.is_control() || "/\\\"'<>&%?#".contains(c);
    assert!(!name.contains(wrong), "{name:?} is no markup, path or line");
    assert!(name.chars().any(char::is_alphanumeric));
    let folded = fold(name);
    assert_eq!(
        fold(&folded),
        folded,
        "names are compared by what folding makes of them"
    );
    assert!(!RESERVED_NAMES.contains(&&*folded));
    let path = format!("/chat/members/{}", percent_encode(name));
    let target = Target::parse(&path).expect("an encoded name stands in a path");
    assert_eq!(target.segments, ["chat", "members", name]);
}
