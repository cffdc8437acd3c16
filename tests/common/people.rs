//! People of the tests, and what they do by HTTP.

use super::{PASSWORD, Server, Value, encode, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub token: String,
}

/// A name that no other test of this process uses.
pub fn fresh(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A new account; its name begins with `name` and is used by nobody else.
pub fn register(server: &Server, name: &str) -> Person {
    register_exactly(server, &fresh(name))
}

pub fn register_exactly(server: &Server, name: &str) -> Person {
    let answer = server
        .post("/auth/createuser")
        .json(json!({"name": name, "password": PASSWORD}))
        .send()
        .ok(201);
    Person::of(&answer)
}

/// As [`register`], from another address of this machine.
pub fn register_from(server: &Server, name: &str, source: &str) -> Person {
    let answer = server
        .post("/auth/createuser")
        .from(source)
        .json(json!({"name": fresh(name), "password": PASSWORD}))
        .send()
        .ok(201);
    Person::of(&answer)
}

/// A new public room of `creator` and these people; answers its name.
pub fn room_of(server: &Server, creator: &Person, others: &[&Person]) -> String {
    make_room(server, creator, others, "public")
}

pub fn private_room_of(server: &Server, creator: &Person, others: &[&Person]) -> String {
    make_room(server, creator, others, "private")
}

fn make_room(server: &Server, creator: &Person, others: &[&Person], kind: &str) -> String {
    let name = fresh("room");
    let mut path = format!("/chat/create/{name}");
    for other in others {
        path.push('/');
        path.push_str(&encode(&other.name));
    }
    let room = creator
        .post(server, &format!("{path}?kind={kind}"))
        .send()
        .ok(201);
    assert_eq!(room["kind"], kind);
    name
}

impl Person {
    /// From an answer with a token and a user.
    pub fn of(answer: &Value) -> Person {
        Person {
            name: answer["user"]["name"].as_str().expect("a name").to_owned(),
            token: answer["token"].as_str().expect("a token").to_owned(),
        }
    }

    pub fn get(&self, server: &Server, path: &str) -> super::Request {
        server.get(path).token(&self.token)
    }

    pub fn post(&self, server: &Server, path: &str) -> super::Request {
        server.post(path).token(&self.token)
    }

    /// Posts into a room by HTTP; answers the `Message`.
    pub fn say(&self, server: &Server, room: &str, content: &str) -> Value {
        self.post(server, "/chat/chatroom")
            .json(json!({"room": room, "content": content}))
            .send()
            .ok(200)
    }

    /// A page of history: `query` is what follows the question mark.
    pub fn history(&self, server: &Server, room: &str, query: &str) -> Value {
        self.get(server, &format!("/chat/history/{}?{query}", encode(room)))
            .send()
            .ok(200)
    }

    /// Everything that a room holds, oldest first, fetched by `after`.
    pub fn whole_history(&self, server: &Server, room: &str) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        loop {
            let after = messages.last().map_or(0, |m| m["seq"].as_u64().unwrap());
            let page = self.history(server, room, &format!("after={after}&limit=200"));
            messages.extend(page["messages"].as_array().unwrap().iter().cloned());
            if page["more"] == false {
                return messages;
            }
        }
    }

    /// The `Room` as `GET /chat/list` tells it, where it is there.
    pub fn room(&self, server: &Server, name: &str) -> Option<Value> {
        let rooms = self.get(server, "/chat/list").send().ok(200);
        let rooms = rooms.as_array().expect("rooms").clone();
        rooms.into_iter().find(|room| room["name"] == name)
    }
}
