//! When an end has been answered by one node, no node accepts what begins then.

use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::Cluster;
use serde_json::json;

use crate::ends::{Case, KINDS, Kind};
use crate::probe::{Fan, Probe};
use crate::{LEASE, MARGIN, alone, cluster};

const NODES: usize = 9;

#[test]
fn nothing_is_accepted_on_nine_nodes_that_began_after_an_end_was_answered() {
    let _alone = alone();
    let trials: usize = std::env::var("COUNTERMARK_REVOCATION_TRIALS")
        .map_or(2000, |trials| trials.parse().expect("COUNTERMARK_REVOCATION_TRIALS is a whole number"));
    let (cluster, _) = cluster(NODES);
    let start = Instant::now();
    let reports: Vec<(&str, Report)> = thread::scope(|scope| {
        let running: Vec<_> = KINDS
            .iter()
            .enumerate()
            .map(|(place, kind)| {
                let (cluster, trials) = (&cluster, trials.div_ceil(KINDS.len()));
                (kind.0, scope.spawn(move || try_kind(cluster, kind, place, trials)))
            })
            .collect();
        running.into_iter().map(|(name, kind)| (name, kind.join().unwrap())).collect()
    });
    let mut latencies: Vec<Duration> =
        reports.iter().flat_map(|(_, report)| report.latencies.iter().copied()).collect();
    latencies.sort();
    let percentile = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    let (p50, p99, slowest) = (percentile(50), percentile(99), percentile(100));
    println!(
        "{} trials in {:?}: answered within {p50:?} (p50), {p99:?} (p99), {slowest:?} at most",
        latencies.len(),
        start.elapsed()
    );
    let wrong: Vec<_> =
        reports.iter().flat_map(|(kind, report)| report.wrong.iter().map(move |it| (kind, it))).collect();
    assert!(wrong.is_empty(), "{} answers of {} trials were wrong: {wrong:?}", wrong.len(), latencies.len());
    assert!(slowest <= LEASE + MARGIN, "an end was answered after {slowest:?}");
}

#[derive(Default)]
struct Report {
    latencies: Vec<Duration>,
    /// Number of the trial, node, and what it answered to what began after the end.
    wrong: Vec<(usize, usize, String)>,
}

fn try_kind(cluster: &Cluster, kind: &Kind, place: usize, trials: usize) -> Report {
    let mut admins = cluster.admins();
    let (mut fan, mut racing) = (Fan::new(cluster), Fan::new(cluster));
    let mut report = Report::default();
    for trial in 0..trials {
        // Every fourth token is limited: decided by the database anyway.
        let limit = (trial % 4 == 0).then_some(1_000_000);
        let (issuer, ender) = ((trial + place) % NODES, (trial * 2 + place) % NODES);
        let Case { probe, end, code_after } = kind.1(&cluster.nodes[issuer], &mut admins[issuer], limit);
        assert_eq!(fan.ask(&probe), ["ALLOWED"; NODES], "known everywhere when it was issued");
        // These meet the end on its way.
        racing.send(&probe);
        let asked = Instant::now();
        let ended = end.on(&mut admins[ender]);
        report.latencies.push(asked.elapsed());
        assert!(matches!(ended.status, 200 | 204), "{}", ended.text());
        let after = fan.ask(&probe);
        let met = racing.outcomes(&probe);
        assert!(met.iter().all(|code| code == "ALLOWED" || code == code_after), "{met:?}");
        // Whatever those that met it have left behind.
        for outcomes in [after, fan.ask(&probe)] {
            let wrong = outcomes.into_iter().enumerate().filter(|(_, code)| code != code_after);
            report.wrong.extend(wrong.map(|(node, code)| (trial, node, code)));
        }
    }
    report
}

#[test]
fn what_is_allowed_again_is_allowed_everywhere_at_once() {
    let _alone = alone();
    let (cluster, _) = cluster(5);
    let mut admins = cluster.admins();
    let mut fan = Fan::new(&cluster);
    let (id, url) = admins[0].issue_link(None);
    let link = Probe::link(&cluster.nodes[0], &url);
    let key = admins[0].issue(&json!({"type": "apiKey", "permissions": ["read"]}));
    let question = json!({"credential": {"value": key["value"]}, "request": {"permission": "write"}});
    let right = Probe::question(&cluster.nodes[0], &question);
    let key = key["id"].as_str().unwrap();
    let (upload, value) = admins[0].issue_upload(Some(0));
    let mut value = value;
    for trial in 0..40 {
        let [a, b] = [trial % 5, (trial * 3 + 1) % 5];
        for (enabled, code) in [(false, "DISABLED"), (true, "ALLOWED")] {
            assert_eq!(admins[a].patch(&id, &json!({ "enabled": enabled })).status, 200);
            assert_eq!(fan.ask(&link), [code; 5], "trial {trial}");
        }
        for (permissions, code) in
            [(json!(["read", "write"]), "ALLOWED"), (json!(["read"]), "PERMISSION_DENIED")]
        {
            assert_eq!(admins[b].patch(key, &json!({ "permissions": permissions })).status, 200);
            assert_eq!(fan.ask(&right), [code; 5], "trial {trial}");
        }
        let free = Probe::value(&cluster.nodes[0], &value);
        assert_eq!(fan.ask(&free), ["LIMIT_REACHED"; 5]);
        assert_eq!(admins[b].patch(&upload, &json!({"limit": null})).status, 200);
        assert_eq!(fan.ask(&free), ["ALLOWED"; 5]);
        let regenerated =
            admins[a].call("POST", &format!("/v1/access-tokens/{upload}/regenerate"), Some(&json!({})));
        value = regenerated.json()["value"].as_str().unwrap().to_owned();
        assert_eq!(fan.ask(&Probe::value(&cluster.nodes[0], &value)), ["ALLOWED"; 5]);
        let used = admins[a].used(&upload);
        assert_eq!(admins[a].patch(&upload, &json!({ "limit": used })).status, 200, "{used}");
    }
}
