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
