//! Somebody signed in who sends far more than people do: what it may cost, and whom.

mod common;

use common::*;

#[test]
fn reports_over_a_socket_count_like_reports_over_http() {
    let server = Launch::limited().start();
    let ann = register(&server, "ann");
    let mut socket = Socket::connect(&server, &ann);
    for number in 0..29 {
        socket.ack("Report", json!(format!("report {number}")));
    }
    socket.refused("Report", json!(" "), "bad_content");
    let body = json!({"name": "ann", "issue": "by another way"});
    server.post("/report").json(body.clone()).send().ok(200);
    let refusal = socket.refused("Report", json!("one more"), "rate_limited");
    assert!(refusal["retry_after_ms"].as_u64().is_some(), "{refusal}");
    assert_eq!(server.post("/report").json(body).send().status, 429);
}

#[test]
fn a_page_of_history_over_a_socket_never_costs_the_socket() {
    let server = Launch::new().with("--backlog-bytes", "1048576").start();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    // Each as long in JSON as a frame may be, so that a full page is twelve times the backlog.
    let content = "\u{1}".repeat(10_000);
    let mut socket = Socket::connect(&server, &ann);
    let last = (0..200)
        .map(|_| socket.say(&room, &content)["seq"].as_u64().unwrap())
        .last()
        .unwrap();
    let page = |socket: &mut Socket, data: Value| {
        let (action, history) = socket.request("History", data);
        assert_eq!(action, "History");
        (seqs(&history["messages"]), history["more"] == true)
    };
    let mut back = Vec::new();
    let (mut before, mut more) = (last + 1, true);
    while more {
        let data = json!({"room": room, "before": before, "limit": 200});
        let (mut part, rest) = page(&mut socket, data);
        before = part[0];
        part.append(&mut back);
        (back, more) = (part, rest);
    }
    let mut forth = Vec::new();
    let mut more = true;
    while more {
        let after = forth.last().copied().unwrap_or(0);
        let data = json!({"room": room, "after": after, "limit": 200});
        let (part, rest) = page(&mut socket, data);
        forth.extend(part);
        more = rest;
    }
    let all: Vec<u64> = (1..=last).collect();
    assert_eq!((back, forth), (all.clone(), all));
}
