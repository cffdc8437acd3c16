pub mod auth;
pub mod hub;
pub mod limits;
pub mod model;
pub mod protocol;
pub mod search;
pub mod store;
