//! `state.json`, and a start from it.

use melangerie::model::State;
use melangerie::store::fuzzing::{
    Files, decode_snapshot, encode_snapshot, journal, recover, sealed,
};

/// The input is a `state.json` without its last brace, to which the checksum is added; behind a NUL, the first segment
/// of the first room; behind another, the first segment of the reports.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let mut next = || parts.next().unwrap_or_default().to_vec();
    let (body, messages, reports) = (next(), next(), next());
    assert!(decode_snapshot(&body).is_err(), "it has no checksum");
    let mut snapshot = sealed(&body);
    snapshot.push(b'\n');
    if let Ok(state) = decode_snapshot(&snapshot) {
        check_state(&state);
        let again = encode_snapshot(&state);
        assert_eq!(
            decode_snapshot(&again).expect("what is written can be read"),
            state
        );
    }
    let started = recover(Files::from([
        ("state.json".to_owned(), snapshot),
        ("journal-000001.jsonl".to_owned(), journal(1, &[])),
        ("rooms/000000/000000001.jsonl".to_owned(), messages),
        ("reports/000000001.jsonl".to_owned(), reports),
    ]));
    if let Ok(Some((state, notes))) = started {
        check_state(&state);
        assert!(notes.is_empty());
    }
}

/// Users know their rooms, and rooms their members.
fn check_state(state: &State) {
    assert!(state.find_room("general").is_some());
    for (id, room) in state.rooms() {
        assert_eq!(state.find_room(&room.name), Some(id));
        assert!(
            room.members
                .keys()
                .all(|&user| state.user(user).rooms.contains(&id))
        );
    }
    for user in state.users() {
        let found = state.find_user(&user.name).expect("a user is found");
        assert_eq!(state.user(found).name, user.name);
        assert!(user.rooms.iter().all(|&room| state.room(room).has(found)));
    }
}
