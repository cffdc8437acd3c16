//! The hub, its rules, and what stands around both: connections, the fan-out of frames, and a disk.

use super::reach::Reach;
use super::rules::Answer;
use super::wire::{
    act, follow_rule, frame_of, in_order, names, payload, replay, request, set, take_answer,
};
use super::world::{Room, World};
use super::{Command, Do, IDS, PEOPLE, ROOMS, SERVED_FOLDS, Token};
use crate::auth::token::Claims;
use crate::hub::core::{Core, Now};
use crate::hub::directory::Directory;
use crate::hub::effect::{Audience, ConnectionId, Effect, Outcome, Receiver, Reply, SharedFrame};
use crate::hub::people::People;
use crate::hub::read_model::ReadModel;
use crate::hub::tests::positions;
use crate::hub::{LookedUp, NewMessage, Original, Settings, Since};
use crate::model::{GENERAL, LogId, Readable, RoomId, State, UserId};
use crate::protocol::{
    Code, Error, Frame, Room as RoomView, RoomKind, SERVER_NAME, Seq, parse_body,
    parse_client_frame, rooms_json,
};
use crate::store::Entry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

struct Deaf;

impl Receiver for Deaf {
    fn push(&self, _: &[SharedFrame], _: &[u8]) {}
    fn close(&self, _: u16, _: &str) {}
}

/// A decision that waits for the disk.
struct Pending {
    entry: Entry<Outcome>,
    /// Who must hear what once it is durable.
    told: Vec<(u64, Value)>,
    /// The connection whose frame led to it, and what it is answered where the disk fails.
    asked_on: Option<(u64, Value)>,
    /// The connection that is let in by it.
    lets_in: Option<u64>,
}

/// The hub, the rules, and everything around them.
pub struct Around {
    core: Core,
    directory: Arc<Directory>,
    world: World,
    /// What the disk holds, as the rules see it and as its records make it.
    durable: (World, State),
    /// What is read by those who do not ask the hub.
    read_model: ReadModel,
    pending: Vec<Pending>,
    epoch: u32,
    reach: Reach,
    /// Every connection that was ever let in.
    known: Vec<u64>,
    last_connection: u64,
    /// Who was online when that was last announced.
    announced: BTreeSet<String>,
    /// How far each fold went, and how many of them the hub knows.
    folds: Vec<HashMap<LogId, Seq>>,
    noticed: usize,
    /// By person, room and `id`: what each look-up found, and how many folds the hub knew then.
    looks: HashMap<(usize, usize, usize), Vec<(LookedUp, usize)>>,
}

impl Around {
    pub fn new() -> Around {
        let state = State::new(1);
        let settings = Settings {
            rate_limits: false,
            registration_closed: false,
        };
        let now = Now {
            millis: 1,
            instant: Instant::now(),
        };
        let directory = Arc::new(Directory::of(&state));
        let general = Room {
            name: GENERAL.to_owned(),
            kind: RoomKind::Public,
            creator: SERVER_NAME.to_owned(),
            created: 1,
            messages: Vec::new(),
            durable: 0,
            members: BTreeMap::new(),
        };
        let world = World {
            now: 1,
            disk_works: true,
            rooms: vec![general],
            ..World::default()
        };
        Around {
            core: Core::new(state.clone(), Vec::new(), settings, directory.clone(), now),
            directory,
            read_model: ReadModel::new(state.clone()),
            durable: (world.clone(), state),
            world,
            pending: Vec::new(),
            epoch: 0,
            reach: Reach::default(),
            known: Vec::new(),
            last_connection: 0,
            announced: BTreeSet::new(),
            folds: Vec::new(),
            noticed: 0,
            looks: HashMap::new(),
        }
    }

    pub fn follow(&mut self, command: &Command) {
        self.world.now += 1;
        self.core.now.millis = self.world.now;
        match command {
            Command::Register(who) => self.register(PEOPLE[*who]),
            Command::Call(who, token, what) => self.call(PEOPLE[*who], *token, what),
            Command::Frame(which, what) => self.frame(*which, what),
            Command::Password(who, token, right) => self.password(PEOPLE[*who], *token, *right),
            Command::SignOut(who, token) => self.sign_out(PEOPLE[*who], *token),
            Command::Connect(who, token, since) => self.connect(PEOPLE[*who], *token, since),
            Command::Disconnect(which) => self.disconnect(*which),
            Command::Announce => self.announce(),
            Command::Sync => self.sync(),
            Command::Fail => self.fail(),
            Command::Recover => {
                self.core.storage_works = true;
                self.world.disk_works = true;
            }
            Command::Fold => self.fold(),
            Command::Notice => self.notice(),
        }
        self.compare();
    }

    // ---- people ---------------------------------------------------------------------------------

    /// Somebody's token, of those that were given out: what is not durable was not. And whose it is, where it lives.
    fn token(&self, name: &str, token: Token) -> (Claims, Result<usize, Code>) {
        let (durable, _) = &self.durable;
        let issued = durable
            .person(name)
            .map(|who| durable.people[who].generation);
        let generation = match (issued, token) {
            (Some(generation), Token::Newest) => generation,
            (Some(generation), Token::Older) => generation.wrapping_sub(1),
            (None, _) => u32::MAX,
        };
        let who = self
            .world
            .person(name)
            .filter(|&who| self.world.people[who].generation == generation);
        let claims = Claims {
            sub: name.to_owned(),
            iat: 0,
            exp: u64::MAX,
            generation,
        };
        (claims, who.ok_or(Code::Unauthorized))
    }

    fn register(&mut self, name: &str) {
        let answer = self.core.create_user(name.to_owned(), String::new());
        let answer = answer.map(|account| json!(account.user));
        let expected = self.world.register(name);
        self.agree(answer, expected);
        self.decided_by_call(None);
    }

    fn password(&mut self, name: &str, token: Token, right: bool) {
        let (claims, who) = self.token(name, token);
        let old = match who {
            Ok(who) if right => self.world.people[who].password.clone(),
            _ => "wrong".to_owned(),
        };
        let new = format!("changed at {}", self.world.now);
        let answer = self.core.set_password(&claims, &old, new.clone());
        let expected = who.and_then(|who| match (right, self.world.disk_works) {
            (false, true) => Err(Code::Forbidden),
            _ => self.world.revoke(who, Some(&new)),
        });
        self.agree(answer.map(|_| Value::Null), expected);
        self.decided_by_call(None);
    }

    fn sign_out(&mut self, name: &str, token: Token) {
        let (claims, who) = self.token(name, token);
        let answer = self.core.sign_out_everywhere(&claims);
        let expected = who.and_then(|who| self.world.revoke(who, None));
        self.agree(answer.map(|()| Value::Null), expected);
        self.decided_by_call(None);
    }

    // ---- what they do ---------------------------------------------------------------------------

    fn call(&mut self, name: &str, token: Token, what: &Do) {
        let (claims, who) = self.token(name, token);
        let caller = self.core.caller(&claims);
        let Ok(who) = who else {
            self.agree(caller.map(|_| Value::Null), Err(Code::Unauthorized));
            return;
        };
        let what = &self.aimed(what, who);
        let (new, is_late) = self.message(what, who).unzip();
        let answer = caller.and_then(|user| act(&mut self.core, user, what, new));
        let is_overloaded = |error: &Error| error.code == Code::Overloaded;
        if !answer.as_ref().is_err_and(is_overloaded) || is_late != Some(true) {
            let expected = follow_rule(&mut self.world, who, None, what);
            self.agree(answer, expected);
        }
        self.decided_by_call(None);
    }

    fn frame(&mut self, which: usize, what: &Do) {
        let Some(&connection) = self.known.get(which % self.known.len().max(1)) else {
            return;
        };
        let id = match what {
            Do::Post(_, id, ..) => id.map(|id| IDS[id].to_owned()),
            _ => Some("id".to_owned()),
        };
        let who = self.world.connections.get(&connection).copied();
        let what = &who.map_or_else(|| what.clone(), |who| self.aimed(what, who));
        let request = parse_client_frame(request(what).to_string().as_bytes());
        let action = request.action.expect("the request is good");
        let (new, is_late) = who.and_then(|who| self.message(what, who)).unzip();
        let looked_up = new.map_or(LookedUp::default(), |new| new.looked_up);
        let reply = (self.core).frame(ConnectionId(connection), id.clone(), action, looked_up);
        let mut entry = self.core.take_entry(Some(reply)).expect("a frame's reply");
        let answer = take_answer(&mut entry.then.effects, connection);
        if answer != frame_of(Err(Code::Overloaded), id.as_deref()) || is_late != Some(true) {
            // Who was signed out has nothing to say; where the answer finds nobody, that is fine.
            let expected = who
                .ok_or(Code::Unauthorized)
                .and_then(|who| follow_rule(&mut self.world, who, Some(connection), what));
            assert_eq!(answer, frame_of(expected, id.as_deref()));
        }
        let failure = frame_of(Err(Code::StorageFailed), id.as_deref()).expect("an error is told");
        self.push(entry, Some((connection, failure)), None);
    }

    /// Every other number of an earlier text counts among the sender's own messages there: taken as it is, it would seldom
    /// be one of theirs, and seldom twice the same.
    fn aimed(&self, what: &Do, who: usize) -> Do {
        let &Do::Post(room, id, Some(number), lag) = what else {
            return what.clone();
        };
        let at = self.world.room(ROOMS[room]);
        let messages = at
            .iter()
            .flat_map(|&at| self.world.rooms[at].messages.iter().zip(1..));
        let own = messages.filter(|(sent, _)| sent.sender == self.world.people[who].name);
        let own: Vec<Seq> = own.map(|(_, seq)| seq).collect();
        let aimed = match own.len() as Seq {
            count if count > 0 && number % 2 == 0 => own[(number / 2 % count) as usize],
            _ => number,
        };
        Do::Post(room, id, Some(aimed), lag)
    }

    /// The message to be posted, with what its sender's thread found in the segments, perhaps long ago; and whether
    /// that is so long ago that the hub may ask to look again.
    fn message(&mut self, what: &Do, who: usize) -> Option<(NewMessage, bool)> {
        let Do::Post(room, id, replaces, lag) = *what else {
            return None;
        };
        let mut data = request(what)["data"].take();
        data["id"] = json!(id.map(|id| IDS[id]));
        let request = parse_body(data.to_string().as_bytes()).expect("a good request");
        let original = replaces.map_or(Original::None, |seq| self.original(ROOMS[room], who, seq));
        let Some(id) = id else {
            let looked_up = LookedUp {
                log: self.directory.find(ROOMS[room]),
                original,
                ..LookedUp::default()
            };
            return Some((NewMessage { request, looked_up }, false));
        };
        let now = (self.look_up(ROOMS[room], who, IDS[id]), self.noticed);
        let looks = self.looks.entry((who, room, id)).or_default();
        looks.push(now);
        let (mut looked_up, noticed) = looks[looks.len() - 1 - lag.min(looks.len() - 1)];
        // What is durable does not change, so that this look-up may be as old.
        looked_up.original = original;
        let is_late = self.noticed - noticed > SERVED_FOLDS;
        Some((NewMessage { request, looked_up }, is_late))
    }

    /// What the store says of the message whose text is to be replaced.
    fn original(&self, room: &str, who: usize, seq: Seq) -> Original {
        let world = &self.durable.0;
        match (world.room(room)).map(|at| world.replaceable(who, at, seq)) {
            Some(Ok(())) => Original::Own,
            Some(Err(Code::Forbidden)) => Original::Foreign,
            Some(Err(_)) | None => Original::None,
        }
    }

    fn look_up(&self, room: &str, who: usize, id: &str) -> LookedUp {
        let Some(log @ LogId::Room(RoomId(at))) = self.directory.find(room) else {
            return LookedUp::default();
        };
        let fold = self.folds.last();
        let covered = fold.and_then(|fold| fold.get(&log)).copied().unwrap_or(0);
        let found = self.durable.0.rooms.get(at as usize).and_then(|room| {
            let seq = room.find(&self.world.people[who].name, id, covered)?;
            Some((seq, room.messages[seq as usize - 1].timestamp))
        });
        LookedUp {
            log: Some(log),
            found,
            covered,
            ..LookedUp::default()
        }
    }

    // ---- connections ----------------------------------------------------------------------------

    fn connect(&mut self, name: &str, token: Token, since: &[(usize, Seq)]) {
        let (claims, who) = self.token(name, token);
        self.last_connection += 1;
        let connection = self.last_connection;
        let since: Since = (since.iter())
            .map(|&(room, seq)| (ROOMS[room].to_owned(), seq))
            .collect();
        let positions = positions(&self.core.state, since.clone());
        let attached = (self.core).connect(
            ConnectionId(connection),
            &claims,
            Some(&positions),
            Arc::new(Deaf),
        );
        let Ok(who) = who else {
            self.agree(attached.map(|_| Value::Null), Err(Code::Unauthorized));
            return;
        };
        let attached = attached.expect("the token is alive");
        let missed = self.world.connect(who, connection, &since);
        let told = attached.missed.into_iter();
        let told: Vec<_> = told
            .map(|m| (m.room.to_string(), m.after, m.through))
            .collect();
        assert_eq!(told, missed);
        let welcome = attached.welcome.into_pieces().into_bytes();
        let welcome = &payload(&Frame::raw(&welcome))["data"];
        let rooms = self
            .world
            .rooms_where(who, |room| room.members.contains_key(&who));
        assert_eq!(welcome["rooms"], json!(rooms));
        assert_eq!(welcome["user"], self.world.user(who));
        assert_eq!(names(&welcome["online"]), set(&self.world.online()));
        self.decided_by_call(Some(connection));
    }

    fn disconnect(&mut self, which: usize) {
        if let Some(&connection) = self.known.get(which % self.known.len().max(1)) {
            self.core.disconnect(ConnectionId(connection));
            self.world.connections.remove(&connection);
            self.durable.0.connections.remove(&connection);
            self.decided(None, None);
        }
    }

    fn announce(&mut self) {
        self.core.announce_presence();
        let online = set(&self.world.online());
        let (came, went) = (&online - &self.announced, &self.announced - &online);
        self.announced = online;
        let Some(entry) = self.core.take_entry(None) else {
            assert!(
                came.is_empty() && went.is_empty(),
                "{came:?} {went:?} is not told"
            );
            return;
        };
        let [
            Effect::Send {
                to: Audience::Everyone,
                frame,
            },
        ] = &entry.then.effects[..]
        else {
            panic!("presence is one frame for everyone");
        };
        let told = &payload(frame)["data"];
        assert_eq!(
            (names(&told["online"]), names(&told["offline"])),
            (came, went)
        );
    }

    // ---- the disk -------------------------------------------------------------------------------

    fn decided_by_call(&mut self, lets_in: Option<u64>) {
        self.decided(Some(Reply::Call(Box::new(|_| {}))), lets_in);
    }

    fn decided(&mut self, reply: Option<Reply>, lets_in: Option<u64>) {
        if let Some(entry) = self.core.take_entry(reply) {
            self.push(entry, None, lets_in);
        }
    }

    fn push(
        &mut self,
        entry: Entry<Outcome>,
        asked_on: Option<(u64, Value)>,
        lets_in: Option<u64>,
    ) {
        assert_eq!(entry.epoch, self.epoch);
        self.pending.push(Pending {
            entry,
            told: std::mem::take(&mut self.world.told),
            asked_on,
            lets_in,
        });
    }

    fn sync(&mut self) {
        let mut closed = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            if let Some(record) = &pending.entry.record {
                replay(&mut self.durable.1, record);
            }
            self.read_model.apply(pending.entry.then.change.iter());
            self.known.extend(pending.lets_in);
            let heard = self.reach.carry_out(pending.entry.then.effects);
            closed.extend(
                heard
                    .iter()
                    .filter(|(_, what)| what == "close")
                    .map(|(to, _)| *to),
            );
            assert_eq!(in_order(heard), in_order(pending.told));
        }
        assert_eq!(
            self.durable.1, self.core.state,
            "the records make the state"
        );
        self.read_model.look(|state| {
            assert_eq!(*state, self.durable.1, "what is durable is read");
        });
        // Their threads notice.
        for connection in closed {
            self.core.disconnect(ConnectionId(connection));
            self.decided(None, None);
        }
        for room in &mut self.world.rooms {
            room.durable = room.last_seq();
        }
        self.durable.0 = self.world.clone();
    }

    fn fail(&mut self) {
        let mut turned_away = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            let expected = pending.asked_on.into_iter();
            let expected: Vec<_> = expected.filter(|(on, _)| self.reach.has(*on)).collect();
            let unmade = pending.entry.then.unmade(pending.entry.record.is_some());
            assert!(unmade.change.is_none(), "what is void is not read");
            assert_eq!(self.reach.carry_out(unmade.effects), expected);
            turned_away.extend(pending.lets_in);
        }
        self.epoch += 1;
        let (world, state) = self.durable.clone();
        self.core.roll_back(state, self.epoch);
        self.world = World {
            now: self.world.now,
            disk_works: false,
            ..world
        };
        for connection in turned_away {
            self.core.disconnect(ConnectionId(connection));
            self.decided(None, None);
        }
    }

    fn fold(&mut self) {
        let state = &self.durable.1;
        let through = state.logs().map(|log| (log, state.last_seq(log)));
        self.folds.push(through.collect());
    }

    fn notice(&mut self) {
        if let Some(fold) = self.folds.get(self.noticed) {
            let through: Vec<_> = fold.iter().map(|(&log, &seq)| (log, seq)).collect();
            self.core.recent.folded(&through);
            self.noticed += 1;
        }
    }

    // ---- comparing ------------------------------------------------------------------------------

    fn agree(&self, answer: Result<Value, Error>, expected: Answer) {
        assert_eq!(answer.map_err(|error| error.code), expected);
    }

    /// The room that pages are read from, with the place of each message's newest text; and that only members search it.
    fn compare_readable(&self, who: usize, room: &str) {
        let user = UserId(who as u32);
        let seen = |readable: Readable| (readable.log, (*readable.replaced).clone());
        let expected = |at: usize| {
            let log = LogId::Room(RoomId(at as u32));
            (log, self.world.rooms[at].replaced())
        };
        let readable = self.core.readable(user, room).map(seen);
        let visible = self.world.visible(who, room).map(expected);
        assert_eq!(readable.map_err(|error| error.code), visible);
        let searchable = self.core.searchable(user, Some(room));
        let searchable = searchable.map(|rooms| rooms.into_iter().map(seen).collect::<Vec<_>>());
        let own = self.world.own(who, room).map(|at| vec![expected(at)]);
        assert_eq!(searchable.map_err(|error| error.code), own);
    }

    /// The rooms as a list of them shows them, which shares what it can with the lists before.
    fn listed(&self, rooms: impl Iterator<Item = RoomId>, user: UserId) -> Vec<RoomView> {
        let listed = rooms.map(|id| self.core.listed(id, user)).collect();
        serde_json::from_slice(&rooms_json(listed).into_bytes()).expect("rooms as JSON")
    }

    /// All that each person can see, and that nobody is told what the rules do not say.
    fn compare(&mut self) {
        assert_eq!(self.world.told, [], "nothing was decided that tells this");
        for who in 0..self.world.people.len() {
            let user = UserId(who as u32);
            let mine = |room: &Room| room.members.contains_key(&who);
            let public = |room: &Room| room.kind == RoomKind::Public;
            let rooms = &self.core.user(user).rooms;
            let listed = self.listed(rooms.iter().copied(), user);
            assert_eq!(listed, self.world.rooms_where(who, mine));
            let listed = self.listed(self.core.public_rooms().into_iter(), user);
            assert_eq!(listed, self.world.rooms_where(who, public));
            assert_eq!(json!(self.core.account(user).user), self.world.user(who));
            for room in ROOMS {
                let members = self.core.members(user, room).map_err(|e| e.code);
                let expected = self.world.visible(who, room);
                assert_eq!(members, expected.map(|at| self.world.member_names(at)));
                self.compare_readable(who, room);
            }
        }
        for room in ROOMS {
            let log = self
                .world
                .room(room)
                .map(|at| LogId::Room(RoomId(at as u32)));
            assert_eq!(self.directory.find(room), log);
        }
        let online: Value = serde_json::from_slice(&self.core.online()).unwrap();
        assert_eq!(names(&online), set(&self.world.online()));
        for &connection in &self.known {
            let user = self.core.user_of(ConnectionId(connection)).ok();
            let expected = self.world.connections.get(&connection);
            assert_eq!(user, expected.map(|&who| UserId(who as u32)));
        }
        if self.pending.is_empty() {
            assert_eq!(self.reach.connections(), self.world.connections);
        }
        let people = People::new(&self.core.state);
        assert_eq!(self.core.people.etag(), people.etag());
    }
}
