//! Nodes whose clocks differ by hours: the database's time decides.

use std::time::Duration;

use countermark_tests::postgres::shared;
use countermark_tests::{Clock, Cluster, Database, Options, within};
use serde_json::json;

use crate::probe::{Fan, Probe};
use crate::{ON_FAST_DATABASE, alone};

const HOUR: i64 = 3600;

#[test]
fn nodes_an_hour_apart_agree_on_when_a_token_ends() {
    let _alone = alone();
    let database = Database::on(shared());
    let clocks = [Clock::new(), Clock::new(), Clock::new()];
    clocks[1].set(HOUR);
    clocks[2].set(-HOUR);
    let options = |node: usize| Options { environment: clocks[node].environment(), ..Options::default() };
    let cluster = Cluster::with(3, &database.url(), &ON_FAST_DATABASE, options);
    let mut admins = cluster.admins();
    let mut fan = Fan::new(&cluster);
    let now =
        || -> u64 { database.query("SELECT floor(extract(epoch FROM clock_timestamp()))").parse().unwrap() };
    for (issuer, admin) in admins.iter_mut().enumerate() {
        let before = now();
        let token = admin.issue(&json!({"type": "upload", "ttl": 4}));
        let after = now();
        let expiry = token["expiry"].as_u64().unwrap();
        // The time is taken at each renewal: it may be a moment behind.
        assert!((before + 3..=after + 5).contains(&expiry), "{expiry} is not 4 s after {before}..{after}");
        let probe = Probe::value(&cluster.nodes[0], token["value"].as_str().unwrap());
        let ended = within(Duration::from_secs(15), || {
            let before = now();
            let codes = fan.ask(&probe);
            if now() + 1 < expiry {
                assert_eq!(codes, ["ALLOWED"; 3], "issued by node {issuer}");
            }
            if before > expiry {
                assert_eq!(codes, ["EXPIRED"; 3], "issued by node {issuer}");
            }
            (codes == ["EXPIRED"; 3]).then_some(())
        });
        assert!(ended.is_some(), "issued by node {issuer}");
    }
    for (node, admin) in admins.iter_mut().enumerate() {
        assert_eq!(admin.call("GET", "/readyz", None).status, 200, "node {node}");
    }
}

#[test]
fn a_clock_that_jumps_changes_no_decision() {
    let _alone = alone();
    let database = Database::on(shared());
    let clock = Clock::new();
    let options = |node: usize| match node {
        0 => Options::default(),
        _ => Options { environment: clock.environment(), ..Options::default() },
    };
    let cluster = Cluster::with(2, &database.url(), &ON_FAST_DATABASE, options);
    let mut fan = Fan::new(&cluster);
    let token = cluster.nodes[0].admin().issue(&json!({"type": "upload", "ttl": 600}));
    let probe = Probe::value(&cluster.nodes[0], token["value"].as_str().unwrap());
    for seconds in [HOUR, -HOUR, 0] {
        clock.set(seconds);
        assert_eq!(fan.ask(&probe), ["ALLOWED"; 2], "{seconds} s apart");
        assert_eq!(cluster.nodes[1].admin().call("GET", "/readyz", None).status, 200, "{seconds} s apart");
    }
}
