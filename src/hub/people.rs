//! The table of users as `GET /chat/users` answers it, and its `ETag`.
//!
//! The `ETag` is a sum over the users, so that one more user costs one more term, and is the same after a restart:
//! a client that knows it fetches nothing.

use crate::model::State;
use crate::protocol::User;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// All users as JSON, and the tag of exactly this list.
#[derive(Clone, Debug)]
pub struct UserList {
    /// With its quotes (RFC 9110, section 8.8.3).
    pub etag: String,
    pub json: Arc<[u8]>,
}

pub struct People {
    sum: u64,
    json: Option<Arc<[u8]>>,
}

impl People {
    pub fn new(state: &State) -> People {
        let sum = state
            .users()
            .iter()
            .map(|user| term(&user.public()))
            .fold(0, u64::wrapping_add);
        People { sum, json: None }
    }

    pub fn added(&mut self, user: &User) {
        self.sum = self.sum.wrapping_add(term(user));
        self.json = None;
    }

    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", self.sum)
    }

    pub fn list(&mut self, state: &State) -> UserList {
        let json = self.json.get_or_insert_with(|| {
            let users: Vec<User> = state.users().iter().map(|user| user.public()).collect();
            serde_json::to_vec(&users)
                .expect("users always serialise")
                .into()
        });
        let json = json.clone();
        UserList {
            etag: self.etag(),
            json,
        }
    }
}

fn term(user: &User) -> u64 {
    let json = serde_json::to_vec(user).expect("users always serialise");
    let digest = Sha256::digest(&json);
    u64::from_le_bytes(digest[..8].try_into().expect("eight bytes are eight bytes"))
}
