//! Where a scenario happens: a server, people with accounts, and a pair that must not notice.
//!
//! Owns the beginning and the end that all scenarios have in common, and the bounds that they share.

use crate::common::{Launch, Person, Server, Socket, json, until};
use crate::load::stage::launch;
use crate::load::{Office, Usage, office};
use crate::pair::Pair;
use crate::report::Measured;
use melangerie::limits;
use melangerie::protocol::RoomKind;

/// The room in which the pair talks.
pub const ROOM: &str = "floor";
/// Journals are folded early, so that what is in memory until then does not hide what a scenario takes.
const JOURNAL_BYTES: u64 = 256 * 1024;

pub struct Scene {
    pub server: Server,
    pub measured: Measured,
    pair: Option<Pair>,
}

/// With these limits, so that they are folded early.
pub fn early() -> Launch {
    launch().with("--journal-bytes", &JOURNAL_BYTES.to_string())
}

/// The person with this number. 0 and 1 are the pair.
pub fn person(number: usize) -> Person {
    Person {
        name: office::name(number),
        token: office::token(number),
    }
}

impl Scene {
    /// A server with so many people, the first `members` of them in [`ROOM`], where `missed` was said that nobody has
    /// read. The pair talks there.
    pub fn set(launch: Launch, people: usize, members: usize, missed: &[String]) -> Scene {
        Scene::furnished(launch, people, members, |office| {
            for content in missed {
                office.write(ROOM, 2, content.clone(), None);
            }
        })
    }

    /// The same, where `furnish` says what else there is.
    pub fn furnished(
        launch: Launch,
        people: usize,
        members: usize,
        furnish: impl FnOnce(&mut Office),
    ) -> Scene {
        let mut office = Office::open(launch.data_path());
        office.hire(people);
        office.furnish(ROOM, RoomKind::Private, 0..members);
        furnish(&mut office);
        office.close();
        launch.hand_over();
        let server = launch.start();
        let idle = Measured::begin(server.pid());
        // The pair is a part of what the scenario costs.
        let pair = Some(Pair::start(&server, &person(0), &person(1), ROOM));
        Scene {
            server,
            measured: idle,
            pair,
        }
    }

    pub fn look(&mut self) {
        self.measured.look(self.server.pid());
    }

    /// The pair goes: how it fared is told of the time until now, not of a calm that follows.
    pub fn dismiss_pair(&mut self) {
        if let Some(pair) = self.pair.take() {
            self.measured.health = Some(pair.stop());
        }
    }

    /// Everybody but the pair has gone: so must be what they took. Then the pair goes too.
    pub fn end(mut self) -> Measured {
        /// The pair's connections, and the threads and files that come and go by themselves.
        const SPARE: u64 = 12;
        let pid = self.server.pid();
        let idle = self.measured.idle;
        until("the base line", || {
            let now = Usage::of(pid);
            let back =
                now.threads <= idle.threads + SPARE && now.descriptors <= idle.descriptors + SPARE;
            back.then_some(())
        });
        self.measured.worst.peak = self.measured.worst.peak.max(Usage::of(pid).peak);
        self.dismiss_pair();
        assert_eq!(self.server.stop().code(), Some(0), "it stops as asked");
        self.measured
    }

    /// Says so many messages of this length in the room, each acked, as the third person.
    pub fn flood(&self, messages: usize, content: usize, mut between: impl FnMut(usize) -> bool) {
        let mut socket = Socket::connect(&self.server, &person(2));
        let content = "x".repeat(content);
        for number in 0..messages {
            socket.ack("Message", json!({"room": ROOM, "content": content}));
            socket.forget();
            if !between(number) {
                return;
            }
        }
    }

    /// How many people have a connection.
    pub fn online(&self) -> usize {
        let online = person(0).get(&self.server, "/chat/online").send().ok(200);
        online.as_array().expect("names").len()
    }
}

pub fn mib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// A connection's thread: its stack, and what the runtime and the allocator keep for it.
pub const THREAD_BYTES: usize = limits::CONNECTION_STACK_BYTES + 16 * 1024;
/// A WebSocket that is idle: its thread, its buffer, its places in the tables.
pub const IDLE_BYTES: usize = THREAD_BYTES + limits::WEBSOCKET_READ_BUFFER_BYTES + 2 * 1024;

/// What the house itself may hold beside its connections while messages of this length are said: what waits for the
/// journal, journals that are not folded yet (two, in memory and as they are folded), and the segment that is extended,
/// once as it was and once as it will be.
pub fn house(message: usize) -> f64 {
    let journals = 4 * JOURNAL_BYTES as usize;
    let segments = 2 * limits::SEGMENT_MESSAGES as usize * (message + 256);
    mib(limits::JOURNAL_QUEUE_BYTES + journals + segments)
}
