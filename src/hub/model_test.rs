//! Random commands of several people, against the hub and against its rules in their plainest form.
//!
//! A command is something that somebody asks for, or that happens around the hub: a connection ends, what was decided
//! becomes durable or is void, segments take over what the journal held. After every command the hub's answers, and all that each person can see, equal the rules';
//! what each connection hears equals them as soon as it is durable, and nothing that was void is ever heard.
//! `PROPTEST_CASES=100000` looks longer.

mod around;
mod reach;
mod rules;
mod wire;
mod world;

use crate::model::GENERAL;
use crate::protocol::Seq;
use around::Around;
use proptest::collection::vec;
use proptest::prelude::*;

/// Some names are the same but for their case, and somebody may take the name of a direct room.
const PEOPLE: [&str; 5] = ["Eva", "mira", "Tom", "MIRA", "nobody"];
/// Those who may register; the last one never does.
const REGISTERING: usize = PEOPLE.len() - 1;
const ROOMS: [&str; 8] = [
    GENERAL, "lunch", "den", "direct-1", "direct-2", "LUNCH", "General", "direct-3",
];
const IDS: [&str; 4] = ["a", "b", "c", "d"];
/// Who looked into the segments when the hub knew this many folds less is still served.
const SERVED_FOLDS: usize = 1;

#[derive(Clone, Debug)]
enum Command {
    Register(usize),
    /// Over HTTP.
    Call(usize, Token, Do),
    /// Over a connection that was let in; it may be closed by now.
    Frame(usize, Do),
    Password(usize, Token, bool),
    SignOut(usize, Token),
    Connect(usize, Token, Vec<(usize, Seq)>),
    Disconnect(usize),
    /// Who came and who went is told.
    Announce,
    /// All that was decided is durable.
    Sync,
    /// None of it is.
    Fail,
    /// The disk works again.
    Recover,
    /// What is durable goes into segments; the hub does not know it yet.
    Fold,
    /// The hub learns of one fold.
    Notice,
}

/// Of those that the person was given, as far as they know.
#[derive(Clone, Copy, Debug)]
enum Token {
    Newest,
    Older,
}

#[derive(Clone, Debug)]
enum Do {
    Create(usize, bool, Vec<usize>),
    /// HTTP only.
    Direct(Vec<usize>),
    Add(usize, usize),
    Join(usize),
    Leave(usize),
    /// With an `id`, in place of which earlier text, and after how many later look-ups of the same `id` that of this one
    /// arrives.
    Post(usize, Option<usize>, Option<Seq>, usize),
    /// These two over a connection only.
    Read(usize, Seq),
    Typing(usize),
}

fn person() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..3usize, 1 => 3..PEOPLE.len()]
}

fn room() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 3 => Just(1), 3 => 2..4usize, 1 => 4..ROOMS.len()]
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![12 => Just(Token::Newest), 1 => Just(Token::Older)]
}

fn anywhere() -> impl Strategy<Value = Do> {
    let id = prop_oneof![1 => Just(None), 3 => (0..IDS.len()).prop_map(Some)];
    let replaces = prop_oneof![1 => Just(None), 1 => (0..8u64).prop_map(Some)];
    let lag = prop_oneof![2 => Just(0), 1 => 0..5usize];
    prop_oneof![
        2 => (room(), any::<bool>(), vec(person(), 0..3))
            .prop_map(|(room, private, people)| Do::Create(room, private, people)),
        2 => (room(), person()).prop_map(|(room, person)| Do::Add(room, person)),
        2 => room().prop_map(Do::Join),
        2 => room().prop_map(Do::Leave),
        8 => (room(), id, replaces, lag)
            .prop_map(|(room, id, replaces, lag)| Do::Post(room, id, replaces, lag)),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let by_call = prop_oneof![8 => anywhere(), 1 => vec(person(), 0..3).prop_map(Do::Direct)];
    let by_frame = prop_oneof![
        6 => anywhere(),
        2 => (room(), 0..9u64).prop_map(|(room, seq)| Do::Read(room, seq)),
        1 => room().prop_map(Do::Typing),
    ];
    let connection = || 0..8usize;
    prop_oneof![
        2 => (0..REGISTERING).prop_map(Command::Register),
        10 => (person(), token(), by_call).prop_map(|(who, token, what)| Command::Call(who, token, what)),
        10 => (connection(), by_frame).prop_map(|(which, what)| Command::Frame(which, what)),
        1 => (person(), token(), any::<bool>()).prop_map(|(who, token, right)| Command::Password(who, token, right)),
        1 => (person(), token()).prop_map(|(who, token)| Command::SignOut(who, token)),
        4 => (person(), token(), vec((room(), 0..9u64), 0..3))
            .prop_map(|(who, token, since)| Command::Connect(who, token, since)),
        1 => connection().prop_map(Command::Disconnect),
        1 => Just(Command::Announce),
        6 => Just(Command::Sync),
        2 => Just(Command::Fail),
        7 => Just(Command::Recover),
        2 => Just(Command::Fold),
        3 => Just(Command::Notice),
    ]
}

/// Somebody says something and replaces its text several times, now and then under an `id` that was used before. Left to
/// chance alone, this comes too seldom.
fn edits() -> impl Strategy<Value = Vec<Command>> {
    let who = 0..2usize;
    let room = prop_oneof![4 => Just(0), 1 => room()];
    // Their first message there, or one of the first.
    let original = prop_oneof![3 => Just(0), 1 => Just(2)];
    let edit = (0..IDS.len(), original).prop_map(|(id, seq)| (Some(id), Some(seq)));
    let first = Just((None, None));
    let said = (first, vec(edit, 2..6)).prop_map(|(first, edits)| [vec![first], edits].concat());
    (who, room, said, any::<bool>()).prop_map(|(who, room, said, durable)| {
        let mut commands = vec![Command::Recover];
        for (number, (id, replaces)) in said.into_iter().enumerate() {
            let post = Do::Post(room, id, replaces, 0);
            commands.push(Command::Call(who, Token::Newest, post));
            // What is replaced must be durable; what replaces it need not be.
            if number == 0 || durable {
                commands.push(Command::Sync);
            }
        }
        commands
    })
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let some = prop_oneof![40 => command().prop_map(|one| vec![one]), 1 => edits()];
    vec(some, 1..100).prop_map(|some| some.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_does_as_its_rules_say(commands in commands()) {
        let mut around = Around::new();
        for command in [Command::Register(0), Command::Register(1), Command::Sync].iter().chain(&commands) {
            around.follow(command);
        }
        around.follow(&Command::Sync);
    }
}
