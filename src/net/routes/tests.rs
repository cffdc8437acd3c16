//! The table of endpoints against the protocol, line by line.

use super::*;

fn segments(path: &str) -> Vec<String> {
    Target::parse(path).unwrap().segments
}

fn found(method: &str, path: &str) -> Option<(&'static str, Vec<String>)> {
    match find(&method.parse().unwrap(), &segments(path)) {
        Found::Route(route, parameters) => Some((route.pattern, parameters)),
        Found::OtherMethods(_) | Found::Nothing => None,
    }
}

/// Every endpoint of the protocol: method, a path, the pattern that it must reach, open, with a body.
const ENDPOINTS: [(&str, &str, &str, bool, bool); 24] = [
    ("POST", "/auth/createuser", "/auth/createuser", true, true),
    ("POST", "/auth/login", "/auth/login", true, true),
    (
        "GET",
        "/auth/checkuser/a",
        "/auth/checkuser/{name}",
        true,
        false,
    ),
    ("GET", "/auth/me", "/auth/me", false, false),
    ("POST", "/auth/renew", "/auth/renew", false, false),
    ("POST", "/auth/password", "/auth/password", false, true),
    ("POST", "/auth/logout", "/auth/logout", false, false),
    ("GET", "/chat/connect", "/chat/connect", true, false),
    ("GET", "/chat/list", "/chat/list", false, false),
    ("GET", "/chat/rooms", "/chat/rooms", false, false),
    ("GET", "/chat/users", "/chat/users", false, false),
    ("GET", "/chat/online", "/chat/online", false, false),
    (
        "GET",
        "/chat/members/r",
        "/chat/members/{room}",
        false,
        false,
    ),
    (
        "POST",
        "/chat/create/r",
        "/chat/create/{name}/{users..}",
        false,
        false,
    ),
    (
        "POST",
        "/chat/direct/a/b",
        "/chat/direct/{users..}",
        false,
        false,
    ),
    (
        "POST",
        "/chat/adduser/r/a",
        "/chat/adduser/{room}/{user}",
        false,
        false,
    ),
    ("POST", "/chat/join/r", "/chat/join/{room}", false, false),
    ("POST", "/chat/leave/r", "/chat/leave/{room}", false, false),
    ("POST", "/chat/chatroom", "/chat/chatroom", false, true),
    (
        "GET",
        "/chat/history/r",
        "/chat/history/{room}",
        false,
        false,
    ),
    ("GET", "/chat/search", "/chat/search", false, false),
    ("POST", "/report", "/report", true, true),
    ("GET", "/reports", "/reports", false, false),
    ("GET", "/health", "/health", true, false),
];

#[test]
fn every_endpoint_is_in_the_table_and_no_other() {
    assert_eq!(ENDPOINTS.len(), ROUTES.len());
    for (method, path, pattern, open, body) in ENDPOINTS {
        let Found::Route(route, _) = find(&method.parse().unwrap(), &segments(path)) else {
            panic!("{method} {path} is not found");
        };
        assert_eq!(route.pattern, pattern);
        assert_eq!(route.body, body, "{pattern}");
        let is_open = !matches!(route.handler, Handler::Token(_));
        assert_eq!(is_open, open, "{pattern}");
    }
}

#[test]
fn methods_follow_from_the_table() {
    for (method, path, ..) in ENDPOINTS {
        let expected = match method {
            "GET" => "GET, HEAD, OPTIONS",
            _ => "POST, OPTIONS",
        };
        for other in ["DELETE", "BREW", "OPTIONS"] {
            let Found::OtherMethods(methods) = find(&other.parse().unwrap(), &segments(path))
            else {
                panic!("{other} {path}");
            };
            assert_eq!(methods, expected, "{path}");
        }
        assert_eq!(found("HEAD", path).is_some(), method == "GET", "{path}");
    }
}

#[test]
fn parameters_are_what_stands_in_the_path() {
    let parameters = |method, path| found(method, path).map(|(_, parameters)| parameters);
    let some = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(parameters("POST", "/chat/create/x"), some(&["x"]));
    assert_eq!(parameters("POST", "/chat/create/x/"), some(&["x"]));
    assert_eq!(
        parameters("POST", "/chat/create/x%2Fy/b/c"),
        some(&["x/y", "b", "c"])
    );
    assert_eq!(parameters("POST", "/chat/direct"), some(&[]));
    assert_eq!(
        parameters("GET", "/chat/history/front%20office/"),
        some(&["front office"])
    );
    for (method, path) in [
        ("POST", "/chat/create"),
        ("POST", "/chat/adduser/r"),
        ("POST", "/chat/adduser/r/a/b"),
        ("GET", "/chat/history"),
        ("GET", "/chat"),
        ("GET", "/"),
        ("GET", "/Chat/list"),
    ] {
        assert_eq!(parameters(method, path), None, "{method} {path}");
    }
}

#[test]
fn what_is_below_our_paths_is_never_the_clients() {
    for path in ["/auth", "/auth/x", "/chat/", "/chat/x/y", "/chat/history"] {
        assert!(is_ours(&segments(path)), "{path}");
    }
    for path in ["/", "/room/general", "/authors", "/chats/x"] {
        assert!(!is_ours(&segments(path)), "{path}");
    }
}

#[test]
fn tokens_come_with_or_without_their_scheme() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", "a.b.c"] {
        assert_eq!(bare_token(value), "a.b.c", "{value}");
    }
    assert_eq!(bare_token("Basic a.b.c"), "Basic a.b.c");
    assert_eq!(bare_token(""), "");
}

/// A token that was good is compared, not believed: it ends in its second, and no other passes for it.
#[test]
fn the_last_token_of_a_connection_ends_and_vouches_for_no_other() {
    let signer = Signer::new(b"a secret of some length");
    let (now, last) = (1_000_000, LastToken::default());
    let (eva, mira) = (signer.issue("eva", 0, now), signer.issue("mira", 7, now));
    let verify = |token: &str, at: u64| last.verify(&signer, token, at);
    for _ in 0..2 {
        assert_eq!(verify(&eva, now).unwrap().sub, "eva");
    }
    let forged = Signer::new(b"another secret").issue("eva", 0, now);
    assert_eq!(verify(&forged, now), Err(TokenError::Forged));
    assert_eq!(verify(&mira, now).unwrap().generation, 7);
    assert!(verify(&eva[..eva.len() - 1], now).is_err());
    let end = verify(&eva, now).unwrap().exp;
    assert!(verify(&eva, end - 1).is_ok());
    assert_eq!(verify(&eva, end), Err(TokenError::Expired));
}
