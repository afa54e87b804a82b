//! What foreign dialects need of a store: unique names, values in lists, new credentials by an update, derived keys.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use std::collections::HashSet;

use countermark_core::{Dialect, Purpose, Token, TokenKind};
use countermark_domain::store::{AuditFilter, Changed, Inserted, ListFilter, Lookup, NewCredential};
use countermark_store::rotate_master_key;

use fixture::{Fixture, at, audit, credential_for, fill_random, id, master_key, open, secret, token, value};

conformance! {
    names_are_unique_among_the_api_keys_of_each_of_four_dialects
    other_dialects_and_other_kinds_share_names_freely
    an_update_to_a_taken_name_changes_nothing
    of_many_inserts_of_one_name_one_is_made
    of_many_updates_to_one_name_one_is_made
    a_name_is_free_again_when_its_holder_is_purged_or_renamed
    values_are_opened_in_the_order_asked_and_nothing_is_noted
    a_note_is_one_audit_entry_and_no_change
    an_update_with_a_value_ends_the_former_at_once
    an_update_with_a_secret_makes_the_next_version_and_ends_the_former_at_once
    an_update_with_a_credential_that_fails_changes_nothing
    derived_keys_outlive_a_reopening_and_a_rotation_and_differ_by_purpose
    a_list_of_a_dialect_holds_all_of_it_and_nothing_else
}

const UNIQUE: [Dialect; 4] = [Dialect::Query, Dialect::Shardimage, Dialect::Cloudpaste, Dialect::Contentive];

fn named(kind: TokenKind, number: u64, dialect: Dialect, name: &str) -> Token {
    let mut it = token(kind, number);
    it.terms.dialect = dialect;
    it.about.name = Some(name.into());
    it
}

fn key_of(number: u64, dialect: Dialect, name: &str) -> Token {
    named(TokenKind::ApiKey, number, dialect, name)
}

async fn entries(it: &Fixture) -> usize {
    it.store.audit(&AuditFilter { at_most: 200, ..Default::default() }).await.unwrap().len()
}

/// The record as it stands, in a form that can be compared.
async fn shown(it: &Fixture, token: &Token) -> String {
    format!("{:?}", it.find(token.terms.id).await)
}

async fn found_by(it: &Fixture, value: &str) -> bool {
    it.store.find(Lookup::Value(it.store.digest(value))).await.unwrap().found.is_some()
}

async fn inserted(it: &Fixture, token: &Token) -> Inserted {
    it.store.insert(token, credential_for(token), audit("token.issue"), None).await.unwrap()
}

/// The next revision under another name.
fn renamed(token: &Token, name: &str) -> Token {
    let mut token = token.clone();
    token.terms.revision += 1;
    token.about.name = Some(name.into());
    token
}

async fn names_are_unique_among_the_api_keys_of_each_of_four_dialects(it: Fixture) {
    for (number, dialect) in (0..).step_by(10).zip(UNIQUE) {
        it.insert(&key_of(number, dialect, "taken")).await;
        let before = entries(&it).await;
        let second = key_of(number + 1, dialect, "taken");
        assert!(matches!(inserted(&it, &second).await, Inserted::NameTaken), "{dialect:?}");
        assert_eq!(shown(&it, &second).await, "None");
        assert!(!found_by(&it, &format!("value-of-{}", second.terms.id)).await);
        assert_eq!(entries(&it).await, before);
        it.insert(&key_of(number + 2, dialect, "Taken")).await;
        for nameless in [number + 3, number + 4] {
            let mut key = key_of(nameless, dialect, "");
            key.about.name = None;
            it.insert(&key).await;
        }
    }
}

async fn other_dialects_and_other_kinds_share_names_freely(it: Fixture) {
    for (number, dialect) in (0..).step_by(10).zip(Dialect::ALL) {
        it.insert(&key_of(number, dialect, "shared")).await;
        for kind in [TokenKind::ImageUrl, TokenKind::Upload] {
            for other in [number + 1, number + 2] {
                it.insert(&named(kind, other, dialect, "shared")).await;
            }
        }
        if !UNIQUE.contains(&dialect) {
            it.insert(&key_of(number + 3, dialect, "shared")).await;
        }
    }
    let image = named(TokenKind::ImageUrl, 100, Dialect::Shardimage, "another");
    it.insert(&image).await;
    let update = renamed(&image, "shared");
    assert_eq!(it.store.update(&update, 1, audit("token.update")).await.unwrap(), Changed::Done);
}

async fn an_update_to_a_taken_name_changes_nothing(it: Fixture) {
    for (number, dialect) in (0..).step_by(10).zip(UNIQUE) {
        it.insert(&key_of(number, dialect, "taken")).await;
        let mut other = key_of(number + 1, dialect, "other");
        other.about.description = Some("before".into());
        it.insert(&other).await;
        let before = (shown(&it, &other).await, entries(&it).await, it.changes.0.lock().unwrap().len());
        let mut update = renamed(&other, "taken");
        update.terms.enabled = false;
        update.about.description = Some("after".into());
        assert_eq!(it.store.update(&update, 1, audit("token.update")).await.unwrap(), Changed::NameTaken);
        let with = value("a new value");
        let changed = it.store.update_with_credential(&update, 1, with, audit("token.update")).await.unwrap();
        assert_eq!(changed, Changed::NameTaken);
        let after = (shown(&it, &other).await, entries(&it).await, it.changes.0.lock().unwrap().len());
        assert_eq!(after, before, "{dialect:?}");
        update.about.name = Some("other".into());
        assert_eq!(it.store.update(&update, 1, audit("token.update")).await.unwrap(), Changed::Done);
    }
}

async fn of_many_inserts_of_one_name_one_is_made(it: Fixture) {
    for (begin, dialect) in (0..).step_by(100).zip(UNIQUE) {
        let tokens: Vec<Token> = (0..30).map(|number| key_of(begin + number, dialect, "one")).collect();
        let calls = tokens.iter().map(|token| inserted(&it, token));
        let outcomes = futures(calls).await;
        let made = outcomes.iter().filter(|outcome| matches!(outcome, Inserted::Done)).count();
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Inserted::NameTaken)).count();
        assert_eq!((made, refused), (1, 29));
    }
}

async fn of_many_updates_to_one_name_one_is_made(it: Fixture) {
    let mut tokens = Vec::new();
    for number in 0..30 {
        let key = key_of(number, Dialect::Contentive, &format!("n{number}"));
        it.insert(&key).await;
        tokens.push(renamed(&key, "one"));
    }
    let calls = tokens.iter().map(|token| it.store.update(token, 1, audit("token.update")));
    let outcomes: Vec<Changed> = futures(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Changed::Done).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Changed::NameTaken).count(), 29);
}

/// Polls all of them together, so that they wait for the one writer at the same time.
async fn futures<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
    std::future::poll_fn(|context| {
        for (call, outcome) in &mut calls {
            if outcome.is_none()
                && let std::task::Poll::Ready(done) = call.as_mut().poll(context)
            {
                *outcome = Some(done);
            }
        }
        if calls.iter().all(|(_, outcome)| outcome.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

async fn a_name_is_free_again_when_its_holder_is_purged_or_renamed(it: Fixture) {
    let first = key_of(1, Dialect::Contentive, "name");
    it.insert(&first).await;
    let moved = renamed(&first, "moved");
    assert_eq!(it.store.update(&moved, 1, audit("token.update")).await.unwrap(), Changed::Done);
    let second = key_of(2, Dialect::Contentive, "name");
    it.insert(&second).await;
    assert!(it.store.purge(second.terms.id, audit("token.purge")).await.unwrap());
    it.insert(&key_of(3, Dialect::Contentive, "name")).await;
    assert!(matches!(inserted(&it, &key_of(4, Dialect::Contentive, "moved")).await, Inserted::NameTaken));
}

async fn values_are_opened_in_the_order_asked_and_nothing_is_noted(it: Fixture) {
    let (key, image, upload) =
        (token(TokenKind::ApiKey, 1), token(TokenKind::ImageUrl, 2), token(TokenKind::Upload, 3));
    for one in [&key, &image] {
        it.insert(one).await;
    }
    let hidden = NewCredential::Value { value: "not kept".to_owned().into(), recoverable: false };
    it.store.insert(&upload, hidden, audit("token.issue"), None).await.unwrap();
    let before = entries(&it).await;
    let absent = id(TokenKind::ApiKey, 99);
    let asked = [image.terms.id, absent, key.terms.id, upload.terms.id, image.terms.id];
    let opened = it.store.open(&asked).await.unwrap();
    let texts: Vec<Option<&str>> =
        opened.iter().map(|one| one.as_ref().map(|one| one.text.as_str())).collect();
    let (of_key, of_image) =
        (format!("value-of-{}", key.terms.id), format!("{:-<40}", format!("secret of {}", image.terms.id)));
    assert_eq!(texts, [Some(&*of_image), None, Some(&*of_key), None, Some(&*of_image)]);
    assert_eq!(opened[0].as_ref().unwrap().key_version.unwrap().get(), 1);
    assert!(it.store.open(&[]).await.unwrap().is_empty());
    assert_eq!(entries(&it).await, before);
}

async fn a_note_is_one_audit_entry_and_no_change(it: Fixture) {
    let key = token(TokenKind::ApiKey, 1);
    it.insert(&key).await;
    let (before, changes) = (entries(&it).await, it.changes.0.lock().unwrap().len());
    it.store.note(audit("login")).await.unwrap();
    let newest = it.store.audit(&AuditFilter { at_most: 1, ..Default::default() }).await.unwrap();
    assert_eq!((newest[0].action.as_str(), newest[0].token), ("login", None));
    assert_eq!((entries(&it).await, it.changes.0.lock().unwrap().len()), (before + 1, changes));
}

async fn an_update_with_a_value_ends_the_former_at_once(it: Fixture) {
    let mut key = key_of(1, Dialect::Cloudpaste, "key");
    it.insert(&key).await;
    let former = it.store.digest(&format!("value-of-{}", key.terms.id));
    key = renamed(&key, "renamed");
    let changed = it.store.update_with_credential(&key, 1, value("new"), audit("token.update")).await;
    assert_eq!(changed.unwrap(), Changed::Done);
    let digest = it.store.digest("new");
    let found = it.store.find(Lookup::Value(digest)).await.unwrap().found.unwrap();
    assert_eq!(found.about.name.as_deref(), Some("renamed"));
    assert!(found.terms.presents(digest, at(1000)) && !found.terms.presents(former, at(1000)));
    assert!(found.terms.presents(former, at(999)), "it has ended at the instant of the change");
    let opened = it.store.open(&[key.terms.id]).await.unwrap().pop().flatten();
    assert_eq!(opened.unwrap().text.as_str(), "new");
    let changes = it.changes.0.lock().unwrap();
    assert!(format!("{:?}", changes.last().unwrap()).contains(&format!("{digest:?}")), "caches are told");
}

async fn an_update_with_a_secret_makes_the_next_version_and_ends_the_former_at_once(it: Fixture) {
    let mut image = named(TokenKind::ImageUrl, 1, Dialect::Shardimage, "image");
    it.insert(&image).await;
    for version in 2..5u16 {
        image.terms.revision += 1;
        let (expected, new) = (image.terms.revision - 1, secret(&format!("version {version}")));
        let changed = it.store.update_with_credential(&image, expected, new, audit("token.update")).await;
        assert_eq!(changed.unwrap(), Changed::Done);
        let found = it.find(image.terms.id).await.unwrap();
        let Purpose::ImageUrl(terms) = &found.terms.purpose else { unreachable!() };
        let ends: Vec<_> =
            terms.keys.iter().map(|slot| (slot.version.number.get(), slot.version.verify_until)).collect();
        let expected: Vec<_> = (1..version).map(|n| (n, Some(at(1000)))).chain([(version, None)]).collect();
        assert_eq!(ends, expected);
        let opened = it.store.open(&[image.terms.id]).await.unwrap().pop().flatten().unwrap();
        assert_eq!(opened.text.as_str(), format!("{:-<40}", format!("version {version}")));
        assert_eq!(opened.key_version.unwrap().get(), version);
    }
}

async fn an_update_with_a_credential_that_fails_changes_nothing(it: Fixture) {
    let (key, other) = (key_of(1, Dialect::Cloudpaste, "key"), key_of(2, Dialect::Cloudpaste, "other"));
    it.insert(&key).await;
    it.insert(&other).await;
    let before = (shown(&it, &key).await, entries(&it).await);
    let update = renamed(&key, "renamed");
    let taken = value(&format!("value-of-{}", other.terms.id));
    let changed = it.store.update_with_credential(&update, 1, taken, audit("token.update")).await.unwrap();
    assert_eq!(changed, Changed::ValueTaken);
    let stale =
        it.store.update_with_credential(&update, 7, value("new"), audit("token.update")).await.unwrap();
    assert_eq!(stale, Changed::Stale);
    assert_eq!((shown(&it, &key).await, entries(&it).await), before);
    assert!(!found_by(&it, "new").await);
    let absent = key_of(3, Dialect::Cloudpaste, "absent");
    let gone =
        it.store.update_with_credential(&absent, 1, value("new"), audit("token.update")).await.unwrap();
    assert_eq!(gone, Changed::Gone);
}

async fn derived_keys_outlive_a_reopening_and_a_rotation_and_differ_by_purpose(mut it: Fixture) {
    const PURPOSES: [&str; 4] = ["login tokens", "contentive api tokens", "", "login token"];
    let derive = |it: &Fixture| PURPOSES.map(|purpose| *it.store.derive_key(purpose));
    let keys = derive(&it);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), PURPOSES.len());
    for key in keys {
        assert_ne!(key, [0; 32]);
        for text in PURPOSES.iter().flat_map(|purpose| {
            [(*purpose).to_owned(), format!("derived key{purpose}"), format!("\\0derived key\\0{purpose}")]
        }) {
            assert_ne!(it.store.digest(&text).0, key, "{text}");
        }
    }
    it.reopen().await;
    assert_eq!(derive(&it), keys);
    it.store.close().await;
    rotate_master_key(&it.location, &master_key(1), &master_key(2), fill_random()).await.unwrap();
    (it.store, it.changes) = open(&it.location, master_key(2)).await.unwrap();
    assert_eq!(derive(&it), keys);
    let other = it.another(2).await;
    assert_ne!(derive(&other)[0], keys[0], "another installation has other keys");
}

async fn a_list_of_a_dialect_holds_all_of_it_and_nothing_else(it: Fixture) {
    for (number, dialect) in (0..).zip(Dialect::ALL.into_iter().cycle().take(30)) {
        it.insert(&key_of(number, dialect, &format!("n{number}"))).await;
        it.insert(&named(TokenKind::ImageUrl, 100 + number, dialect, "image")).await;
    }
    for dialect in Dialect::ALL {
        let mut filter = ListFilter { dialect: Some(dialect), at_most: 3, ..ListFilter::default() };
        let mut ids = Vec::new();
        loop {
            let rows = it.store.list(&filter).await.unwrap();
            filter.after = rows.last().map(|token| token.terms.id);
            assert!(rows.iter().all(|token| token.terms.dialect == dialect));
            ids.extend(rows.iter().map(|token| token.terms.id));
            if rows.len() < 3 {
                break;
            }
        }
        assert_eq!(ids.len(), 10, "{dialect:?}");
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 10);
    }
}
