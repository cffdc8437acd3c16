//! A WebSocket client as people use it (tungstenite), which keeps the frames that nobody has asked for yet.
//!
//! Frames that everybody connected gets (`Presence`, `User`, and all about the room `general`) come from whatever
//! other tests do on the same server. They are left out unless [`Socket::hearing_all`] asks for them.

use super::{HANG, Person, Server, Value, assert_error, json};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

pub struct Socket {
    socket: WebSocket<TcpStream>,
    inbox: VecDeque<Value>,
    hears_all: bool,
    next_id: u64,
}

/// What a connection brings.
#[derive(Debug)]
pub enum Event {
    Frame(Value),
    /// The close code, or none where the connection just ended.
    Closed(Option<u16>),
}

impl Socket {
    /// Upgraded, nothing said yet.
    pub fn open(address: SocketAddr) -> Socket {
        Socket::upgrade(TcpStream::connect(address).expect("accepted"), address, &[])
    }

    pub fn upgrade(stream: TcpStream, address: SocketAddr, headers: &[(&str, &str)]) -> Socket {
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_write_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let mut request = format!("ws://{address}/chat/connect")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().expect("a header's name");
            let value = value.parse().expect("a header's value");
            request.headers_mut().insert(name, value);
        }
        let (socket, response) = tungstenite::client(request, stream).expect("the server upgrades");
        assert_eq!(response.status(), 101);
        Socket {
            socket,
            inbox: VecDeque::new(),
            hears_all: false,
            next_id: 0,
        }
    }

    /// Signed in by the header of the upgrade; caught up from the read position.
    pub fn bearer(server: &Server, person: &Person) -> (Socket, Value) {
        let stream = TcpStream::connect(server.address).expect("accepted");
        let bearer = format!("Bearer {}", person.token);
        let mut socket = Socket::upgrade(
            stream,
            server.address,
            &[("Authorization", bearer.as_str())],
        );
        let welcome = socket.expect("Welcome");
        (socket, welcome)
    }

    /// Signed in by `Hello`. `since` is its field; null leaves it out.
    pub fn hello(server: &Server, person: &Person, since: Value) -> (Socket, Value) {
        let mut socket = Socket::open(server.address);
        let mut data = json!({"token": person.token});
        if !since.is_null() {
            data["since"] = since;
        }
        socket.send(json!({"action": "Hello", "data": data}));
        let welcome = socket.expect("Welcome");
        (socket, welcome)
    }

    /// Signed in and caught up from the read position, where nothing is to be said of the welcome.
    pub fn connect(server: &Server, person: &Person) -> Socket {
        Socket::hello(server, person, Value::Null).0
    }

    pub fn hearing_all(mut self) -> Socket {
        self.hears_all = true;
        self
    }

    pub fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text));
    }

    pub fn send_message(&mut self, message: Message) {
        self.socket.send(message).expect("sent");
    }

    /// Queues without waiting for the socket; see [`Socket::flush`].
    pub fn write(&mut self, frame: Value) {
        self.socket
            .write(Message::text(frame.to_string()))
            .expect("written");
    }

    pub fn flush(&mut self) {
        self.socket.flush().expect("flushed");
    }

    /// The next frame that this test cares for.
    pub fn next(&mut self) -> Value {
        match self.event() {
            Event::Frame(frame) => frame,
            Event::Closed(code) => panic!("the server closed: {code:?}"),
        }
    }

    pub fn event(&mut self) -> Event {
        if let Some(frame) = self.inbox.pop_front() {
            return Event::Frame(frame);
        }
        loop {
            match self.read() {
                Event::Frame(frame) if self.is_noise(&frame) => {}
                event => return event,
            }
        }
    }

    /// The data of the next frame, which must be of this action.
    pub fn expect(&mut self, action: &str) -> Value {
        let mut frame = self.next();
        assert_eq!(frame["action"], action, "{frame}");
        frame["data"].take()
    }

    /// The next frame for which this holds; frames before it are dropped.
    pub fn until(&mut self, mut holds: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let frame = self.next();
            if holds(&frame) {
                return frame;
            }
        }
    }

    /// Reads on until the server closes; answers its code.
    pub fn expect_close(&mut self) -> Option<u16> {
        self.inbox.clear();
        loop {
            if let Event::Closed(code) = self.read() {
                return code;
            }
        }
    }

    /// Sends a frame with an id and reads until its answer; other frames wait in the inbox.
    pub fn request(&mut self, action: &str, data: Value) -> (String, Value) {
        self.next_id += 1;
        let id = format!("request-{}", self.next_id);
        self.send(json!({"action": action, "data": data, "id": id}));
        self.reply(&id)
    }

    /// The answer to this id, whether it has come or is to come; other frames wait in the inbox.
    pub fn reply(&mut self, id: &str) -> (String, Value) {
        if let Some(at) = self.inbox.iter().position(|frame| frame["id"] == id) {
            let mut frame = self.inbox.remove(at).expect("it was found");
            let action = frame["action"].as_str().expect("an action").to_owned();
            return (action, frame["data"].take());
        }
        loop {
            match self.read() {
                Event::Closed(code) => panic!("closed before the answer: {code:?}"),
                Event::Frame(mut frame) if frame["id"] == id => {
                    let action = frame["action"].as_str().expect("an action").to_owned();
                    return (action, frame["data"].take());
                }
                Event::Frame(frame) if self.is_noise(&frame) => {}
                Event::Frame(frame) => self.inbox.push_back(frame),
            }
        }
    }

    /// Sends a frame with an id of its own; answers its answer, or none where the connection ends first.
    pub fn try_request(&mut self, frame: Value) -> Option<Value> {
        let id = frame["id"].clone();
        self.socket.send(Message::text(frame.to_string())).ok()?;
        loop {
            match self.read() {
                Event::Closed(_) => return None,
                Event::Frame(frame) if frame["id"] == id => return Some(frame),
                Event::Frame(_) => {}
            }
        }
    }

    /// Reads on until the server closes; answers the ids that were acked before, and the code.
    pub fn acks_until_close(&mut self) -> (Vec<String>, Option<u16>) {
        let mut acked = Vec::new();
        loop {
            match self.event() {
                Event::Closed(code) => return (acked, code),
                Event::Frame(frame) if frame["action"] == "Ack" => {
                    acked.extend(frame["id"].as_str().map(str::to_owned));
                }
                Event::Frame(_) => {}
            }
        }
    }

    /// As [`Socket::request`]; the answer must be an `Ack`.
    pub fn ack(&mut self, action: &str, data: Value) -> Value {
        let (answer, data) = self.request(action, data);
        assert_eq!(answer, "Ack", "{action}: {data}");
        data
    }

    /// As [`Socket::request`]; the answer must be an `Error` with this code.
    pub fn refused(&mut self, action: &str, data: Value, code: &str) -> Value {
        let (answer, data) = self.request(action, data);
        assert_eq!(answer, "Error", "{action}: {data}");
        assert_error(&data, code);
        data
    }

    /// Says something with an id; answers the `Ack`'s data.
    pub fn say(&mut self, room: &str, content: &str) -> Value {
        self.ack("Message", json!({"room": room, "content": content}))
    }

    /// Proves that every earlier frame of this connection has been handled, and that what it caused for this
    /// connection has arrived. `Read` to 0 moves nothing and tells nobody.
    pub fn barrier(&mut self) {
        self.ack("Read", json!({"room": "general", "seq": 0}));
    }

    /// All that arrived up to now.
    pub fn drain(&mut self) -> Vec<Value> {
        self.barrier();
        self.inbox.drain(..).collect()
    }

    /// What has come and nobody asked for yet is of no interest.
    pub fn forget(&mut self) {
        self.inbox.clear();
    }

    /// Asserts that nothing has come that was not read.
    pub fn expect_nothing(&mut self) {
        let rest = self.drain();
        assert!(rest.is_empty(), "unexpected: {rest:?}");
    }

    /// A closing handshake, to its end.
    pub fn close(mut self) {
        let _ = self.socket.close(None);
        let code = self.expect_close();
        assert!(matches!(code, Some(1000 | 1005) | None), "{code:?}");
    }

    fn is_noise(&self, frame: &Value) -> bool {
        if self.hears_all || !frame["id"].is_null() {
            return false;
        }
        let about = &frame["data"];
        frame["action"] == "Presence"
            || frame["action"] == "User"
            || about["room"] == "general"
            || (frame["action"] == "Room" && about["name"] == "general")
    }

    fn read(&mut self) -> Event {
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < HANG, "nothing but pings came");
            return match self.socket.read() {
                Ok(Message::Text(text)) => Event::Frame(parse(text.as_bytes())),
                Ok(Message::Binary(bytes)) => Event::Frame(parse(&bytes)),
                Ok(Message::Close(frame)) => Event::Closed(frame.map(|f| u16::from(f.code))),
                Ok(_) => continue,
                Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => {
                    Event::Closed(None)
                }
                Err(Error::Io(error)) if super::http::gone(&error) => Event::Closed(None),
                Err(error) => panic!("nothing came: {error}"),
            };
        }
    }
}

fn parse(bytes: &[u8]) -> Value {
    let frame: Value = serde_json::from_slice(bytes)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)));
    assert!(
        frame["action"].is_string(),
        "a frame has an action: {frame}"
    );
    assert!(frame.get("data").is_some(), "a frame has data: {frame}");
    frame
}
