//! Decisions, without threads, sockets or files.

use super::core::{Core, Now};
use super::directory::Directory;
use super::effect::{Audience, ConnectionId, Effect, Outcome, Receiver, Reply, SharedFrame};
use super::messages::{LookedUp, NewMessage};
use super::{Missed, Positions, Settings, Since};
use crate::auth::token::Claims;
use crate::limits;
use crate::model::{GENERAL, LogId, State, UserId};
use crate::protocol::{Code, CreateRequest, Error, MessageRequest, RoomKind, parse_body};
use crate::store::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Deaf;

impl Receiver for Deaf {
    fn push(&self, _: &[SharedFrame], _: &[u8]) {}
    fn close(&self, _: u16, _: &str) {}
}

/// A hub with these users, in `general` since their registration.
pub(super) fn hub_with(users: &[&str]) -> Core {
    let state = State::new(1);
    let settings = Settings {
        rate_limits: true,
        registration_closed: false,
    };
    let now = Now {
        millis: 1_000,
        instant: Instant::now(),
    };
    let directory = Arc::new(Directory::of(&state));
    let mut core = Core::new(state, Vec::new(), settings, directory, now);
    for name in users {
        core.create_user((*name).to_owned(), "hash".to_owned())
            .unwrap();
        take(&mut core);
    }
    core
}

fn take(core: &mut Core) -> Entry<Outcome> {
    core.take_entry(None).expect("something was decided")
}

fn claims(name: &str) -> Claims {
    Claims {
        sub: name.to_owned(),
        iat: 0,
        exp: u64::MAX,
        generation: 0,
    }
}

fn user(core: &Core, name: &str) -> UserId {
    core.caller(&claims(name)).unwrap()
}

fn message(room: &str, content: &str, id: Option<&str>) -> NewMessage {
    let body = serde_json::json!({"room": room, "content": content, "id": id});
    let request: MessageRequest = parse_body(body.to_string().as_bytes()).unwrap();
    NewMessage {
        request,
        looked_up: LookedUp::default(),
    }
}

fn create(name: &str, kind: RoomKind, users: &[&str]) -> CreateRequest {
    let users = users.iter().map(|name| (*name).to_owned()).collect();
    CreateRequest {
        name: name.to_owned(),
        kind: Some(kind),
        users: Some(users),
    }
}

pub(super) fn positions(state: &State, since: Since) -> Positions {
    let mut positions = Positions::new();
    state.add_positions(since.into_iter(), &mut positions);
    positions
}

fn connect(core: &mut Core, name: &str, id: u64, since: Option<Since>) -> Vec<Missed> {
    let since = since.map(|since| positions(&core.state, since));
    let attached = core
        .connect(
            ConnectionId(id),
            &claims(name),
            since.as_ref(),
            Arc::new(Deaf),
        )
        .unwrap();
    take(core);
    attached.missed
}

/// The frames of an entry as `audience action`, in order.
fn heard(entry: &Entry<Outcome>) -> Vec<String> {
    let shown = |effect: &Effect| match effect {
        Effect::Send { to, frame } => {
            let text = String::from_utf8_lossy(frame.bytes()).into_owned();
            let action = text
                .split("\"action\":\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            let audience = format!("{to:?}");
            format!("{} {action}", audience.split('(').next().unwrap())
        }
        Effect::Open { .. } => "open".to_owned(),
        Effect::Forget { .. } => "forget".to_owned(),
        Effect::Enter { .. } => "enter".to_owned(),
        Effect::Exit { .. } => "exit".to_owned(),
        Effect::CloseUser { .. } | Effect::CloseAll { .. } => "close".to_owned(),
    };
    entry.then.effects.iter().map(shown).collect()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code
}

#[test]
fn a_room_announces_itself_after_its_members_know_it() {
    let mut core = hub_with(&["eva", "mira", "tom"]);
    let eva = user(&core, "eva");
    core.create_room(
        eva,
        create("lunch", RoomKind::Public, &["mira", "mira", "eva"]),
    )
    .unwrap();
    let expected = [
        "enter",
        "User Room",
        "enter",
        "User Room",
        "Room Added",
        "Room Message",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(heard(&take(&mut core)), expected);
    let tom = user(&core, "tom");
    core.join(tom, "LUNCH").unwrap();
    assert_eq!(
        heard(&take(&mut core)),
        ["enter", "User Room", "Room Added", "Room Message"]
    );
    core.join(tom, "lunch").unwrap();
    assert!(
        core.take_entry(None).is_none(),
        "joining again changes nothing"
    );
    core.leave(tom, "lunch").unwrap();
    assert_eq!(
        heard(&take(&mut core)),
        ["Room Left", "exit", "Room Message"]
    );
    let room = core.room_for(core.visible_room(eva, "lunch").unwrap(), eva);
    assert_eq!((room.last_seq, room.read_seq, room.member_count), (3, 1, 2));
}

#[test]
fn a_private_room_is_like_none() {
    let mut core = hub_with(&["eva", "mira"]);
    let (eva, mira) = (user(&core, "eva"), user(&core, "mira"));
    core.create_room(eva, create("secret", RoomKind::Private, &[]))
        .unwrap();
    take(&mut core);
    let none = core
        .visible_room(mira, "nosuch")
        .unwrap_err()
        .message
        .replace("nosuch", "secret");
    let connection = ConnectionId(9);
    connect(&mut core, "mira", 9, None);
    let answers = [
        core.visible_room(mira, "secret").unwrap_err(),
        core.join(mira, "secret").unwrap_err(),
        core.leave(mira, "secret").unwrap_err(),
        core.add_user(mira, "secret", "mira").unwrap_err(),
        core.members(mira, "secret").unwrap_err(),
        core.post(mira, message("secret", "x", None)).unwrap_err(),
        core.read(mira, connection, "secret", 1).unwrap_err(),
        core.typing(mira, "secret").unwrap_err(),
        core.searchable(mira, Some("secret")).unwrap_err(),
    ];
    for answer in answers {
        assert_eq!(
            (answer.code, answer.message),
            (Code::RoomNotFound, none.clone())
        );
    }
    assert_eq!(
        code(core.create_room(mira, create("Secret", RoomKind::Public, &[]))),
        Code::RoomExists
    );
}

#[test]
fn direct_rooms_are_their_people() {
    let mut core = hub_with(&["eva", "mira"]);
    let (eva, mira) = (user(&core, "eva"), user(&core, "mira"));
    core.create_room(eva, create("direct-2", RoomKind::Public, &[]))
        .unwrap();
    take(&mut core);
    let (room, created) = core.direct_room(eva, &["mira".to_owned()]).unwrap();
    assert!(created);
    assert_eq!(
        heard(&take(&mut core)),
        ["enter", "User Room", "enter", "User Room", "Room Added"]
    );
    assert_eq!(
        core.direct_room(mira, &["eva".to_owned(), "EVA".to_owned()])
            .unwrap(),
        (room, false)
    );
    let name = core.room_name(room).to_owned();
    assert_eq!(name, "direct-3", "the first choice was taken");
    assert_eq!(code(core.leave(eva, &name)), Code::Forbidden);
    assert_eq!(code(core.add_user(eva, &name, "mira")), Code::Forbidden);
    assert_ne!(
        core.direct_room(eva, &[]).unwrap().0,
        room,
        "notes to oneself are a room of their own"
    );
}

#[test]
fn a_repeated_id_is_the_first_message() {
    let mut core = hub_with(&["eva", "mira"]);
    let (eva, mira) = (user(&core, "eva"), user(&core, "mira"));
    let first = core.post(eva, message(GENERAL, "a", Some("1"))).unwrap();
    take(&mut core);
    core.now.millis += 5;
    assert_eq!(
        core.post(eva, message(GENERAL, "b", Some("1"))).unwrap(),
        first
    );
    assert!(core.take_entry(None).is_none(), "nothing is stored again");
    assert_eq!(
        core.post(mira, message(GENERAL, "c", Some("1")))
            .unwrap()
            .seq,
        first.seq + 1
    );
    take(&mut core);
    let log = LogId::Room(first.room);
    core.recent.folded(&[(log, 99)]);
    core.recent.folded(&[(log, 99)]);
    assert_eq!(
        code(core.post(eva, message(GENERAL, "a", Some("1")))),
        Code::Overloaded,
        "nobody looked far enough"
    );
    let mut found = message(GENERAL, "a", Some("1"));
    found.looked_up = LookedUp {
        log: Some(log),
        found: Some((first.seq, first.timestamp)),
        covered: 99,
        ..LookedUp::default()
    };
    assert_eq!(core.post(eva, found).unwrap(), first);
}

/// What was looked up before a fold and before a failure arrives after both.
#[test]
fn a_failure_makes_no_stored_id_unknown() {
    let mut core = hub_with(&["eva"]);
    let eva = user(&core, "eva");
    let first = core.post(eva, message(GENERAL, "a", Some("1"))).unwrap();
    take(&mut core);
    let durable = core.state.clone();
    core.post(eva, message(GENERAL, "b", Some("2"))).unwrap();
    take(&mut core);
    core.recent.folded(&[(LogId::Room(first.room), first.seq)]);
    core.roll_back(durable, 1);
    core.storage_works = true;
    assert_eq!(
        core.post(eva, message(GENERAL, "a", Some("1"))).unwrap(),
        first
    );
    let again = core.post(eva, message(GENERAL, "b", Some("2"))).unwrap();
    assert_eq!(again.seq, first.seq + 1, "what was void is new");
    assert!(take(&mut core).record.is_some());
}

#[test]
fn messages_have_a_rate_and_say_when_to_go_on() {
    let mut core = hub_with(&["eva"]);
    let eva = user(&core, "eva");
    for _ in 0..100 {
        core.post(eva, message(GENERAL, "x", None)).unwrap();
        take(&mut core);
    }
    let error = core.post(eva, message(GENERAL, "x", None)).unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    core.now.instant += Duration::from_millis(error.retry_after_ms().unwrap());
    core.post(eva, message(GENERAL, "x", None)).unwrap();
}

#[test]
fn changes_of_rooms_have_the_rate_of_messages() {
    let mut core = hub_with(&["Eva", "Ben"]);
    let (eva, ben) = (user(&core, "Eva"), user(&core, "Ben"));
    for index in 0..100 {
        let request = create(&format!("room {index}"), RoomKind::Public, &[]);
        core.create_room(eva, request).unwrap();
        take(&mut core);
    }
    core.create_room(ben, create("Bens room", RoomKind::Public, &[]))
        .unwrap();
    take(&mut core);
    let request = create("one more", RoomKind::Public, &[]);
    assert_eq!(code(core.create_room(eva, request)), Code::RateLimited);
    let direct = core.direct_room(eva, &["Ben".to_owned()]);
    assert_eq!(code(direct), Code::RateLimited);
    assert_eq!(code(core.add_user(eva, "room 0", "Ben")), Code::RateLimited);
    assert_eq!(code(core.join(eva, "Bens room")), Code::RateLimited);
    assert_eq!(code(core.leave(eva, "room 0")), Code::RateLimited);
    assert!(core.take_entry(None).is_none(), "nothing was decided");
    // What changes nothing costs nothing, messages are another count, and the time heals all.
    core.join(eva, "room 0").unwrap();
    core.post(eva, message("room 0", "hi", None)).unwrap();
    take(&mut core);
    core.now.instant += Duration::from_millis(50);
    core.leave(eva, "room 0").unwrap();
    take(&mut core);
    assert_eq!(code(core.leave(eva, "room 1")), Code::RateLimited);
}

#[test]
fn read_positions_move_forward_and_never_beyond_the_end() {
    let mut core = hub_with(&["eva"]);
    let eva = user(&core, "eva");
    connect(&mut core, "eva", 1, None);
    let at = |core: &mut Core, seq| core.read(eva, ConnectionId(1), GENERAL, seq).unwrap().1;
    core.post(eva, message(GENERAL, "x", None)).unwrap();
    take(&mut core);
    assert_eq!(at(&mut core, 99), 2);
    assert_eq!(heard(&take(&mut core)), ["OthersOfUser Read"]);
    assert_eq!(at(&mut core, 1), 2);
    assert!(core.take_entry(None).is_none());
}

#[test]
fn what_was_missed_begins_where_the_client_or_the_read_position_says() {
    let mut core = hub_with(&["eva", "mira"]);
    let eva = user(&core, "eva");
    for _ in 0..3 {
        core.post(eva, message(GENERAL, "x", None)).unwrap();
        take(&mut core);
    }
    let missed = connect(&mut core, "eva", 1, None);
    assert_eq!((missed[0].after, missed[0].through), (1, 5));
    let since = |seq| {
        Some(Since::from([
            ("General".to_owned(), seq),
            ("nowhere".to_owned(), 7),
        ]))
    };
    let missed = connect(&mut core, "eva", 2, since(4));
    assert_eq!((missed[0].after, missed[0].through), (4, 5));
    let both = Since::from(
        [("GENERAL", 1), ("general", 4), ("generaL", 2)].map(|(n, s)| (n.to_owned(), s)),
    );
    assert_eq!(
        connect(&mut core, "eva", 9, Some(both))[0].after,
        4,
        "the exact name counts"
    );
    assert_eq!(connect(&mut core, "eva", 3, since(5)), []);
    assert_eq!(connect(&mut core, "eva", 4, since(1_000)), []);
}

/// Somebody may be in thousands of rooms, and have many connections that read nothing.
#[test]
fn what_was_missed_holds_no_copy_of_a_name() {
    let mut core = hub_with(&["eva", "mira"]);
    let missed = connect(&mut core, "eva", 1, None);
    let general = core.state.find_room(GENERAL).unwrap();
    assert!(Arc::ptr_eq(&missed[0].room, &core.state.room(general).name));
}

#[test]
fn a_new_generation_ends_tokens_and_connections() {
    let mut core = hub_with(&["eva"]);
    connect(&mut core, "eva", 1, None);
    assert_eq!(
        code(core.set_password(&claims("eva"), "another hash", "new".to_owned())),
        Code::Forbidden
    );
    core.set_password(&claims("eva"), "hash", "new".to_owned())
        .unwrap();
    assert_eq!(heard(&take(&mut core)), ["close"]);
    assert_eq!(code(core.caller(&claims("eva"))), Code::Unauthorized);
    assert_eq!(core.online(), b"[]");
    let reply = core.frame(
        ConnectionId(1),
        None,
        crate::protocol::UserAction::ListUsers,
        LookedUp::default(),
    );
    let entry = core
        .take_entry(Some(reply))
        .expect("whoever asks is answered");
    let [Effect::Send { to, frame }] = &entry.then.effects[..] else {
        panic!("one answer");
    };
    assert_eq!(*to, Audience::Connection(ConnectionId(1)));
    let text = String::from_utf8_lossy(frame.bytes()).into_owned();
    assert!(
        text.contains("unauthorized"),
        "what still arrives does not count: {text}"
    );
    core.disconnect(ConnectionId(1));
    assert_eq!(heard(&take(&mut core)), ["forget"]);
    assert_eq!(core.online(), b"[]");
}

#[test]
fn connections_outlive_a_sign_out_that_was_not_made_durable() {
    let mut core = hub_with(&["eva"]);
    let durable = core.state.clone();
    connect(&mut core, "eva", 1, None);
    core.announce_presence();
    take(&mut core);
    core.sign_out_everywhere(&claims("eva")).unwrap();
    take(&mut core);
    core.roll_back(durable, 1);
    assert_eq!(core.user_of(ConnectionId(1)).unwrap(), user(&core, "eva"));
    assert_eq!(core.online(), br#"["eva"]"#);
    core.announce_presence();
    assert!(core.take_entry(None).is_none(), "nobody went");
    core.disconnect(ConnectionId(1));
    assert_eq!(core.online(), b"[]");
}

#[test]
fn without_a_disk_nothing_is_decided_and_everything_is_readable() {
    let mut core = hub_with(&["eva"]);
    let durable = core.state.clone();
    let eva = user(&core, "eva");
    core.create_room(eva, create("void", RoomKind::Public, &[]))
        .unwrap();
    let entry = take(&mut core);
    assert_eq!(entry.epoch, 0);
    core.roll_back(durable, 1);
    assert_eq!(
        code(core.post(eva, message(GENERAL, "x", None))),
        Code::StorageFailed
    );
    assert_eq!(
        code(core.create_room(eva, create("void", RoomKind::Public, &[]))),
        Code::StorageFailed
    );
    assert_eq!(code(core.visible_room(eva, "void")), Code::RoomNotFound);
    assert_eq!(core.user(eva).rooms.len(), 1);
    core.storage_works = true;
    core.create_room(eva, create("void", RoomKind::Public, &[]))
        .unwrap();
    assert_eq!(take(&mut core).epoch, 1);
}

#[test]
fn what_was_not_made_durable_is_told_and_nothing_else() {
    let mut core = hub_with(&["eva"]);
    connect(&mut core, "eva", 1, None);
    let action = crate::protocol::UserAction::Message(message(GENERAL, "x", None).request);
    let reply = core.frame(
        ConnectionId(1),
        Some("m".to_owned()),
        action,
        LookedUp::default(),
    );
    let entry = core.take_entry(Some(reply)).unwrap();
    assert!(entry.record.is_some());
    let unmade = entry.then.unmade(true);
    let [
        Effect::Send {
            to: Audience::Connection(ConnectionId(1)),
            frame,
        },
    ] = &unmade.effects[..]
    else {
        panic!("one frame to the sender");
    };
    let text = String::from_utf8_lossy(frame.bytes()).into_owned();
    assert!(
        text.contains("storage_failed") && text.contains(r#""id":"m""#),
        "{text}"
    );
    core.announce_presence();
    let presence = core.take_entry(None).unwrap();
    assert_eq!(
        presence.then.unmade(false).effects.len(),
        1,
        "presence needs no disk"
    );
    let (sender, told) = std::sync::mpsc::channel();
    let call = Outcome {
        reply: Some(Reply::Call(Box::new(move |durable| {
            sender.send(durable).unwrap()
        }))),
        ..Outcome::default()
    };
    call.unmade(true);
    assert_eq!(code(told.recv().unwrap()), Code::StorageFailed);
}

#[test]
fn registration_may_be_closed_to_all_but_the_first() {
    let mut core = hub_with(&[]);
    core.settings.registration_closed = true;
    let first = core
        .create_user("eva".to_owned(), "hash".to_owned())
        .unwrap();
    assert!(first.user.admin);
    take(&mut core);
    assert_eq!(
        code(core.create_user("mira".to_owned(), "hash".to_owned())),
        Code::RegistrationClosed
    );
    core.settings.registration_closed = false;
    assert_eq!(
        code(core.create_user("EVA".to_owned(), "hash".to_owned())),
        Code::UserExists
    );
    assert!(
        !core
            .create_user("mira".to_owned(), "hash".to_owned())
            .unwrap()
            .user
            .admin
    );
}

/// `seq` is the order; timestamps tell what the clock said. Intervals are by another clock, which nobody sets.
#[test]
fn a_clock_set_back_changes_no_order_and_no_rate() {
    let mut hub = hub_with(&["ann"]);
    let ann = user(&hub, "ann");
    let mut posted = Vec::new();
    for millis in [5_000, 5_001, 40, 41] {
        hub.now.millis = millis;
        let new = message("general", "tick", Some(&millis.to_string()));
        posted.push(hub.post(ann, new).unwrap());
        take(&mut hub);
    }
    let seqs: Vec<_> = posted.iter().map(|it| it.seq).collect();
    let times: Vec<_> = posted.iter().map(|it| it.timestamp).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(times, [5_000, 5_001, 40, 41]);
    for _ in posted.len()..limits::MESSAGE_BURST as usize {
        hub.post(ann, message("general", "tick", None)).unwrap();
        take(&mut hub);
    }
    hub.now.millis = 0;
    let refused = hub.post(ann, message("general", "too many", None));
    assert_eq!(refused.unwrap_err().code, Code::RateLimited);
    hub.now.instant += Duration::from_secs(1);
    assert!(hub.post(ann, message("general", "later", None)).is_ok());
}
