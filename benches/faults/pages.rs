//! The longest pages over HTTP, which nobody reads; and somebody who reads theirs.

use crate::common::http::stream_from;
use crate::common::{Connection, Person, Server};
use crate::report::Report;
use crate::scene::{self, ROOM, Scene, THREAD_BYTES, mib};
use melangerie::limits;
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 30;
const EACH: usize = limits::READINGS_OF_USER;
/// Control characters, which take six bytes each in JSON: with these a message is as long as a body may be.
const CONTENT: usize = 10_800;
/// An ordinary page.
const ORDINARY: usize = limits::PAGE_MESSAGES_DEFAULT as usize;
/// So many messages there are before the ordinary ones: the long ones, and that the room was made.
const BEFORE: usize = limits::PAGE_MESSAGES_MAX as usize + 1;

/// Asks for the longest page on a connection whose socket keeps next to nothing, and reads none of it.
fn ask(server: &Server, person: &Person) -> Connection {
    let stream = stream_from(server.address, [127, 0, 0, 1].into(), Some(4 * 1024));
    let mut connection = Connection::over(stream);
    connection.send(&person.get(server, &longest()).bytes());
    connection
}

fn longest() -> String {
    let limit = limits::PAGE_MESSAGES_MAX;
    format!("/chat/history/{ROOM}?before={}&limit={limit}", BEFORE + 1)
}

/// How long it took this person to get a page with so many messages.
fn read(server: &Server, person: &Person, path: &str, messages: usize) -> Duration {
    let begin = Instant::now();
    let page = person.get(server, path).send().ok(200);
    let took = begin.elapsed();
    let read = page["messages"].as_array().expect("messages").len();
    assert_eq!(read, messages, "all of the page");
    took
}

/// Many accounts ask for the longest page as often as they may, and read none. Another reads ordinary pages, and the
/// longest.
pub fn pages() -> Report {
    const READ: usize = 100;
    let mut missed = vec!["\u{1}".repeat(CONTENT); limits::PAGE_MESSAGES_MAX as usize];
    missed.extend(vec!["x".repeat(200); ORDINARY]);
    let mut scene = Scene::set(scene::early(), 3 + ACCOUNTS, 3 + ACCOUNTS, &missed);
    let mut crowd = Vec::new();
    for number in 0..ACCOUNTS * EACH {
        let person = scene::person(3 + number % ACCOUNTS);
        crowd.push(ask(&scene.server, &person));
    }
    let (mut ordinary, mut long) = (Vec::new(), Vec::new());
    for number in 0..READ {
        let after = format!("/chat/history/{ROOM}?after={BEFORE}");
        ordinary.push(read(&scene.server, &scene::person(2), &after, ORDINARY));
        if number % 10 == 0 {
            let all = limits::PAGE_MESSAGES_MAX as usize;
            long.push(read(&scene.server, &scene::person(2), &longest(), all));
        }
        scene.look();
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(crowd);
    report(scene, ordinary, long)
}

fn report(scene: Scene, mut ordinary: Vec<Duration>, mut long: Vec<Duration>) -> Report {
    let mut measured = scene.end();
    let of = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
        format!("{:.1} ms, at most {:.0}", ms(median), ms(slowest))
    };
    measured.notes = format!(
        "another account's ordinary page takes {}; its longest {}",
        of(&mut ordinary),
        of(&mut long)
    );
    let page = limits::PAGE_MESSAGES_MAX as usize * limits::PAGE_MESSAGE_BYTES;
    // While one is made: the segment, the part of it, the page, and the page as JSON. And one of what was given up and is
    // just being dropped.
    let making = limits::READING_BYTES / page * 4 * page + page;
    Report {
        scenario: format!(
            "{ACCOUNTS} accounts that ask for the longest page {EACH} times over HTTP and read nothing"
        ),
        holds: "others read on; what waits is bounded for all together, and who holds most loses the oldest",
        bound: format!(
            "{} MiB unsent + (2 × 4 + 1) × a page + {} × {} KiB",
            limits::UNSENT_BYTES / 1024 / 1024,
            ACCOUNTS * EACH,
            THREAD_BYTES / 1024
        ),
        bound_mib: mib(limits::UNSENT_BYTES + making + ACCOUNTS * EACH * THREAD_BYTES)
            // The segment with the long messages, as it was and as it will be.
            + mib(2 * page)
            + scene::house(0),
        measured,
    }
}
