//! The end of the thread: what was handed over before it, behind it, and too late.

use super::super::tests::hub_with;
use super::super::{Audience, Receiver, SharedFrame};
use super::*;
use crate::auth::token::Claims;
use crate::protocol::{Code, CreateRequest, MessageRequest, parse_body};
use crate::store::{self, Failed, Options, Sink};
use std::sync::Mutex;
use std::sync::mpsc::channel;

struct Deaf;

impl Receiver for Deaf {
    fn push(&self, _: &[SharedFrame], _: &[u8]) {}
    fn close(&self, _: u16, _: &str) {}
}

/// Keeps what became durable, in its order.
struct Keep(Arc<Mutex<Vec<Outcome>>>);

impl Sink<Outcome> for Keep {
    fn committed(&mut self, batch: Vec<Outcome>) {
        for mut outcome in batch {
            if let Some(Reply::Call(tell)) = outcome.reply.take() {
                tell(Ok(()));
            }
            self.0.lock().unwrap().push(outcome);
        }
    }

    fn failed(&mut self, _: Vec<Failed<Outcome>>, message: &str) {
        panic!("{message}");
    }

    fn rolled_back(&mut self, _: State, _: Vec<RecentId>, _: u32) {}
    fn recovered(&mut self) {}
    fn folded(&mut self, _: Vec<(LogId, Seq)>) {}
    fn log(&mut self, _: &str, _: &[(&str, &str)]) {}
}

const CONNECTION: ConnectionId = ConnectionId(1);

fn frame(id: &str) -> Command {
    let body = serde_json::json!({"room": "general", "content": id});
    let request: MessageRequest = parse_body(body.to_string().as_bytes()).unwrap();
    Command::Frame {
        connection: CONNECTION,
        turn: Arc::<super::super::Turns>::default().take(),
        id: Some(id.to_owned()),
        action: UserAction::Message(request),
        looked_up: LookedUp::default(),
    }
}

/// Ann comes, and her connection is let in.
fn arrive() -> Command {
    Command::Call(Box::new(|core| {
        core.create_user("ann".to_owned(), "hash".to_owned())
            .unwrap();
        Reply::Call(Box::new(|durable| durable.unwrap()))
    }))
}

fn connect() -> Command {
    Command::Call(Box::new(|core| {
        let claims = Claims {
            sub: "ann".to_owned(),
            iat: 0,
            exp: u64::MAX,
            generation: 0,
        };
        core.connect(CONNECTION, &claims, None, Arc::new(Deaf))
            .unwrap();
        Reply::Call(Box::new(|durable| durable.unwrap()))
    }))
}

/// The answers to a connection's frames, and "close" for its end.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let effects = outcomes.iter().flat_map(|outcome| &outcome.effects);
    let told = effects.filter_map(|effect| match effect {
        Effect::Send {
            to: Audience::Connection(CONNECTION),
            frame,
        } => {
            let text = String::from_utf8_lossy(&frame.bytes()[2..]).into_owned();
            let json = text.find('{').map(|at| &text[at..])?.to_owned();
            let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
            let id = answer["id"].as_str().unwrap();
            Some(format!("{} {id}", answer["action"].as_str().unwrap()))
        }
        Effect::CloseAll { code, .. } => Some(format!("close {code}")),
        _ => None,
    });
    told.collect()
}

#[test]
fn what_is_handed_over_is_answered_before_everybody_is_sent_away() {
    let home = tempfile::tempdir().unwrap();
    let opened = store::open(home.path(), Options::default(), 1).unwrap();
    let (inbox, reader) = (Inbox::new(), opened.store.reader());
    let outcomes = Arc::<Mutex<Vec<Outcome>>>::default();
    let journal = opened.store.start(Keep(outcomes.clone())).unwrap();
    let (tell, answer) = channel();
    let (done, all_answered) = channel();
    let call = Command::Call(Box::new(move |core| {
        let refused = core.create_user("ben".to_owned(), "hash".to_owned());
        Reply::Call(Box::new(move |_| {
            tell.send(refused.map(|_| ()).unwrap_err().code).unwrap();
        }))
    }));
    for command in [
        arrive(),
        connect(),
        frame("before"),
        Command::Stop(Box::new(move || done.send(()).unwrap())),
        frame("behind"),
        call,
    ] {
        assert!(inbox.0.push_now(command).is_ok());
    }
    let settings = Settings {
        rate_limits: false,
        registration_closed: false,
    };
    let (state, recent) = (opened.state, opened.recent);
    let read_model = ReadModel::new(state.clone());
    let (thread, hub) =
        HubThread::start(state, recent, settings, &inbox, journal, reader, read_model).unwrap();
    thread.thread.join().unwrap().close().unwrap();
    assert_eq!(answer.recv().unwrap(), Code::Overloaded);
    all_answered.recv().unwrap();
    assert_eq!(
        told(&outcomes.lock().unwrap()),
        ["Ack before", "Error behind", "close 1001"]
    );
    // What comes too late is told so by whoever hands it over.
    let Command::Frame {
        connection,
        turn,
        id,
        action,
        looked_up,
    } = frame("late")
    else {
        unreachable!("it is one")
    };
    let late = hub.frame(connection, turn, id, action, looked_up);
    assert_eq!(late.unwrap_err().code, Code::Overloaded);
    let late = hub.report("ann".to_owned(), false, "late".to_owned());
    assert_eq!(late.unwrap_err().code, Code::Overloaded);
}

/// A hub of which nobody takes commands: what it answers it answers on the caller's thread.
fn stalled(state: State) -> Hub {
    let home = tempfile::tempdir().unwrap();
    let opened = store::open(home.path(), Options::default(), 1).unwrap();
    Hub {
        queue: Arc::new(Queue::new(8)),
        directory: Arc::new(Directory::of(&state)),
        reader: opened.store.reader(),
        read_model: ReadModel::new(state),
        settings: Settings {
            rate_limits: true,
            registration_closed: false,
        },
        connections: Arc::new(AtomicU64::new(1)),
    }
}

#[test]
fn users_are_found_before_a_room_waits_for_the_hub() {
    let hub = stalled(hub_with(&["Ann"]).state);
    let create = |users: Vec<&str>| {
        let body = serde_json::json!({"name": "crowd", "users": users});
        let request: CreateRequest = parse_body(body.to_string().as_bytes()).unwrap();
        let turn = Arc::<super::super::Turns>::default().take();
        let action = UserAction::Create(request);
        hub.frame(CONNECTION, turn, None, action, LookedUp::default())
    };
    let mut many = vec!["ann"; 10_000];
    create(many.clone()).unwrap();
    many.push("nobody");
    assert_eq!(create(many).unwrap_err().code, Code::UserNotFound);
    let mut taken = Vec::new();
    hub.queue.take_all(&mut taken, None);
    let [
        Command::Frame {
            action: UserAction::Create(request),
            ..
        },
    ] = &taken[..]
    else {
        panic!("only the first waits");
    };
    assert_eq!(request.users.as_deref(), Some(&["Ann".to_owned()][..]));
}
