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
    a_batch_comes_to_the_same_with_an_idempotency_key_in_it
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

/// A key makes a batch more than its counters, so that an engine with a shorter way for others cannot go it.
async fn a_batch_comes_to_the_same_with_an_idempotency_key_in_it(plain: Fixture) {
    let keyed = plain.another(0).await;
    let mut tokens = tokens();
    tokens.truncate(60);
    let other = limited(900, 1 << 40);
    for it in [&plain, &keyed] {
        for token in tokens.iter().chain([&other]) {
            it.insert(token).await;
        }
    }
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut granted, mut exhausted, mut stale) = (0, 0, 0);
    for batch in 0..60u8 {
        let now = at(7 + next(7));
        let (width, first, is_even) = (1 + next(6), next(55), next(2) == 0);
        let mut uses: Vec<UseRequest> = (0..8)
            .map(|_| {
                let index = first + next(width);
                let cost = if is_even { 1 + index % 2 } else { 1 + next(2) };
                fixture::one_use(&tokens[index as usize % tokens.len()], cost)
            })
            .collect();
        uses[0].revision += u64::from(batch % 16 == 0);
        let expected = plain.store.take_uses(&uses, now).await.unwrap().outcome;
        uses.push(fixture::keyed_use(&other, 1, batch, 1));
        let outcomes = keyed.store.take_uses(&uses, now).await.unwrap().outcome;
        assert_eq!(outcomes[..8], expected, "{uses:?} at {now}");
        granted += expected.iter().filter(|it| matches!(it, UseOutcome::Granted { .. })).count();
        exhausted += expected.iter().filter(|it| matches!(it, UseOutcome::Exhausted { .. })).count();
        stale += expected.iter().filter(|it| matches!(it, UseOutcome::Stale)).count();
    }
    assert!(granted > 20 && exhausted > 20 && stale > 20, "{granted} {exhausted} {stale}");
    for token in &tokens {
        assert_eq!(plain.used(token.terms.id).await, keyed.used(token.terms.id).await, "{:?}", token.terms);
    }
}
