//! A standby that has taken over while the former primary goes on, and some nodes still use that one.

use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::postgres::Server;
use countermark_tests::{Client, Cluster, Database, Options, TestServer, upload_question};

use crate::database_faults::synchronous_standby_of;
use crate::probe::outcome;
use crate::{LEASE, MARGIN, SLOWEST_ANSWER, alone};

/// For how long it is watched what a node on the former primary answers: its lease is over by then, several times.
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn a_node_on_a_former_primary_accepts_nothing_that_was_revoked_on_the_promoted_one() {
    let _alone = alone();
    let primary = Server::start(&[]);
    let database = Database::on(&primary);
    let standby = synchronous_standby_of(&primary, &database);
    let promoted = database.as_on(&standby);
    let left_behind = Cluster::start(1, &database.url(), &[]);
    let mut asker = left_behind.nodes[0].admin();
    let (id, value) = asker.issue_upload(None);
    assert_eq!(asker.authorize(&upload_question(&value)), "ALLOWED");
    standby.promote();

    let node = node_on(&promoted, &left_behind);
    let mut admin = node.admin();
    assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED", "it has got everything");
    let asked = Instant::now();
    assert_eq!(admin.revoke(&id).status, 204);
    let took = asked.elapsed();
    let codes = watch(&mut asker, &value);
    assert_eq!(promoted.query(&is_revoked(&id)), "t");
    assert_eq!(database.query(&is_revoked(&id)), "f", "the former primary still answers, and knows nothing");
    assert!(took <= LEASE + MARGIN, "the revocation was answered after {took:?}");
    println!("revoked in {took:?}; the other node then answered {codes:?}");
}

/// A further node of the same installation, on another server.
fn node_on(database: &Database, others: &Cluster) -> TestServer {
    let mut options: Options = others.options();
    // Of two settings of one name the later one holds.
    options.environment.push(("COUNTERMARK__DATA__DATABASE_URL".into(), database.url().into()));
    TestServer::with(options)
}

fn is_revoked(id: &str) -> String {
    format!("SELECT revoked_at IS NOT NULL FROM token_counters WHERE token = '{id}'")
}

/// Asks over and over; what was answered, once each in a row.
fn watch(asker: &mut Client, value: &str) -> Vec<String> {
    let begin = Instant::now();
    let mut codes = Vec::new();
    while begin.elapsed() < WATCHED {
        let asked = Instant::now();
        let answer = asker.try_authorize(&upload_question(value)).unwrap();
        let (took, code) = (asked.elapsed(), outcome(&answer));
        assert_ne!(code, "ALLOWED", "{:?} after the revocation was answered", begin.elapsed());
        assert!(took <= SLOWEST_ANSWER, "{took:?} for {}", answer.text());
        codes.push(code);
        thread::sleep(Duration::from_millis(10));
    }
    codes.dedup();
    codes
}
