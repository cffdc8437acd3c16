//! Stopping, at an awkward moment.

mod common;

use common::*;

#[test]
fn who_has_not_signed_in_is_told_that_the_server_stops() {
    let server = Launch::new().start();
    let mut nobody = Socket::open(server.address);
    server.signal("TERM");
    assert_eq!(nobody.expect_close(), Some(1001));
    assert_eq!(server.wait().code(), Some(0));
}
