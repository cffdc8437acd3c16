//! The attacker's requests: broken framing, smuggled requests, lengths that lie.

mod common;

use common::*;

/// Sends bytes on a connection of their own; answers the connection.
fn sent(server: &Server, bytes: impl AsRef<[u8]>) -> Connection {
    let mut connection = Connection::open(server.address);
    connection.send(bytes.as_ref());
    connection
}

/// A request that breaks the framing must be the connection's last: one error, then the end.
fn refused_for_good(server: &Server, bytes: impl AsRef<[u8]>, statuses: &[u16]) {
    let shown = String::from_utf8_lossy(bytes.as_ref())
        .chars()
        .take(120)
        .collect::<String>();
    let mut connection = sent(server, bytes);
    let response = connection.response("GET");
    assert!(
        statuses.contains(&response.status),
        "{shown:?}: {response:?}"
    );
    let code = response.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_error(&response.json(), &code);
    connection.expect_end();
    server.get("/health").send().ok(200);
}

#[test]
fn what_is_no_request_is_refused() {
    let server = shared();
    let bad = [
        "nonsense\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET health HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX: a\u{0}b\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    ];
    for bytes in bad {
        refused_for_good(&server, bytes, &[400]);
    }
    refused_for_good(
        &server,
        "GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
        &[400, 505],
    );
    refused_for_good(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]);
    refused_for_good(
        &server,
        "GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
        &[400, 505],
    );
}

#[test]
fn lengths_that_could_be_read_in_two_ways_are_refused() {
    let server = shared();
    let hidden = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let post =
        |headers: &str| format!("POST /auth/login HTTP/1.1\r\nHost: x\r\n{headers}\r\n{hidden}");
    for headers in [
        "Content-Length: 0\r\nContent-Length: 4\r\n",
        "Content-Length: 0, 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 4 4\r\n",
        "Content-Length: \r\n",
        "Content-Length: four\r\n",
        "Content-Length: 4.0\r\n",
    ] {
        refused_for_good(&server, post(headers), &[400]);
    }
    refused_for_good(
        &server,
        post("Content-Length: 99999999999999999999999999\r\n"),
        &[400, 413],
    );
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding:\tchunked\r\n",
    ] {
        refused_for_good(&server, post(headers), &[400, 411, 501]);
    }
    // On a method without a body too.
    let get =
        format!("GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}");
    refused_for_good(&server, get, &[400, 411, 501]);
}

/// The body of a request that is refused must never be taken for the next request.
#[test]
fn a_refused_body_is_no_request() {
    let server = shared();
    let hidden = "GET /auth/checkuser/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for (method, path, status) in [
        ("POST", "/auth/nothing", 404),
        ("POST", "/auth/me", 405),
        ("POST", "/auth/logout", 401),
        ("POST", "/chat/chatroom", 401),
        ("GET", "/health", 200),
        ("DELETE", "/health", 405),
    ] {
        let mut bytes = server.request(method, path).body(hidden).bytes();
        bytes.extend(server.get("/health?marker").bytes());
        let mut connection = sent(&server, bytes);
        assert_eq!(connection.response(method).status, status, "{path}");
        if let Some(next) = connection.answer("GET") {
            assert_eq!(next.ok(200)["status"], "ok", "{path}");
        }
    }
}

#[test]
fn deep_json_costs_nothing() {
    let server = shared();
    for deep in ["[".repeat(60_000), "{\"a\":".repeat(12_000)] {
        server
            .post("/auth/login")
            .body(deep)
            .send()
            .refused(400, "bad_json");
    }
    let inside = format!(
        "{{\"name\":\"nobody\",\"password\":\"12345678\",\"x\":{}{}}}",
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    let answer = server.post("/auth/login").body(inside).send();
    assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
    server.get("/health").send().ok(200);
}

#[test]
fn silent_connections_hold_up_nobody() {
    let server = shared();
    let mut silent: Vec<Connection> = (0..300).map(|_| Connection::open(server.address)).collect();
    let part = b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
    for (at, connection) in silent.iter_mut().enumerate() {
        connection.send(&part[..at % part.len()]);
    }
    server.get("/health").send().ok(200);
    let ann = register(&server, "ann");
    Socket::connect(&server, &ann).barrier();
}

/// The same numbers each time (xorshift, Marsaglia 2003), so that what fails once fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Some bytes changed, left out, doubled or cut off.
    fn mangle(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, b"\0\r\n \t:/%?{}[]\",\x7f\xff"[self.below(17)]),
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        bytes
    }
}

/// A client that breaks its requests in every way is answered or closed; whoever behaves notices nothing.
#[test]
fn mangled_requests_harm_nobody() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let message = json!({"room": room, "content": "mangled \u{1F98A}", "id": "m"});
    let templates = [
        server.get("/health").bytes(),
        server
            .post("/auth/login")
            .json(json!({"name": "ann", "password": PASSWORD}))
            .bytes(),
        ann.post(&server, "/chat/chatroom").json(message).bytes(),
        ann.get(
            &server,
            &format!("/chat/history/{room}?before=9&after=1&limit=5"),
        )
        .bytes(),
        ann.get(&server, "/chat/search?q=m%C3%A4ngled+x&limit=3")
            .bytes(),
        raw::upgrade_request(
            &server.address.to_string(),
            &[("Authorization", &ann.token)],
        )
        .into_bytes(),
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for round in 0..600 {
        let bytes = dice.mangle(&templates[round % templates.len()]);
        let mut connection = sent(&server, bytes);
        connection.finish();
        connection.bytes(usize::MAX);
    }
    assert_eq!(ann.say(&server, &room, "unharmed")["content"], "unharmed");
}

#[test]
fn mangled_frames_harm_nobody() {
    let server = Server::start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let frames = [
        json!({"action": "Message", "data": {"room": room, "content": "x\u{e9}"}, "id": "i"}),
        json!({"action": "Read", "data": {"room": room, "seq": 1}, "id": "i"}),
        json!({"action": "History", "data": {"room": room, "before": 3, "limit": 2}, "id": "i"}),
        json!({"action": "Add", "data": [room, "nobody"], "id": "i"}),
        json!({"action": "Create", "data": {"name": "x", "kind": "private", "users": []}, "id": "i"}),
        json!({"action": "Hello", "data": {"token": ann.token, "since": {"general": 0}}, "id": "i"}),
    ];
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    // The text is mangled inside whole frames, then the frames themselves.
    for round in 0..40 {
        let mut socket = RawSocket::signed_in(&server, &ann);
        for at in 0..10 {
            let text = dice.mangle(frames[(round + at) % frames.len()].to_string().as_bytes());
            socket.frame(true, raw::BINARY, &text);
        }
        let text = frames[round % frames.len()].to_string();
        let bytes = dice.mangle(&raw::frame_bytes(0x81, None, text.as_bytes()));
        socket.connection.send(&bytes);
        socket.connection.finish();
        socket.connection.bytes(usize::MAX);
    }
    Socket::connect(&server, &ann).barrier();
    assert_eq!(ann.say(&server, &room, "unharmed")["content"], "unharmed");
}
