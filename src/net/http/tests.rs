//! Requests over a real socket, against a service that tells what it saw.

use super::*;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

/// Answers with method, target and body; `/upgrade` upgrades, `/close` closes.
struct Echo;

impl Service for Echo {
    type Upgrade = &'static str;

    fn answer(&self, request: &Request) -> Outcome<&'static str> {
        let head = &request.head;
        let body = String::from_utf8_lossy(&request.body);
        let seen = format!("<{} {} {body}>", head.method, head.target);
        match head.target.as_str() {
            "/upgrade" => Outcome::Upgrade(Answer::empty(101), "handed over"),
            "/close" => Outcome::Answer(Answer::json(200, seen.into_bytes()).closing()),
            _ => Outcome::Answer(Answer::json(200, seen.into_bytes())),
        }
    }

    fn refuse(&self, _: Option<&Head>, error: &Error) -> Answer {
        Answer::error(error)
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

type Handover = Option<(Vec<u8>, &'static str)>;

/// A client's socket, and the server's thread behind it.
fn connect() -> (TcpStream, JoinHandle<Handover>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    (
        client,
        thread::spawn(move || serve(&stream, peer.ip(), &Echo)),
    )
}

/// Everything that is answered to `sent`, after which the client has nothing more to say.
fn exchange(sent: &[u8]) -> String {
    let (mut client, server) = connect();
    client.write_all(sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(server.join().unwrap().is_none());
    answer
}

/// What [`Echo`] saw, in order.
fn seen(answers: &str) -> Vec<&str> {
    let parts = answers
        .split('<')
        .skip(1)
        .map(|part| part.split('>').next().unwrap());
    parts.collect()
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let answers = exchange(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
          \r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\
          GET /3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
          GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\
          GET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(
        seen(&answers),
        ["GET /1 ", "POST /2 body", "GET /3 ", "GET /4 "]
    );
    assert_eq!(
        answers.matches("Connection: keep-alive\r\n").count(),
        1,
        "{answers}"
    );
    assert_eq!(
        answers.matches("Connection: close\r\n").count(),
        1,
        "{answers}"
    );
}

#[test]
fn http_1_0_closes_unless_asked() {
    let answers = exchange(b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
    assert_eq!(seen(&answers), ["GET /1 "]);
    assert!(answers.contains("Connection: close\r\n"), "{answers}");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (mut client, server) = connect();
    client.set_nodelay(true).unwrap();
    for byte in b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" {
        client.write_all(&[*byte]).unwrap();
    }
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(seen(&answer), ["POST /slow abc"]);
    assert!(server.join().unwrap().is_none());
}

#[test]
fn head_has_the_length_and_no_body() {
    let answer = exchange(b"HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.contains("Content-Length: 10\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_waiting_client_is_told_to_continue() {
    let (mut client, server) = connect();
    let head =
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    client.write_all(head).unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"ok").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(seen(&answer), ["POST /1 ok"]);
    drop(client);
    assert!(server.join().unwrap().is_none());
}

#[test]
fn a_body_that_is_too_large_is_refused_from_its_head_and_the_answer_arrives() {
    let mut sent =
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
            .to_vec();
    sent.resize(sent.len() + 100_000, b'x');
    let answer = exchange(&sent);
    assert!(
        answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"),
        "{answer}"
    );
    assert!(answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let answer = exchange(b"HEAD /1 HTTP/1.1\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn nothing_behind_a_malformed_request_is_served() {
    let answers = exchange(
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(
        answers.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answers}"
    );
    assert_eq!(seen(&answers), [""; 0]);
}

#[test]
fn an_endless_head_is_refused_at_its_limit() {
    let mut sent = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    sent.resize(40_000, b'x');
    let answer = exchange(&sent);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut sent = b"GET /".to_vec();
    sent.resize(40_000, b'x');
    let answer = exchange(&sent);
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
}

#[test]
fn what_is_not_http_is_told_at_once() {
    let (mut client, server) = connect();
    client.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    // The client's side stays open: the answer does not wait for more.
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(client);
    assert!(server.join().unwrap().is_none());
}

#[test]
fn a_client_that_leaves_midway_is_not_answered() {
    assert_eq!(exchange(b""), "");
    assert_eq!(exchange(b"GET / HTT"), "");
    assert_eq!(
        exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
        ""
    );
}

#[test]
fn an_answer_may_close() {
    let answers =
        exchange(b"GET /close HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(seen(&answers), ["GET /close "]);
}

#[test]
fn an_upgrade_hands_over_what_came_behind_it() {
    let (mut client, server) = connect();
    client
        .write_all(b"GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n\x81\x80mask")
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (leftover, upgrade) = server.join().unwrap().unwrap();
    assert_eq!(upgrade, "handed over");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 101 "));
    // The frame may come in the packet of the head or behind it.
    assert!(b"\x81\x80mask".starts_with(&leftover));
}
