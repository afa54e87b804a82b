//! Tests that need no server.

use super::*;

#[test]
fn tusd_stands_for_a_key_that_no_time_can_give() {
    assert_eq!(tusd().to_string(), TUSD);
}
