//! Deciding about accounts: who exists, with which password and generation of tokens.

use super::core::Core;
use super::effect::{Audience, Effect};
use super::people::UserList;
use crate::auth::token::Claims;
use crate::model::{Event, GENERAL, UserId, UserRecord};
use crate::protocol::{Added, Code, Error, Report, RoomEvent, User, text_frame};

/// Close code of a connection whose token is not, or no longer, good.
pub const CLOSE_UNAUTHORIZED: u16 = 4401;

/// What signing in needs to know of a user.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub name: String,
    /// The password's hash.
    pub phc: String,
    pub generation: u32,
}

/// A user, and the generation of their tokens.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: User,
    pub generation: u32,
}

impl Core {
    pub fn create_user(&mut self, name: String, phc: String) -> Result<Account, Error> {
        self.may_write()?;
        self.settings.may_register(&self.state)?;
        if self.user_exists(&name) {
            return Err(user_exists(&name));
        }
        let general = self
            .state
            .find_room(GENERAL)
            .expect("general always exists");
        let announcement = self.announcement(general, RoomEvent::Joined { user: name.clone() });
        let record = UserRecord {
            display_name: name.clone(),
            name,
            password: phc,
            generation: 0,
            admin: self.state.users().is_empty(),
            active: true,
            created: self.now.millis,
        };
        let name = record.name.clone();
        self.decide(Event::UserCreated {
            user: record,
            announcement,
        });
        let id = self
            .state
            .find_user(&name)
            .expect("the user was just created");
        let account = self.account(id);
        self.people.added(&account.user);
        self.send(Audience::Everyone, text_frame("User", &account.user));
        let added = Added {
            room: GENERAL,
            adder: None,
            added: &[&name],
        };
        self.send(Audience::Room(general), text_frame("Added", &added));
        self.send_staged_message(general);
        self.log("user_created", vec![("user", name)]);
        Ok(account)
    }

    /// `old` is the hash that was verified: where it changed meanwhile, somebody else was faster.
    pub fn set_password(
        &mut self,
        claims: &Claims,
        old: &str,
        new: String,
    ) -> Result<Account, Error> {
        let user = self.caller(claims)?;
        self.may_write()?;
        if self.state.user(user).password != old {
            return Err(Error::new(
                Code::Forbidden,
                "The password was changed meanwhile. Sign in again.",
            ));
        }
        let (name, generation) = (self.name(user).to_owned(), self.next_generation(user));
        self.close_sockets(user, "The password was changed. Sign in again.");
        self.decide(Event::PasswordChanged {
            user: name.clone(),
            password: new,
            generation,
        });
        self.log("password_changed", vec![("user", name)]);
        Ok(self.account(user))
    }

    pub fn sign_out_everywhere(&mut self, claims: &Claims) -> Result<(), Error> {
        let user = self.caller(claims)?;
        self.may_write()?;
        let (name, generation) = (self.name(user).to_owned(), self.next_generation(user));
        self.close_sockets(user, "You signed out everywhere. Sign in again.");
        self.decide(Event::SignedOutEverywhere {
            user: name.clone(),
            generation,
        });
        self.log("signed_out_everywhere", vec![("user", name)]);
        Ok(())
    }

    fn next_generation(&self, user: UserId) -> u32 {
        self.state.user(user).generation.wrapping_add(1)
    }

    /// Their tokens are dead, and so are their connections: nothing that still arrives on them counts. They are
    /// forgotten when their threads notice, not now, since the disk may still refuse all this.
    fn close_sockets(&mut self, user: UserId, reason: &'static str) {
        self.effect(Effect::CloseUser {
            user,
            code: CLOSE_UNAUTHORIZED,
            reason,
        });
        self.presence.ended(user);
    }

    pub fn users(&mut self) -> UserList {
        self.people.list(&self.state)
    }

    /// `name` is the user's where `signed_in`, else what the reporter called themselves.
    pub fn report(&mut self, name: String, signed_in: bool, issue: String) -> Result<(), Error> {
        self.may_write()?;
        let seq = self.state.last_report() + 1;
        let fields = vec![
            ("name", name.clone()),
            ("signed_in", signed_in.to_string()),
            ("number", seq.to_string()),
            ("issue", issue.clone()),
        ];
        self.decide(Event::Report(Report {
            seq,
            name,
            signed_in,
            issue,
            timestamp: self.now.millis,
        }));
        self.log("report", fields);
        Ok(())
    }
}

pub fn user_exists(name: &str) -> Error {
    Error::new(
        Code::UserExists,
        format!("The name {name:?} is taken. Choose another one, or sign in."),
    )
}
