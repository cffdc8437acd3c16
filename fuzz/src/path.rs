//! Paths and queries: percent-decoding.

use super::percent_encode;
use melangerie::net::path::Target;

/// The input is a target, and a text that is to survive being one.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(target) = Target::parse(text) {
        for name in ["q", "room", "limit", "before", "kind"] {
            let value = target.query.value(name);
            if let Ok(Some(number)) = target.query.number(name) {
                let digits = value.expect("a number is a value").expect("and is there");
                assert_eq!(digits.parse(), Ok(number));
            }
        }
        // What was decoded means the same when it is encoded anew.
        let path: String = target
            .segments
            .iter()
            .map(|s| format!("/{}", percent_encode(s)))
            .collect();
        assert_eq!(
            Target::parse(&path).expect("encoded").segments,
            target.segments
        );
        assert!(target.segments.iter().all(|segment| !segment.is_empty()));
    }
    let encoded = percent_encode(text);
    if !text.is_empty() {
        let path = format!("/{encoded}/{encoded}/");
        let target = Target::parse(&path).expect("encoded text is a segment");
        assert_eq!(target.segments, [text, text]);
    }
    let query = format!("/?q={encoded}&room=&{encoded}");
    let target = Target::parse(&query).expect("encoded text is a query");
    // The bare key may be the parameter itself; then it is there twice.
    match target.query.value("q") {
        Ok(value) => assert_eq!(value.as_deref(), Some(text)),
        Err(_) => assert_eq!(text, "q"),
    }
    assert!(target.query.value("absent").is_ok() || text == "absent");
}
