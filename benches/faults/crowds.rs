//! Crowds: as many connections as there may be, more than that, and all of them at once.

use crate::common::{Connection, RawSocket, Server, until};
use crate::load::stage::{QUIET, launch};
use crate::load::{Client, Plan, Usage, office};
use crate::receivers::{Reluctant, behind};
use crate::report::{Measured, Report};
use crate::scene::{self, IDLE_BYTES, Scene, mib};
use melangerie::limits;
use melangerie::protocol::{ListedRoom, RoomKind};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// As many as the system keeps in a listening socket's queue.
const AT_ONCE: usize = 4_000;
/// In a message that is as long as one may be, its envelope left out.
const LONG: usize = 60_000;

/// So many connections of these people, each of whom has as many as it takes.
fn connect(
    scene: &Scene,
    count: usize,
    people: Range<usize>,
    at_once: usize,
) -> (Client, Duration) {
    let mut client = Client::new();
    // Which messages they hear is not looked at: the pair's come and go meanwhile.
    let person = |number| people.start + number % people.len();
    let plans = (0..count).map(|number| Plan::new(office::token(person(number)), Vec::new()));
    let time = client.connect(scene.server.address, plans, at_once);
    (client, time)
}

/// Whoever comes now is told or closed.
fn turned_away(scene: &Scene, times: usize) {
    for _ in 0..times {
        scene
            .server
            .turns_away(Connection::open(scene.server.address));
    }
}

/// As many as there may be, each of which has sent the longest message once.
pub fn idle() -> Report {
    let people = 1_000;
    let mut scene = Scene::set(launch(), people + 3, 3, &[]);
    let count = limits::CONNECTIONS - 2;
    let (mut client, time) = connect(&scene, count, 3..people + 3, AT_ONCE);
    client.wait(QUIET);
    scene.look();
    let idle = scene.measured.worst.resident;
    let long = format!(r#"{{"action":"Ping","data":"{}"}}"#, "x".repeat(LONG));
    for index in 0..count {
        client.send(index, long.as_bytes());
        if index % 256 == 0 {
            client.turn(Some(Duration::ZERO));
        }
    }
    // Two rounds of pings.
    client.wait(limits::PING_AFTER * 2);
    scene.look();
    turned_away(&scene, 200);
    assert_eq!(client.tally.closed, 0, "who is in stays in");
    drop(client);
    let measured = scene.end();
    Report {
        scenario: format!("{} idle connections", limits::CONNECTIONS),
        holds: "all stay for a minute; 200 more are told 503; a long message on each costs nothing for good",
        bound: format!(
            "{} × {} KiB (stack 64, thread 16, buffer 2, tables 2)",
            limits::CONNECTIONS,
            IDLE_BYTES / 1024
        ),
        bound_mib: mib(limits::CONNECTIONS * IDLE_BYTES) + scene::house(500),
        measured: Measured {
            notes: format!(
                "connected in {:.1} s; {idle:.0} MiB resident before the long messages",
                time.as_secs_f64()
            ),
            ..measured
        },
    }
}

/// All at once: more than the listening socket's queue holds.
pub fn at_once() -> Report {
    const COUNT: usize = 10_000;
    let people = 5_000;
    let mut scene = Scene::set(launch(), people + 3, 3, &[]);
    let (mut client, time) = connect(&scene, COUNT, 3..people + 3, COUNT);
    scene.look();
    client.wait(QUIET);
    scene.look();
    assert_eq!(client.tally.closed, 0, "everybody is welcomed");
    drop(client);
    let measured = scene.end();
    // 5,000 names of ten letters, with quotes and a comma.
    let welcome = people * 13 + 1_024;
    Report {
        scenario: format!("{COUNT} connecting at once, of {people} people"),
        holds: "all are welcomed; whoever talks meanwhile is not held up",
        bound: format!(
            "{COUNT} × ({} KiB and a Welcome of {} KiB)",
            IDLE_BYTES / 1024,
            welcome / 1024
        ),
        bound_mib: mib(COUNT * (IDLE_BYTES + welcome)) + scene::house(500),
        measured: Measured {
            notes: format!("{:.1} s until the last was welcomed", time.as_secs_f64()),
            ..measured
        },
    }
}

/// Somebody in as many rooms of as many members as are listed by name, who hangs up whenever they are welcomed.
pub fn reconnecting() -> Report {
    const ROOMS: usize = 1_500;
    const CONNECTIONS: usize = 20;
    let people = limits::LISTED_MEMBERS;
    let mut scene = Scene::furnished(launch(), people + 2, 3, |office| {
        for room in 0..ROOMS {
            office.furnish(&format!("room {room}"), RoomKind::Private, 2..people + 2);
        }
    });
    let (over, welcomes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let reconnect = |server: &Server| {
        let bearer = format!("Bearer {}", scene::person(2).token);
        let headers = [("Authorization", bearer.as_str())];
        while !over.load(Ordering::Relaxed) {
            let connection = Connection::open(server.address);
            let host = server.address.to_string();
            let mut socket = RawSocket::upgrade(connection, &host, &headers);
            assert_eq!(socket.connection.bytes(2), [0x81, 127], "a long Welcome");
            welcomes.fetch_add(1, Ordering::Relaxed);
        }
    };
    const TIME: Duration = Duration::from_secs(20);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| reconnect(&scene.server));
        }
        std::thread::sleep(TIME);
        over.store(true, Ordering::Relaxed);
    });
    scene.dismiss_pair();
    scene.look();
    let measured = scene.end();
    // Names of ten letters, with quotes and a comma; a room's own fields.
    let shared = ROOMS * (people * 13 + 256);
    // Which rooms they are, and a piece of what is said of them.
    let welcome = ROOMS * size_of::<ListedRoom>() + limits::PIECE_BYTES;
    Report {
        scenario: format!(
            "{CONNECTIONS} connections of one person in {ROOMS} rooms of {people}, who hang up when they are welcomed and come again"
        ),
        holds: "others' acks do not wait for their rooms",
        bound: format!(
            "2 × {CONNECTIONS} × ({} KiB, {ROOMS} places, a piece) + {} KiB of rooms",
            IDLE_BYTES / 1024,
            shared / 1024
        ),
        bound_mib: mib(2 * CONNECTIONS * (IDLE_BYTES + welcome) + shared) + scene::house(500),
        measured: Measured {
            notes: format!(
                "{:.0} welcomes a second",
                welcomes.into_inner() as f64 / TIME.as_secs_f64()
            ),
            ..measured
        },
    }
}

/// More are allowed than the system has threads for, and a thousand of them have a second thread: near the system's
/// limit a new thread would end the whole process.
pub fn past_the_system() -> Report {
    let people = 1_000;
    let slow = limits::WRITER_THREADS + 100;
    let more = scene::early().with("--max-connections", "30000");
    let mut scene = Scene::set(more, 3 + slow + people, 3 + slow, &[]);
    let log = until("the log", || {
        let log = scene.server.log();
        log.contains(" started ").then_some(log)
    });
    let most = log
        .split("most=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<usize>().ok())
        .expect("the system allows fewer than 30,000");
    // The pair has two, and the one who floods the room another.
    let (mut client, _) = connect(
        &scene,
        most - slow - 3,
        3 + slow..3 + slow + people,
        AT_ONCE,
    );
    client.wait(QUIET);
    let reluctant: Vec<Reluctant> = (0..slow)
        .map(|number| Reluctant::come(&scene.server, &scene::person(3 + number)))
        .collect();
    scene.look();
    let server = &scene.server;
    let mut threads = 0;
    scene.flood(2_000, 4_000, |number| {
        client.turn(Some(Duration::ZERO));
        if number % 50 == 0 {
            threads = threads.max(Usage::of(server.pid()).threads);
        }
        threads < (most + limits::WRITER_THREADS) as u64
    });
    scene.look();
    // Whoever flooded the room has left a place, and some may have been cut off.
    let rest = scene.server.fill();
    turned_away(&scene, 50);
    assert!(
        threads >= (most + limits::WRITER_THREADS) as u64,
        "{threads} threads: the writers did not come"
    );
    drop((reluctant, client, rest));
    let measured = scene.end();
    Report {
        scenario: format!("as many as the system has threads for ({most}), 1,024 of them behind"),
        holds: "the process does not abort; whoever is beyond is told 503",
        bound: format!(
            "{most} × {} KiB + 1,024 × {} KiB",
            IDLE_BYTES / 1024,
            behind(4_000) / 1024
        ),
        bound_mib: mib(most * IDLE_BYTES + limits::WRITER_THREADS * behind(4_000))
            + scene::house(4_000),
        measured,
    }
}
