//! The one table of endpoints, and the way of a request through it.
//!
//! Owns which path and method mean what; methods, 404, 405 and `OPTIONS` all follow from the table. Decides nothing
//! else: handlers check what needs no state and ask the hub or the store. Locks nothing.

mod auth;
mod connect;
mod messages;
mod misc;
mod rooms;

use super::http::{Outcome, Service};
use super::path::Target;
use super::request::{Head, Request, length_required};
use super::response::Answer;
use super::{Context, assets, cors, unix_seconds};
use crate::auth::token::{Claims, Signer, TokenError};
use crate::protocol::{self, Code, Error, Pieces};
use std::cell::RefCell;
use std::net::TcpStream;
use std::sync::Arc;
use tiny_http::Method;

/// First segments below which everything is the server's, and nothing the client's.
const OURS: [&str; 2] = ["auth", "chat"];

/// What a handler is given.
struct Call<'a> {
    context: &'a Context,
    /// On which the answer is sent.
    stream: &'a Arc<TcpStream>,
    token: &'a LastToken,
    request: &'a Request,
    target: &'a Target<'a>,
    /// What stands at the pattern's placeholders, decoded.
    parameters: &'a [String],
}

type Answered = Result<Answer, Error>;

/// What an endpoint does, and whether a token is asked for.
enum Handler {
    Open(fn(&Call<'_>) -> Answered),
    Token(fn(&Call<'_>, &Claims) -> Answered),
    /// The upgrade to a WebSocket.
    Connect,
}

/// An endpoint. In a pattern `{x}` is one segment, `{x..}` at its end any number of them.
struct Route {
    method: Method,
    pattern: &'static str,
    /// Whether it reads a body; where it does not, one is dropped.
    body: bool,
    handler: Handler,
}

const fn get(pattern: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::Get,
        pattern,
        body: false,
        handler,
    }
}

const fn post(pattern: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::Post,
        pattern,
        body: false,
        handler,
    }
}

const fn post_body(pattern: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::Post,
        pattern,
        body: true,
        handler,
    }
}

/// Section 3 of the protocol, line by line.
static ROUTES: [Route; 24] = [
    post_body("/auth/createuser", Handler::Open(auth::create_user)),
    post_body("/auth/login", Handler::Open(auth::login)),
    get("/auth/checkuser/{name}", Handler::Open(auth::check_user)),
    get("/auth/me", Handler::Token(auth::me)),
    post("/auth/renew", Handler::Token(auth::renew)),
    post_body("/auth/password", Handler::Token(auth::password)),
    post("/auth/logout", Handler::Token(auth::logout)),
    get("/chat/connect", Handler::Connect),
    get("/chat/list", Handler::Token(rooms::list)),
    get("/chat/rooms", Handler::Token(rooms::public)),
    get("/chat/users", Handler::Token(rooms::users)),
    get("/chat/online", Handler::Token(rooms::online)),
    get("/chat/members/{room}", Handler::Token(rooms::members)),
    post(
        "/chat/create/{name}/{users..}",
        Handler::Token(rooms::create),
    ),
    post("/chat/direct/{users..}", Handler::Token(rooms::direct)),
    post(
        "/chat/adduser/{room}/{user}",
        Handler::Token(rooms::add_user),
    ),
    post("/chat/join/{room}", Handler::Token(rooms::join)),
    post("/chat/leave/{room}", Handler::Token(rooms::leave)),
    post_body("/chat/chatroom", Handler::Token(messages::post)),
    get("/chat/history/{room}", Handler::Token(messages::history)),
    get("/chat/search", Handler::Token(messages::search)),
    post_body("/report", Handler::Open(misc::report)),
    get("/reports", Handler::Token(misc::reports)),
    get("/health", Handler::Open(misc::health)),
];

impl Route {
    /// The placeholders' values where the path fits the pattern.
    fn parameters(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut parameters = Vec::new();
        let mut left = segments.iter();
        for part in self.pattern[1..].split('/') {
            if part.ends_with("..}") {
                parameters.extend(left.by_ref().cloned());
                break;
            }
            let segment = left.next()?;
            if part.starts_with('{') {
                parameters.push(segment.clone());
            } else if part != segment {
                return None;
            }
        }
        left.next().is_none().then_some(parameters)
    }
}

/// What stands at a path.
enum Found {
    Route(&'static Route, Vec<String>),
    /// Only other methods do; which, in the form of `Allow`.
    OtherMethods(String),
    /// Nothing of ours; perhaps of the client.
    Nothing,
}

/// `HEAD` is found where `GET` is (RFC 9110, section 9.3.2).
fn find(method: &Method, segments: &[String]) -> Found {
    let sought = match method {
        Method::Head => &Method::Get,
        other => other,
    };
    let mut methods: Vec<&str> = Vec::new();
    for route in &ROUTES {
        let Some(parameters) = route.parameters(segments) else {
            continue;
        };
        if route.method == *sought {
            return Found::Route(route, parameters);
        }
        methods.push(route.method.as_str());
        if route.method == Method::Get {
            methods.push("HEAD");
        }
    }
    if methods.is_empty() {
        return Found::Nothing;
    }
    methods.push("OPTIONS");
    Found::OtherMethods(methods.join(", "))
}

/// Answers the requests of one connection with what the context holds.
pub(super) struct Routes<'a> {
    context: &'a Context,
    stream: &'a Arc<TcpStream>,
    token: LastToken,
}

/// The last good token of a connection: most bring the same one each time, and comparing costs less than a signature.
/// Whether it is revoked is asked each time.
#[derive(Default)]
struct LastToken(RefCell<Option<(String, Claims)>>);

impl LastToken {
    fn verify(&self, signer: &Signer, token: &str, now: u64) -> Result<Claims, TokenError> {
        match &*self.0.borrow() {
            Some((last, claims)) if last == token && now < claims.exp => return Ok(claims.clone()),
            _ => {}
        }
        let claims = signer.verify(token, now)?;
        self.0.replace(Some((token.to_owned(), claims.clone())));
        Ok(claims)
    }
}

impl Service for Routes<'_> {
    /// The token of the upgrade request, where it had one.
    type Upgrade = Option<Claims>;

    fn answer(&self, request: &Request) -> Outcome<Option<Claims>> {
        let allowed = &self.context.config.allow_origins;
        match self.dispatch(request) {
            Outcome::Answer(mut answer) => {
                cors::decorate(&mut answer, Some(&request.head), allowed);
                Outcome::Answer(answer)
            }
            upgrade => upgrade,
        }
    }

    fn refuse(&self, head: Option<&Head>, error: &Error) -> Answer {
        let mut answer = Answer::error(error);
        cors::decorate(&mut answer, head, &self.context.config.allow_origins);
        answer
    }

    fn is_stopping(&self) -> bool {
        self.context.stopper.is_stopping()
    }
}

impl<'a> Routes<'a> {
    pub(super) fn new(context: &'a Context, stream: &'a Arc<TcpStream>) -> Routes<'a> {
        Routes {
            context,
            stream,
            token: LastToken::default(),
        }
    }

    fn dispatch(&self, request: &Request) -> Outcome<Option<Claims>> {
        let head = &request.head;
        if head.target == "*" {
            return Outcome::Answer(self.server_wide(head));
        }
        let target = match Target::parse(&head.target) {
            Ok(target) => target,
            Err(error) => return Outcome::Answer(error.into()),
        };
        match find(&head.method, &target.segments) {
            Found::Route(route, parameters) => self.run(route, request, &target, &parameters),
            Found::OtherMethods(methods) => Outcome::Answer(self.other_method(head, &methods)),
            Found::Nothing if is_ours(&target.segments) => {
                Outcome::Answer(Answer::error(&not_found()))
            }
            Found::Nothing => Outcome::Answer(match head.method {
                Method::Get | Method::Head => assets::answer(head, &target.segments),
                _ => self.other_method(head, assets::METHODS),
            }),
        }
    }

    fn run(
        &self,
        route: &Route,
        request: &Request,
        target: &Target<'_>,
        parameters: &[String],
    ) -> Outcome<Option<Claims>> {
        if route.body && !request.has_length {
            // Whatever follows, if anything does, has no known end.
            return Outcome::Answer(Answer::error(&length_required()).closing());
        }
        // A browser sends simple requests and forms of any page here, whose answers that page does not even want to read.
        let changes = !matches!(request.head.method, Method::Get | Method::Head);
        if changes && cors::is_foreign(&request.head, &self.context.config.allow_origins) {
            return Outcome::Answer(Answer::error(&foreign_page()));
        }
        let call = Call {
            context: self.context,
            stream: self.stream,
            token: &self.token,
            request,
            target,
            parameters,
        };
        let answered = match route.handler {
            Handler::Connect => return connect::upgrade(self, &request.head),
            Handler::Open(run) => run(&call),
            Handler::Token(run) => call.with_token(run),
        };
        Outcome::Answer(answered.unwrap_or_else(Answer::from))
    }

    /// A method that the path does not have; `OPTIONS` is every path's.
    fn other_method(&self, head: &Head, methods: &str) -> Answer {
        if head.method == Method::Options {
            return cors::options(head, methods, &self.context.config.allow_origins);
        }
        let error = Error::new(
            Code::MethodNotAllowed,
            format!("This address takes {methods} only. Use one of them."),
        );
        Answer::error(&error).with("Allow", methods)
    }

    /// `OPTIONS *` (RFC 9110, section 9.3.7).
    fn server_wide(&self, head: &Head) -> Answer {
        if head.method == Method::Options {
            return Answer::empty(204).with("Allow", "GET, HEAD, POST, OPTIONS");
        }
        Answer::error(&Error::new(
            Code::BadRequest,
            "The address must begin with a slash.",
        ))
    }
}

fn is_ours(segments: &[String]) -> bool {
    segments
        .first()
        .is_some_and(|first| OURS.contains(&first.as_str()))
}

pub(super) fn not_found() -> Error {
    Error::new(
        Code::NotFound,
        "There is nothing at this address. Check its spelling.",
    )
}

fn foreign_page() -> Error {
    let why = "Pages of this origin may change nothing here. Whoever runs the server can allow it with --allow-origin.";
    Error::new(Code::BadOrigin, why)
}

fn no_token() -> Error {
    Error::new(
        Code::Unauthorized,
        "Sign in, and send the token in the header Authorization: Bearer <token>.",
    )
}

/// The token of a request, verified as far as that needs no state; `None` without an `Authorization` header.
fn token_of(context: &Context, last: &LastToken, head: &Head) -> Result<Option<Claims>, Error> {
    let mut values = head.values("Authorization");
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        _ => {
            let why = "Send one Authorization header, not several.";
            return Err(Error::new(Code::Unauthorized, why));
        }
    };
    let claims = last.verify(&context.signer, bare_token(value), unix_seconds())?;
    Ok(Some(claims))
}

/// `Bearer <token>`, the scheme in any case (RFC 9110, section 11.1), or the token alone.
fn bare_token(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => value,
    }
}

impl Call<'_> {
    fn token(&self) -> Result<Option<Claims>, Error> {
        token_of(self.context, self.token, &self.request.head)
    }

    /// A token that verifies may be revoked, which only the state tells. Handlers look at it when they have checked the rest;
    /// so where that is wrong it is looked at here, and a request without a good token is told that and nothing else.
    fn with_token(&self, run: fn(&Call<'_>, &Claims) -> Answered) -> Answered {
        let claims = self.token()?.ok_or_else(no_token)?;
        run(self, &claims).map_err(|error| match self.context.hub.account(&claims) {
            Err(revoked) if revoked.code == Code::Unauthorized => revoked,
            _ => error,
        })
    }

    /// A list that was made for this caller, and may be long.
    fn list(&self, claims: &Claims, json: Vec<u8>) -> Answer {
        let readings = &self.context.readings;
        Answer::json(200, readings.waiting(&claims.sub, json, self.stream))
    }

    /// The same, written out as the caller takes it.
    fn long_list(&self, claims: &Claims, list: Pieces) -> Answer {
        let readings = &self.context.readings;
        Answer::long_json(200, readings.waiting_pieces(&claims.sub, list, self.stream))
    }

    fn body<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        protocol::parse_body(&self.request.body)
    }

    /// A number of messages to answer with, within its bounds.
    fn limit(&self) -> Result<u32, Error> {
        use crate::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
        match self.target.query.number("limit")? {
            None => Ok(PAGE_MESSAGES_DEFAULT),
            Some(limit) => match u32::try_from(limit) {
                Ok(limit @ 1..=PAGE_MESSAGES_MAX) => Ok(limit),
                _ => Err(Error::new(
                    Code::BadRequest,
                    format!("\"limit\" must be from 1 to {PAGE_MESSAGES_MAX}."),
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests;
