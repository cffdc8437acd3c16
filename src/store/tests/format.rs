//! The files to the letter, as docs/storage.md shows them.

use super::double::MemoryDisk;
use super::*;

#[test]
fn the_files_are_as_documented() {
    let disk = MemoryDisk::default();
    let mut hub = Hub::start(open_disk(Box::new(disk.clone()), small(), 1).unwrap());
    hub.push_and_wait(&hub.user("Eva"));
    hub.push_and_wait(&hub.message("general", "Eva", "Hello", Some("c-1")));
    let text = |name: &str| String::from_utf8(disk.files()[name].clone()).unwrap();
    let journal = text("journal-000001.jsonl");
    let lines: Vec<&str> = journal.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"format":1,"journal":1,"previous":null,"crc":"1ffe2fbb"}"#
    );
    assert_eq!(
        lines[2],
        r#"{"n":2,"event":"Message","data":{"room":"general","seq":2,"sender":"Eva","content":"Hello","timestamp":1002,"id":"c-1"},"crc":"1930a93b"}"#
    );
    hub.journal.close().unwrap();
    let bytes = journal.len();
    assert!(
        text("journal-000002.jsonl")
            .contains(&format!(r#""previous":{{"journal":1,"bytes":{bytes}}}"#))
    );
    let segment = text("rooms/000000/000000001.jsonl");
    assert_eq!(
        segment.lines().nth(1).unwrap(),
        r#"{"room":"general","seq":2,"sender":"Eva","content":"Hello","timestamp":1002,"id":"c-1","crc":"7058f26f"}"#
    );
    let state = text("state.json");
    let value: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(value["journal"], 2);
    assert_eq!(value["users"][0]["name"], "Eva");
    assert_eq!(value["rooms"][0]["segments"][0]["messages"], 2);
    let lines: Vec<&str> = state.lines().collect();
    assert_eq!(lines.len(), 6, "one user or room a line:\n{state}");
    assert!(
        lines[1].starts_with(r#"{"name":"Eva""#)
            && lines[3].starts_with(r#"{"id":0,"name":"general""#)
    );
}
