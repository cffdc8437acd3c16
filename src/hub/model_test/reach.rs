//! Whom the fan-out reaches, and what they hear: what effects mean, said once more.

use super::wire::{payload, plain};
use crate::hub::effect::{Audience, Effect};
use crate::model::{RoomId, UserId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Each open connection, whose it is, and the rooms that it hears.
#[derive(Default)]
pub struct Reach(BTreeMap<u64, (UserId, BTreeSet<RoomId>)>);

impl Reach {
    pub fn has(&self, connection: u64) -> bool {
        self.0.contains_key(&connection)
    }

    pub fn connections(&self) -> BTreeMap<u64, usize> {
        let reached = self.0.iter();
        reached
            .map(|(id, (user, _))| (*id, user.0 as usize))
            .collect()
    }

    /// Who hears what of these effects.
    pub fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<(u64, Value)> {
        let mut heard = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, frame } => {
                    let what = plain(payload(&frame));
                    heard.extend(self.audience(to).into_iter().map(|to| (to, what.clone())));
                }
                Effect::Open {
                    connection,
                    user,
                    rooms,
                    ..
                } => {
                    let rooms = rooms.into_iter().collect();
                    self.0.insert(connection.0, (user, rooms));
                }
                Effect::Forget { connection } => {
                    self.0.remove(&connection.0);
                }
                Effect::Enter { room, user } => self.rooms_of(user, |rooms| rooms.insert(room)),
                Effect::Exit { room, user } => self.rooms_of(user, |rooms| rooms.remove(&room)),
                Effect::CloseUser { user, .. } => {
                    for connection in self.audience(Audience::User(user)) {
                        heard.push((connection, json!("close")));
                        self.0.remove(&connection);
                    }
                }
                Effect::CloseAll { .. } => unreachable!("nobody stops the server"),
            }
        }
        heard
    }

    fn audience(&self, to: Audience) -> Vec<u64> {
        let hears = |id: u64, user: UserId, rooms: &BTreeSet<RoomId>| match to {
            Audience::Connection(only) => id == only.0,
            Audience::User(only) => user == only,
            Audience::OthersOfUser(only, but) => user == only && id != but.0,
            Audience::Room(room) => rooms.contains(&room),
            Audience::OthersInRoom(room, but) => rooms.contains(&room) && user != but,
            Audience::Everyone => true,
        };
        let reached = self.0.iter();
        let reached = reached.filter(|(id, (user, rooms))| hears(**id, *user, rooms));
        reached.map(|(id, _)| *id).collect()
    }

    fn rooms_of(&mut self, whose: UserId, mut change: impl FnMut(&mut BTreeSet<RoomId>) -> bool) {
        for (user, rooms) in self.0.values_mut() {
            if *user == whose {
                change(rooms);
            }
        }
    }
}
