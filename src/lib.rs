//! # Melangerie: the architecture
//!
//! One executable that serves a team's chat: accounts, rooms, direct messages, history. std threads, one a
//! connection; files that one can read; a client inside. This page is the map; each room of the house opens with
//! what it owns.
//!
//! ```text
//!  socket ─▶ net (a thread per connection) ─▶ hub (one thread: decides, orders)
//!                                                │
//!  socket ◀─ outbox ◀─ fan-out (a few threads) ◀─ journal (one thread: makes durable)
//! ```
//!
//! A message travels one way through five rooms and never turns back.
//!
//! - [`net`] owns sockets. It reads requests and frames under limits and deadlines, checks what needs no state, and
//!   hands the hub a command. It reads by itself: history and search from the [`store`], who may read them from the
//!   [`hub::ReadModel`]. *Absent*: it changes nothing.
//! - [`hub`] is the single writer: it alone changes users, rooms, members, sequence numbers. The order in which it
//!   takes commands is the order that everybody sees. *Absent*: I/O, sockets, locks around state, clocks.
//! - [`store`] makes what the hub decided durable: one write and one sync for all that queued up meanwhile (group
//!   commit). What follows from an event (an ack, a frame, an answer) waits in the same queue behind it, so nothing is
//!   shown before it is durable. *Absent*: any idea of who hears what.
//! - [`fanout`] sends what is durable: each of its threads owns a share of the connections, joins what goes to the same
//!   one, and sends it without blocking. *Absent*: decisions, waiting.
//! - [`net::outbox`] keeps what a socket does not take, bounded; beyond the bound the connection is cut, and nobody
//!   else notices. *Absent*: reordering; a frame's bytes are never mixed with another's.
//!
//! Beneath them: [`model`] (the facts and how an event changes them: pure; the hub applies events as they happen, the
//! store replays them at start and at each checkpoint), [`protocol`] (the wire), [`auth`] (passwords, tokens,
//! throttles: time is a parameter), [`limits`] (every number with its reason), [`log`] (`log.txt`), [`cli`]. Beside the
//! house stand [`maintenance`] (what an operator does to the store's files while no server runs), [`signals`] and
//! [`allocator`].
//!
//! Imports run one way: `main → lib → net → fanout → hub → store → model → protocol, limits`; `search` reads from the
//! store; `auth`, `log`, `cli`, `limits` and `protocol` know nothing above them. `tests/architecture.rs` holds this
//! table.
//!
//! ## Decisions
//!
//! **Why not `tiny_http::Server`.** Its upgraded stream is one boxed `ReadWrite`: it cannot be read and written at the
//! same time, cloned, timed out or shut down. Its accept loop ends for good on the first `EMFILE`, a header line may
//! grow without bound, nothing times out. So we accept ourselves, read heads with `httparse` under our own
//! deadlines, route on tiny_http's `Method` and `Header`, and answer with its `Response` through `raw_print`.
//!
//! **Why the model is a room of its own.** A checkpoint folds closed journals into segments and `state.json`. It does so
//! from the files alone, with the code that recovers after a crash: so it runs beside the hub without asking it
//! for anything, and every checkpoint rehearses recovery. That needs the state and its events beneath the store.
//!
//! **Whoever reads asks nobody.** Beside the hub's state stands a second one, which has only what is durable: the journal's
//! thread brings it up to date with each batch, before anybody is told of that. So a page, a search, a token is judged
//! on the connection's own thread, and wakes no other; a change is seen by everybody who was told of it, and one that the
//! disk refuses by nobody.
//!
//! **When a write fails** the hub's state is ahead of the disk. The store then loads what is durable, the hub takes
//! that as the truth and begins a new epoch; whatever was decided in an older one is answered `storage_failed`.
//!
//! **Who is missed by nobody.** A connection is let in by a command like any other. Its place in the journal's order is the
//! line between what it catches up with (from the store) and what it hears live (from the fan-out): none is missing and
//! none comes twice. While it catches up, what it hears live waits in its outbox.
//!
//! **Two threads in a life.** Arriving (a request, a token, the first frames) leaves 10 KiB in its thread: pages of stack,
//! freed blocks that the allocator keeps for it. So connections arrive on threads that are kept for the next, and a
//! WebSocket stays on a fresh one, which has never gone deep: 16 KiB for one that only listens, instead of 22.
//!
//! **Exactly once.** A message's `id` is looked up twice: in the segments by the sender's own thread, before the hub is
//! asked, and among the ids that are younger than the segments by the hub.

#![forbid(unsafe_code)]

pub mod allocator;
pub mod auth;
pub mod cli;
pub mod fanout;
pub mod hub;
pub mod limits;
pub mod log;
pub mod maintenance;
pub mod model;
pub mod net;
pub mod protocol;
pub mod search;
mod server;
pub mod signals;
pub mod store;

pub use server::{Server, StartError};
