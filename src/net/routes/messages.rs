//! Posting, reading and searching messages.
//!
//! Posting goes through the hub's thread; pages and searches are read from the store on the connection's own, once a
//! look at what is durable has said what the caller may read.

use super::rooms::room_parameter;
use super::{Answered, Call};
use crate::auth::token::Claims;
use crate::hub::{LookedUp, NewMessage};
use crate::limits::{SEARCH_DEADLINE, SEARCH_QUERY_BYTES};
use crate::net::response::Answer;
use crate::net::{Context, edits};
use crate::protocol::{Code, Error, MessageRequest, check_room_name};
use crate::store::PageRange;
use std::time::Instant;

pub(super) fn post(call: &Call<'_>, claims: &Claims) -> Answered {
    let request: MessageRequest = call.body()?;
    request.check()?;
    let hub = &call.context.hub;
    let looked_up = if request.id.is_some() || request.replaces.is_some() {
        hub.look_up_for(claims, &request, || {
            call.context.look_ups.begin(&claims.sub)
        })?
    } else {
        LookedUp::default()
    };
    let new = NewMessage { request, looked_up };
    Ok(Answer::json(200, hub.post(claims, new)?))
}

pub(super) fn history(call: &Call<'_>, claims: &Claims) -> Answered {
    let name = room_parameter(call)?;
    let range = page_range(call)?;
    let Context {
        hub, reader, pages, ..
    } = call.context;
    let look = || {
        let room = hub.readable(claims, name)?;
        let selection = reader.select(room.log, &range, room.last_seq);
        let untouched = edits::is_untouched(&room, selection);
        Ok::<_, Error>((room, selection, untouched))
    };
    // Nobody waits for what they may not read; and whoever waited may have left meanwhile, or been signed out.
    let (room, selection, untouched) = look()?;
    if untouched && let Some(json) = pages.find(room.log, selection) {
        return Ok(Answer::json(200, json));
    }
    let reading = call.context.readings.begin_page(&claims.sub, range.limit)?;
    let (room, selection, untouched) = look()?;
    let json = edits::page(reader, &room, selection)?.to_json();
    if untouched {
        pages.keep(room.log, selection, &json);
    }
    Ok(Answer::json(200, reading.of(json, call.stream)))
}

/// The page that the query asks for.
pub(super) fn page_range(call: &Call<'_>) -> Result<PageRange, Error> {
    Ok(PageRange {
        before: call.target.query.number("before")?,
        after: call.target.query.number("after")?,
        limit: call.limit()?,
    })
}

pub(super) fn search(call: &Call<'_>, claims: &Claims) -> Answered {
    let query = call.target.query.value("q")?.unwrap_or_default();
    check_query(&query)?;
    let room = call.target.query.value("room")?;
    if let Some(room) = &room {
        check_room_name(room)?;
    }
    let limit = call.limit()?;
    let hub = &call.context.hub;
    hub.searchable(claims, room.as_deref())?;
    let reading = (call.context.readings).begin_search(&claims.sub, limit)?;
    // As for a page.
    let rooms = hub.searchable(claims, room.as_deref())?;
    let deadline = Instant::now() + SEARCH_DEADLINE;
    let found = crate::search::search(&call.context.reader, &rooms, &query, limit, deadline)?;
    Ok(Answer::json(200, reading.of(found, call.stream)))
}

fn check_query(query: &str) -> Result<(), Error> {
    if query.trim().is_empty() {
        let why = "Say what to search for in the parameter \"q\".";
        return Err(Error::new(Code::BadRequest, why));
    }
    if query.len() > SEARCH_QUERY_BYTES {
        let why = format!("\"q\" is too long. Search for at most {SEARCH_QUERY_BYTES} bytes.");
        return Err(Error::new(Code::BadRequest, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_have_bounds() {
        for good in ["a", " a ", &"x".repeat(SEARCH_QUERY_BYTES)] {
            assert!(check_query(good).is_ok(), "{good:?}");
        }
        for bad in ["", " \u{2003}", &"x".repeat(SEARCH_QUERY_BYTES + 1)] {
            assert_eq!(check_query(bad).unwrap_err().code, Code::BadRequest);
        }
    }
}
