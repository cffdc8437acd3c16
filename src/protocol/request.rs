//! What clients send: bodies and frames, parsed without recursion and without trust.
//!
//! `data` stays a raw value until its action is known, so that nested JSON of any depth costs no stack.

use super::{Code, Error, RoomKind, Seq, names};
use crate::limits::FRAME_ID_BYTES;
use serde::de::{DeserializeOwned, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Body of `POST /auth/createuser` and `POST /auth/login`.
#[derive(Clone, Debug, Deserialize)]
pub struct CredentialsRequest {
    pub name: String,
    pub password: String,
}

/// Body of `POST /auth/password`.
#[derive(Clone, Debug, Deserialize)]
pub struct PasswordRequest {
    pub old: String,
    pub new: String,
}

/// Body of `POST /report`.
#[derive(Clone, Debug, Deserialize)]
pub struct ReportRequest {
    pub name: String,
    pub issue: String,
}

/// Body of `POST /chat/chatroom`. Its `timestamp` is accepted and not used: the server's clock counts.
#[derive(Clone, Debug, Deserialize)]
pub struct MessageRequest {
    pub room: String,
    pub content: String,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub sender: Option<String>,
    /// One's own earlier message whose text this one replaces.
    #[serde(default)]
    pub replaces: Option<Seq>,
}

/// Data of `Message`: the same without an `id`, since the frame has its own.
#[derive(Deserialize)]
struct MessageData {
    room: String,
    content: String,
    #[serde(default)]
    sender: Option<String>,
    #[serde(default)]
    replaces: Option<Seq>,
}

impl From<MessageData> for MessageRequest {
    fn from(data: MessageData) -> MessageRequest {
        MessageRequest {
            room: data.room,
            content: data.content,
            id: None,
            sender: data.sender,
            replaces: data.replaces,
        }
    }
}

/// Data of `Read`.
#[derive(Clone, Debug, Deserialize)]
pub struct ReadRequest {
    pub room: String,
    pub seq: Seq,
}

/// Data of `Typing`.
#[derive(Clone, Debug, Deserialize)]
pub struct TypingRequest {
    pub room: String,
}

/// Data of `Create`.
#[derive(Clone, Debug, Deserialize)]
pub struct CreateRequest {
    pub name: String,
    #[serde(default, deserialize_with = "kind_by_name")]
    pub kind: Option<RoomKind>,
    #[serde(default)]
    pub users: Option<Vec<String>>,
}

/// serde would take `{"public":null}` for a kind too.
fn kind_by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RoomKind>, D::Error> {
    let name: Option<String> = Option::deserialize(deserializer)?;
    name.map(|name| RoomKind::deserialize(name.into_deserializer()))
        .transpose()
}

/// Data of `History`.
#[derive(Clone, Debug, Deserialize)]
pub struct HistoryRequest {
    pub room: String,
    #[serde(default)]
    pub before: Option<Seq>,
    #[serde(default)]
    pub after: Option<Seq>,
    #[serde(default)]
    pub limit: Option<u64>,
}

/// Data of `Hello`.
#[derive(Clone, Debug, Deserialize)]
pub struct Hello {
    pub token: String,
    /// Per room the last message that the client has.
    #[serde(default, deserialize_with = "positions")]
    pub since: Option<BTreeMap<String, Seq>>,
}

/// As everywhere, `null` stands for what is absent.
fn positions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, Seq>>, D::Error> {
    let told: Option<BTreeMap<String, Option<Seq>>> = Option::deserialize(deserializer)?;
    let known = |told: BTreeMap<_, Option<Seq>>| {
        let known = told
            .into_iter()
            .filter_map(|(room, seq)| Some((room, seq?)));
        known.collect()
    };
    Ok(told.map(known))
}

/// What a client may ask for over the WebSocket (section 4.2 of the protocol).
#[derive(Clone, Debug)]
pub enum UserAction {
    Message(MessageRequest),
    Read(ReadRequest),
    Typing(TypingRequest),
    Create(CreateRequest),
    Join(String),
    Leave(String),
    Add {
        room: String,
        user: String,
    },
    History(HistoryRequest),
    ListUsers,
    Report(String),
    /// Whether the connection lives; costs nobody anything.
    Ping,
    Hello(Hello),
}

fn check_id(id: &str) -> Result<(), Error> {
    if (1..=FRAME_ID_BYTES).contains(&id.len()) {
        return Ok(());
    }
    Err(bad_request(format!(
        "\"id\" has {} bytes; use 1 to {FRAME_ID_BYTES}.",
        id.len()
    )))
}

/// A frame from a client: what it asks for, or what is wrong with it, and the `id` to answer under.
#[derive(Debug)]
pub struct ClientFrame {
    pub id: Option<String>,
    pub action: Result<UserAction, Error>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    action: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

/// A string that is copied only where it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Parses an HTTP body. Not JSON: `bad_json`; JSON of another shape: `bad_request`.
pub fn parse_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| bad_json("The body is not UTF-8."))?;
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|e| bad_json(&format!("The body is not JSON: {e}.")))?;
    object(|| "The body".to_owned(), raw)
}

/// Parses a text or binary message from a WebSocket.
pub fn parse_client_frame(payload: &[u8]) -> ClientFrame {
    let envelope = match parse_envelope(payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            return ClientFrame {
                id: only_id_of(payload),
                action: Err(error),
            };
        }
    };
    let id: Option<Result<Option<String>, _>> =
        envelope.id.map(|raw| serde_json::from_str(raw.get()));
    let id = match id.transpose() {
        Ok(id) => id.flatten(),
        Err(_) => {
            return ClientFrame {
                id: None,
                action: Err(bad_request("\"id\" must be a string.".to_owned())),
            };
        }
    };
    let checked = id.as_deref().map_or(Ok(()), check_id);
    let action = checked.and_then(|()| parse_action(&envelope));
    ClientFrame { id, action }
}

fn parse_envelope(payload: &[u8]) -> Result<Envelope<'_>, Error> {
    let text = std::str::from_utf8(payload).map_err(|_| bad_json("The frame is not UTF-8."))?;
    if text.starts_with('{')
        && let Ok(envelope) = serde_json::from_str(text)
    {
        return Ok(envelope);
    }
    // Few are like that: by the grammar first, so that what is not JSON at all is told so.
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|e| bad_json(&format!("The frame is not JSON: {e}.")))?;
    if !raw.get().starts_with('{') {
        return Err(bad_request(
            "A frame is an object: {\"action\": ..., \"data\": ..., \"id\": ...}.".to_owned(),
        ));
    }
    serde_json::from_str(raw.get()).map_err(|e| shape_error("The frame", &e))
}

/// The `id` of an object that is no envelope, having a name twice for instance; none where it has several different ones.
fn only_id_of(payload: &[u8]) -> Option<String> {
    let Ids(ids) = serde_json::from_slice(payload).ok()?;
    let (first, rest) = ids.split_first()?;
    let same = rest.iter().all(|id| id == first);
    first.clone().filter(|_| same)
}

/// All that stands under `id` in an object; what is not a string is `None`.
struct Ids(Vec<Option<String>>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ids, D::Error> {
        deserializer.deserialize_map(Ids(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Ids {
    type Value = Ids;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Ids, A::Error> {
        // A name may be no text: see `shape_error`.
        while let Some((name, value)) = fields.next_entry::<&RawValue, &RawValue>()? {
            if text_of(name).is_some_and(|name| name == "id") {
                self.0.push(text_of(value));
            }
        }
        Ok(self)
    }
}

fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn parse_action(envelope: &Envelope<'_>) -> Result<UserAction, Error> {
    let Text(name) = match envelope.action {
        None => return Err(bad_request("The frame has no \"action\".".to_owned())),
        Some(raw) => serde_json::from_str(raw.get())
            .map_err(|_| bad_request("\"action\" must be a string.".to_owned()))?,
    };
    let action = match &*name {
        "Message" => UserAction::Message(fields::<MessageData>(envelope, &name)?.into()),
        "Read" => UserAction::Read(fields(envelope, &name)?),
        "Typing" => UserAction::Typing(fields(envelope, &name)?),
        "Create" => UserAction::Create(fields(envelope, &name)?),
        "Join" => UserAction::Join(data(envelope, &name)?),
        "Leave" => UserAction::Leave(data(envelope, &name)?),
        "Add" => {
            let (room, user) = data(envelope, &name)?;
            UserAction::Add { room, user }
        }
        "History" => UserAction::History(fields(envelope, &name)?),
        "ListUsers" => UserAction::ListUsers,
        "Ping" => UserAction::Ping,
        "Report" => UserAction::Report(data(envelope, &name)?),
        "Hello" => UserAction::Hello(fields(envelope, &name)?),
        _ => {
            let shown: String = name.chars().take(40).collect();
            return Err(bad_request(format!("There is no action {shown:?}.")));
        }
    };
    Ok(action)
}

fn data<T: DeserializeOwned>(envelope: &Envelope<'_>, action: &str) -> Result<T, Error> {
    let raw = raw_data(envelope, action)?;
    serde_json::from_str(raw.get()).map_err(|e| shape_error(&data_of(action), &e))
}

/// As [`data`], where it is an object.
fn fields<T: DeserializeOwned>(envelope: &Envelope<'_>, action: &str) -> Result<T, Error> {
    object(|| data_of(action), raw_data(envelope, action)?)
}

fn raw_data<'a>(envelope: &Envelope<'a>, action: &str) -> Result<&'a RawValue, Error> {
    envelope
        .data
        .ok_or_else(|| bad_request(format!("{action} needs \"data\".")))
}

fn data_of(action: &str) -> String {
    format!("The data of {action}")
}

/// serde would take an array for a struct too, its values in the order of our fields, which is nobody's business.
fn object<T: DeserializeOwned>(what: impl Fn() -> String, raw: &RawValue) -> Result<T, Error> {
    if !raw.get().starts_with('{') {
        return Err(bad_request(format!("{} must be an object.", what())));
    }
    serde_json::from_str(raw.get()).map_err(|e| shape_error(&what(), &e))
}

/// The text is JSON by its grammar already, so what does not fit is of a wrong shape: a lone surrogate in a string too,
/// which the grammar allows and UTF-8 cannot hold (RFC 8259, section 8.2).
fn shape_error(what: &str, error: &serde_json::Error) -> Error {
    bad_request(format!("{what} does not fit: {error}."))
}

fn bad_json(message: &str) -> Error {
    Error::new(Code::BadJson, message)
}

fn bad_request(message: String) -> Error {
    Error::new(Code::BadRequest, message)
}

impl MessageRequest {
    /// Checks the content and the `id`; who sends and into which room is the hub's to judge.
    pub fn check(&self) -> Result<(), Error> {
        names::check_content(&self.content)?;
        if let Some(id) = &self.id {
            check_id(id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(payload: &str) -> (Option<String>, Code) {
        let frame = parse_client_frame(payload.as_bytes());
        (frame.id, frame.action.unwrap_err().code)
    }

    #[test]
    fn wrong_frames_say_what_is_wrong_and_keep_their_id() {
        assert_eq!(code_of("{"), (None, Code::BadJson));
        assert_eq!(code_of("[]"), (None, Code::BadRequest));
        assert_eq!(code_of("7"), (None, Code::BadRequest));
        assert_eq!(
            code_of(r#"{"id":"a"}"#),
            (Some("a".into()), Code::BadRequest)
        );
        assert_eq!(
            code_of(r#"{"action":"Fly","id":"a"}"#),
            (Some("a".into()), Code::BadRequest)
        );
        assert_eq!(
            code_of(r#"{"action":"Message","id":"b"}"#),
            (Some("b".into()), Code::BadRequest)
        );
        assert_eq!(
            code_of(r#"{"action":"Read","data":{"room":"r","seq":-1},"id":"c"}"#).1,
            Code::BadRequest
        );
        assert_eq!(
            code_of(r#"{"action":"Join","data":"r","id":7}"#),
            (None, Code::BadRequest)
        );
        assert_eq!(
            code_of(r#"{"action":"Join","data":"r","id":""}"#).1,
            Code::BadRequest
        );
        let long = "x".repeat(65);
        assert_eq!(
            code_of(&format!(r#"{{"action":"Join","data":"r","id":"{long}"}}"#)),
            (Some(long), Code::BadRequest)
        );
        let join = r#"{"action":"Join","data":"\ud800","id":"d"}"#;
        assert_eq!(code_of(join), (Some("d".into()), Code::BadRequest));
        for wrong in [
            r#"["room","eva",7]"#,
            r#"["room"]"#,
            "7",
            r#"{"x":1}"#,
            "null",
        ] {
            let add = format!(r#"{{"action":"Add","data":{wrong},"id":"e"}}"#);
            assert_eq!(
                code_of(&add),
                (Some("e".into()), Code::BadRequest),
                "{wrong}"
            );
        }
        for kind in ["7", r#"{"public":null}"#, r#""Public""#] {
            let create =
                format!(r#"{{"action":"Create","data":{{"name":"x","kind":{kind}}},"id":"f"}}"#);
            let expected = (Some("f".into()), Code::BadRequest);
            assert_eq!(code_of(&create), expected, "{kind}");
        }
    }

    #[test]
    fn a_frame_that_has_a_name_twice_keeps_its_id_where_it_has_one() {
        for (id, fields) in [
            (
                Some("a"),
                r#""action":"Join","data":"x","data":"y","id":"a""#,
            ),
            (Some("a"), r#""id":"a","action":"Join","action":"Fly""#),
            (Some("a"), r#""action":"Join","\ud800":1,"\u0069d":"a""#),
            (Some("a"), r#""id":"a","action":"Join","data":"x","id":"a""#),
            (None, r#""id":"a","action":"Join","data":"x","id":"b""#),
            (None, r#""id":"a","action":"Join","data":"x","id":null"#),
            (None, r#""id":7,"action":"Join","data":"x","id":7"#),
        ] {
            let expected = (id.map(str::to_owned), Code::BadRequest);
            assert_eq!(code_of(&format!("{{{fields}}}")), expected, "{fields}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_null_is_absent() {
        let frame = parse_client_frame(br#"{"x":[1,{}],"action":"Message","data":{"room":"r","content":"c","timestamp":"x","y":1},"id":null}"#);
        assert!(matches!(frame.action, Ok(UserAction::Message(m)) if m.content == "c"));
        assert_eq!(frame.id, None);
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!(
            r#"{{"action":"Typing","data":{{"room":"r","x":{}1{}}}}}"#,
            "[".repeat(20_000),
            "]".repeat(20_000)
        );
        let parse = move || parse_client_frame(deep.as_bytes()).action.is_ok();
        let thread = std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(parse)
            .unwrap();
        assert!(
            thread.join().unwrap(),
            "unknown fields are skipped whatever their depth"
        );
    }

    #[test]
    fn bodies() {
        assert_eq!(
            parse_body::<PasswordRequest>(b"\xff").unwrap_err().code,
            Code::BadJson
        );
        assert_eq!(
            parse_body::<PasswordRequest>(b"").unwrap_err().code,
            Code::BadJson
        );
        assert_eq!(
            parse_body::<PasswordRequest>(br#"{"old":1"#)
                .unwrap_err()
                .code,
            Code::BadJson
        );
        assert_eq!(
            parse_body::<PasswordRequest>(br#"{"old":"a"}"#)
                .unwrap_err()
                .code,
            Code::BadRequest
        );
        assert!(parse_body::<PasswordRequest>(br#" {"old":"a","new":"b","x":0} "#).is_ok());
        assert_eq!(
            parse_body::<PasswordRequest>(br#"["a","b"]"#)
                .unwrap_err()
                .code,
            Code::BadRequest,
            "an array is no object, though it has as many values"
        );
        let message = r#"{"action":"Message","data":["general","hi",null,null,null],"id":"a"}"#;
        assert_eq!(code_of(message), (Some("a".into()), Code::BadRequest));
    }
}
