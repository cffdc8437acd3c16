//! Who is online: how many connections each user has, and which changes are still to be told.

use crate::model::UserId;
use crate::protocol::NameList;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub struct Presence {
    connections: HashMap<UserId, usize>,
    /// Whose presence changed since the last announcement, and what it was then.
    changed: BTreeMap<UserId, bool>,
    /// The names of those online. Somebody who comes is appended, so that thousands who come at once cost no more than
    /// their names; when somebody goes it is made anew.
    listed: Option<NameList>,
}

impl Presence {
    pub fn is_online(&self, user: UserId) -> bool {
        self.connections.contains_key(&user)
    }

    pub fn opened(&mut self, user: UserId, name: &str) {
        let count = self.connections.entry(user).or_insert(0);
        *count += 1;
        if *count > 1 {
            return;
        }
        self.changed.entry(user).or_insert(false);
        if let Some(listed) = &mut self.listed {
            listed.push(name);
        }
    }

    pub fn closed(&mut self, user: UserId) {
        let Some(count) = self.connections.get_mut(&user) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.connections.remove(&user);
        self.changed.entry(user).or_insert(true);
        self.listed = None;
    }

    /// All connections of a user end at once.
    pub fn ended(&mut self, user: UserId) {
        if self.connections.remove(&user).is_some() {
            self.changed.entry(user).or_insert(true);
            self.listed = None;
        }
    }

    /// Begins anew with a user for each connection; forgets users who turned out not to exist.
    pub fn recount(
        &mut self,
        exists: impl Fn(UserId) -> bool,
        connections: impl Iterator<Item = UserId>,
    ) {
        let before = std::mem::take(&mut self.connections);
        for user in connections {
            *self.connections.entry(user).or_insert(0) += 1;
        }
        for &user in before.keys().chain(self.connections.keys()) {
            let was_online = before.contains_key(&user);
            if was_online != self.connections.contains_key(&user) {
                self.changed.entry(user).or_insert(was_online);
            }
        }
        self.changed.retain(|&user, _| exists(user));
        self.listed = None;
    }

    /// The names of those online.
    pub fn online<'a>(&mut self, name_of: impl Fn(UserId) -> &'a str) -> NameList {
        let connections = &self.connections;
        let listed = self.listed.get_or_insert_with(|| {
            let mut users: Vec<UserId> = connections.keys().copied().collect();
            users.sort_unstable();
            let mut listed = NameList::default();
            users.iter().for_each(|&user| listed.push(name_of(user)));
            listed
        });
        listed.clone()
    }

    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes the changes since the last call: who came, who went. Who came and went again is not among them.
    pub fn take_changes(&mut self) -> (Vec<UserId>, Vec<UserId>) {
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for (user, was_online) in std::mem::take(&mut self.changed) {
            match (was_online, self.is_online(user)) {
                (false, true) => came.push(user),
                (true, false) => went.push(user),
                _ => {}
            }
        }
        (came, went)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_connections_are_one_presence() {
        let mut presence = Presence::default();
        let name = |user: UserId| ["eva", "mira"][user.0 as usize];
        presence.opened(UserId(0), "eva");
        presence.opened(UserId(0), "eva");
        assert_eq!(presence.take_changes(), (vec![UserId(0)], vec![]));
        assert_eq!(presence.online(name).json(), br#"["eva"]"#);
        presence.opened(UserId(1), "mira");
        assert_eq!(presence.online(name).json(), br#"["eva","mira"]"#);
        presence.closed(UserId(0));
        assert!(presence.is_online(UserId(0)));
        presence.closed(UserId(0));
        presence.closed(UserId(1));
        assert_eq!(
            presence.take_changes(),
            (vec![], vec![UserId(0)]),
            "mira came and went"
        );
        assert_eq!(presence.online(name).json(), b"[]");
    }
}
