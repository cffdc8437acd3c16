//! Who may do what: every endpoint and every action, by everybody, for every kind of room, in one table.
//!
//! Beside the table, this holds that what is refused changes nothing and is heard by nobody, that a room which hides
//! answers to the byte like one that does not exist, and that the table leaves nothing out.

mod common;

use common::*;
use std::collections::{BTreeMap, BTreeSet};

/// A row: an endpoint or an action; the room that it is about, if any; and what becomes of it for each of [`WHO`], as
/// an HTTP status, 200 where a frame is answered by what it asks for. `removed` has left the room, which nobody can
/// where it is direct. `revoked` is a member whose token was revoked. `admin` is in none of the rooms. 404 always
/// is as for a room that does not exist. A room that is `new` does not exist before; one that is `taken` exists.
const TABLE: &str = "
                                          room     anonymous revoked outsider removed member creator admin

POST /auth/createuser                     -        409 409 409 409 409 409 409
POST /auth/login                          -        200 200 200 200 200 200 200
GET /auth/checkuser/{name}                -        200 200 200 200 200 200 200
GET /auth/me                              -        401 401 200 200 200 200 200
POST /auth/renew                          -        401 401 200 200 200 200 200
POST /auth/password                       -        401 401 403 403 403 403 403
GET /chat/connect                         -        101 401 101 101 101 101 101
GET /chat/list                            -        401 401 200 200 200 200 200
GET /chat/rooms                           -        401 401 200 200 200 200 200
GET /chat/users                           -        401 401 200 200 200 200 200
GET /chat/online                          -        401 401 200 200 200 200 200
POST /report                              -        200 401 200 200 200 200 200
GET /reports                              -        401 401 403 403 403 403 200
GET /health                               -        200 200 200 200 200 200 200

POST /chat/create/{name}/{users..}        new      401 401 201 201 201 201 201
POST /chat/create/{name}/{users..}        public   401 401 409 409 409 409 409
POST /chat/create/{name}/{users..}        private  401 401 409 409 409 409 409
POST /chat/create/{name}/{users..}        direct   401 401 409  -  409 409 409
POST /chat/direct/{users..}               new      401 401 201 201 201 201 201
POST /chat/direct/{users..}               direct   401 401 201  -  200 200 201

GET /chat/members/{room}                  public   401 401 200 200 200 200 200
GET /chat/members/{room}                  private  401 401 404 404 200 200 404
GET /chat/members/{room}                  direct   401 401 404  -  200 200 404
POST /chat/adduser/{room}/{user}          public   401 401 403 403 200 200 403
POST /chat/adduser/{room}/{user}          private  401 401 404 404 200 200 404
POST /chat/adduser/{room}/{user}          direct   401 401 404  -  403 403 404
POST /chat/join/{room}                    public   401 401 200 200 200 200 200
POST /chat/join/{room}                    private  401 401 404 404 200 200 404
POST /chat/join/{room}                    direct   401 401 404  -  200 200 404
POST /chat/leave/{room}                   public   401 401 403 403 204 204 403
POST /chat/leave/{room}                   private  401 401 404 404 204 204 404
POST /chat/leave/{room}                   direct   401 401 404  -  403 403 404
POST /chat/leave/{room}                   general  401 401 403 403 403 403 403
POST /chat/chatroom                       public   401 401 403 403 200 200 403
POST /chat/chatroom                       private  401 401 404 404 200 200 404
POST /chat/chatroom                       direct   401 401 404  -  200 200 404
GET /chat/history/{room}                  public   401 401 200 200 200 200 200
GET /chat/history/{room}                  private  401 401 404 404 200 200 404
GET /chat/history/{room}                  direct   401 401 404  -  200 200 404
GET /chat/search                          public   401 401 403 403 200 200 403
GET /chat/search                          private  401 401 404 404 200 200 404
GET /chat/search                          direct   401 401 404  -  200 200 404

Message                                   public   401 401 403 403 200 200 403
Message                                   private  401 401 404 404 200 200 404
Message                                   direct   401 401 404  -  200 200 404
Read                                      public   401 401 403 403 200 200 403
Read                                      private  401 401 404 404 200 200 404
Read                                      direct   401 401 404  -  200 200 404
Typing                                    public   401 401 403 403 200 200 403
Typing                                    private  401 401 404 404 200 200 404
Typing                                    direct   401 401 404  -  200 200 404
Create                                    new      401 401 200 200 200 200 200
Create                                    public   401 401 409 409 409 409 409
Create                                    private  401 401 409 409 409 409 409
Create                                    direct   401 401 409  -  409 409 409
Join                                      public   401 401 200 200 200 200 200
Join                                      private  401 401 404 404 200 200 404
Join                                      direct   401 401 404  -  200 200 404
Leave                                     public   401 401 403 403 200 200 403
Leave                                     private  401 401 404 404 200 200 404
Leave                                     direct   401 401 404  -  403 403 404
Leave                                     general  401 401 403 403 403 403 403
Add                                       public   401 401 403 403 200 200 403
Add                                       private  401 401 404 404 200 200 404
Add                                       direct   401 401 404  -  403 403 404
History                                   public   401 401 200 200 200 200 200
History                                   private  401 401 404 404 200 200 404
History                                   direct   401 401 404  -  200 200 404
ListUsers                                 -        401 401 200 200 200 200 200
Report                                    -        401 401 200 200 200 200 200
Ping                                      -        401 401 200 200 200 200 200
Hello                                     -        401 401 400 400 400 400 400

POST /auth/logout                         -        401 401 204 204 204 204 204
";

const WHO: [&str; 7] = [
    "anonymous",
    "revoked",
    "outsider",
    "removed",
    "member",
    "creator",
    "admin",
];

/// What is said in every room of the stage, and asked for in searches.
const SAID: &str = "quince";

struct Row {
    what: &'static str,
    room: &'static str,
    cells: Vec<Option<u16>>,
}

fn table() -> Vec<Row> {
    let lines = TABLE.lines().skip(2).filter(|line| !line.is_empty());
    let row = |line: &'static str| {
        let (what, rest) = line.split_at(42);
        let mut words = rest.split_whitespace();
        let room = words.next().expect("a kind of room");
        let cells: Vec<_> = words.map(|word| word.parse().ok()).collect();
        assert_eq!(cells.len(), WHO.len(), "{line}");
        Row {
            what: what.trim(),
            room,
            cells,
        }
    };
    lines.map(row).collect()
}

/// The word that an error of this status has here.
fn code_of(status: u16, what: &str) -> &'static str {
    match (status, what.split('/').nth(2).unwrap_or(what)) {
        (400, _) => "bad_request",
        (401, _) => "unauthorized",
        (403, _) => "forbidden",
        (404, _) => "room_not_found",
        (409, "createuser") => "user_exists",
        (409, "create" | "Create") => "room_exists",
        other => panic!("no error of the table: {other:?}"),
    }
}

/// A room that everybody can act on, and how its creator saw it last.
struct Room {
    name: String,
    seen: String,
}

struct Stage {
    server: Server,
    /// `guest` is nobody's row: somebody to be added.
    people: BTreeMap<&'static str, Person>,
    /// Of those whose token is alive.
    sockets: BTreeMap<&'static str, Socket>,
    /// A member of every room who does nothing but hear.
    witness: Socket,
    rooms: BTreeMap<&'static str, Room>,
}

impl Stage {
    fn new() -> Stage {
        let server = Server::start();
        let mut people = BTreeMap::new();
        for who in [
            "admin", "revoked", "outsider", "removed", "member", "creator", "guest", "witness",
        ] {
            people.insert(who, register(&server, who));
        }
        people["revoked"]
            .post(&server, "/auth/logout")
            .send()
            .nothing();
        let sockets = WHO[2..]
            .iter()
            .map(|who| (*who, Socket::connect(&server, &people[who])));
        let mut stage = Stage {
            sockets: sockets.collect(),
            witness: Socket::connect(&server, &people["witness"]),
            server,
            people,
            rooms: BTreeMap::new(),
        };
        for kind in ["public", "private", "direct"] {
            stage.prepare(kind);
        }
        stage
    }

    fn person(&self, who: &str) -> &Person {
        &self.people[who]
    }

    fn name(&self, who: &str) -> &str {
        &self.people[who].name
    }

    // ---- rooms ----------------------------------------------------------------------------------

    /// A room of this kind as the table has it: with its members, left by `removed`, with something said.
    fn prepare(&mut self, kind: &'static str) {
        let (server, creator) = (&self.server, self.person("creator"));
        let members = ["member", "revoked", "witness"]
            .map(|who| self.name(who))
            .join("/");
        let name = match kind {
            "direct" => {
                let direct = format!("/chat/direct/{members}");
                let made = creator.post(server, &direct).send().json();
                made["name"].as_str().expect("a name").to_owned()
            }
            _ => {
                let (name, removed) = (fresh("room"), self.person("removed"));
                let create = format!("/chat/create/{name}/{members}/{}?kind={kind}", removed.name);
                creator.post(server, &create).send().ok(201);
                let leave = format!("/chat/leave/{name}");
                removed.post(server, &leave).send().nothing();
                name
            }
        };
        creator.say(server, &name, SAID);
        let seen = self.look(&name);
        self.rooms.insert(kind, Room { name, seen });
        self.witness.drain();
    }

    /// The room as its creator sees it, to the last message.
    fn look(&self, room: &str) -> String {
        let creator = self.person("creator");
        let view = creator.room(&self.server, room);
        format!("{view:?} {:?}", creator.whole_history(&self.server, room))
    }

    /// The name of the room that a row is about.
    fn room_name(&self, room: &str) -> String {
        match room {
            "new" => fresh("new"),
            "general" => "general".to_owned(),
            kind => self
                .rooms
                .get(kind)
                .map_or(String::new(), |room| room.name.clone()),
        }
    }

    /// What was refused changed nothing and told nobody; after what was done the next cell begins anew.
    fn settle(&mut self, row: &Row, refused: bool) {
        let Some((&kind, room)) = self.rooms.get_key_value(row.room) else {
            return;
        };
        if refused {
            assert_eq!(self.look(&room.name), room.seen);
            self.witness.expect_nothing();
        } else if row.what.starts_with("GET ") || ["History", "Typing"].contains(&row.what) {
            assert_eq!(self.look(&room.name), room.seen);
            self.witness.drain();
        } else {
            self.prepare(kind);
        }
    }

    // ---- requests -------------------------------------------------------------------------------

    /// The endpoint's request about this room, by this person.
    fn request(&self, what: &str, room: &str, is_new: bool, who: &str) -> Request {
        let (method, pattern) = what.split_once(' ').expect("method and pattern");
        let all_of_direct = ["creator", "member", "revoked", "witness"]
            .map(|who| self.name(who))
            .join("/");
        let users = match (pattern, is_new) {
            ("/chat/direct/{users..}", false) => all_of_direct,
            ("/chat/direct/{users..}", true) => self.name("guest").to_owned(),
            _ => self.name("guest").to_owned(),
        };
        let name = if pattern.starts_with("/auth/") {
            self.name("guest")
        } else {
            room
        };
        let mut path = pattern
            .replace("{users..}", &users)
            .replace("{user}", self.name("guest"))
            .replace("{name}", name)
            .replace("{room}", room);
        if pattern == "/chat/search" {
            path = format!("{path}?q={SAID}&room={room}");
        }
        let mut request = self.server.request(method, &path);
        if who != "anonymous" {
            request = request.token(&self.person(who).token);
        }
        match pattern {
            "/auth/createuser" | "/auth/login" => {
                request.json(json!({"name": self.name("guest"), "password": PASSWORD}))
            }
            "/auth/password" => {
                request.json(json!({"old": "not the password", "new": "another password"}))
            }
            "/chat/chatroom" => request.json(json!({"room": room, "content": "may I?", "id": "m"})),
            "/report" => request.json(json!({"name": "somebody", "issue": "It is cold."})),
            "/chat/connect" => (request.header("Upgrade", "websocket"))
                .header("Connection", "Upgrade")
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            _ => request,
        }
    }

    /// The data of an action's frame about this room.
    fn data(&self, action: &str, room: &str) -> Value {
        match action {
            "Message" => json!({"room": room, "content": "may I?"}),
            "Read" => json!({"room": room, "seq": 2}),
            "Typing" | "History" => json!({"room": room}),
            "Create" => json!({"name": room, "users": [self.name("guest")]}),
            "Join" | "Leave" => json!(room),
            "Add" => json!([room, self.name("guest")]),
            "ListUsers" | "Ping" => Value::Null,
            "Report" => json!("It is cold."),
            "Hello" => json!({"token": self.person("guest").token}),
            other => panic!("an action without data: {other}"),
        }
    }

    // ---- cells ----------------------------------------------------------------------------------

    fn check(&mut self, row: &Row, who: &'static str, status: u16) {
        let is_endpoint = row.what.contains(' ');
        match (is_endpoint, who) {
            (true, _) => self.check_endpoint(row, who, status),
            (false, "anonymous" | "revoked") => self.check_unknown(row, who, status),
            (false, _) => self.check_action(row, who, status),
        }
        self.settle(row, status >= 400);
    }

    fn check_endpoint(&self, row: &Row, who: &str, status: u16) {
        let (room, is_new) = (self.room_name(row.room), row.room == "new");
        let answer = self.request(row.what, &room, is_new, who).send();
        assert_eq!(answer.status, status, "{}", answer.text());
        if status >= 400 {
            answer.refused(status, code_of(status, row.what));
        }
        if status == 404 {
            let ghost = ghost_of(&room);
            let other = self.request(row.what, &ghost, is_new, who).send();
            let (told, ghosts) = (answer.whole(), other.whole());
            assert_eq!(told.replace(&room, "?"), ghosts.replace(&ghost, "?"));
        }
    }

    fn check_action(&mut self, row: &Row, who: &str, status: u16) {
        let room = self.room_name(row.room);
        let ghost = ghost_of(&room);
        let (data, other) = (self.data(row.what, &room), self.data(row.what, &ghost));
        let socket = self.sockets.get_mut(who).expect("a living socket");
        socket.drain();
        if status >= 400 {
            let error = socket.refused(row.what, data, code_of(status, row.what));
            if status == 404 {
                let ghosts = socket
                    .refused(row.what, other, "room_not_found")
                    .to_string();
                assert_eq!(
                    error.to_string().replace(&room, "?"),
                    ghosts.replace(&ghost, "?")
                );
            }
            socket.expect_nothing();
        } else {
            let (answer, data) = socket.request(row.what, data);
            let expected = match row.what {
                "ListUsers" => "List",
                "History" => "History",
                _ => "Ack",
            };
            assert_eq!(answer, expected, "{data}");
        }
    }

    /// Who has no token that lives is sent away, whatever the frame and though it follows at once.
    fn check_unknown(&self, row: &Row, who: &str, status: u16) {
        assert_eq!(status, 401, "nobody acts without a token");
        let mut socket = Socket::open(self.server.address);
        let revoked = json!({"action": "Hello", "data": {"token": self.person("revoked").token}});
        let data = match row.what {
            "Hello" => revoked["data"].clone(),
            action => self.data(action, &self.room_name(row.room)),
        };
        if who == "revoked" {
            socket.send(revoked);
        }
        socket.send(json!({"action": row.what, "data": data, "id": "a"}));
        assert_error(&socket.expect("Error"), "unauthorized");
        let end = socket.event();
        assert!(matches!(end, socket::Event::Closed(Some(4401))), "{end:?}");
    }
}

/// A name of the same length that no room has.
fn ghost_of(room: &str) -> String {
    format!("q{}", room.get(1..).unwrap_or_default())
}

#[test]
fn everybody_may_what_the_table_says() {
    let mut stage = Stage::new();
    for row in table() {
        for (who, cell) in WHO.into_iter().zip(&row.cells) {
            if let Some(status) = *cell {
                println!("{} for {who}, room {}: {status}", row.what, row.room);
                stage.check(&row, who, status);
            }
        }
    }
}

/// The patterns of the table of routes, with their methods.
fn endpoints(source: &'static str) -> BTreeSet<String> {
    let table = source
        .split("static ROUTES")
        .nth(1)
        .expect("the table of routes");
    let table = table.split("];").next().expect("its end");
    let rows = table
        .split(['(', ','])
        .map(str::trim)
        .filter(|part| part.starts_with("\"/"));
    let constructors = ["get(", "post(", "post_body("];
    let count: usize = constructors
        .map(|c| table.matches(&format!(" {c}")).count())
        .iter()
        .sum();
    let patterns: Vec<&str> = rows.map(|quoted| quoted.trim_matches('"')).collect();
    assert_eq!(patterns.len(), count, "each route has one pattern");
    let methods = table.split("\n    ").filter_map(|line| {
        let constructor = constructors.iter().find(|c| line.starts_with(**c))?;
        Some(if *constructor == "get(" {
            "GET"
        } else {
            "POST"
        })
    });
    methods
        .zip(patterns)
        .map(|(method, pattern)| format!("{method} {pattern}"))
        .collect()
}

/// The names of the actions that a client may send.
fn actions(source: &'static str) -> BTreeSet<String> {
    let variants = source.split("pub enum UserAction {").nth(1);
    let variants = variants.and_then(|rest| rest.split("\n}").next());
    let lines = variants.expect("the actions").lines();
    let own = lines.filter_map(|line| line.strip_prefix("    "));
    let named = own.filter(|line| line.starts_with(char::is_uppercase));
    let name = |line: &str| line.split(['(', ' ', ',']).next().map(str::to_owned);
    named.filter_map(name).collect()
}

#[test]
fn the_table_leaves_nothing_out() {
    let mut there = endpoints(include_str!("../src/net/routes.rs"));
    let actions = actions(include_str!("../src/protocol/request.rs"));
    assert!(there.contains("POST /chat/create/{name}/{users..}") && actions.contains("Add"));
    there.extend(actions);
    let rows = table();
    let covered: BTreeSet<String> = rows.iter().map(|row| row.what.to_owned()).collect();
    assert_eq!(covered, there);
    // What is about a room is about every kind of room.
    for what in covered {
        let mine = rows.iter().filter(|row| row.what == what);
        let kinds: BTreeSet<&str> = mine.map(|row| row.room).collect();
        let by_room = what.contains("{room}")
            || [
                "POST /chat/chatroom",
                "GET /chat/search",
                "Message",
                "Read",
                "Typing",
                "Create",
                "Join",
                "Leave",
                "Add",
                "History",
            ]
            .contains(&what.as_str());
        if by_room {
            let missing = ["public", "private", "direct"]
                .iter()
                .find(|kind| !kinds.contains(**kind));
            assert_eq!(missing, None, "{what}");
        }
    }
}
