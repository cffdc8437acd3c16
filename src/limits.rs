//! Every cap and deadline, in one place, each with its unit in the name and its reason beside it.
//!
//! Owns numbers only. What an operator may change is a field of [`crate::cli::Config`], whose default stands here.

use std::time::Duration;

// ---- names and contents -------------------------------------------------------------------------

/// Longest user name. Fits a sidebar and a log line.
pub const USER_NAME_CHARS: usize = 32;
/// Longest room name.
pub const ROOM_NAME_CHARS: usize = 64;
/// Shortest password; OWASP's floor for passwords without a second factor.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Longest password: argon2 hashes any length, but hashing a megabyte is a gift to an attacker.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Longest message content. Four pages of text; longer things are files.
pub const CONTENT_BYTES: usize = 16_384;
/// Longest text of a report; the same as a message, for the same reason.
pub const REPORT_BYTES: usize = 16_384;
/// Longest `id` of a frame: room for a UUID and a prefix.
pub const FRAME_ID_BYTES: usize = 64;

// ---- HTTP ---------------------------------------------------------------------------------------

/// Longest request head: request line and headers together.
pub const REQUEST_HEAD_BYTES: usize = 16 * 1024;
/// Most headers in a request; browsers send about twenty.
pub const REQUEST_HEADERS: usize = 64;
/// A head must be complete this long after its first byte, which starves slow-loris senders.
pub const REQUEST_HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// A connection that has sent nothing, or nothing more after an answer, is closed after this.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(60);
/// Longest JSON body. Four times the longest message, since JSON escapes may grow it.
pub const REQUEST_BODY_BYTES: usize = 64 * 1024;
/// A body must be complete this long after its head.
pub const REQUEST_BODY_DEADLINE: Duration = Duration::from_secs(30);
/// An answer must be taken by the client within this.
pub const RESPONSE_DEADLINE: Duration = Duration::from_secs(30);
/// After an error that closes the connection we read on this long, so that a reset does not eat the answer.
pub const LINGER: Duration = Duration::from_secs(2);
/// Most messages in a page of history or search.
pub const PAGE_MESSAGES_MAX: u32 = 200;
/// Pages of history and searches that one user has under way at once; more wait. A browser opens six connections.
pub const READINGS_OF_USER: usize = 8;
/// A message in a page is no longer than the body or frame that brought it, and the little that is added.
pub const PAGE_MESSAGE_BYTES: usize = 65 * 1024;
/// And the bytes of these: one of the longest pages, or five of the default size while they are read and may be as long.
pub const READING_BYTES_OF_USER: usize = 16 * 1024 * 1024;
/// Pages that are read at this moment, all users' together, and as much for searches; beyond it one waits. Two of the
/// longest, ten of the default size: more would keep no core busier.
pub const READING_BYTES: usize = 32 * 1024 * 1024;
/// What is written out as it is sent, what was missed and lists of rooms, is in memory a piece at a time, about this long.
pub const PIECE_BYTES: usize = 64 * 1024;
/// Pages and lists over HTTP that wait to be sent, all users' together, kept pages apart; beyond it whoever holds most
/// loses the oldest. Five of the longest, thousands of the usual ones.
pub const UNSENT_BYTES: usize = 64 * 1024 * 1024;
/// Pages that were answered and are kept for who asks next: 270 of the usual ones.
pub const KEPT_PAGES_BYTES: usize = 4 * 1024 * 1024;
/// Longer ones are read each time.
pub const KEPT_PAGE_BYTES: usize = 64 * 1024;
/// Messages in a page where the caller names no number.
pub const PAGE_MESSAGES_DEFAULT: u32 = 50;
/// A search stops here and says how far back it got.
pub const SEARCH_DEADLINE: Duration = Duration::from_secs(2);
/// Longest text to search for.
pub const SEARCH_QUERY_BYTES: usize = 256;
/// Longest name under which somebody reports without signing in.
pub const REPORTER_BYTES: usize = 128;

// ---- WebSocket ----------------------------------------------------------------------------------

/// Longest WebSocket message; beyond it the connection closes with 1009.
pub const WEBSOCKET_MESSAGE_BYTES: usize = 64 * 1024;
/// tungstenite's read buffer: small, since thousands of connections are idle.
pub const WEBSOCKET_READ_BUFFER_BYTES: usize = 2 * 1024;
/// A connection must say who it is within this, else it closes with 4408.
pub const AUTHENTICATION_DEADLINE: Duration = Duration::from_secs(10);
/// The server pings a peer that has been silent this long.
pub const PING_AFTER: Duration = Duration::from_secs(25);
/// A peer silent this long is gone.
pub const SILENT_PEER: Duration = Duration::from_secs(75);
/// More missed messages than this in a room are answered with the newest of them and a `Gap`.
pub const CATCH_UP_MESSAGES: u64 = 500;
/// After a close frame the peer has this long to answer before the socket goes.
pub const CLOSE_HANDSHAKE: Duration = Duration::from_secs(2);

// ---- connections --------------------------------------------------------------------------------

/// Connections in all.
pub const CONNECTIONS: usize = 15_000;
/// Connections from one address; loopback is exempt.
pub const CONNECTIONS_PER_ADDRESS: usize = 1_024;
/// What the system may keep on one connection of what we send. Left to itself it takes megabytes for each peer that does
/// not read, and a thousand of them all that it has for TCP: then it resets connections, whosever they are. Linux counts
/// twice this, bookkeeping included; a few joined sends fit.
pub const SEND_BUFFER_BYTES: usize = 192 * 1024;
/// And of what we have not read yet: the longest message, twice.
pub const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;
/// The listening socket's queue: a whole office that reconnects at once fits.
pub const ACCEPT_BACKLOG: i32 = 4_096;
/// Descriptors kept free for files, the listener and standard streams.
pub const SPARE_DESCRIPTORS: usize = 48;
/// A thread's memory maps: stack, its guard, the signal stack and its guard.
pub const MAPS_PER_THREAD: usize = 4;
/// Memory maps kept free for the allocator, the executable and our own threads.
pub const SPARE_MAPS: usize = 1_024;
/// Stack of a connection's thread. Nothing recursive runs on it. Unoptimised code needs more.
pub const CONNECTION_STACK_BYTES: usize = if cfg!(debug_assertions) {
    256 * 1024
} else {
    64 * 1024
};
/// What may wait in one connection's outbox before the connection is cut.
pub const BACKLOG_BYTES: usize = 4 * 1024 * 1024;
/// How long a connection may be behind before it is cut.
pub const BACKLOG_AGE: Duration = Duration::from_secs(30);
/// What may wait in all outboxes together, places in queues included; what several receive is divided among them. Beyond
/// it each may hold its share. A dozen of the longest pages, thousands of the usual ones, or six hundred frames for each
/// of five thousand people who are behind at once.
pub const WAITING_BYTES: usize = 128 * 1024 * 1024;
/// Most writer threads at once; a connection that falls behind beyond that waits for one to end.
pub const WRITER_THREADS: usize = 1_024;
/// Most frames that are joined into one send.
pub const JOINED_FRAMES: usize = 64;
/// A joined send stays below this, so that one buffer serves and a socket takes it at once.
pub const JOINED_BYTES: usize = 128 * 1024;
/// Threads kept free for our own and for what else the user runs.
pub const SPARE_THREADS: usize = 64;
/// Connections that step from the thread on which they arrived to the one on which they stay, and have two meanwhile: for
/// microseconds, so a few suffice.
pub const HANDOVERS: usize = 8;
/// Threads that wait for a connection to arrive; beyond it they end.
pub const IDLE_THREADS: usize = 16;
/// A thread that has waited this long for a connection ends.
pub const IDLE_THREAD: Duration = Duration::from_secs(10);

// ---- people -------------------------------------------------------------------------------------

/// Messages of one user, and changes of rooms (making, adding, joining, leaving), each counted by itself: so many at
/// once ...
pub const MESSAGE_BURST: u32 = 100;
/// ... and so many a second for good.
pub const MESSAGES_PER_SECOND: u32 = 20;
/// Failed logins a minute from one address for one name.
pub const FAILED_LOGINS_PER_NAME: u32 = 10;
/// Failed logins a minute from one address in all.
pub const FAILED_LOGINS_PER_ADDRESS: u32 = 60;
/// New accounts, `checkuser` and reports a minute from one address, each counted by itself.
pub const OPEN_REQUESTS_PER_MINUTE: u32 = 30;
/// The window of the three counts above.
pub const THROTTLE_WINDOW: Duration = Duration::from_secs(60);
/// `Typing` frames that one user's connections pass on: a burst, then so many a second; the rest is dropped.
pub const TYPING_BURST: u32 = 10;
/// See [`TYPING_BURST`].
pub const TYPING_PER_SECOND: u32 = 3;
/// A token's life.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Longest token that is looked at; ours are shorter than 300 bytes, others may carry claims of their own.
pub const TOKEN_BYTES: usize = 4 * 1024;
/// Addresses (or pairs of address and name) that a throttle remembers; beyond it the oldest go, so that somebody with
/// many addresses cannot fill the memory: some megabytes at most.
pub const THROTTLE_ENTRIES: usize = 65_536;
/// Shortest `JWT_SECRET`.
pub const SECRET_BYTES_MIN: usize = 16;
/// Secret generated on the first start.
pub const SECRET_BYTES: usize = 32;
/// A `Room` lists its members up to this many.
pub const LISTED_MEMBERS: usize = 100;
/// Of a list of rooms so many are looked at in one go: two thousand names at most, a fraction of a millisecond.
pub const ROOMS_AT_A_LOOK: usize = 16;
/// Of the names in a frame or a path so many are looked up in one go: some ten microseconds.
pub const NAMES_AT_A_LOOK: usize = 256;
/// Changes of presence wait this long to go out together; the contract allows a second.
pub const PRESENCE_DELAY: Duration = Duration::from_millis(500);

// ---- queues and storage -------------------------------------------------------------------------

/// Frames of one connection that may be under way at once; more wait in the socket. Far above what a client that waits
/// for acks has open, and a bound on what one that does not can make the server hold.
pub const FRAMES_UNDER_WAY: usize = 128;
/// Commands that may wait for the hub; beyond it their senders wait.
pub const HUB_QUEUE: usize = 8_192;
/// Bytes that may wait for the journal; beyond it the hub waits.
pub const JOURNAL_QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Entries that may wait for the journal.
pub const JOURNAL_QUEUE_ENTRIES: usize = 65_536;
/// Durable batches that may wait for a fan-out thread; beyond it the journal waits.
pub const FANOUT_QUEUE: usize = 256;
/// A journal of this size is closed and folded into segments and `state.json`.
pub const JOURNAL_BYTES: u64 = 32 * 1024 * 1024;
/// Most messages in a segment file.
pub const SEGMENT_MESSAGES: u64 = 1_000;
/// A segment file that has reached this size is full, whatever it holds: it is searched, indexed and rewritten as a
/// whole. Messages of common length reach their number first.
pub const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Of a segment so much is read at once, since thousands may be reading. More than the longest line, so that one read has
/// at least one.
pub const READ_BYTES: usize = 128 * 1024;
/// After a failed write the journal tries again this often.
pub const STORAGE_RETRY: Duration = Duration::from_secs(1);
/// `log.txt` is flushed at least this often.
pub const LOG_FLUSH: Duration = Duration::from_secs(2);
/// `log.txt` is rotated at this size.
pub const LOG_BYTES: u64 = 8 * 1024 * 1024;
/// Rotated logs that are kept.
pub const LOG_FILES: usize = 5;
/// What may wait to be written to `log.txt`; beyond it lines are dropped and counted, so that nobody waits for a log.
pub const LOG_BUFFER_BYTES: usize = 1024 * 1024;
/// A value in `log.txt` is cut here: enough to know a report by, whose full text the store keeps.
pub const LOG_VALUE_BYTES: usize = 2 * 1024;
/// Everything is durable and every socket closed within this after a signal.
pub const SHUTDOWN: Duration = Duration::from_secs(5);

const _: () = {
    assert!(
        CONTENT_BYTES * 3 < REQUEST_BODY_BYTES,
        "a message of escapes such as \\n fits a body"
    );
    assert!(
        REQUEST_BODY_BYTES <= WEBSOCKET_MESSAGE_BYTES,
        "what HTTP takes, a frame takes too"
    );
    assert!(
        CONTENT_BYTES * 6 + 4 * 1024 < READ_BYTES,
        "a message of escapes such as \\u0001, and all around it, is one read"
    );
    assert!(
        PING_AFTER.as_secs() * 2 < SILENT_PEER.as_secs(),
        "a peer hears two pings before it is given up"
    );
    assert!(
        JOINED_BYTES < BACKLOG_BYTES,
        "one send is never a whole backlog"
    );
    assert!(WEBSOCKET_READ_BUFFER_BYTES < WEBSOCKET_MESSAGE_BYTES);
    assert!(JOINED_BYTES <= SEND_BUFFER_BYTES && WEBSOCKET_MESSAGE_BYTES <= RECEIVE_BUFFER_BYTES);
    assert!(
        HANDOVERS + IDLE_THREADS < SPARE_THREADS
            && (HANDOVERS + IDLE_THREADS) * MAPS_PER_THREAD < SPARE_MAPS,
        "what is spare has room for threads beyond one a connection"
    );
    assert!(
        PRESENCE_DELAY.as_millis() < 1_000,
        "the contract promises a second"
    );
};
