//! What the system gives too little of: descriptors and threads. `tests/scarce.rs` tries the same, in more detail.

use crate::common::{Connection, until};
use crate::load::stage::launch;
use crate::report::Report;
use crate::scene::{IDLE_BYTES, Scene, house, mib};
use melangerie::limits;
use std::time::Duration;

/// A crowd before a door with 16 places, of which the pair has two.
pub fn descriptors() -> Report {
    const LIMIT: usize = 64;
    let places = LIMIT - limits::SPARE_DESCRIPTORS;
    let mut scene = Scene::set(launch().open_files(LIMIT as u32), 3, 3, &[]);
    let crowd: Vec<Connection> = (0..500)
        .map(|_| Connection::open(scene.server.address))
        .collect();
    for _ in 0..100 {
        scene
            .server
            .turns_away(Connection::open(scene.server.address));
        scene.look();
    }
    assert!(scene.measured.worst.descriptors <= LIMIT as u64);
    drop(crowd);
    until("a free place", || {
        let mut connection = Connection::open(scene.server.address);
        scene.server.serves(&mut connection).then_some(())
    });
    Report {
        scenario: format!("`ulimit -n {LIMIT}`, and 600 who come"),
        holds: "16 are served, the others told 503 or closed; the journal is written",
        bound: format!("{places} × {} KiB", IDLE_BYTES / 1024),
        bound_mib: mib(places * IDLE_BYTES) + house(500),
        measured: scene.end(),
    }
}

/// From one moment on, and until another, no thread can be had.
pub fn threads() -> Report {
    let mut scene = Scene::set(launch().unprivileged(), 3, 3, &[]);
    let mut kept = Connection::open(scene.server.address);
    assert!(scene.server.serves(&mut kept));
    scene.server.limit("nproc", Some(1));
    // A few threads wait for whoever comes next.
    let lucky = scene.server.fill();
    for _ in 0..200 {
        scene
            .server
            .turns_away(Connection::open(scene.server.address));
        scene.look();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(scene.server.serves(&mut kept), "who has a thread is served");
    scene.server.limit("nproc", None);
    let served = lucky.len() + 4;
    drop(lucky);
    until("a thread", || {
        let mut connection = Connection::open(scene.server.address);
        scene.server.serves(&mut connection).then_some(())
    });
    drop(kept);
    Report {
        scenario: "no thread can be had while 200 come".to_owned(),
        holds: "503 for each; those who are there go on; served again as soon as there are threads",
        bound: format!("{served} × {} KiB", IDLE_BYTES / 1024),
        bound_mib: mib(served * IDLE_BYTES) + house(500),
        measured: scene.end(),
    }
}
