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
                assert!(json["action"].is_string());
                assert_eq!(json["id"].as_str(), id);
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

fn look_into(action: &UserAction) {
    if let UserAction::Message(message) = action
        && message.check().is_ok()
    {
        assert!((1..=16_384).contains(&message.content.len()));
        assert!(!message.content.contains('\0'));
        assert!(!message.content.trim().is_empty());
    }
}
