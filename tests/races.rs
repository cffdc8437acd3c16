//! What many do at the same moment: whoever wins, everybody sees the same.

mod common;

use common::*;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

/// Does the same `count` times at once; answers what each got.
fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let (start, act) = (&start, &act);
        let acts: Vec<_> = (0..count)
            .map(|at| {
                scope.spawn(move || {
                    start.wait();
                    act(at)
                })
            })
            .collect();
        acts.into_iter().map(|act| act.join().unwrap()).collect()
    })
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|s| **s == status).count()
}

#[test]
fn one_room_one_member_one_announcement() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let name = fresh("raced");
    let made = at_once(8, |at| {
        let person = if at % 2 == 0 { &ann } else { &ben };
        person
            .post(&server, &format!("/chat/create/{name}"))
            .send()
            .status
    });
    assert_eq!((count(&made, 201), count(&made, 409)), (1, 7), "{made:?}");

    let room = room_of(&server, &ann, &[]);
    let joined = at_once(8, |_| {
        ben.post(&server, &format!("/chat/join/{room}"))
            .send()
            .status
    });
    assert_eq!(count(&joined, 200), 8, "{joined:?}");
    assert_eq!(
        ann.room(&server, &room).unwrap()["last_seq"],
        2,
        "one announcement"
    );

    let room = room_of(&server, &ann, &[]);
    let added = at_once(8, |_| {
        ann.post(&server, &format!("/chat/adduser/{room}/{}", ben.name))
            .send()
            .status
    });
    assert_eq!(
        (count(&added, 200), count(&added, 409)),
        (1, 7),
        "{added:?}"
    );
    assert_eq!(ann.room(&server, &room).unwrap()["member_count"], 2);

    let left = at_once(8, |_| {
        ben.post(&server, &format!("/chat/leave/{room}"))
            .send()
            .status
    });
    assert_eq!((count(&left, 204), count(&left, 403)), (1, 7), "{left:?}");
    assert_eq!(
        ann.room(&server, &room).unwrap()["last_seq"],
        3,
        "one announcement"
    );

    let direct = at_once(8, |at| {
        let (person, other) = if at % 2 == 0 {
            (&ann, &ben)
        } else {
            (&ben, &ann)
        };
        let answer = person
            .post(&server, &format!("/chat/direct/{}", other.name))
            .send();
        assert!(matches!(answer.status, 200 | 201));
        answer.json()["name"].as_str().unwrap().to_owned()
    });
    assert_eq!(
        direct.iter().collect::<BTreeSet<_>>().len(),
        1,
        "{direct:?}"
    );
}

/// Somebody comes and goes while others talk: what they hear begins with `Room`, has no hole, and ends with `Left`.
#[test]
fn who_comes_and_goes_hears_all_between() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let room = room_of(&server, &ann, &[]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut anns = Socket::connect(&server, &ann);
            while !over.load(Ordering::Relaxed) {
                anns.say(&room, "still talking");
                anns.drain();
            }
        });
        let mut listener = Socket::connect(&server, &ben);
        for _ in 0..40 {
            ben.post(&server, &format!("/chat/join/{room}"))
                .send()
                .ok(200);
            ben.post(&server, &format!("/chat/leave/{room}"))
                .send()
                .nothing();
        }
        let frames = listener.drain();
        over.store(true, Ordering::Relaxed);
        let (mut inside, mut last, mut stays) = (false, None, 0);
        for frame in &frames {
            let data = &frame["data"];
            match frame["action"].as_str().unwrap() {
                "Room" => {
                    assert!(!inside, "{frame}");
                    (inside, last) = (true, None);
                }
                "Message" => {
                    assert!(inside, "a message outside a stay: {frame}");
                    let seq = data["seq"].as_u64().unwrap();
                    assert!(
                        last.is_none_or(|last: u64| seq == last + 1),
                        "{last:?} {frame}"
                    );
                    last = Some(seq);
                }
                "Left" if data["user"] == ben.name.as_str() => {
                    assert!(inside && last.is_some(), "{frame}");
                    inside = false;
                    stays += 1;
                }
                "Added" => assert!(inside, "{frame}"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(stays, 40);
    });
}

/// Rooms are made with somebody who connects meanwhile: each is in the welcome or told afterwards, never lost.
#[test]
fn rooms_made_while_connecting_are_not_lost() {
    let server = shared();
    let (ann, ben) = (register(&server, "ann"), register(&server, "ben"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            let mut made = 0;
            while !over.load(Ordering::Relaxed) && made < 400 {
                room_of(&server, &ann, &[&ben]);
                made += 1;
            }
        });
        for _ in 0..15 {
            let (mut socket, welcome) = Socket::bearer(&server, &ben);
            let mut known: BTreeSet<String> = welcome["rooms"]
                .as_array()
                .unwrap()
                .iter()
                .map(|room| room["name"].as_str().unwrap().to_owned())
                .collect();
            let listed = ben.get(&server, "/chat/list").send().ok(200);
            for frame in socket.drain() {
                let data = &frame["data"];
                if frame["action"] == "Room" {
                    known.insert(data["name"].as_str().unwrap().to_owned());
                } else if frame["action"] == "Message" {
                    assert!(
                        known.contains(data["room"].as_str().unwrap()),
                        "a stranger's: {frame}"
                    );
                }
            }
            for room in listed.as_array().unwrap() {
                assert!(
                    known.contains(room["name"].as_str().unwrap()),
                    "{room} was never told"
                );
            }
        }
        over.store(true, Ordering::Relaxed);
        maker.join().unwrap();
    });
}

/// Once signing out is answered, no socket that began with an older token goes on.
#[test]
fn signing_out_leaves_no_socket_behind() {
    let server = shared();
    for _ in 0..5 {
        let ann = register(&server, "ann");
        let start = Barrier::new(9);
        std::thread::scope(|scope| {
            let sockets: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut socket = Socket::open(server.address);
                        start.wait();
                        let hello = json!({"action": "Hello", "data": {"token": ann.token}});
                        socket.send_text(&hello.to_string());
                        socket
                    })
                })
                .collect();
            start.wait();
            ann.post(&server, "/auth/logout").send().nothing();
            for socket in sockets {
                assert_eq!(socket.join().unwrap().expect_close(), Some(4401));
            }
        });
    }
}

/// From the welcome and the changes told since, one knows who is online, whatever comes and goes.
#[test]
fn presence_adds_up() {
    let server = Server::start();
    let watcher = register(&server, "watcher");
    let people: Vec<Person> = (0..6).map(|_| register(&server, "p")).collect();
    let (socket, welcome) = Socket::bearer(&server, &watcher);
    let mut socket = socket.hearing_all();
    let mut online: BTreeSet<String> = names(&welcome["online"]).into_iter().collect();
    let held: Vec<Option<Socket>> = at_once(6, |at| {
        for round in 0..10 {
            let first = Socket::connect(&server, &people[at]);
            if (round + at) % 3 == 0 {
                let second = Socket::connect(&server, &people[at]);
                first.close();
                drop(second);
            }
        }
        (at % 2 == 0).then(|| Socket::connect(&server, &people[at]))
    });
    let mut expected: BTreeSet<String> = (0..6)
        .step_by(2)
        .map(|at| people[at].name.clone())
        .collect();
    expected.insert(watcher.name.clone());
    while online != expected {
        let frame = socket.until(|frame| frame["action"] == "Presence");
        for name in names(&frame["data"]["online"]) {
            online.insert(name);
        }
        for name in names(&frame["data"]["offline"]) {
            online.remove(&name);
        }
    }
    let told = names(&watcher.get(&server, "/chat/online").send().ok(200));
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
    drop(held);
}

#[test]
fn a_hundred_connections_of_one_user_hear_each_message() {
    let server = shared();
    let ann = register(&server, "ann");
    let room = room_of(&server, &ann, &[]);
    let mut sockets: Vec<Socket> = (0..100)
        .map(|_| Socket::hello(&server, &ann, json!({&room: 1})).0)
        .collect();
    for number in 0..20 {
        ann.say(&server, &room, &format!("{number}"));
    }
    for socket in &mut sockets {
        for number in 0..20 {
            assert_eq!(socket.expect("Message")["content"], format!("{number}"));
        }
    }
}
