//! A room as the server knows it.

use super::{LogId, UserId};
use crate::protocol::{Millis, RoomKind, Seq};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The room that everybody is in, that always exists and that nobody leaves.
pub const GENERAL: &str = "general";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Shared with all who have to say it later, so that they hold no copy.
    pub name: Arc<str>,
    pub kind: RoomKind,
    pub topic: String,
    pub creator: String,
    pub created: Millis,
    pub last_seq: Seq,
    /// Members and their read positions.
    pub members: BTreeMap<UserId, Seq>,
    /// Messages whose text was replaced, and the newest message that did. Shared with readers, who see it as it was.
    pub replaced: Arc<Replaced>,
    /// What all who may see the room see alike, as JSON.
    pub shown: Shown,
}

/// Text that says what a room says, made when somebody first wants it and shared by all who do until it is not true any
/// more. It tells nothing new, so it makes no room different from another.
#[derive(Clone, Debug, Default)]
pub struct Shown(OnceLock<Arc<str>>);

impl Shown {
    pub fn get_or_make(&self, make: impl FnOnce() -> Arc<str>) -> Arc<str> {
        self.0.get_or_init(make).clone()
    }
}

impl PartialEq for Shown {
    fn eq(&self, _: &Shown) -> bool {
        true
    }
}

impl Eq for Shown {}

/// A room's log as one who may read it reads it: nothing that came later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readable {
    pub log: LogId,
    pub name: Arc<str>,
    pub last_seq: Seq,
    pub replaced: Arc<Replaced>,
}

/// Original messages, and the newest message that replaces the text of each.
pub type Replaced = BTreeMap<Seq, Seq>;

impl Room {
    pub fn new(name: &str, kind: RoomKind, creator: &str, created: Millis) -> Room {
        Room {
            name: name.into(),
            kind,
            topic: String::new(),
            creator: creator.to_owned(),
            created,
            last_seq: 0,
            members: BTreeMap::new(),
            replaced: Arc::default(),
            shown: Shown::default(),
        }
    }

    pub fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// How far a member has read; 0 where they are none.
    pub fn read_by(&self, user: UserId) -> Seq {
        self.members.get(&user).copied().unwrap_or(0)
    }

    /// Who is in it already stays as they are.
    pub(super) fn enter(&mut self, user: UserId, read: Seq) {
        self.members.entry(user).or_insert(read);
        self.shown = Shown::default();
    }

    pub(super) fn leave(&mut self, user: UserId) {
        self.members.remove(&user);
        self.shown = Shown::default();
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
