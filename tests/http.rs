//! HTTP/1.1 as the contract and RFC 9112 have it, from well-meaning clients and from attackers.

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

fn padded_login(server: &Server, length: usize) -> String {
    let start = "{\"name\":\"nobody\",\"password\":\"12345678\",\"x\":\"";
    let body = format!("{start}{}\"}}", "x".repeat(length - start.len() - 2));
    assert_eq!(body.len(), length);
    format!(
        "POST /auth/login HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n{body}",
        server.address
    )
}

#[test]
fn health() {
    let server = shared();
    let answer = server.get("/health").send();
    let health = answer.ok(200);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answer.version, "HTTP/1.1");
    server.get("/health?x=1&y").send().ok(200);
}

#[test]
fn connections_are_kept() {
    let server = shared();
    let mut connection = Connection::open(server.address);
    for _ in 0..5 {
        connection.send(&server.get("/health").bytes());
        assert_eq!(connection.response("GET").status, 200);
        connection.send(&server.get("/chat/list").bytes());
        assert_eq!(
            connection.response("GET").status,
            401,
            "an error is no reason to close"
        );
        connection.send(&server.post("/auth/login").body("{").bytes());
        assert_eq!(connection.response("POST").status, 400);
    }
    connection.send(&server.get("/health").header("Connection", "close").bytes());
    let last = connection.response("GET");
    assert_eq!(
        last.header("connection")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("close")
    );
    connection.expect_end();
}

#[test]
fn http_1_0_closes() {
    let server = shared();
    let mut connection = sent(&server, "GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(connection.response("GET").ok(200)["status"], "ok");
    connection.expect_end();
}

#[test]
fn requests_may_be_pipelined() {
    let server = shared();
    let mut bytes = Vec::new();
    for number in 0..20 {
        let path = format!("/auth/checkuser/pipelined{number}");
        match number % 4 {
            0 => bytes.extend(server.get("/health").bytes()),
            1 => bytes.extend(server.get(&path).bytes()),
            2 => bytes.extend(server.post("/auth/login").body("{}").bytes()),
            _ => bytes.extend(server.request("HEAD", "/health").bytes()),
        }
    }
    let mut connection = sent(&server, bytes);
    for number in 0..20 {
        let (method, status) =
            [("GET", 200), ("GET", 200), ("POST", 400), ("HEAD", 200)][number % 4];
        let response = connection.response(method);
        assert_eq!(response.status, status, "answer {number}");
        if number % 4 == 1 {
            assert_eq!(response.json(), json!({"exists": false}));
        }
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let server = shared();
    let mut connection = Connection::open(server.address);
    let request = server
        .post("/auth/login")
        .json(json!({"name": "nobody", "password": "12345678"}));
    for byte in request.bytes() {
        connection.send(&[byte]);
    }
    connection.response("POST").refused(401, "unauthorized");
}

#[test]
fn a_client_may_finish_sending_before_it_reads() {
    let server = shared();
    let mut connection = sent(&server, server.get("/health").bytes());
    connection.finish();
    connection.response("GET").ok(200);
    connection.expect_end();
}

#[test]
fn head_answers_as_get_without_the_body() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut connection = Connection::open(server.address);
    let paths = [
        "/health",
        "/",
        "/auth/me",
        "/auth/checkuser/x",
        "/chat/list",
        "/chat/rooms",
        "/chat/users",
        "/chat/online",
        "/chat/members/general",
        "/chat/history/general",
        "/chat/search?q=zzzz",
        "/auth/unknown",
        "/no.such.file",
        "/chat/history/no-such-room-at-all",
    ];
    for path in paths {
        connection.send(&ann.get(&server, path).bytes());
        let get = connection.response("GET");
        connection.send(&server.request("HEAD", path).token(&ann.token).bytes());
        let head = connection.response("HEAD");
        assert_eq!(head.status, get.status, "{path}");
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[test]
fn unknown_paths_and_methods() {
    let server = shared();
    let ann = register(&server, "ann");
    let unknown = [
        "/auth",
        "/auth/",
        "/auth/nothing",
        "/auth/me/more",
        "/auth/checkuser",
        "/chat",
        "/chat/",
        "/chat/nothing",
        "/chat/list/more",
        "/chat/history",
        "/chat/history/a/b",
        "/chat/members",
        "/chat/nothing.js",
    ];
    for path in unknown {
        for method in ["GET", "POST", "PUT"] {
            let answer = server
                .request(method, path)
                .token(&ann.token)
                .body("")
                .send();
            answer.refused(404, "not_found");
        }
    }
    let known = [
        ("POST", "/auth/me", "GET"),
        ("PUT", "/auth/login", "POST"),
        ("GET", "/auth/login", "POST"),
        ("GET", "/auth/createuser", "POST"),
        ("DELETE", "/auth/checkuser/x", "GET"),
        ("GET", "/auth/renew", "POST"),
        ("GET", "/auth/password", "POST"),
        ("GET", "/auth/logout", "POST"),
        ("POST", "/chat/list", "GET"),
        ("POST", "/chat/rooms", "GET"),
        ("POST", "/chat/users", "GET"),
        ("POST", "/chat/online", "GET"),
        ("POST", "/chat/members/general", "GET"),
        ("GET", "/chat/create/x", "POST"),
        ("GET", "/chat/direct/x", "POST"),
        ("GET", "/chat/adduser/general/x", "POST"),
        ("GET", "/chat/join/general", "POST"),
        ("GET", "/chat/leave/general", "POST"),
        ("GET", "/chat/chatroom", "POST"),
        ("POST", "/chat/history/general", "GET"),
        ("POST", "/chat/search?q=x", "GET"),
        ("GET", "/report", "POST"),
        ("POST", "/health", "GET"),
        ("POST", "/chat/connect", "GET"),
        ("BREW", "/health", "GET"),
        ("POST", "/", "GET"),
    ];
    for (method, path, allowed) in known {
        let answer = server
            .request(method, path)
            .token(&ann.token)
            .body("")
            .send();
        answer.refused(405, "method_not_allowed");
        let allow = answer
            .header("allow")
            .unwrap_or_else(|| panic!("{path} says what is allowed"));
        let allow: Vec<&str> = allow.split(',').map(str::trim).collect();
        assert!(allow.contains(&allowed), "{method} {path}: {allow:?}");
        assert!(!allow.contains(&method), "{method} {path}: {allow:?}");
        if allowed == "GET" && path != "/chat/connect" {
            assert!(allow.contains(&"HEAD"), "{method} {path}: {allow:?}");
        }
    }
}

#[test]
fn percent_encoding_of_paths() {
    let server = shared();
    let ann = register(&server, "ann");
    let spelled: String = ann
        .name
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let exists = server
        .get(&format!("/auth/checkuser/{spelled}"))
        .send()
        .ok(200);
    assert_eq!(exists, json!({"exists": true}));
    server.get("/%61uth/me").token(&ann.token).send().ok(200);
    for wrong in ["%", "%4", "%zz", "%ff", "%c3%28", "%00", "a%0d%0ab"] {
        for path in ["/auth/checkuser", "/chat/members", "/chat/history"] {
            let answer = ann.get(&server, &format!("{path}/{wrong}")).send();
            assert!(
                matches!(answer.status, 200 | 400 | 404),
                "{path}/{wrong}: {answer:?}"
            );
            if answer.status != 200 {
                let code = answer.json()["code"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                assert_error(&answer.json(), &code);
            }
        }
    }
}

#[test]
fn bodies_need_a_length() {
    let server = shared();
    let head = |more: &str| format!("POST /auth/login HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let mut none = sent(&server, head(""));
    none.response("POST").refused(411, "length_required");
    refused_for_good(
        &server,
        head("Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
        &[411],
    );
    refused_for_good(
        &server,
        head("Transfer-Encoding: gzip, chunked\r\n"),
        &[411, 400, 501],
    );
}

#[test]
fn posts_without_a_body_need_no_length() {
    let server = shared();
    let ann = register(&server, "ann");
    let mut connection = Connection::open(server.address);
    connection.send(&ann.post(&server, "/chat/join/general").bytes());
    connection.response("POST").ok(200);
    connection.send(&ann.post(&server, "/auth/renew").bytes());
    connection.response("POST").ok(200);
    // A body that nobody needs is read over, not taken for a request.
    connection.send(
        &ann.post(&server, "/auth/renew")
            .body("GET /health HTTP/1.1\r\n\r\n")
            .bytes(),
    );
    connection.response("POST").ok(200);
    connection.send(&server.get("/auth/checkuser/nobody-at-all").bytes());
    assert_eq!(connection.response("GET").json(), json!({"exists": false}));
}

#[test]
fn bodies_have_at_most_64_kib() {
    let server = shared();
    let mut connection = sent(&server, padded_login(&server, 64 * 1024));
    connection.response("POST").refused(401, "unauthorized");
    let mut connection = sent(&server, padded_login(&server, 64 * 1024 + 1));
    connection.response("POST").refused(413, "too_large");
    // Refused by the head alone, before a byte of the body.
    for length in ["65537", "9999999999", "18446744073709551615"] {
        let head =
            format!("POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        refused_for_good(&server, head, &[413]);
    }
}

#[test]
fn heads_have_at_most_16_kib_and_64_headers() {
    let server = shared();
    let get =
        |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let many = |count: usize| {
        (0..count)
            .map(|at| format!("X-{at}: y\r\n"))
            .collect::<String>()
    };
    sent(&server, get("/health", &many(63)))
        .response("GET")
        .ok(200);
    let mut over = sent(&server, get("/health", &many(64)));
    assert_eq!(over.response("GET").status, 431);
    over.expect_end();
    let fill = |length: usize| {
        let bare = get("/health", "X: \r\n").len();
        get("/health", &format!("X: {}\r\n", "y".repeat(length - bare)))
    };
    assert_eq!(fill(16 * 1024).len(), 16 * 1024);
    sent(&server, fill(16 * 1024)).response("GET").ok(200);
    refused_for_good(&server, fill(16 * 1024 + 1), &[431]);
    refused_for_good(&server, fill(200_000), &[431]);
    refused_for_good(
        &server,
        get(&format!("/{}", "a".repeat(20_000)), ""),
        &[414],
    );
    refused_for_good(&server, format!("GET /{}", "a".repeat(100_000)), &[414]);
    refused_for_good(&server, get("/health", &many(5_000)), &[431]);
    refused_for_good(
        &server,
        format!("GET /health HTTP/1.1\r\nX: {}", "y".repeat(20_000)),
        &[431],
    );
    let long_query = get(&format!("/health?{}", "q".repeat(7_000)), "");
    sent(&server, long_query).response("GET").ok(200);
}

#[test]
fn expect_100_continue() {
    let server = shared();
    let body = "{\"name\":\"nobody\",\"password\":\"12345678\"}";
    let head = |path: &str, length: usize, version: &str| {
        format!(
            "POST {path} HTTP/{version}\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut connection = sent(&server, head("/auth/login", body.len(), "1.1"));
    assert_eq!(connection.response("POST").status, 100);
    connection.send(body.as_bytes());
    connection.response("POST").refused(401, "unauthorized");
    // Refused without asking for the body.
    let mut connection = sent(&server, head("/auth/login", 65_537, "1.1"));
    assert_eq!(connection.response("POST").status, 413);
    // One that does not wait gets its answer too.
    let mut connection = sent(&server, head("/auth/login", body.len(), "1.1") + body);
    let mut answer = connection.response("POST");
    if answer.status == 100 {
        answer = connection.response("POST");
    }
    answer.refused(401, "unauthorized");
    // HTTP/1.0 knows no 100 (RFC 9110, section 10.1.1).
    let mut connection = sent(&server, head("/auth/login", body.len(), "1.0") + body);
    assert_eq!(connection.response("POST").status, 401);
}

#[test]
fn other_forms_of_targets() {
    let server = shared();
    let absolute = format!(
        "GET http://{0}/health HTTP/1.1\r\nHost: {0}\r\n\r\n",
        server.address
    );
    sent(&server, absolute).response("GET").ok(200);
    let all = sent(&server, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").response("OPTIONS");
    assert!(matches!(all.status, 200 | 204), "{all:?}");
    let mut connect = sent(
        &server,
        "CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    let status = connect.response("GET").status;
    assert!((400..=501).contains(&status), "no proxy: {status}");
}

#[test]
fn content_types_do_not_matter() {
    let server = shared();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
    ] {
        let body = "{\"name\":\"nobody\",\"password\":\"12345678\"}";
        let answer = server
            .post("/auth/login")
            .header("Content-Type", kind)
            .body(body)
            .send();
        answer.refused(401, "unauthorized");
    }
}

#[test]
fn cors_is_off_unless_an_origin_is_allowed() {
    let server = shared();
    let foreign = server
        .get("/health")
        .header("Origin", "https://else.example")
        .send();
    assert_eq!(foreign.status, 200);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let preflight = server
        .request("OPTIONS", "/auth/login")
        .header("Origin", "https://else.example")
        .header("Access-Control-Request-Method", "POST")
        .send();
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    assert_eq!(preflight.header("access-control-allow-methods"), None);
}

#[test]
fn cors_for_allowed_origins() {
    let server = Launch::new()
        .with("--allow-origin", "https://intra.example")
        .with("--allow-origin", "http://other.example:3000")
        .start();
    for origin in ["https://intra.example", "http://other.example:3000"] {
        let answer = server.get("/health").header("Origin", origin).send();
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(
            answer
                .header("vary")
                .is_some_and(|v| v.to_ascii_lowercase().contains("origin"))
        );
        let failing = server.get("/chat/list").header("Origin", origin).send();
        assert_eq!(failing.status, 401);
        assert_eq!(
            failing.header("access-control-allow-origin"),
            Some(origin),
            "errors too"
        );
        for (method, path) in [
            ("POST", "/auth/login"),
            ("POST", "/chat/chatroom"),
            ("GET", "/chat/history/general"),
        ] {
            let preflight = server
                .request("OPTIONS", path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header(
                    "Access-Control-Request-Headers",
                    "authorization, content-type",
                )
                .send();
            assert!(matches!(preflight.status, 200 | 204), "{preflight:?}");
            assert_eq!(
                preflight.header("access-control-allow-origin"),
                Some(origin)
            );
            let lower = |name: &str| {
                preflight
                    .header(name)
                    .unwrap_or_default()
                    .to_ascii_lowercase()
            };
            assert!(
                lower("access-control-allow-methods").contains(&method.to_ascii_lowercase()),
                "{preflight:?}"
            );
            let headers = lower("access-control-allow-headers");
            for name in ["authorization", "content-type"] {
                assert!(headers.contains(name), "{preflight:?}");
            }
        }
    }
    for origin in [
        "http://intra.example",
        "https://intra.example:8443",
        "https://evil.intra.example",
        "null",
    ] {
        let answer = server.get("/health").header("Origin", origin).send();
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}

/// Simple requests need no preflight: their effect is all that a foreign page wants.
#[test]
fn a_foreign_page_cannot_make_its_visitors_register_or_report() {
    let server = Server::start();
    let own = format!("http://{}", server.address);
    let account = json!({"name": "Forged", "password": PASSWORD});
    let report = json!({"name": "Forged", "issue": "forged"});
    for origin in ["https://else.example", "null", "http://127.0.0.1", ""] {
        for (path, body) in [("/auth/createuser", &account), ("/report", &report)] {
            let request = server.post(path).json(body.clone());
            request
                .header("Origin", origin)
                .send()
                .refused(403, "bad_origin");
        }
    }
    let request = server.post("/auth/createuser").json(account);
    request.header("Origin", &own).send().ok(201);
}
