//! A user as the server knows them.

use super::RoomId;
use crate::protocol::{self, Millis};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub display_name: String,
    /// The password's hash as a PHC string.
    pub password: String,
    /// Tokens of an older generation are dead.
    pub generation: u32,
    pub admin: bool,
    pub active: bool,
    pub created: Millis,
    /// The rooms that they are in.
    pub rooms: BTreeSet<RoomId>,
}

impl User {
    /// As everybody may see them.
    pub fn public(&self) -> protocol::User {
        protocol::User {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            admin: self.admin,
            active: self.active,
        }
    }
}
