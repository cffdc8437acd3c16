//! Heads, good and bad, and what becomes of them.

use super::*;

/// Parses `text` as the server would: once the end of the head is there.
fn read(text: &str) -> Result<(Head, Framing), Error> {
    check_beginning(text.as_bytes())?;
    let end = head_end(text.as_bytes(), 0).expect("a complete head");
    let head = parse_head(&text.as_bytes()[..end])?;
    let framing = head.framing()?;
    Ok((head, framing))
}

#[test]
fn heads_that_are_refused() {
    let table: &[(&str, u16)] = &[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{1}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\u{7f}b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\n\n", 400),
        (
            "SSH-2.0-OpenSSH_9.2_is_rather_long_for_a_method\r\n\r\n",
            400,
        ),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\n", 505),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            411,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\n",
            411,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n",
            413,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            413,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n",
            417,
        ),
    ];
    for (text, status) in table {
        match read(text) {
            Err(error) => assert_eq!(error.code.status(), *status, "{text:?}: {error}"),
            Ok(_) => panic!("{text:?} was taken"),
        }
    }
}

#[test]
fn heads_that_are_taken() {
    let plain = Framing {
        length: None,
        expects_continue: false,
        keep_alive: true,
    };
    let with_length = |bytes| Framing {
        length: Some(bytes),
        ..plain
    };
    let closing = Framing {
        keep_alive: false,
        ..plain
    };
    let table: &[(&str, &str, Framing)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", plain),
        ("GET / HTTP/1.1\nHost: a\n\n", "/", plain),
        ("GET /a?b=c HTTP/1.1\r\nhOST:a:80\r\n\r\n", "/a?b=c", plain),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "/", plain),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", plain),
        (
            "GET http://b:1/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
            "/c?d",
            plain,
        ),
        ("GET HTTPS://b?d HTTP/1.1\r\nHost: a\r\n\r\n", "/?d", plain),
        ("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "/", plain),
        ("GET / HTTP/1.0\r\n\r\n", "/", closing),
        (
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            "/",
            plain,
        ),
        ("GET / HTTP/1.0\r\nExpect: anything\r\n\r\n", "/", closing),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
            "/",
            closing,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
            "/",
            with_length(0),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n",
            "/",
            with_length(65_536),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005 \r\n\r\n",
            "/",
            with_length(5),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n",
            "/",
            Framing {
                expects_continue: true,
                ..with_length(5)
            },
        ),
    ];
    for (text, target, framing) in table {
        let (head, found) = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(
            (head.target.as_str(), &found),
            (*target, framing),
            "{text:?}"
        );
    }
}

#[test]
fn an_absolute_target_goes_before_host() {
    let (head, _) = read("GET http://b:1/ HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(head.host(), Some("b:1"));
    let (head, _) = read("GET / HTTP/1.1\r\nHost: a:2\r\n\r\n").unwrap();
    assert_eq!(head.host(), Some("a:2"));
}

#[test]
fn bytes_beyond_ascii_in_a_value_cost_nothing() {
    let (head, _) = read("GET / HTTP/1.1\r\nHost: a\r\nCookie: café\r\n\r\n").unwrap();
    assert_eq!(head.value("Cookie"), Some("caf??"));
}

#[test]
fn the_number_of_headers_is_bounded() {
    let many = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
    };
    assert!(read(&many(REQUEST_HEADERS)).is_ok());
    assert_eq!(
        read(&many(REQUEST_HEADERS + 1)).unwrap_err().code.status(),
        431
    );
}

#[test]
fn the_size_of_a_head_is_bounded_to_the_byte() {
    let head = |bytes: usize, long: &str| {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        long.replace("{}", &"a".repeat(bytes - frame))
    };
    let header = "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n";
    assert!(read(&head(REQUEST_HEAD_BYTES, header)).is_ok());
    let error = read(&head(REQUEST_HEAD_BYTES + 1, header)).unwrap_err();
    assert_eq!(error.code.status(), 431);
    let target = "GET /{} HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    let error = read(&head(REQUEST_HEAD_BYTES * 2, target)).unwrap_err();
    assert_eq!(error.code.status(), 414);
}

#[test]
fn the_end_is_found_wherever_the_bytes_were_cut() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    for cut in 0..=text.len() {
        let found = head_end(&text[..cut], 0).or_else(|| head_end(text, cut));
        assert_eq!(found, Some(27), "cut at {cut}");
    }
}
