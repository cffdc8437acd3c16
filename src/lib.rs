pub mod auth;
pub mod cli;
pub mod limits;
pub mod log;
pub mod protocol;
