//! The few rules that SQL repeats are the ones of the core.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use countermark_core::{Status, Token};
use countermark_domain::store::{ListFilter, UseOutcome, UseRequest};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use fixture::{Fixture, at, limited};

conformance! {
    the_status_filter_agrees_with_the_core
    the_guarded_statement_grants_what_the_core_allows
}

#[derive(Clone, Debug)]
struct Case {
    enabled: bool,
    revoked: bool,
    not_before: Option<u64>,
    expiry: Option<u64>,
    limit: Option<u64>,
    used: u64,
}

/// Few small numbers, so that equal ones meet often.
fn case() -> impl Strategy<Value = Case> {
    let instant = || proptest::option::of(8..13u64);
    (
        any::<bool>(),
        proptest::bool::weighted(0.2),
        instant(),
        instant(),
        proptest::option::of(0..4u64),
        0..4u64,
    )
        .prop_map(|(enabled, revoked, not_before, expiry, limit, used)| {
            let used = limit.map_or(used, |limit| used.min(limit));
            Case { enabled, revoked, not_before, expiry, limit, used }
        })
}

fn token_of(number: usize, case: &Case) -> Token {
    let mut token = limited(number as u64, 0);
    token.terms.enabled = case.enabled;
    token.terms.revoked_at = case.revoked.then(|| at(5));
    token.terms.not_before = case.not_before.map(at);
    token.terms.expiry = case.expiry.map(at);
    token.terms.limit = case.limit;
    token.usage.used = case.used;
    token
}

/// As many tokens as one batch holds, all different.
fn tokens() -> Vec<Token> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = case();
    (0..200)
        .map(|number| {
            token_of(number, &strategy.new_tree(&mut runner).expect("no case is filtered out").current())
        })
        .collect()
}

async fn the_status_filter_agrees_with_the_core(it: Fixture) {
    let tokens = tokens();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut seen = 0;
    for now in (7..14).map(at) {
        for status in Status::ALL {
            let filter = ListFilter { status: Some((status, now)), at_most: 1000, ..ListFilter::default() };
            let mut listed: Vec<_> =
                it.store.list(&filter).await.unwrap().iter().map(|token| token.terms.id).collect();
            listed.reverse();
            let expected: Vec<_> = tokens
                .iter()
                .filter(|token| token.terms.status(token.usage.used, now) == status)
                .map(|token| token.terms.id)
                .collect();
            assert_eq!(listed, expected, "{status:?} at {now}");
            seen += usize::from(!expected.is_empty());
        }
    }
    assert!(seen > 30, "the cases reach every status: {seen}");
}

async fn the_guarded_statement_grants_what_the_core_allows(engine: Fixture) {
    for now in [8, 10, 12].map(at) {
        for cost in 1..3 {
            let it = engine.another(0).await;
            let tokens = tokens();
            for token in &tokens {
                it.insert(token).await;
            }
            let uses: Vec<UseRequest> = tokens.iter().map(|token| fixture::one_use(token, cost)).collect();
            let outcomes = it.store.take_uses(&uses, now).await.unwrap().outcome;
            for (token, outcome) in tokens.iter().zip(outcomes) {
                let (terms, used) = (&token.terms, token.usage.used);
                let expected = if terms.revoked_at.is_some() || !terms.enabled || terms.is_expired(now) {
                    UseOutcome::Stale
                } else if terms.would_exceed_limit(used, cost) {
                    UseOutcome::Exhausted { used }
                } else {
                    UseOutcome::Granted { used: used + cost }
                };
                assert_eq!(outcome, expected, "{terms:?} at {now}, cost {cost}");
            }
        }
    }
}
