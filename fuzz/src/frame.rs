//! The payload of a WebSocket message: a client's frame.

use melangerie::hub::error_frame;
use melangerie::protocol::{Code, UserAction, parse_client_frame};
use serde_json::Value;

/// The input is the payload.
pub fn check(data: &[u8]) {
    let frame = parse_client_frame(data);
    let json: Option<Value> = serde_json::from_slice(data).ok();
    match &frame.action {
        Ok(action) => {
            let id = frame.id.as_deref();
            assert!(id.is_none_or(|id| (1..=64).contains(&id.len())));
            // JSON that is nested too deeply for a second opinion is fine for the first.
            if let Some(json) = &json {
                assert_eq!(json["id"].as_str(), id);
                same_meaning(action, json);
            }
            look_into(action);
        }
        Err(error) => {
            assert!(matches!(error.code, Code::BadJson | Code::BadRequest));
            assert!(json.is_none() || error.code == Code::BadRequest);
            assert!(error.message.len() > 8);
            // The answer is a frame around JSON, and goes to whom it belongs.
            let answer = error_frame(error, frame.id.as_deref());
            let start = match answer.bytes()[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            let answer: Value = serde_json::from_slice(&answer.bytes()[start..]).unwrap();
            assert_eq!(answer["id"].as_str(), frame.id.as_deref());
        }
    }
}

/// The action says what a second reading finds, and says it again however the JSON is written.
fn same_meaning(action: &UserAction, json: &Value) {
    let data = &json["data"];
    let name = match action {
        UserAction::Message(message) => {
            assert_eq!(data["room"], *message.room);
            assert_eq!(data["content"], *message.content);
            assert_eq!(message.id, None, "the frame has its own");
            assert_eq!(data["sender"].as_str(), message.sender.as_deref());
            assert_eq!(data["replaces"].as_u64(), message.replaces);
            "Message"
        }
        UserAction::Read(read) => {
            assert_eq!(data["room"], *read.room);
            assert_eq!(data["seq"], read.seq);
            "Read"
        }
        UserAction::Typing(typing) => {
            assert_eq!(data["room"], *typing.room);
            "Typing"
        }
        UserAction::Create(create) => {
            assert_eq!(data["name"], *create.name);
            let users = create.users.as_ref().map(|users| Value::from(&users[..]));
            assert_eq!(data["users"], users.unwrap_or_default());
            let kind = serde_json::to_value(create.kind).expect("a kind serialises");
            assert_eq!(data["kind"], kind);
            "Create"
        }
        UserAction::Join(room) | UserAction::Leave(room) => {
            assert_eq!(data, room);
            match action {
                UserAction::Join(_) => "Join",
                _ => "Leave",
            }
        }
        UserAction::Add { room, user } => {
            assert_eq!(*data, Value::from([&room[..], user]));
            "Add"
        }
        UserAction::History(history) => {
            assert_eq!(data["room"], *history.room);
            assert_eq!(data["before"].as_u64(), history.before);
            assert_eq!(data["after"].as_u64(), history.after);
            assert_eq!(data["limit"].as_u64(), history.limit);
            "History"
        }
        UserAction::Report(issue) => {
            assert_eq!(data, issue);
            "Report"
        }
        UserAction::Hello(hello) => {
            assert_eq!(data["token"], *hello.token);
            let since = serde_json::to_value(&hello.since).expect("numbers serialise");
            assert_eq!(data["since"], since);
            "Hello"
        }
        UserAction::ListUsers => "ListUsers",
        UserAction::Ping => "Ping",
    };
    assert_eq!(json["action"], name);
    let again = parse_client_frame(json.to_string().as_bytes());
    let again = again.action.expect("the same, written otherwise");
    assert_eq!(format!("{again:?}"), format!("{action:?}"));
}

fn look_into(action: &UserAction) {
    if let UserAction::Message(message) = action
        && message.check().is_ok()
    {
        assert!((1..=16_384).contains(&message.content.len()));
        assert!(!message.content.contains('\0'));
        assert!(!message.content.trim().is_empty());
    }
}
