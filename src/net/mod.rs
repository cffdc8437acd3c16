//! Sockets and HTTP: everything between the wire and the hub.
//!
//! Owns what all connections share, and the way of a connection from the gate to its end. Decides nothing about
//! users, rooms and messages: that is the hub's.

pub mod capacity;
mod farewell;
pub mod http;
#[cfg(test)]
mod http_tests;
pub mod listener;
pub mod request;
pub mod response;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks whatever a panic left behind: the panic ended its own connection, and must end no other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
