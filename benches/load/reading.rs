//! What is timed on an archive: starting, pages of history, searches.

use super::archive::{RARE, ROOMS, rare_word, room_name};
use super::client::{Client, Plan};
use super::office;
use super::tally::percentile;
use crate::common::{Connection, Launch, Server, encode};
use std::time::{Duration, Instant};

/// Messages in a page.
const PAGE: u64 = 50;

/// Starts it, and tells in milliseconds how long it took until it said that it listens.
pub fn timed_start(launch: &Launch) -> (Server, f64) {
    let begin = Instant::now();
    let server = launch.start();
    (server, begin.elapsed().as_secs_f64() * 1e3)
}

/// Pseudo-random places, the same in every run.
struct Places(u64);

impl Places {
    fn new() -> Places {
        Places(0x2545_f491_4f6c_dd1d)
    }

    /// A room, and a number in it below which a whole page lies.
    fn next(&mut self, messages: usize) -> (usize, u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let in_room = (messages / ROOMS) as u64;
        let room = (self.0 >> 40) as usize % ROOMS;
        (room, PAGE + 1 + (self.0 >> 8) % (in_room - PAGE))
    }
}

/// A request that keeps the connection, and how long it took, in milliseconds.
fn timed_get(connection: &mut Connection, target: &str, token: &str) -> (f64, usize) {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n");
    let begin = Instant::now();
    connection.send(request.as_bytes());
    let response = connection.response("GET");
    let time = begin.elapsed().as_secs_f64() * 1e3;
    assert_eq!(response.status, 200, "{}", response.text());
    (time, response.body.len())
}

/// p99 and p50 of pages from anywhere, over HTTP, in milliseconds.
pub fn pages(server: &Server, messages: usize, count: usize) -> (f64, f64) {
    let mut connection = Connection::open(server.address);
    let (token, mut places) = (office::token(0), Places::new());
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let (room, before) = places.next(messages);
            let room = encode(&room_name(room));
            let target = format!("/chat/history/{room}?before={before}&limit={PAGE}");
            let (time, bytes) = timed_get(&mut connection, &target, &token);
            assert!(bytes > PAGE as usize * 200, "a whole page");
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
}

/// The same as frames, on one WebSocket.
pub fn pages_by_frame(server: &Server, messages: usize, count: usize) -> (f64, f64) {
    let mut client = Client::new();
    let plan = Plan::new(office::token(0), Vec::new());
    client.connect(server.address, std::iter::once(plan), 1);
    // What this person never read comes first.
    client.settle(Duration::from_millis(300));
    let mut places = Places::new();
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let (room, before) = places.next(messages);
            let room = room_name(room);
            let frame = format!(
                r#"{{"action":"History","data":{{"room":"{room}","before":{before},"limit":{PAGE}}},"id":"h"}}"#
            );
            let heard = client.tally.pages;
            let begin = Instant::now();
            client.send(0, frame.as_bytes());
            while client.tally.pages == heard {
                client.turn(Some(Duration::from_secs(1)));
            }
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
}

/// p99 and p50 of searches for a rare word, in milliseconds.
pub fn searches(server: &Server, count: usize) -> (f64, f64) {
    let mut connection = Connection::open(server.address);
    let token = office::token(0);
    let mut times: Vec<f64> = (0..count)
        .map(|number| {
            let target = format!("/chat/search?q={}", rare_word(number % RARE));
            let (time, bytes) = timed_get(&mut connection, &target, &token);
            assert!(bytes > 3 * 200 && bytes < 4 * 400, "the three that have it");
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (percentile(&times, 0.99), percentile(&times, 0.5))
}
