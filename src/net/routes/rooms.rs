//! Rooms, their members, and people.
//!
//! Checks names; everything else is the hub's to judge.

use super::{Answered, Call};
use crate::auth::token::Claims;
use crate::net::negotiation::etag_matches;
use crate::net::response::Answer;
use crate::protocol::{Code, CreateRequest, Error, RoomKind, check_room_name, check_user_name};

pub(super) fn list(call: &Call<'_>, claims: &Claims) -> Answered {
    Ok(call.long_list(claims, call.context.hub.rooms_of(claims)?))
}

pub(super) fn public(call: &Call<'_>, claims: &Claims) -> Answered {
    Ok(call.long_list(claims, call.context.hub.public_rooms(claims)?))
}

pub(super) fn online(call: &Call<'_>, claims: &Claims) -> Answered {
    Ok(call.list(claims, call.context.hub.online(claims)?))
}

pub(super) fn users(call: &Call<'_>, claims: &Claims) -> Answered {
    let list = call.context.hub.users(claims)?;
    let known = call
        .request
        .head
        .values("If-None-Match")
        .any(|tags| etag_matches(tags, &list.etag));
    let answer = match known {
        true => Answer::not_modified(list.json.len()),
        false => Answer::revalidated_json(200, list.json),
    };
    // People are private, so no cache between us keeps them; a browser may, and asks each time.
    Ok(answer
        .with("Cache-Control", "private, no-cache")
        .with("ETag", &list.etag))
}

pub(super) fn members(call: &Call<'_>, claims: &Claims) -> Answered {
    let room = room_parameter(call)?;
    Ok(call.list(claims, call.context.hub.members(claims, room)?))
}

pub(super) fn create(call: &Call<'_>, claims: &Claims) -> Answered {
    let name = room_parameter(call)?.to_owned();
    let users = user_parameters(&call.parameters[1..])?;
    let kind = match call.target.query.value("kind")?.as_deref() {
        None | Some("public") => RoomKind::Public,
        Some("private") => RoomKind::Private,
        Some(_) => {
            let why = "\"kind\" must be \"public\" or \"private\".";
            return Err(Error::new(Code::BadRequest, why));
        }
    };
    let request = CreateRequest {
        name,
        kind: Some(kind),
        users: Some(users),
    };
    let room = call.context.hub.create_room(claims, request)?;
    Ok(Answer::of(201, &room))
}

pub(super) fn direct(call: &Call<'_>, claims: &Claims) -> Answered {
    let users = user_parameters(call.parameters)?;
    let (room, created) = call.context.hub.direct_room(claims, users)?;
    Ok(Answer::of(if created { 201 } else { 200 }, &room))
}

pub(super) fn add_user(call: &Call<'_>, claims: &Claims) -> Answered {
    let room = room_parameter(call)?;
    let user = &call.parameters[1];
    check_user_name(user)?;
    Ok(Answer::of(
        200,
        &call.context.hub.add_user(claims, room, user)?,
    ))
}

pub(super) fn join(call: &Call<'_>, claims: &Claims) -> Answered {
    let room = room_parameter(call)?;
    Ok(Answer::of(200, &call.context.hub.join(claims, room)?))
}

pub(super) fn leave(call: &Call<'_>, claims: &Claims) -> Answered {
    let room = room_parameter(call)?;
    call.context.hub.leave(claims, room)?;
    Ok(Answer::empty(204))
}

/// The first placeholder, as the name of a room.
pub(super) fn room_parameter<'a>(call: &'a Call<'_>) -> Result<&'a str, Error> {
    let name = &call.parameters[0];
    check_room_name(name)?;
    Ok(name)
}

fn user_parameters(names: &[String]) -> Result<Vec<String>, Error> {
    for name in names {
        check_user_name(name)?;
    }
    Ok(names.to_vec())
}
