//! A room as the server knows it.

use super::{LogId, UserId};
use crate::protocol::{Millis, RoomKind, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Messages whose text was replaced, and the newest message that did. Shared with readers, who see it as it was.
    pub replaced: Arc<Replaced>,
}

/// A room's log as one who may read it reads it: nothing that came later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    pub log: LogId,
    pub name: String,
    pub last_seq: Seq,
    pub replaced: Arc<Replaced>,
}

/// Original messages, and the newest message that replaces the text of each.
pub type Replaced = BTreeMap<Seq, Seq>;

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
            replaced: Arc::default(),
        }
    }

    pub fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// Makes room for the next message, which may replace the text of an earlier one; answers its `seq`.
    pub(super) fn advance(&mut self, replaces: Option<Seq>) -> Seq {
        self.last_seq += 1;
        if let Some(original) = replaces {
            Arc::make_mut(&mut self.replaced).insert(original, self.last_seq);
        }
        self.last_seq
    }

    /// Anyone may find and read it.
    pub fn is_public(&self) -> bool {
        self.kind == RoomKind::Public
    }
}
