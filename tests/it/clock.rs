//! A clock that is set back must not bring an expired token to life.

use std::time::Duration;

use countermark_tests::{Answer, Clock, Options, TestServer, upload_question, within};
use serde_json::json;

const HOUR: i64 = 3600;

#[test]
fn a_clock_that_is_set_back_is_reported_and_revives_nothing() {
    let clock = Clock::new();
    let mut server = TestServer::with(Options {
        environment: clock.environment(),
        may_be_unready: true,
        ..Options::default()
    });
    let mut admin = server.admin();
    let token = admin.issue(&json!({"type": "upload", "ttl": 600, "limit": 100}));
    let question = upload_question(token["value"].as_str().unwrap());
    assert_eq!(admin.authorize(&question), "ALLOWED");

    clock.set(HOUR);
    assert_eq!(admin.authorize(&question), "EXPIRED");
    assert_eq!(readyz(&server).status, 200, "a step forward is no fault");

    clock.set(HOUR - 30);
    assert_eq!(readyz(&server).status, 200, "a small step back is tolerated");
    assert_eq!(admin.authorize(&question), "EXPIRED");

    clock.set(0);
    let unready = readyz(&server);
    assert_eq!(unready.status, 503);
    assert!(unready.json()["reason"].as_str().unwrap().contains("clock"), "{}", unready.text());
    assert_eq!(admin.authorize(&question), "EXPIRED", "once expired, always expired");

    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    assert_eq!(server.admin().authorize(&question), "EXPIRED", "also after a restart");
    assert_eq!(readyz(&server).status, 503, "also after a restart");

    clock.set(HOUR + 1);
    let ready = within(Duration::from_secs(10), || (readyz(&server).status == 200).then_some(()));
    assert!(ready.is_some(), "ready again once the clock has caught up");
    assert_eq!(server.admin().authorize(&question), "EXPIRED");
}

fn readyz(server: &TestServer) -> Answer {
    server.admin().call("GET", "/readyz", None)
}
