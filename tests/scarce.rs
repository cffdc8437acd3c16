//! What the system gives too little of: descriptors, and threads. The server serves whom it can, tells the others, and
//! is whole again when there is more. Linux alone tells its limits, and lets them be changed while the server runs.
#![cfg(target_os = "linux")]

mod common;

use common::http::stream_from;
use common::*;

/// 48 of 64 descriptors are for files, the listener and the standard streams.
const PLACES: usize = 16;

fn talk(from: &mut Socket, to: &mut Socket, room: &str, content: &str) {
    from.say(room, content);
    let heard = to.until(|frame| frame["action"] == "Message" && frame["data"]["room"] == room);
    assert_eq!(heard["data"]["content"], content);
    from.forget();
}

/// Fills what is left of the places.
fn fill(server: &Server, taken: usize) -> Vec<Connection> {
    let mut held = Vec::new();
    // Those of the first requests give their places back in a moment.
    until("all places taken", || {
        let mut connection = Connection::open(server.address);
        if server.serves(&mut connection) {
            held.push(connection);
        }
        (held.len() == PLACES - taken).then_some(())
    });
    held
}

#[test]
fn with_64_descriptors_sixteen_are_served_and_the_disk_is_written() {
    let server = Launch::new()
        .open_files(64)
        .with("--journal-bytes", "4096")
        .with("--log-bytes", "4096")
        .start();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[&ben]);
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let mut held = fill(&server, 2);
    // A crowd before the door, which stays there: whoever connects is told or closed, and holds nothing.
    let crowd: Vec<Connection> = (0..300).map(|_| Connection::open(server.address)).collect();
    for _ in 0..20 {
        server.turns_away(Connection::open(server.address));
    }
    let content = "x".repeat(500);
    for number in 0..200 {
        talk(&mut anns, &mut bens, &room, &format!("{number} {content}"));
    }
    // Journals were closed and folded into segments meanwhile, and all of them are read at once, each on a descriptor.
    let path = format!("/chat/history/{room}?limit=200");
    let search = format!("/chat/search?q=199+x&room={room}");
    for (at, connection) in held.iter_mut().enumerate() {
        let path = if at % 2 == 0 { &path } else { &search };
        connection.send(&ann.get(&server, path).bytes());
    }
    for (at, connection) in held.iter_mut().enumerate() {
        let page = connection.response("GET").ok(200);
        let expected = if at % 2 == 0 { 200 } else { 1 };
        assert_eq!(seqs(&page["messages"]).len(), expected);
    }
    let log = until("the log of it", || {
        let log = server.log_with_older();
        log.contains(" connection_refused ").then_some(log)
    });
    assert!(log.contains("most=16"), "{log}");
    assert!(log.contains("ulimit -n"), "{log}");
    assert!(!log.contains("storage_failed"), "{log}");
    drop((crowd, held));
    let rest = fill(&server, 2);
    talk(&mut anns, &mut bens, &room, "and on");
    drop((rest, anns, bens));
    until("the base line", || (server.usage().0 < 16).then_some(()));
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn with_fewer_descriptors_than_are_spare_one_is_served() {
    let server = Launch::new().open_files(24).start();
    let ann = register(&server, "ann");
    let mut only = until("the place", || {
        let mut connection = Connection::open(server.address);
        server.serves(&mut connection).then_some(connection)
    });
    for number in 1..20 {
        let body = json!({"room": "general", "content": format!("message {number}")});
        let post = ann.post(&server, "/chat/chatroom").json(body);
        only.send(&post.bytes());
        only.response("POST").ok(200);
        server.turns_away(Connection::open(server.address));
    }
    only.send(&ann.get(&server, "/chat/history/general").bytes());
    let page = only.response("GET").ok(200);
    assert_eq!(seqs(&page["messages"]).len(), 20);
    assert_eq!(server.stop().code(), Some(0));
}

/// From one moment on the system gives no thread.
#[test]
fn whoever_gets_no_thread_is_told_and_the_others_notice_nothing() {
    let server = Launch::new()
        .unprivileged()
        .with("--journal-bytes", "4096")
        .start();
    let (ann, ben, slow) = (
        register(&server, "ann"),
        register(&server, "ben"),
        register(&server, "slow"),
    );
    let room = room_of(&server, &ann, &[&ben, &slow]);
    let mut anns = Socket::connect(&server, &ann);
    let mut bens = Socket::connect(&server, &ben);
    let stream = stream_from(server.address, [127, 0, 0, 1].into(), Some(4 * 1024));
    let mut slows = RawSocket::over(Connection::over(stream), &server, &slow);
    let mut kept = Connection::open(server.address);
    assert!(server.serves(&mut kept));
    server.limit("nproc", Some(1));
    // A few threads wait for whoever comes next.
    let lucky = server.fill();
    for _ in 0..30 {
        server.turns_away(Connection::open(server.address));
    }
    // More than the sockets hold, so that the slow one would have a writer, and less than a backlog.
    let content = "x".repeat(16_000);
    for number in 0..200 {
        talk(&mut anns, &mut bens, &room, &format!("{number} {content}"));
    }
    let begin = ann.get(&server, &format!("/chat/search?q=199+x&room={room}"));
    kept.send(&begin.bytes());
    assert_eq!(kept.response("GET").ok(200)["messages"][0]["seq"], 201);
    // What waits without a writer goes with what comes.
    let mut last = 1;
    while last < 201 {
        anns.say(&room, "tick");
        anns.forget();
        let frame = slows.json();
        if frame["action"] == "Message" && frame["data"]["room"] == room.as_str() {
            last += 1;
            assert_eq!(frame["data"]["seq"], last, "in order, without a hole");
        }
    }
    until("the log of it", || {
        server.log().contains("why=no_thread").then_some(())
    });
    server.limit("nproc", None);
    drop(lucky);
    until("a thread", || {
        server
            .serves(&mut Connection::open(server.address))
            .then_some(())
    });
    let mut again = Socket::connect(&server, &slow);
    anns.say(&room, "and on");
    again.until(|frame| frame["data"]["content"] == "and on");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_start_without_threads_says_so() {
    let launch = Launch::new()
        .unprivileged()
        .after("prlimit --pid $$ --nproc=1:1");
    let (code, said) = launch.refusal();
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
