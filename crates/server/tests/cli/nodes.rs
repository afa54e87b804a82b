//! Several services on one PostgreSQL database, as whoever runs them sees them.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::postgres::Database;
use crate::process::{Place, Server};

/// Longer than anything here takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn nodes(server: &Server, key: &str) -> Value {
    let stats: Value = serde_json::from_str(&server.get(key, "/v1/stats")).unwrap();
    stats["nodes"].clone()
}

fn signal(signal: &str, server: &Server) {
    let sent = Command::new("kill").args([signal, &server.child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn log(place: &Place) -> String {
    place.read(&place.path("log"))
}

#[test]
fn nodes_see_each_other_and_one_that_stands_still_is_named_once_and_tells_itself_that_its_lease_had_lapsed() {
    let (place, elsewhere, database) = (Place::new(), Place::new(), Database::new());
    let master_key = "0a".repeat(32);
    let mut environment = vec![("COUNTERMARK__MASTER_KEY", master_key.as_str())];
    let location = database.environment();
    environment.extend(location.iter().map(|(name, value)| (*name, value.as_str())));
    let (one, key) = (place.serve(&environment), place.key());
    let other = elsewhere.serve(&environment);
    until("they see each other", || nodes(&one, &key)["live"] == 2 && nodes(&other, &key)["live"] == 2);

    let token = json!({"type": "upload"});
    let before = nodes(&one, &key)["revocation"]["count"].as_u64().unwrap();
    one.post(&key, "/v1/access-tokens", &token);
    let seen = nodes(&one, &key);
    assert_eq!((&seen["lease"]["lengthMillis"], &seen["lease"]["held"]), (&json!(1000), &json!(true)));
    let waits = &seen["revocation"];
    assert!(waits["boundMillis"] == 1000 && waits["count"].as_u64() > Some(before), "{waits}");
    assert!(waits["p50Millis"].as_u64() <= waits["p99Millis"].as_u64(), "{waits}");
    let metrics = one.get(&key, "/metrics");
    for beginning in [
        "countermark_nodes_live 2\n",
        "countermark_lease_held 1\n",
        "countermark_lease_age_seconds 0.",
        "countermark_invalidation_lag_seconds ",
        "countermark_acknowledgement_seconds_count ",
        "countermark_pool_connections{state=\"idle\"} ",
        "countermark_pool_wait_seconds_bucket{le=\"+Inf\"} ",
        "countermark_use_batch_size_count 0\n",
    ] {
        assert!(metrics.contains(&format!("\n{beginning}")), "{beginning} in {metrics}");
    }
    let doctor = place.run(&["doctor"], &environment).out;
    for server in [&one, &other] {
        assert!(doctor.contains(&format!(":{} (nod_", server.child.id())), "{doctor}");
    }

    signal("-STOP", &other);
    for _ in 0..3 {
        one.post(&key, "/v1/access-tokens", &token);
    }
    until("it is not counted any more", || nodes(&one, &key)["live"] == 1);
    let named: Vec<_> =
        log(&place).lines().filter(|it| it.contains("has waited")).map(str::to_owned).collect();
    assert_eq!(named.len(), 1, "once for each silence: {named:?}");
    assert!(named[0].contains(&format!(":{}\"", other.child.id())) && named[0].contains("WARN"), "{named:?}");

    signal("-CONT", &other);
    until("it has its lease again", || log(&elsewhere).contains("the read lease holds again"));
    until("it is ready", || other.status(&key, "/readyz") == 200);
    assert_eq!(log(&elsewhere).matches("the read lease has lapsed").count(), 1);
}
