//! Reports to whoever runs the server, and whether it runs.

use super::messages::page_range;
use super::{Answered, Call};
use crate::auth::token::Claims;
use crate::limits::REPORTER_BYTES;
use crate::net::response::Answer;
use crate::protocol::{Code, Error, ReportRequest, Seq, check_report};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    registration: Registration,
}

/// Who may make an account now.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Registration {
    /// Nobody has one: whoever makes the first will be the admin.
    First,
    Open,
    Closed,
}

#[derive(Serialize)]
struct Reported {}

/// Without a token, from anybody under any name; with one, under the user's own.
pub(super) fn report(call: &Call<'_>) -> Answered {
    let account = match call.token()? {
        Some(claims) => Some(call.context.hub.account(&claims)?),
        None => None,
    };
    let request: ReportRequest = call.body()?;
    check_report(&request.issue)?;
    if account.is_none() {
        check_reporter(&request.name)?;
    }
    call.context.throttles.report(call.request.peer)?;
    let signed_in = account.is_some();
    let name = account.map_or(request.name, |account| account.user.name);
    call.context.hub.report(name, signed_in, request.issue)?;
    Ok(Answer::of(200, &Reported {}))
}

/// What people call themselves here need not be a user's name: "reception desk" will do.
fn check_reporter(name: &str) -> Result<(), Error> {
    let fits = (1..=REPORTER_BYTES).contains(&name.len());
    if fits && !name.trim().is_empty() && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(Error::new(
        Code::BadName,
        format!("Say who you are in 1 to {REPORTER_BYTES} bytes, in one line."),
    ))
}

pub(super) fn reports(call: &Call<'_>, claims: &Claims) -> Answered {
    let range = page_range(call)?;
    let hub = &call.context.hub;
    hub.may_read_reports(claims)?;
    let reading = call.context.readings.begin_page(&claims.sub, range.limit)?;
    // Whoever waited may have been signed out meanwhile.
    let log = hub.may_read_reports(claims)?;
    let reader = &call.context.reader;
    let page = reader.page(log, reader.select(log, &range, Seq::MAX))?;
    Ok(Answer::json(200, reading.of(page.to_json(), call.stream)))
}

pub(super) fn health(call: &Call<'_>) -> Answered {
    let registration = match call.context.hub.inhabited() {
        false => Registration::First,
        true if call.context.config.close_registration => Registration::Closed,
        true => Registration::Open,
    };
    let health = Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        registration,
    };
    Ok(Answer::of(200, &health))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reporters_say_who_they_are_in_a_line() {
        for good in ["eva", "reception desk", "李雷", &"x".repeat(REPORTER_BYTES)] {
            assert!(check_reporter(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "  ",
            "a\nb",
            "a\u{1b}[0m",
            &"x".repeat(REPORTER_BYTES + 1),
        ] {
            assert_eq!(check_reporter(bad).unwrap_err().code, Code::BadName);
        }
    }
}
