//! A room as the server knows it.

use super::UserId;
use crate::protocol::{Millis, RoomKind, Seq};
use std::collections::BTreeMap;

/// The room that everybody is in, that always exists and that nobody leaves.
pub const GENERAL: &str = "general";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub name: String,
    pub kind: RoomKind,
    pub topic: String,
    pub creator: String,
    pub created: Millis,
    pub last_seq: Seq,
    /// Members and their read positions.
    pub members: BTreeMap<UserId, Seq>,
}

impl Room {
    pub fn new(name: &str, kind: RoomKind, creator: &str, created: Millis) -> Room {
        Room {
            name: name.to_owned(),
            kind,
            topic: String::new(),
            creator: creator.to_owned(),
            created,
            last_seq: 0,
            members: BTreeMap::new(),
        }
    }

    pub fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// Anyone may find and read it.
    pub fn is_public(&self) -> bool {
        self.kind == RoomKind::Public
    }
}
