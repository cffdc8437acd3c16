pub mod limits;
pub mod model;
pub mod protocol;
