//! Searching what people wrote, newest first, without an index.
//!
//! Owns the search and nothing that outlives it. Reads through [`Reader`]; never writes.

use crate::model::LogId;
use crate::protocol::Error;
use crate::store::Reader;
use std::time::Instant;

/// Messages of people whose content holds `query`, ignoring case, newest first over all `logs`:
/// `{"messages":[...],"more":bool,"complete":bool,"searched_back_to":ms}`.
///
/// Stops when it knows that there are more than `limit` hits, or at `deadline`: then `complete` is false, and
/// `searched_back_to` says until when everything was searched. Fails with `storage_failed` as reading does.
pub fn search(
    reader: &Reader,
    logs: &[LogId],
    query: &str,
    limit: u32,
    deadline: Instant,
) -> Result<Vec<u8>, Error> {
    let _ = (reader, logs, query, limit, deadline);
    todo!()
}
