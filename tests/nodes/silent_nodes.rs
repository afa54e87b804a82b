//! Nodes that stand still or are gone while others end what they remember.

use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::postgres::shared;
use countermark_tests::{Cluster, Database, TestServer, within};

use crate::ends::{Call, Case, KINDS};
use crate::probe::{Fan, Probe, early, late};
use crate::{LEASE, MARGIN, ON_FAST_DATABASE, alone, cluster};

#[test]
fn a_node_that_stood_still_for_longer_than_its_lease_accepts_nothing_that_ended_meanwhile() {
    let _alone = alone();
    let (cluster, _) = cluster(3);
    let mut admins = cluster.admins();
    let mut fan = Fan::new(&cluster);
    let still = &cluster.nodes[2];
    for (kind, make) in KINDS {
        let Case { probe, end, code_after } = make(&cluster.nodes[0], &mut admins[0], None);
        assert_eq!(fan.ask(&probe), ["ALLOWED"; 3], "{kind}");
        still.pause();
        let mut waiting: Vec<_> = (0..4).map(|_| early(still, &probe)).collect();
        let took = end.until_done(&mut admins[1]);
        waiting.extend((0..4).map(|_| early(still, &probe)));
        assert!(took <= LEASE + MARGIN, "{kind} was answered after {took:?}");
        still.resume();
        for connection in waiting {
            // Without its lease it may also be unable to decide for a moment.
            let code = late(connection, &probe);
            assert!(code == code_after || code == "UNAVAILABLE", "{kind}: {code} after {took:?}");
        }
        let healed = within(Duration::from_secs(5), || (fan.ask(&probe) == [code_after; 3]).then_some(()));
        assert!(healed.is_some(), "{kind}: {:?}", fan.ask(&probe));
    }
}

#[test]
fn an_end_that_is_asked_for_again_on_another_node_is_not_answered_sooner() {
    let _alone = alone();
    let (cluster, _) = cluster(3);
    let mut admins = cluster.admins();
    let mut fan = Fan::new(&cluster);
    let still = &cluster.nodes[2];
    for (kind, make) in KINDS {
        // A second new value is another change.
        if kind.starts_with("new") {
            continue;
        }
        let Case { probe, end, .. } = make(&cluster.nodes[0], &mut admins[0], None);
        assert_eq!(fan.ask(&probe), ["ALLOWED"; 3], "{kind}");
        still.pause();
        let code = thread::scope(|scope| {
            let (mut first, end_too) = (cluster.nodes[0].admin(), end.clone());
            let first = scope.spawn(move || end_too.until_done(&mut first));
            // Only once the first call has been committed is the second one a repetition.
            thread::sleep(Duration::from_millis(100));
            end.until_done(&mut admins[1]);
            let connection = early(still, &probe);
            still.resume();
            let code = late(connection, &probe);
            first.join().unwrap();
            code
        });
        assert_ne!(code, "ALLOWED", "{kind}: accepted after the repetition was answered");
        let healed = within(Duration::from_secs(5), || {
            fan.ask(&probe).iter().all(|code| code != "UNAVAILABLE").then_some(())
        });
        assert!(healed.is_some(), "{kind}");
    }
}

#[test]
fn a_node_that_stops_in_the_middle_of_a_renewal_holds_up_an_end_no_longer_than_a_lease() {
    let _alone = alone();
    let (cluster, database) = cluster(2);
    let mut admin = cluster.nodes[0].admin();
    let mut met = 0;
    for _ in 0..8 {
        let (id, value) = admin.issue_upload(None);
        let probe = Probe::value(&cluster.nodes[0], &value);
        assert_eq!(Fan::new(&cluster).ask(&probe), ["ALLOWED"; 2]);
        let are_renewals = pause_while_renewing(&cluster.nodes[1], &database);
        let asked = Instant::now();
        Call::new("DELETE", &format!("/v1/access-tokens/{id}"), None).until_done(&mut admin);
        let took = asked.elapsed();
        let connection = early(&cluster.nodes[1], &probe);
        cluster.nodes[1].resume();
        let code = late(connection, &probe);
        assert_ne!(code, "ALLOWED", "accepted after an answer that took {took:?}");
        if are_renewals {
            assert!(took <= LEASE + MARGIN, "{took:?}");
            met += 1;
        }
    }
    assert!(met > 0, "no stop has met a renewal");
}

/// Stops a node of two while both wait within their renewals for the row that a renewal locks; when this returns, the row
/// is free for them. Whether they wait for nothing else: other transactions are borne with for longer.
fn pause_while_renewing(node: &TestServer, database: &Database) -> bool {
    thread::scope(|scope| {
        let hold = "SELECT 1 FROM installation FOR UPDATE; SELECT pg_sleep(0.8)";
        let holding = scope.spawn(|| database.query(hold));
        let waiting = || {
            database.query(
                "SELECT count(*) FILTER (WHERE query LIKE '%change_position%FOR SHARE%'), count(*)
                 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
            )
        };
        within(Duration::from_millis(600), || waiting().starts_with("2|").then_some(()));
        node.pause();
        let found = waiting();
        holding.join().unwrap();
        found == "2|2"
    })
}

#[test]
fn a_killed_node_holds_up_one_end_for_one_lease_and_later_ones_not_at_all() {
    let _alone = alone();
    let lease = Duration::from_secs(4);
    let database = Database::on(shared());
    let long = ("COUNTERMARK__DATA__LEASE_MILLIS", "4000");
    let mut cluster = Cluster::start(3, &database.url(), &[ON_FAST_DATABASE[0], long]);
    let end = |node: &TestServer| {
        let mut admin = node.admin();
        let (id, value) = admin.issue_upload(None);
        let asked = Instant::now();
        assert_eq!(Call::new("DELETE", &format!("/v1/access-tokens/{id}"), None).on(&mut admin).status, 204);
        (asked.elapsed(), value)
    };
    for round in 0..2 {
        cluster.nodes[2].kill();
        let (first, _) = end(&cluster.nodes[0]);
        assert!(first <= lease + MARGIN, "round {round}: {first:?}");
        for node in [0, 1, 0, 1] {
            let (later, value) = end(&cluster.nodes[node]);
            assert!(later < lease / 2, "round {round}: {later:?} for a node known to be gone");
            let probe = Probe::value(&cluster.nodes[0], &value);
            assert_eq!(late(early(&cluster.nodes[1 - node], &probe), &probe), "REVOKED");
        }
        cluster.nodes[2].restart();
        let (after, value) = end(&cluster.nodes[0]);
        assert!(after < lease / 2, "round {round}: {after:?} though all nodes live");
        let probe = Probe::value(&cluster.nodes[0], &value);
        assert_eq!(Fan::new(&cluster).ask(&probe), ["REVOKED"; 3]);
    }
}
