//! Exactness: what is granted, what is stored, and what a retry takes.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use std::sync::Arc;

use countermark_core::TokenKind;
use countermark_domain::store::Changed;
use countermark_domain::store::UseOutcome::{Exhausted, Granted, KeyMismatch, Repeated, Stale};

use fixture::{Fixture, at, audit, keyed_use, limited, one_use, token};

conformance! {
    exactly_the_limit_is_granted_to_many_tasks_and_survives_a_restart
    uses_of_one_batch_are_answered_in_order
    a_cost_is_taken_whole_or_not_at_all
    a_limit_of_zero_grants_nothing
    costs_at_the_end_of_numbers_neither_wrap_nor_break_the_counter
    a_use_decided_on_another_revision_is_not_granted
    a_retry_takes_no_second_use_and_another_request_is_told_apart
    the_same_key_twice_in_one_batch_takes_one_use
    a_refused_use_leaves_its_key_free
    a_key_is_forgotten_after_a_day_to_the_second
    a_whole_batch_of_512_tokens_and_keys_is_taken
}

async fn exactly_the_limit_is_granted_to_many_tasks_and_survives_a_restart(mut it: Fixture) {
    let token = limited(1, 70);
    it.insert(&token).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, token) = (Arc::clone(&it.store), token.clone());
        tasks.spawn(async move {
            let mut granted = 0;
            for size in [1, 2, 3] {
                let outcomes =
                    store.take_uses(&vec![one_use(&token, 1); size], at(1000)).await.unwrap().outcome;
                granted += outcomes.iter().filter(|it| matches!(it, Granted { .. })).count();
            }
            granted
        });
    }
    let granted: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(granted, 70);
    it.reopen().await;
    assert_eq!(it.used(token.terms.id).await, 70);
}

async fn uses_of_one_batch_are_answered_in_order(it: Fixture) {
    let (one, other) = (limited(1, 5), limited(2, 1));
    it.insert(&one).await;
    it.insert(&other).await;
    let batch =
        [one_use(&one, 1), one_use(&other, 1), one_use(&one, 2), one_use(&other, 1), one_use(&one, 1)];
    assert_eq!(
        it.take(&batch).await,
        [
            Granted { used: 1 },
            Granted { used: 1 },
            Granted { used: 3 },
            Exhausted { used: 1 },
            Granted { used: 4 }
        ]
    );
}

async fn a_cost_is_taken_whole_or_not_at_all(it: Fixture) {
    let token = limited(1, 10);
    it.insert(&token).await;
    let batch = [one_use(&token, 8), one_use(&token, 3), one_use(&token, 2), one_use(&token, 1)];
    assert_eq!(
        it.take(&batch).await,
        [Granted { used: 8 }, Exhausted { used: 8 }, Granted { used: 10 }, Exhausted { used: 10 }]
    );
    assert_eq!(it.used(token.terms.id).await, 10);
}

async fn a_limit_of_zero_grants_nothing(it: Fixture) {
    let token = limited(1, 0);
    it.insert(&token).await;
    assert_eq!(it.take(&[one_use(&token, 1)]).await, [Exhausted { used: 0 }]);
}

async fn costs_at_the_end_of_numbers_neither_wrap_nor_break_the_counter(it: Fixture) {
    let (narrow, wide) = (limited(1, u64::MAX), token(TokenKind::Upload, 2));
    it.insert(&narrow).await;
    it.insert(&wide).await;
    let most = i64::MAX as u64;
    let batch = [one_use(&narrow, u64::MAX), one_use(&narrow, most), one_use(&narrow, 1)];
    assert_eq!(
        it.take(&batch).await,
        [Exhausted { used: 0 }, Granted { used: most }, Exhausted { used: most }]
    );
    let batch = [one_use(&wide, u64::MAX), one_use(&wide, 7), one_use(&wide, u64::MAX)];
    assert_eq!(
        it.take(&batch).await,
        [Granted { used: most }; 3],
        "without a limit the count stays at its end"
    );
    assert_eq!(it.take(&[one_use(&wide, 7)]).await, [Granted { used: most }]);
}

async fn a_use_decided_on_another_revision_is_not_granted(it: Fixture) {
    let mut token = limited(1, 5);
    it.insert(&token).await;
    let decided = one_use(&token, 1);
    token.terms.revision = 2;
    assert_eq!(it.store.update(&token, 1, audit("token.update")).await.unwrap(), Changed::Done);
    assert_eq!(
        it.take(&[decided.clone(), one_use(&token, 1), decided]).await,
        [Stale, Granted { used: 1 }, Stale]
    );
    assert_eq!(it.used(token.terms.id).await, 1);
    assert_eq!(it.take(&[one_use(&limited(9, 1), 1)]).await, [Stale], "an unknown token");
}

async fn a_retry_takes_no_second_use_and_another_request_is_told_apart(it: Fixture) {
    let token = limited(1, 3);
    it.insert(&token).await;
    assert_eq!(it.take(&[keyed_use(&token, 1, 1, 1)]).await, [Granted { used: 1 }]);
    let batch = [keyed_use(&token, 1, 1, 1), keyed_use(&token, 1, 1, 2), keyed_use(&token, 1, 2, 1)];
    assert_eq!(it.take(&batch).await, [Repeated { used: 1 }, KeyMismatch, Granted { used: 2 }]);
    assert_eq!(it.used(token.terms.id).await, 2);
}

async fn the_same_key_twice_in_one_batch_takes_one_use(it: Fixture) {
    let (token, other) = (limited(1, 5), limited(2, 5));
    it.insert(&token).await;
    it.insert(&other).await;
    let batch = [
        keyed_use(&token, 2, 1, 1),
        keyed_use(&token, 2, 1, 1),
        keyed_use(&token, 2, 1, 9),
        one_use(&token, 2),
        keyed_use(&other, 1, 1, 1),
    ];
    assert_eq!(
        it.take(&batch).await,
        [Granted { used: 2 }, Repeated { used: 2 }, KeyMismatch, Granted { used: 4 }, Repeated { used: 0 }]
    );
}

async fn a_refused_use_leaves_its_key_free(it: Fixture) {
    let mut token = limited(1, 1);
    it.insert(&token).await;
    let batch = [keyed_use(&token, 2, 1, 1), keyed_use(&token, 1, 1, 2)];
    assert_eq!(it.take(&batch).await, [Exhausted { used: 0 }, Granted { used: 1 }], "within a batch");
    assert_eq!(it.take(&[keyed_use(&token, 1, 2, 1)]).await, [Exhausted { used: 1 }]);
    (token.terms.revision, token.terms.limit) = (2, Some(5));
    it.store.update(&token, 1, audit("token.update")).await.unwrap();
    assert_eq!(it.take(&[keyed_use(&token, 1, 2, 9)]).await, [Granted { used: 2 }], "across batches");
}

async fn a_key_is_forgotten_after_a_day_to_the_second(it: Fixture) {
    let token = limited(1, 5);
    it.insert(&token).await;
    let keyed = [keyed_use(&token, 1, 1, 1)];
    let take = async |seconds| it.store.take_uses(&keyed, at(seconds)).await.unwrap().outcome[0];
    assert_eq!(take(1000).await, Granted { used: 1 });
    assert_eq!(take(1000 + 86_399).await, Repeated { used: 1 });
    assert_eq!(take(1000 + 86_400).await, Granted { used: 2 });
    assert_eq!(take(1000 + 86_401).await, Repeated { used: 2 }, "the new use has taken the key over");
}

async fn a_whole_batch_of_512_tokens_and_keys_is_taken(it: Fixture) {
    let tokens: Vec<_> = (0..8).map(|number| limited(number, 64)).collect();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut batch = Vec::new();
    for index in 0..512usize {
        let mut one = keyed_use(&tokens[index % 8], 1, 0, 0);
        let mut scope = [0; 32];
        scope[..8].copy_from_slice(&(index as u64).to_be_bytes());
        one.idempotency.as_mut().unwrap().scope = scope;
        batch.push(one);
    }
    let granted = it.take(&batch).await;
    assert!(granted.iter().enumerate().all(|(index, it)| *it == Granted { used: index as u64 / 8 + 1 }));
    assert!(it.take(&batch).await.iter().all(|it| *it == Repeated { used: 64 }));
}
