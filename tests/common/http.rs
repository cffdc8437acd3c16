//! A small HTTP/1.1 client over a bare socket: it sends exactly what it is told and reads exactly one answer.

use super::{HANG, Value, assert_error};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};

/// One answer, whole.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub version: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice: {self:?}");
        value
    }

    /// All of it but its time, to compare with another.
    pub fn whole(&self) -> String {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| name != "date");
        format!("{} {headers:?} {}", self.status, self.text())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    pub fn json(&self) -> Value {
        let kind = self.header("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("application/json"),
            "a JSON body says so: {self:?}"
        );
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON of an answer with this status.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Asserts an error of this status and code.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let data = self.json();
        assert_error(&data, code);
        data
    }

    /// Asserts 204 and nothing after it.
    pub fn nothing(&self) {
        assert_eq!(self.status, 204, "{}", self.text());
        assert!(self.body.is_empty());
    }
}

/// One request on a connection of its own.
#[must_use]
pub struct Request {
    address: SocketAddr,
    source: Option<IpAddr>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Request {
        Request {
            address,
            source: None,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// From another address of this machine, such as 127.0.0.2.
    pub fn from(mut self, source: &str) -> Request {
        self.source = Some(source.parse().expect("an address"));
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn token(self, token: &str) -> Request {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub fn json(self, body: Value) -> Request {
        self.body(body.to_string().into_bytes())
            .header("Content-Type", "application/json")
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// The request as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\n",
            self.method, self.target, self.address
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    pub fn send(self) -> Response {
        let mut connection = match self.source {
            None => Connection::open(self.address),
            Some(source) => Connection::open_from(self.address, source),
        };
        connection.send(&self.bytes());
        connection.response(&self.method)
    }
}

/// A bare connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        Connection::over(TcpStream::connect(address).expect("the server accepts"))
    }

    pub fn open_from(address: SocketAddr, source: IpAddr) -> Connection {
        Connection::over(stream_from(address, source, None))
    }

    pub fn over(stream: TcpStream) -> Connection {
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_write_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Connection {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends all of it, unless the server has closed already: what it answered is still to be read.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(gone(&error), "sending failed: {error}");
        }
    }

    /// No more will be sent.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a shutdown");
    }

    /// The next answer; the method tells whether there is a body.
    pub fn response(&mut self, method: &str) -> Response {
        self.answer(method)
            .expect("the server closed without an answer")
    }

    /// The next answer, or none where the server closed instead.
    pub fn answer(&mut self, method: &str) -> Option<Response> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at;
            }
            if !self.fill() {
                assert!(
                    self.read.is_empty(),
                    "half an answer: {:?}",
                    String::from_utf8_lossy(&self.read)
                );
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("the head is UTF-8");
        self.read.drain(..end + 4);
        let mut response = parse_head(&head);
        if response.status == 100 {
            return Some(response);
        }
        check_every_answer(&response);
        let length: usize = match response.header("content-length") {
            Some(length) => length.parse().expect("a length"),
            None => 0,
        };
        let has_body =
            method != "HEAD" && response.status >= 200 && !matches!(response.status, 204 | 304);
        if has_body {
            assert!(
                response.header("content-length").is_some(),
                "an answer that others can follow has a length: {response:?}"
            );
            while self.read.len() < length {
                assert!(self.fill(), "the body ended early");
            }
            response.body = self.read.drain(..length).collect();
        }
        Some(response)
    }

    /// Waits for the server to close, and asserts that nothing more came.
    pub fn expect_end(&mut self) {
        while self.fill() {}
        assert!(
            self.read.is_empty(),
            "more than was asked for: {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }

    /// At least `count` bytes, or fewer where the server closed.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count && self.fill() {}
        let count = count.min(self.read.len());
        self.read.drain(..count).collect()
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if gone(&error) => false,
            // A process that was stopped and goes on: nothing was read (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// A second handle to the socket, to send from another thread.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle")
    }

    pub fn into_stream(self) -> TcpStream {
        assert!(self.read.is_empty(), "bytes would be lost");
        self.stream
    }
}

/// Connects from a certain address, with a small receive buffer where one is asked for.
pub fn stream_from(address: SocketAddr, source: IpAddr, receive: Option<usize>) -> TcpStream {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )
    .expect("a socket");
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes).expect("a small buffer");
    }
    socket
        .bind(&SocketAddr::new(source, 0).into())
        .expect("an address of this machine");
    socket.connect(&address.into()).expect("the server accepts");
    socket.into()
}

/// What holds for every answer, whatever was asked.
fn check_every_answer(response: &Response) {
    if response.status != 101 {
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{response:?}"
        );
    }
    if response.status == 429 {
        let seconds: u64 = response
            .header("retry-after")
            .expect("429 says when to come back")
            .parse()
            .expect("whole seconds");
        assert!((1..=60).contains(&seconds), "{response:?}");
    }
}

fn parse_head(head: &str) -> Response {
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next().unwrap_or_default().splitn(3, ' ');
    let version = status_line.next().unwrap_or_default().to_owned();
    assert!(version.starts_with("HTTP/1."), "not an answer: {head:?}");
    let status = status_line
        .next()
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("not an answer: {head:?}"));
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    Response {
        status,
        version,
        headers,
        body: Vec::new(),
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The other side is not there any more.
pub fn gone(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}
