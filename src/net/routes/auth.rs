//! Accounts, sign-in and tokens.
//!
//! Checks what needs no state, keeps count of attempts, hashes on the connection's own thread, and asks the hub.

use super::{Answered, Call};
use crate::auth::token::Claims;
use crate::hub::{Account, user_exists};
use crate::net::response::Answer;
use crate::net::unix_seconds;
use crate::protocol::{
    Code, CredentialsRequest, Error, PasswordRequest, SignedIn, User, check_new_user_name,
    check_password, check_user_name, fold,
};
use serde::Serialize;
use std::time::{Duration, Instant};

#[derive(Serialize)]
struct Me<'a> {
    user: &'a User,
}

#[derive(Serialize)]
struct Exists {
    exists: bool,
}

pub(super) fn create_user(call: &Call<'_>) -> Answered {
    let request: CredentialsRequest = call.body()?;
    check_new_user_name(&request.name)?;
    check_password(&request.password)?;
    call.context.hub.may_register()?;
    call.context.throttles.account(call.request.peer)?;
    call.context.hub.may_register()?;
    // A hash costs much; a name that is taken costs none. The hub decides again, among those who come at once.
    if call.context.hub.account_exists(&request.name) {
        return Err(user_exists(&request.name));
    }
    let phc = call.context.hasher.hash(&request.password)?;
    let account = call.context.hub.create_user(request.name, phc)?;
    Ok(signed_in(call, 201, &account))
}

/// How an attempt to sign in ended.
enum Login {
    Right(Account),
    /// With the name of the account that it was for, if there is such a one.
    Wrong(Option<String>),
}

pub(super) fn login(call: &Call<'_>) -> Answered {
    let request: CredentialsRequest = call.body()?;
    let address = call.request.peer.to_string();
    match verify_login(call, &request)? {
        Login::Right(account) => {
            let fields = [("user", account.user.name.as_str()), ("address", &address)];
            call.context.log.write("signed_in", &fields);
            Ok(signed_in(call, 200, &account))
        }
        Login::Wrong(name) => {
            // A name that nobody has may be a password that was typed into the wrong field: it is not logged.
            let name = name.as_deref().unwrap_or("(unknown)");
            let fields = [("user", name), ("address", &address)];
            call.context.log.write("sign_in_failed", &fields);
            let why = "The name or the password is wrong. Check both and try again.";
            Err(Error::new(Code::Unauthorized, why))
        }
    }
}

/// An unknown name and an impossible one take as long as a wrong password.
fn verify_login(call: &Call<'_>, request: &CredentialsRequest) -> Result<Login, Error> {
    let context = call.context;
    let attempt = context
        .throttles
        .logins
        .begin(call.request.peer, &fold(&request.name), Instant::now())
        .map_err(too_many_failures)?;
    let known = match check_user_name(&request.name) {
        Ok(()) => context.hub.credentials(&request.name),
        Err(_) => None,
    };
    let phc = known.as_ref().map(|known| known.phc.as_str());
    let right = context.hasher.verify(&request.password, phc)?;
    match known {
        Some(known) if right => {
            attempt.succeeded();
            let claims = claims_of(known.name, known.generation);
            context.hub.account(&claims).map(Login::Right)
        }
        known => {
            attempt.failed(Instant::now());
            Ok(Login::Wrong(known.map(|known| known.name)))
        }
    }
}

/// Claims as a token that is issued now would have them: the hub tells accounts by claims.
fn claims_of(name: String, generation: u32) -> Claims {
    let now = unix_seconds();
    Claims {
        sub: name,
        iat: now,
        exp: now + crate::limits::TOKEN_LIFETIME.as_secs(),
        generation,
    }
}

fn too_many_failures(wait: Duration) -> Error {
    let seconds = wait.as_secs() + 1;
    Error::rate_limited(
        format!("Too many failed attempts to sign in. Wait {seconds} seconds and try again."),
        wait,
    )
}

pub(super) fn check_user(call: &Call<'_>) -> Answered {
    call.context.throttles.lookup(call.request.peer)?;
    let name = &call.parameters[0];
    // A name that nobody may have is nobody's.
    let exists = check_user_name(name).is_ok() && call.context.hub.account_exists(name);
    Ok(Answer::of(200, &Exists { exists }))
}

pub(super) fn me(call: &Call<'_>, claims: &Claims) -> Answered {
    let account = call.context.hub.account(claims)?;
    Ok(Answer::of(
        200,
        &Me {
            user: &account.user,
        },
    ))
}

pub(super) fn renew(call: &Call<'_>, claims: &Claims) -> Answered {
    let account = call.context.hub.account(claims)?;
    Ok(signed_in(call, 200, &account))
}

pub(super) fn password(call: &Call<'_>, claims: &Claims) -> Answered {
    let request: PasswordRequest = call.body()?;
    check_password(&request.new)?;
    let context = call.context;
    let account = context.hub.account(claims)?;
    // A stolen token must not become a place to guess the password at.
    let attempt = context
        .throttles
        .logins
        .begin(call.request.peer, &fold(&account.user.name), Instant::now())
        .map_err(too_many_failures)?;
    let phc = context
        .hub
        .credentials(&account.user.name)
        .map(|known| known.phc);
    if !context.hasher.verify(&request.old, phc.as_deref())? {
        attempt.failed(Instant::now());
        return Err(Error::new(
            Code::Forbidden,
            "The current password is wrong. Type it again.",
        ));
    }
    attempt.succeeded();
    let new_phc = context.hasher.hash(&request.new)?;
    let old_phc = phc.unwrap_or_default();
    let account = context.hub.set_password(claims, old_phc, new_phc)?;
    Ok(signed_in(call, 200, &account))
}

pub(super) fn logout(call: &Call<'_>, claims: &Claims) -> Answered {
    call.context.hub.sign_out_everywhere(claims)?;
    Ok(Answer::empty(204))
}

fn signed_in(call: &Call<'_>, status: u16, account: &Account) -> Answer {
    let token = call
        .context
        .signer
        .issue(&account.user.name, account.generation, unix_seconds());
    let body = SignedIn {
        token: &token,
        user: &account.user,
    };
    Answer::of(status, &body)
}
