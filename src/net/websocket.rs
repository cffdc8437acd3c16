//! A WebSocket, from the upgrade to its end: the connection's thread is its reader.
//!
//! Reads frames through tungstenite, checks what needs no state, and hands commands to the hub. Everything that is
//! sent, tungstenite's own pongs included, goes through the [`Outbox`], so that bytes never interleave.

use super::awake::nap;
use super::catch_up::CatchUp;
use super::edits;
use super::frame_check::{self, Socket};
use super::listener::Place;
use super::outbox::Outbox;
use super::threads::Owner;
use super::transport::Transport;
use super::{Context, Upgraded, is_timeout, unix_seconds};
use crate::auth::token::Claims;
use crate::hub::{
    Attached, CLOSE_UNAUTHORIZED, ConnectionId, Hub, LookedUp, Receiver, Since, Turns, empty_ack,
    error_frame,
};
use crate::limits;
use crate::protocol::{
    Code, Error, Frame, HistoryRequest, MessageRequest, UserAction, check_report,
    parse_client_frame, reply_frame,
};
use crate::store::{Page, PageRange};
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error as WsError, Message};

/// Close codes: RFC 6455, section 7.4.1, and the contract's own.
const CLOSE_GOING_AWAY: u16 = 1001;
const CLOSE_TRY_AGAIN_LATER: u16 = 1013;
const CLOSE_AUTHENTICATION_TIMEOUT: u16 = 4408;

/// Who has not signed in yet is told this soon that the server stops.
const STOP_CHECK: Duration = Duration::from_millis(500);
/// A socket's timeout may ring this much late: the system rounds long ones up.
const TIMER_SLACK: Duration = Duration::from_secs(2);

/// Serves the socket until it closes, on this thread while it arrives and on a fresh one from then on. The upgrade has
/// been answered.
pub fn serve(upgraded: Upgraded, context: Arc<Context>) {
    let owner = Owner {
        stream: upgraded.stream.clone(),
        peer: upgraded.peer,
    };
    let Ok(outbox) = Outbox::new(upgraded.stream.clone(), context.outboxes.clone()) else {
        return;
    };
    let transport = Transport::new(upgraded.stream, outbox.clone());
    let mut session = Session {
        socket: frame_check::accept(transport, upgraded.leftover),
        outbox: outbox.clone(),
        peer: upgraded.peer,
        context: context.clone(),
        end: End {
            outbox,
            place: upgraded.place,
        },
    };
    match session.arrive(upgraded.token) {
        Ok(member) => context.threads.stay(owner, move || {
            let ending = session.live(&member);
            session.finish(ending);
        }),
        Err(ending) => session.finish(ending),
    }
}

/// However the thread ends, the socket ends with it.
struct End {
    outbox: Arc<Outbox>,
    #[expect(dead_code, reason = "held for its Drop")]
    place: Place,
}

impl Drop for End {
    fn drop(&mut self) {
        self.outbox.cut();
    }
}

/// Presence: the hub hears of the end, however the thread ends.
struct Present {
    hub: Hub,
    connection: ConnectionId,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.hub.disconnect(self.connection);
    }
}

/// Who a connection says it is.
struct Greeting {
    claims: Claims,
    since: Option<Since>,
    id: Option<String>,
}

/// Why a connection ends.
enum Ending {
    /// The peer closed it, with this code.
    Closed(Option<u16>),
    /// The peer is gone.
    Gone,
    /// We close it, saying why.
    Close(u16, &'static str),
    /// A close frame is on its way already.
    Closing,
}

const STOPPING: Ending = Ending::Close(CLOSE_GOING_AWAY, "The server is stopping.");

struct Session {
    socket: Socket<Transport>,
    outbox: Arc<Outbox>,
    peer: IpAddr,
    context: Arc<Context>,
    #[expect(dead_code, reason = "held for its Drop")]
    end: End,
}

impl Session {
    /// Lets the peer in: who it is, what it missed.
    fn arrive(&mut self, token: Option<Claims>) -> Result<Member, Ending> {
        let greeting = match token {
            Some(claims) => Greeting {
                claims,
                since: None,
                id: None,
            },
            None => self.await_greeting()?,
        };
        let hub = &self.context.hub;
        let present = Present {
            hub: hub.clone(),
            connection: hub.new_connection(),
        };
        let receiver: Arc<dyn Receiver> = self.outbox.clone();
        // From now on the connection may be closed from outside; what it sent to sign in is answered before.
        self.outbox.begin_frame();
        self.outbox.hold();
        let attached = hub.connect(
            present.connection,
            &greeting.claims,
            greeting.since,
            receiver,
        );
        match attached {
            Ok(attached) => Ok(self.welcome(present, attached, greeting.claims, greeting.id)),
            Err(error) => {
                self.outbox.release();
                Err(self.refuse(&error, greeting.id.as_deref()))
            }
        }
    }

    fn welcome(
        &self,
        present: Present,
        attached: Attached,
        mut claims: Claims,
        id: Option<String>,
    ) -> Member {
        let (reader, log) = (self.context.reader.clone(), self.context.log.clone());
        let ack = id.is_some().then(|| empty_ack(id.as_deref()));
        let missed = CatchUp::new(reader, log, attached.welcome, ack, attached.missed);
        self.outbox.catch_up(Box::new(missed));
        self.outbox.finish_frame();
        claims.sub = attached.user;
        Member {
            present,
            claims,
            turns: Arc::default(),
        }
    }

    // ---- saying who one is ----------------------------------------------------------------------

    fn await_greeting(&mut self) -> Result<Greeting, Ending> {
        let mut deadline = Instant::now() + limits::AUTHENTICATION_DEADLINE;
        loop {
            // The fan-out, which tells everybody else, does not know who has not signed in.
            if self.context.stopper.is_stopping() {
                return Err(STOPPING);
            }
            if Instant::now() >= deadline {
                let error = Error::new(
                    Code::Unauthorized,
                    "Nobody signed in on this connection. Send Hello first.",
                );
                self.outbox.send(&error_frame(&error, None));
                return Err(Ending::Close(
                    CLOSE_AUTHENTICATION_TIMEOUT,
                    "Sign in sooner.",
                ));
            }
            let began = Instant::now();
            let look_up = (began + STOP_CHECK).min(deadline);
            self.transport().wait_until(look_up);
            match self.socket.read() {
                Ok(Message::Text(text)) => return self.greet(text.as_bytes()),
                Ok(Message::Binary(bytes)) => return self.greet(&bytes),
                Ok(Message::Close(frame)) => return Err(Ending::closed(frame)),
                Ok(_) => self.answer_control(),
                Err(WsError::Io(error)) if is_timeout(&error) => {
                    deadline += nap(began, STOP_CHECK, Instant::now());
                }
                Err(error) => return Err(ending_of(&error)),
            }
        }
    }

    /// The bare token, or `Hello`.
    fn greet(&mut self, payload: &[u8]) -> Result<Greeting, Ending> {
        let is_frame = payload.trim_ascii_start().starts_with(b"{");
        let (token, since, id) = if is_frame {
            let frame = parse_client_frame(payload);
            match frame.action {
                Ok(UserAction::Hello(hello)) => (hello.token, hello.since, frame.id),
                Ok(_) => {
                    return Err(self.refuse_unauthorized(
                        "Send Hello with your token first.",
                        frame.id.as_deref(),
                    ));
                }
                Err(error) => {
                    return Err(self.refuse_unauthorized(&error.message, frame.id.as_deref()));
                }
            }
        } else {
            let text = std::str::from_utf8(payload).unwrap_or_default();
            (text.trim().to_owned(), None, None)
        };
        match self.context.signer.verify(&token, unix_seconds()) {
            Ok(claims) => Ok(Greeting { claims, since, id }),
            Err(_) => {
                Err(self
                    .refuse_unauthorized("The token is not good. Sign in again.", id.as_deref()))
            }
        }
    }

    fn refuse_unauthorized(&mut self, message: &str, id: Option<&str>) -> Ending {
        self.refuse(&Error::new(Code::Unauthorized, message), id)
    }

    fn refuse(&mut self, error: &Error, id: Option<&str>) -> Ending {
        self.outbox.send(&error_frame(error, id));
        match error.code {
            Code::Unauthorized => Ending::Close(CLOSE_UNAUTHORIZED, "Sign in again."),
            _ if self.context.stopper.is_stopping() => STOPPING,
            _ => Ending::Close(CLOSE_TRY_AGAIN_LATER, "Try again later."),
        }
    }

    // ---- signed in ------------------------------------------------------------------------------

    fn live(&mut self, member: &Member) -> Ending {
        let mut wait = limits::PING_AFTER.min(member.time_left());
        self.transport().wait_for_each(wait);
        self.transport().end_at(member.end());
        loop {
            if self.outbox.is_closing() {
                return Ending::Closing;
            }
            let read = self.socket.read();
            // What the token allowed ends with it; whoever has a newer one comes back with that.
            if member.time_left().is_zero() {
                return Ending::Close(CLOSE_UNAUTHORIZED, "The token has expired. Sign in again.");
            }
            match read {
                Ok(Message::Close(frame)) => return Ending::closed(frame),
                Ok(message) => self.hear(member, message),
                Err(WsError::Io(error)) if is_timeout(&error) => {
                    let Some(next) = self.ping(wait) else {
                        return Ending::Gone;
                    };
                    let next = next.min(member.time_left());
                    if next != wait {
                        wait = next;
                        self.transport().wait_for_each(wait);
                    }
                    // The clock by which tokens are judged may have been set.
                    self.transport().end_at(member.end());
                }
                Err(error) => return ending_of(&error),
            }
        }
    }

    /// Asks whether a peer is there that was silent while we waited for so long. How long to wait for a sign of life;
    /// `None` where there was none for too long.
    fn ping(&mut self, waited: Duration) -> Option<Duration> {
        let silence = self.transport().silence(waited);
        let silence = self
            .outbox
            .catching_up()
            .map_or(silence, |progress| silence.min(progress.elapsed()));
        let left = limits::SILENT_PEER.saturating_sub(silence);
        if left < TIMER_SLACK {
            return None;
        }
        self.outbox.send(&Frame::ping());
        Some((left - TIMER_SLACK).clamp(TIMER_SLACK, limits::PING_AFTER))
    }

    fn hear(&mut self, member: &Member, message: Message) {
        if !self.outbox.begin_frame() {
            // It came too late.
            return;
        }
        match message {
            Message::Text(text) => self.act(member, text.as_bytes()),
            Message::Binary(bytes) => self.act(member, &bytes),
            _ => self.answer_control(),
        }
        self.outbox.finish_frame();
    }

    /// tungstenite answers pings and closes by itself; this sends what it has ready.
    fn answer_control(&mut self) {
        // Where the socket is gone, the next read says so.
        let _ = self.socket.flush();
    }

    fn act(&mut self, member: &Member, payload: &[u8]) {
        let frame = parse_client_frame(payload);
        let id = frame.id.clone();
        if let Err(error) = frame
            .action
            .and_then(|action| self.carry_out(member, frame.id, action))
        {
            self.outbox.send(&error_frame(&error, id.as_deref()));
        }
    }

    fn carry_out(
        &mut self,
        member: &Member,
        id: Option<String>,
        action: UserAction,
    ) -> Result<(), Error> {
        let looked_up = match &action {
            UserAction::History(request) => return self.history(member, request, id.as_deref()),
            UserAction::ListUsers => return self.list_users(member, id.as_deref()),
            UserAction::Ping => {
                if id.is_some() {
                    self.outbox.send(&empty_ack(id.as_deref()));
                }
                return Ok(());
            }
            UserAction::Hello(_) => {
                return Err(Error::new(
                    Code::BadRequest,
                    "You are signed in already on this connection.",
                ));
            }
            UserAction::Message(request) => {
                request.check()?;
                member.look_up(&self.context, request, id.as_deref())?
            }
            UserAction::Report(issue) => {
                check_report(issue)?;
                self.context.throttles.report(self.peer)?;
                LookedUp::default()
            }
            _ => LookedUp::default(),
        };
        self.context.hub.frame(
            member.present.connection,
            member.turns.take(),
            id,
            action,
            looked_up,
        )
    }

    fn history(
        &self,
        member: &Member,
        request: &HistoryRequest,
        id: Option<&str>,
    ) -> Result<(), Error> {
        let limit = page_limit(request.limit)?;
        // Whoever sends without waiting sees what their earlier frames came to.
        member.turns.settle();
        let hub = &self.context.hub;
        hub.readable(&member.claims, &request.room)?;
        let range = PageRange {
            before: request.before,
            after: request.after,
            limit,
        };
        // Whoever does not take what they asked for waits with nothing in hand: others wait for what reading takes.
        if !self.outbox.wait_for_room() {
            return Ok(());
        }
        let _reading = (self.context.readings).begin_page(&member.claims.sub, limit)?;
        // They may have left while they waited.
        let room = hub.readable(&member.claims, &request.room)?;
        let reader = &self.context.reader;
        let selection = reader.select(room.log, &range, room.last_seq);
        let page = edits::page(reader, &room, selection)?;
        self.outbox.answer(&history_frame(&room.name, &page, id));
        Ok(())
    }

    /// Who asks for a list gets one, with an `id` or without.
    fn list_users(&self, member: &Member, id: Option<&str>) -> Result<(), Error> {
        let list = self.context.hub.users_on(member.present.connection)?;
        let json = std::str::from_utf8(&list.json).expect("JSON is UTF-8");
        let users: &serde_json::value::RawValue = serde_json::from_str(json).expect("JSON is JSON");
        self.outbox.answer(&reply_frame("List", users, id));
        Ok(())
    }

    fn transport(&mut self) -> &mut Transport {
        self.socket.get_mut()
    }

    // ---- the end --------------------------------------------------------------------------------

    /// Says why, and reads on for a moment: a reset because of unread bytes would eat the close frame.
    fn finish(mut self, ending: Ending) {
        self.outbox.finish_frame();
        match ending {
            Ending::Gone => return,
            Ending::Closing => {}
            // Section 5.5.1: the answer "typically echos the status code", and is the last that we send. So it is the
            // outbox's, which sends nothing behind a close frame, rather than tungstenite's.
            Ending::Closed(Some(code)) => self.outbox.close(code, ""),
            Ending::Closed(None) => self.outbox.end(&Frame::empty_close()),
            Ending::Close(code, reason) => {
                self.outbox.close(code, reason);
            }
        }
        let deadline = Instant::now() + limits::CLOSE_HANDSHAKE;
        self.outbox.wait_until_sent(limits::CLOSE_HANDSHAKE);
        let transport = self.transport();
        transport.wait_until(deadline);
        let mut dropped = [0; 512];
        while matches!(transport.read(&mut dropped), Ok(1..)) {}
    }
}

impl Ending {
    fn closed(frame: Option<CloseFrame>) -> Ending {
        Ending::Closed(frame.map(|frame| frame.code.into()))
    }
}

/// The peer of a connection that has signed in.
struct Member {
    present: Present,
    /// Of the token that it signed in with; the user's name as first written.
    claims: Claims,
    turns: Arc<Turns>,
}

impl Member {
    /// Until the token ends; zero where it has.
    fn time_left(&self) -> Duration {
        Duration::from_secs(self.claims.exp.saturating_sub(unix_seconds()))
    }

    /// When that will be; `None` where it is further than clocks count.
    fn end(&self) -> Option<Instant> {
        Instant::now().checked_add(self.time_left())
    }

    /// Whether a message with this `id` is in the segments already. The room is looked up each time: after a failed
    /// write its name may stand for another log. Who is not in the room does not hear that its files are damaged.
    fn look_up(
        &self,
        context: &Context,
        request: &MessageRequest,
        id: Option<&str>,
    ) -> Result<LookedUp, Error> {
        let (hub, room, replaces) = (&context.hub, &request.room, request.replaces);
        match hub.log_of(room) {
            Some(log) if id.is_some() || replaces.is_some() => {
                let user = &self.claims.sub;
                let looked_up =
                    hub.look_up(log, user, id, replaces, || context.look_ups.begin(user));
                looked_up.or_else(|error| {
                    self.turns.settle();
                    hub.writable(&self.claims, room)?;
                    Err(error)
                })
            }
            _ => Ok(LookedUp::default()),
        }
    }
}

/// `limit` of a page, 1–200.
pub fn page_limit(asked: Option<u64>) -> Result<u32, Error> {
    let most = u64::from(limits::PAGE_MESSAGES_MAX);
    match asked {
        None => Ok(limits::PAGE_MESSAGES_DEFAULT),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit as u32),
        Some(_) => Err(Error::new(
            Code::BadRequest,
            format!("\"limit\" must be 1 to {most}."),
        )),
    }
}

fn history_frame(room: &str, page: &Page, id: Option<&str>) -> Frame {
    #[derive(serde::Serialize)]
    struct History<'a> {
        room: &'a str,
        messages: &'a serde_json::value::RawValue,
        more: bool,
    }
    let messages = String::from_utf8(page.messages_json()).expect("stored messages are UTF-8");
    let messages =
        serde_json::value::RawValue::from_string(messages).expect("stored messages are JSON");
    reply_frame(
        "History",
        &History {
            room,
            messages: &messages,
            more: page.more,
        },
        id,
    )
}

/// What failed reading means for the connection.
fn ending_of(error: &WsError) -> Ending {
    match frame_check::failure(error) {
        Some((code, reason)) => Ending::Close(code, reason),
        None => Ending::Gone,
    }
}
