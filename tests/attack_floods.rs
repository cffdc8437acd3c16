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
