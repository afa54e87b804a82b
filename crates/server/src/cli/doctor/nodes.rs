//! What `countermark doctor` says of the nodes that share a database.

use std::time::Duration;

use countermark_store::{Facts, NodeFacts};

use super::Findings;

const CHECK: &str = "node";

/// Renewals are noted to the second.
const ROUNDING: Duration = Duration::from_secs(2);

/// Examines the nodes of a database, each for itself.
pub(super) fn examine(facts: &Facts, findings: &mut Findings) {
    if facts.nodes.is_empty() {
        findings.ok(CHECK, "none runs");
    }
    facts.nodes.iter().for_each(|node| note(node, facts.position, findings));
}

fn note(node: &NodeFacts, position: u64, findings: &mut Findings) {
    let detail = format!(
        "{} ({}) renewed its lease {} s ago, at {}, and knew {} of {} changes",
        node.name,
        node.id,
        node.renewed_ago.as_secs(),
        node.renewed_at,
        node.acknowledged,
        position
    );
    if node.renewed_ago > node.lease + ROUNDING {
        findings.warn(CHECK, &detail, "if it should run, see its log; nobody waits for it");
    } else {
        findings.ok(CHECK, &detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_renew_is_a_warning_and_any_other_is_not() {
        let node = |seconds| NodeFacts {
            id: "nod_1".into(),
            name: "host:1".into(),
            lease: Duration::from_secs(1),
            renewed_at: 1_800_000_000,
            renewed_ago: Duration::from_secs(seconds),
            acknowledged: 6,
        };
        let mut findings = Findings::default();
        note(&node(3), 7, &mut findings);
        note(&node(4), 7, &mut findings);
        let states: Vec<_> = findings.0.iter().map(|it| it["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["ok", "warn"]);
        let detail = "host:1 (nod_1) renewed its lease 3 s ago, at 1800000000, and knew 6 of 7 changes";
        assert_eq!(findings.0[0]["detail"], detail);
    }
}
