//! Several stores, as of several nodes, that do the same at once: what only an engine for many nodes promises.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;

use std::sync::Arc;

use countermark_core::{Tally, Token, TokenId, TokenKind, UploadExtra, UploadId, UploadParameters};
use countermark_domain::store::{
    Changed, Claim, Inserted, KeptAnswer, Lookup, NewNotification, NewUpload, Statistics, Store, StoreError,
    TokenStatistic, Upload, UploadBegun, UploadEnd, UploadEnded, UploadState,
    UseOutcome::{Exhausted, Granted, KeyMismatch, Repeated},
};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use fixture::{
    Fixture, Recorder, at, audit, credential_for, id, key, keyed_use, limited, master_key, one_use, open,
    postgres, token, value,
};

/// A further node on the same database.
async fn node(it: &Fixture) -> (Arc<dyn Store>, Arc<Recorder>) {
    open(&it.location, master_key(1)).await.unwrap()
}

async fn used(store: &Arc<dyn Store>, id: TokenId) -> u64 {
    store.find(Lookup::Id(id)).await.unwrap().found.unwrap().usage.used
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_contend_for_one_token_grant_exactly_its_limit() {
    let it = postgres().await;
    let token = limited(1, 400);
    it.insert(&token).await;
    let stores = [it.store.clone(), node(&it).await.0, node(&it).await.0];
    let mut tasks = JoinSet::new();
    for store in &stores {
        for size in [1, 2, 3, 5, 8] {
            let (store, token) = (Arc::clone(store), token.clone());
            tasks.spawn(async move {
                let mut granted = Vec::new();
                for _ in 0..10 {
                    let uses = vec![one_use(&token, 1); size];
                    for outcome in store.take_uses(&uses, at(1000)).await.unwrap().outcome {
                        match outcome {
                            Granted { used } => granted.push(used),
                            other => assert_eq!(other, Exhausted { used: 400 }),
                        }
                    }
                }
                granted
            });
        }
    }
    let mut granted: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    granted.sort_unstable();
    assert_eq!(granted, (1..=400).collect::<Vec<_>>(), "each use once, none over, none under");
    for store in &stores {
        assert_eq!(used(store, token.terms.id).await, 400, "every node sees it at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_name_the_same_tokens_in_any_order_all_end() {
    let it = postgres().await;
    let tokens: Vec<_> = (0..20).map(|number| limited(number, 1000)).collect();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut tasks = JoinSet::new();
    for index in 0..12 {
        let (store, mut uses) = (it.another_node().await, Vec::new());
        uses.extend(tokens.iter().map(|token| one_use(token, 1)));
        uses.rotate_left(index);
        if index % 2 == 0 {
            uses.reverse();
        }
        tasks.spawn(async move {
            for _ in 0..5 {
                let outcomes = store.take_uses(&uses, at(1000)).await.unwrap().outcome;
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Granted { .. })));
            }
        });
    }
    tasks.join_all().await;
    for token in &tokens {
        assert_eq!(it.used(token.terms.id).await, 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_takes_one_use_on_all_nodes_together() {
    let it = postgres().await;
    let tokens = [limited(1, 100), limited(2, 100)];
    for token in &tokens {
        it.insert(token).await;
    }
    let nodes = [it.store.clone(), it.another_node().await, it.another_node().await];
    for scope in 1..20 {
        let mut tasks = JoinSet::new();
        // The same key for different tokens never meets in practice, but must do no harm.
        for index in 0..12 {
            let (store, token) = (nodes[index % 3].clone(), tokens[index % 2].clone());
            tasks.spawn(async move {
                let uses = [keyed_use(&token, 1, scope, u8::from(index >= 6))];
                store.take_uses(&uses, at(1000)).await.unwrap().outcome[0]
            });
        }
        let outcomes = tasks.join_all().await;
        let granted = outcomes.iter().filter(|outcome| matches!(outcome, Granted { .. })).count();
        assert_eq!(granted, 1, "{outcomes:?}");
        let is_fit = |outcome: &_| matches!(outcome, Granted { .. } | Repeated { .. } | KeyMismatch);
        assert!(outcomes.iter().all(is_fit), "{outcomes:?}");
        let used = it.used(tokens[0].terms.id).await + it.used(tokens[1].terms.id).await;
        assert_eq!(used, u64::from(scope));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_all_nodes_are_numbered_without_gaps_and_each_node_has_told_them_all_when_they_are_answered()
 {
    let it = postgres().await;
    let mut tasks = JoinSet::new();
    let nodes = vec![(it.store.clone(), it.changes.clone()), node(&it).await, node(&it).await];
    let recorders: Vec<_> = nodes.iter().map(|(_, changes)| changes.clone()).collect();
    for (index, (store, _)) in (0u64..).zip(&nodes) {
        for number in 0..10 {
            let (store, recorders) = (Arc::clone(store), recorders.clone());
            tasks.spawn(async move {
                let token = limited(index * 100 + number, 5);
                let credential = credential_for(&token);
                let done = store.insert(&token, credential, audit("token.issue"), None).await.unwrap();
                assert!(matches!(done, Inserted::Done));
                for changes in recorders {
                    let told = changes.0.lock().unwrap();
                    assert!(
                        told.iter().any(|change| change.tokens == [token.terms.id]),
                        "not told everywhere"
                    );
                }
            });
        }
    }
    tasks.join_all().await;
    for (_, changes) in nodes {
        let mut told: Vec<u64> = changes.0.lock().unwrap().iter().map(|change| change.position.0).collect();
        told.sort_unstable();
        assert_eq!(told, (1..=30).collect::<Vec<_>>(), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_nodes_one_makes_what_is_made_once() {
    let it = postgres().await;
    let mut token = limited(1, 5);
    it.insert(&token).await;
    token.terms.revision = 2;
    let mut tasks = JoinSet::new();
    for number in 0..8u64 {
        let (store, token) = (it.another_node().await, token.clone());
        tasks.spawn(async move {
            let admin = fixture::token(TokenKind::ApiKey, 100 + number);
            let first = value(&format!("first {number}"));
            let bootstrapped = store.bootstrap(&admin, first, audit("bootstrap")).await.unwrap();
            let updated = store.update(&token, 1, audit("token.update")).await.unwrap() == Changed::Done;
            let new = fixture::token(TokenKind::Upload, 200 + number);
            let kept = KeptAnswer { key: key(9, 9), answer: Zeroizing::new(vec![1]) };
            let inserted = store.insert(&new, credential_for(&new), audit("i"), Some(kept)).await.unwrap();
            store.found_notification_secret(&Zeroizing::new(format!("s{number}")), at(1)).await.unwrap();
            [bootstrapped, updated, matches!(inserted, Inserted::Done)]
        });
    }
    let made = tasks.join_all().await;
    for index in 0..3 {
        assert_eq!(made.iter().filter(|made| made[index]).count(), 1, "{index}");
    }
    assert_eq!(it.store.notification_secrets().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_family_issues_no_child_that_outlives_it() {
    let it = postgres().await;
    let stores = [it.store.clone(), it.another_node().await];
    for round in 0..10u64 {
        let parent = token(TokenKind::ApiKey, round * 100);
        it.insert(&parent).await;
        let mut tasks = JoinSet::new();
        for number in 1..6 {
            let (store, mut issuer) = (stores[number as usize % 2].clone(), parent.clone());
            tasks.spawn(async move {
                let mut issued = Vec::new();
                // A child, its child, and so on.
                for depth in 0..4 {
                    let mut child = token(TokenKind::ApiKey, round * 100 + number * 10 + depth);
                    child.about.created_by = Some(issuer.terms.id);
                    let mut entry = audit("token.issue");
                    (entry.actor, entry.actor_revision) = (Some(issuer.terms.id), Some(1));
                    match store.insert(&child, credential_for(&child), entry, None).await {
                        Ok(Inserted::Done) => issued.push(child.terms.id),
                        Err(StoreError::ActorChanged) => break,
                        other => panic!("{other:?}"),
                    }
                    issuer = child;
                }
                issued
            });
        }
        // Until something has been issued.
        while it.store.descent(parent.terms.id).await.unwrap().len() < 3 {}
        let judged = [(parent.terms.id, 1)];
        let revoked = stores[1].revoke(parent.terms.id, at(1000), Some(&judged), audit("token.revoke"));
        revoked.await.unwrap().unwrap();
        for child in tasks.join_all().await.into_iter().flatten() {
            assert!(it.find(child).await.unwrap().terms.revoked_at.is_some(), "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_claimed_by_one_node() {
    let it = postgres().await;
    for number in 0..40u8 {
        let new = NewNotification {
            id: countermark_core::NotificationId::from_parts(1_700_000_000_000, [number; 10]),
            address: format!("https://r{}.example/", number % 20),
            event: "test.ping",
            token: None,
            body: "{}".into(),
        };
        it.store.enqueue_notification(new, audit("notification.test")).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let store = it.another_node().await;
        tasks.spawn(async move {
            let claim = Claim {
                now: at(1000),
                lease_until: at(1060),
                under_way: Default::default(),
                per_receiver: 8,
                at_most: 7,
            };
            let mut claimed = Vec::new();
            for _ in 0..12 {
                let more = store.claim_notifications(claim.clone()).await.unwrap();
                claimed.extend(more.into_iter().map(|one| one.id));
            }
            claimed
        });
    }
    let mut claimed: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    claimed.sort_unstable();
    assert!(claimed.is_sorted_by(|one, next| one < next), "none twice");
    assert_eq!(claimed.len(), 40, "all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_all_nodes_are_added_up() {
    let it = postgres().await;
    let tokens: Vec<_> = (0..8).map(|number| token(TokenKind::Upload, number)).collect();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut tasks = JoinSet::new();
    for index in 0..8 {
        let (store, tokens) = (it.another_node().await, tokens.clone());
        tasks.spawn(async move {
            let mut statistics = Statistics { hour: at(3600), ..Statistics::default() };
            statistics.decisions = vec![("REVOKED", 1), ("ALLOWED", 2)];
            statistics.tokens.extend(tokens.iter().map(|token| TokenStatistic {
                token: token.terms.id,
                uses: 1,
                refusals: 2,
                unlimited_uses: 1,
                last_used_at: Some(at(3600)),
            }));
            statistics.tokens.rotate_left(index);
            for _ in 0..5 {
                store.add_statistics(&statistics).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for token in &tokens {
        let usage = it.store.usage(token.terms.id, at(0), at(7200)).await.unwrap();
        assert_eq!((usage[0].uses, usage[0].refusals, it.used(token.terms.id).await), (40, 80, 40));
    }
    let decisions = it.store.decisions(at(0), at(7200)).await.unwrap();
    assert_eq!(decisions.iter().map(|one| one.count).collect::<Vec<_>>(), [80, 40]);
}

/// An upload that an API key began at 1000 and that is due at 2000.
fn upload(token: &Token, number: u8) -> NewUpload {
    let upload = Upload {
        id: UploadId::from_parts(1_700_000_000_000, [number; 10]),
        token: token.terms.id,
        owner: None,
        began_by: Some(id(TokenKind::ApiKey, 9)),
        state: UploadState::Reserved,
        effective: UploadParameters::default(),
        extra: UploadExtra::default(),
        began_at: at(1000),
        deadline: at(2000),
        ended_at: None,
        result: None,
    };
    NewUpload { upload, revision: token.terms.revision, idempotency: None, open_at_most: 100 }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_several_nodes_end_at_once_ends_once() {
    let it = postgres().await;
    let token = limited(1, 1000);
    it.insert(&token).await;
    let nodes = [it.store.clone(), it.another_node().await, it.another_node().await];
    let mut tasks = JoinSet::new();
    for number in 0..30 {
        let new = upload(&token, number);
        let id = new.upload.id;
        let begun = it.store.begin_upload(new, at(1000)).await.unwrap();
        assert!(matches!(begun.outcome, UploadBegun::Reserved { .. }));
        for (way, store) in nodes.iter().cloned().enumerate() {
            tasks.spawn(async move {
                let result = String::from("{}");
                let end = match way {
                    0 => UploadEnd::Complete { result, notifications: Vec::new() },
                    1 => UploadEnd::Abort,
                    _ => return store.expire_uploads(at(2000), 9).await.unwrap().outcome,
                };
                match store.end_upload(id, end, at(1500)).await.unwrap().outcome {
                    UploadEnded::Ended { .. } | UploadEnded::Closed(_) => 0,
                    UploadEnded::Gone => panic!("nobody has forgotten it"),
                }
            });
        }
    }
    tasks.join_all().await;
    let mut completed = 0;
    for number in 0..30 {
        let id = upload(&token, number).upload.id;
        let found = it.store.find_upload(id).await.unwrap().unwrap();
        assert_ne!(found.state, UploadState::Reserved);
        completed += u64::from(found.state == UploadState::Completed);
    }
    let tally = it.find(token.terms.id).await.unwrap().usage.tally();
    assert_eq!(tally, Tally { used: completed, given_back: 30 - completed });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_begins_one_upload_on_all_nodes_together() {
    let it = postgres().await;
    let tokens = [limited(1, 100), limited(2, 100)];
    for token in &tokens {
        it.insert(token).await;
    }
    let nodes = [it.store.clone(), it.another_node().await, it.another_node().await];
    for scope in 1..10u8 {
        let mut tasks = JoinSet::new();
        for index in 0..12u8 {
            let mut new = upload(&tokens[usize::from(index) % 2], scope * 12 + index);
            new.idempotency = Some(key(scope, 1));
            let store = nodes[usize::from(index) % 3].clone();
            tasks.spawn(async move { store.begin_upload(new, at(1000)).await.unwrap().outcome });
        }
        let outcomes = tasks.join_all().await;
        let begun = outcomes.iter().filter(|outcome| matches!(outcome, UploadBegun::Reserved { .. })).count();
        let repeated =
            outcomes.iter().filter(|outcome| matches!(outcome, UploadBegun::Repeated { .. })).count();
        assert_eq!((begun, repeated), (1, 11), "{outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_has_begun_outlives_the_sweep_of_another_node() {
    let it = postgres().await;
    let other = it.another_node().await;
    for number in 0..30u8 {
        let mut token = limited(number.into(), 5);
        (token.about.auto_delete, token.terms.expiry) = (true, Some(at(1500)));
        it.insert(&token).await;
        let id = upload(&token, number).upload.id;
        // The clocks of two nodes may differ: for the one the token has expired, for the other it has not.
        let begin = it.store.begin_upload(upload(&token, number), at(1499));
        let (begun, swept) = tokio::join!(begin, other.sweep(at(1500), 9));
        let is_begun = matches!(begun.unwrap().outcome, UploadBegun::Reserved { .. });
        assert_eq!(swept.unwrap(), u64::from(!is_begun), "{number}");
        assert_eq!(it.store.find_upload(id).await.unwrap().is_some(), is_begun, "{number}");
        it.store.end_upload(id, UploadEnd::Abort, at(1499)).await.unwrap();
        it.store.sweep(at(1500), 9).await.unwrap();
    }
}
