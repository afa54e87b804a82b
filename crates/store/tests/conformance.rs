//! Every behaviour of the trait, as one suite that each engine must pass.

#![expect(
    clippy::unwrap_used,
    reason = "the suite is plain functions, which the macro makes tests of each engine"
)]

#[macro_use]
#[path = "fixture/engines.rs"]
mod engines;
mod fixture;

use std::collections::BTreeMap;

use countermark_core::{
    BasePath, Dialect, Host, Permission, Purpose, SlotKey, Status, Tally, Token, TokenId, TokenKind,
    UploadExtra, ViewerPassword,
};
use countermark_domain::store::{
    AuditFilter, Changed, HourlyDecisions, HourlyUse, Inserted, KeptAnswer, ListFilter, Lookup, Position,
    Recalled, Statistics, StoreError, TokenStatistic,
    UseOutcome::{Exhausted, Granted, Stale},
};
use zeroize::Zeroizing;

use fixture::{Fixture, at, audit, credential_for, id, key, limited, one_use, secret, token, value};

conformance! {
    every_member_of_every_kind_reads_back_as_written
    a_value_finds_its_token_and_no_other_does
    a_value_belongs_to_one_token
    changes_are_numbered_without_gaps_and_told_before_the_answer
    a_read_carries_the_position_it_could_see
    an_update_replaces_the_configuration_and_keeps_the_uses
    an_update_of_another_revision_changes_nothing
    a_limit_below_the_uses_is_refused
    a_regenerated_value_ends_the_former_one_at_the_overlap
    a_regenerated_secret_is_the_next_version
    a_revoked_token_is_refused_for_ever
    a_cascade_ends_only_what_is_as_it_was_judged
    a_cascade_ends_all_descendants_and_without_it_none
    a_disabled_or_expired_token_takes_no_use
    a_purged_token_is_gone_with_its_value
    the_sweep_takes_expired_tokens_that_are_marked_and_old_keys
    an_installation_has_one_first_administrator
    only_what_is_kept_can_be_shown_and_showing_is_noted
    a_kept_answer_is_given_to_the_same_request_only
    lists_are_newest_first_and_continue_after_a_purged_token
    lists_filter_by_every_member
    statistics_add_up_but_never_beyond_a_limit
    statistics_that_name_a_token_twice_count_both
    the_audit_log_tells_who_did_what
    the_highest_time_never_falls
    a_closed_store_refuses_every_call
    a_caller_that_gives_up_leaves_no_half_done_change
}

fn full_image() -> Token {
    let mut it = token(TokenKind::ImageUrl, 1);
    it.terms.owner = Some("owner".into());
    (it.terms.not_before, it.terms.expiry) = (Some(at(10)), Some(at(20)));
    it.terms.limit = Some(7);
    it.terms.enabled = false;
    it.about.name = Some("name".into());
    it.about.description = Some("text with 'quotes' and ü".into());
    it.about.labels = BTreeMap::from([("a".into(), "b".into())]);
    it.about.auto_delete = true;
    it.terms.dialect = Dialect::Shardimage;
    it.about.created_by = Some(id(TokenKind::ApiKey, 9));
    let Purpose::ImageUrl(image) = &mut it.terms.purpose else { unreachable!() };
    image.hosts = Box::new([Host::parse("img.example").unwrap()]);
    image.cloud_id = Some("c1".into());
    image.count_window = 60;
    image.counting = countermark_core::Counting::Request;
    image.legacy_signatures = true;
    image.viewers = BTreeMap::from([("ann".into(), ViewerPassword::Msha1("00".into()))]);
    it
}

async fn every_member_of_every_kind_reads_back_as_written(it: Fixture) {
    let image = full_image();
    let mut upload = token(TokenKind::Upload, 2);
    let Purpose::Upload(terms) = &mut upload.terms.purpose else { unreachable!() };
    terms.extra = UploadExtra { max_bytes: Some(u64::MAX), tags: Some(vec![]), ..UploadExtra::default() };
    let mut api = token(TokenKind::ApiKey, 3);
    let Purpose::ApiKey(terms) = &mut api.terms.purpose else { unreachable!() };
    terms.permissions =
        vec![Permission::parse("tokens:*").unwrap(), Permission::parse("read").unwrap()].into();
    terms.base_path = Some(BasePath::parse("/a/ü").unwrap());
    terms.storages = Some(Box::new([]));
    terms.clouds = Some(Box::new(["c".into()]));
    for token in [&image, &upload, &api] {
        it.insert(token).await;
        let found = it.find(token.terms.id).await.unwrap();
        assert_eq!((&found.about, found.usage), (&token.about, token.usage));
        assert_eq!(without_credentials(found), without_credentials(token.clone()));
    }
    let slot = it.find(image.terms.id).await.unwrap().terms.signing_slot().cloned().unwrap();
    assert_eq!((slot.version.number.get(), slot.version.created_at), (1, at(500)));
    assert!(matches!(slot.key, SlotKey::Legacy(_)), "the legacy form needs the secret itself");
    let usual = token(TokenKind::ImageUrl, 4);
    it.insert(&usual).await;
    let slot = it.find(usual.terms.id).await.unwrap().terms.signing_slot().cloned().unwrap();
    assert!(matches!(slot.key, SlotKey::Hmac(_)), "of any other token, no secret stays in memory");
}

fn without_credentials(mut token: Token) -> String {
    match &mut token.terms.purpose {
        Purpose::ImageUrl(image) => image.keys.clear(),
        Purpose::Upload(upload) => upload.values.clear(),
        Purpose::ApiKey(api) => api.values.clear(),
    }
    format!("{:?}", token.terms)
}

async fn a_value_finds_its_token_and_no_other_does(it: Fixture) {
    let token = token(TokenKind::ApiKey, 1);
    it.store.insert(&token, value("mine"), audit("token.issue"), None).await.unwrap();
    let digest = it.store.digest("mine");
    let found = it.store.find(Lookup::Value(digest)).await.unwrap().found.unwrap();
    assert_eq!(found.terms.id, token.terms.id);
    assert_eq!(found.terms.values()[0].digest, digest);
    let other = Lookup::Value(it.store.digest("Mine"));
    assert!(it.store.find(other).await.unwrap().found.is_none());
    assert!(it.find(id(TokenKind::Upload, 1)).await.is_none());
}

async fn a_value_belongs_to_one_token(it: Fixture) {
    let (one, other) = (token(TokenKind::ApiKey, 1), token(TokenKind::Upload, 2));
    it.store.insert(&one, value("same"), audit("token.issue"), None).await.unwrap();
    let kept = KeptAnswer { key: key(1, 1), answer: Zeroizing::new(vec![1]) };
    let done = it.store.insert(&other, value("same"), audit("token.issue"), Some(kept)).await.unwrap();
    assert!(matches!(done, Inserted::ValueTaken));
    assert!(it.find(other.terms.id).await.is_none(), "nothing of it is kept");
    assert!(matches!(it.store.recall(key(1, 1), at(1000)).await.unwrap(), Recalled::Nothing));
    assert_eq!(it.changes.0.lock().unwrap().len(), 1);
    it.insert(&other).await;
    let done = it.store.regenerate(&other, 1, value("same"), at(1000), audit("token.regenerate"), None);
    assert_eq!(done.await.unwrap(), Changed::ValueTaken);
}

async fn changes_are_numbered_without_gaps_and_told_before_the_answer(it: Fixture) {
    let mut token = limited(1, 5);
    let told = || it.changes.0.lock().unwrap().iter().map(|change| change.position.0).collect::<Vec<_>>();
    it.insert(&token).await;
    assert_eq!(told(), [1]);
    token.terms.revision = 2;
    it.store.update(&token, 9, audit("token.update")).await.unwrap();
    it.take(&[one_use(&limited(1, 5), 1)]).await;
    assert_eq!(told(), [1], "neither a refused change nor a use is a change");
    it.store.update(&token, 1, audit("token.update")).await.unwrap();
    it.store.revoke(token.terms.id, at(1), None, audit("token.revoke")).await.unwrap();
    it.store.purge(token.terms.id, audit("token.purge")).await.unwrap();
    assert_eq!(told(), [1, 2, 3, 4]);
    let changes = it.changes.0.lock().unwrap();
    assert!(changes.iter().all(|change| change.tokens == [token.terms.id]));
    let digest = it.store.digest(&format!("value-of-{}", token.terms.id));
    assert_eq!((&changes[0].values[..], changes[1].values.len()), (&[digest][..], 0));
}

async fn a_read_carries_the_position_it_could_see(it: Fixture) {
    let nothing = it.store.find(Lookup::Id(id(TokenKind::Upload, 1))).await.unwrap();
    assert_eq!((nothing.position, nothing.found.is_none()), (Position(0), true));
    it.insert(&limited(1, 5)).await;
    it.insert(&limited(2, 5)).await;
    let first = it.store.find(Lookup::Id(id(TokenKind::Upload, 1))).await.unwrap();
    assert_eq!((first.position, first.found.is_some()), (Position(2), true));
}

async fn an_update_replaces_the_configuration_and_keeps_the_uses(it: Fixture) {
    let mut image = full_image();
    (image.terms.enabled, image.terms.not_before, image.terms.expiry) = (true, None, None);
    it.insert(&image).await;
    it.take(&[one_use(&image, 3)]).await;
    image.terms.revision = 2;
    image.terms.limit = Some(3);
    image.terms.owner = None;
    image.about.name = Some("another".into());
    image.about.labels.clear();
    image.about.updated_at = at(900);
    let Purpose::ImageUrl(terms) = &mut image.terms.purpose else { unreachable!() };
    terms.cloud_id = Some("c2".into());
    assert_eq!(it.store.update(&image, 1, audit("token.update")).await.unwrap(), Changed::Done);
    let found = it.find(image.terms.id).await.unwrap();
    assert_eq!((found.usage.used, found.usage.last_used_at), (3, Some(at(1000))));
    assert_eq!(found.about, image.about);
    assert!(found.terms.signing_slot().is_some());
    assert_eq!(without_credentials(found), without_credentials(image));
}

async fn an_update_of_another_revision_changes_nothing(it: Fixture) {
    let mut token = limited(1, 5);
    let gone = it.store.update(&token, 1, audit("token.update")).await.unwrap();
    assert_eq!(gone, Changed::Gone);
    it.insert(&token).await;
    (token.terms.revision, token.terms.limit) = (3, None);
    assert_eq!(it.store.update(&token, 2, audit("token.update")).await.unwrap(), Changed::Stale);
    let stale = it.store.regenerate(&token, 2, value("new"), at(9), audit("token.regenerate"), None);
    assert_eq!(stale.await.unwrap(), Changed::Stale);
    let found = it.find(token.terms.id).await.unwrap();
    assert_eq!((found.terms.revision, found.terms.limit), (1, Some(5)));
    assert_eq!(it.store.audit(&AuditFilter { at_most: 9, ..Default::default() }).await.unwrap().len(), 1);
}

async fn a_limit_below_the_uses_is_refused(it: Fixture) {
    let mut token = limited(1, 5);
    it.insert(&token).await;
    it.take(&[one_use(&token, 3)]).await;
    (token.terms.revision, token.terms.limit) = (2, Some(2));
    assert_eq!(it.store.update(&token, 1, audit("token.update")).await.unwrap(), Changed::LimitBelowUsed);
    token.terms.limit = Some(3);
    assert_eq!(it.store.update(&token, 1, audit("token.update")).await.unwrap(), Changed::Done);
    assert_eq!(it.take(&[one_use(&token, 1)]).await, [Exhausted { used: 3 }]);
}

async fn a_regenerated_value_ends_the_former_one_at_the_overlap(it: Fixture) {
    let mut token = token(TokenKind::Upload, 1);
    it.insert(&token).await;
    for (revision, overlap) in [(2, 2000), (3, 1500)] {
        token.terms.revision = revision;
        token.about.preview = format!("p{revision}");
        let credential = value(&format!("value {revision}"));
        let kept = KeptAnswer { key: key(revision as u8, 1), answer: Zeroizing::new(vec![7]) };
        let done =
            it.store.regenerate(&token, revision - 1, credential, at(overlap), audit("r"), Some(kept)).await;
        assert_eq!(done.unwrap(), Changed::Done);
    }
    let found = it.find(token.terms.id).await.unwrap();
    let ends: Vec<_> = found.terms.values().iter().map(|slot| slot.valid_until).collect();
    assert_eq!(ends, [Some(at(1500)), Some(at(1500)), None], "newest last, and no end is put off");
    assert_eq!(found.terms.values()[2].digest, it.store.digest("value 3"));
    assert_eq!((found.about.preview.as_str(), found.terms.revision), ("p3", 3));
    let told = it.changes.0.lock().unwrap().last().unwrap().values.clone();
    assert_eq!(told, [it.store.digest("value 3")]);
    let kept = KeptAnswer { key: key(3, 1), answer: Zeroizing::new(vec![7]) };
    let again = it.store.regenerate(&token, 3, value("x"), at(9), audit("r"), Some(kept)).await.unwrap();
    assert_eq!(again, Changed::KeyTaken);
}

async fn a_regenerated_secret_is_the_next_version(it: Fixture) {
    let mut image = token(TokenKind::ImageUrl, 1);
    it.insert(&image).await;
    image.terms.revision = 2;
    it.store.regenerate(&image, 1, secret("second"), at(1500), audit("r"), None).await.unwrap();
    let Purpose::ImageUrl(terms) = it.find(image.terms.id).await.unwrap().terms.purpose else {
        unreachable!()
    };
    let versions: Vec<_> =
        terms.keys.iter().map(|slot| (slot.version.number.get(), slot.version.verify_until)).collect();
    assert_eq!(versions, [(1, Some(at(1500))), (2, None)]);
    let revealed = it.store.reveal(image.terms.id, audit("token.reveal")).await.unwrap().unwrap();
    assert!(revealed.text.starts_with("second") && revealed.key_version.unwrap().get() == 2);
}

async fn a_revoked_token_is_refused_for_ever(it: Fixture) {
    let mut token = limited(1, 5);
    it.insert(&token).await;
    let revoke = async |seconds| {
        it.store.revoke(token.terms.id, at(seconds), None, audit("token.revoke")).await.unwrap()
    };
    assert_eq!(revoke(900).await.unwrap(), [token.terms.id]);
    assert_eq!(revoke(950).await.unwrap(), [token.terms.id], "a repetition answers the same");
    let found = it.find(token.terms.id).await.unwrap();
    assert_eq!((found.terms.revoked_at, found.terms.revision), (Some(at(900)), 2));
    assert_eq!(it.take(&[one_use(&token, 1), one_use(&found, 1)]).await, [Stale, Stale]);
    token.terms.revision = 3;
    it.store.update(&token, 2, audit("token.update")).await.unwrap();
    assert_eq!(
        it.find(token.terms.id).await.unwrap().terms.revoked_at,
        Some(at(900)),
        "an update revives nothing"
    );
    assert_eq!(it.take(&[one_use(&token, 1)]).await, [Stale]);
    let unknown =
        it.store.revoke(id(TokenKind::Upload, 7), at(1), Some(&[]), audit("token.revoke")).await.unwrap();
    assert_eq!(unknown, Some(Vec::new()));
}

async fn a_cascade_ends_only_what_is_as_it_was_judged(it: Fixture) {
    let parent = token(TokenKind::ApiKey, 1);
    let mut child = token(TokenKind::ApiKey, 2);
    child.about.created_by = Some(parent.terms.id);
    it.insert(&parent).await;
    it.insert(&child).await;
    let judged = it.store.descent(parent.terms.id).await.unwrap();
    child.terms.revision = 2;
    it.store.update(&child, 1, audit("token.update")).await.unwrap();
    let revoke = async |judged: &[(TokenId, u64)]| {
        it.store.revoke(parent.terms.id, at(900), Some(judged), audit("r")).await.unwrap()
    };
    assert_eq!(revoke(&judged).await, None, "the child has changed since");
    assert_eq!(revoke(&judged[..1]).await, None, "a changed child was not judged at all");
    for member in [&parent, &child] {
        assert!(it.find(member.terms.id).await.unwrap().terms.revoked_at.is_none(), "nothing has been done");
    }
    let judged = it.store.descent(parent.terms.id).await.unwrap();
    let mut newest = token(TokenKind::ApiKey, 3);
    newest.about.created_by = Some(child.terms.id);
    it.insert(&newest).await;
    assert_eq!(revoke(&judged).await.unwrap().len(), 3, "what was issued since ends too");
}

async fn a_cascade_ends_all_descendants_and_without_it_none(it: Fixture) {
    let mut family: Vec<Token> = (0..4).map(|number| token(TokenKind::ApiKey, number)).collect();
    for index in 1..3 {
        family[index].about.created_by = Some(family[index - 1].terms.id);
    }
    for member in &family {
        it.insert(member).await;
    }
    let ids: Vec<TokenId> = family.iter().map(|member| member.terms.id).collect();
    assert_eq!(it.store.descent(ids[0]).await.unwrap(), [(ids[0], 1), (ids[1], 1), (ids[2], 1)]);
    let alone = it.store.revoke(ids[1], at(900), None, audit("r")).await.unwrap();
    assert_eq!(alone.unwrap(), [ids[1]]);
    assert_eq!(it.store.descent(ids[0]).await.unwrap(), [(ids[0], 1), (ids[2], 1)]);
    assert!(it.find(ids[2]).await.unwrap().terms.revoked_at.is_none());
    let judged = [(ids[0], 1), (ids[2], 1)];
    let all = it.store.revoke(ids[0], at(901), Some(&judged), audit("r")).await.unwrap();
    assert_eq!(all.unwrap(), ids[..3]);
    let told = it.changes.0.lock().unwrap().last().unwrap().tokens.clone();
    assert_eq!(told, [ids[0], ids[2]], "only those that have changed");
    assert_eq!(it.find(ids[1]).await.unwrap().terms.revoked_at, Some(at(900)));
    assert!(it.find(ids[2]).await.unwrap().terms.revoked_at.is_some());
    assert!(it.find(ids[3]).await.unwrap().terms.revoked_at.is_none(), "a stranger lives on");
}

async fn a_disabled_or_expired_token_takes_no_use(it: Fixture) {
    let (mut disabled, mut expired) = (limited(1, 5), limited(2, 5));
    disabled.terms.enabled = false;
    expired.terms.expiry = Some(at(1000));
    it.insert(&disabled).await;
    it.insert(&expired).await;
    let uses = [one_use(&disabled, 1), one_use(&expired, 1)];
    assert_eq!(it.store.take_uses(&uses, at(999)).await.unwrap().outcome, [Stale, Granted { used: 1 }]);
    assert_eq!(
        it.store.take_uses(&uses, at(1000)).await.unwrap().outcome,
        [Stale, Stale],
        "expired at the very second"
    );
}

async fn a_purged_token_is_gone_with_its_value(it: Fixture) {
    let token = token(TokenKind::Upload, 1);
    it.store.insert(&token, value("v"), audit("token.issue"), None).await.unwrap();
    assert!(it.store.purge(token.terms.id, audit("token.purge")).await.unwrap());
    assert!(!it.store.purge(token.terms.id, audit("token.purge")).await.unwrap());
    assert!(it.find(token.terms.id).await.is_none());
    assert!(it.store.find(Lookup::Value(it.store.digest("v"))).await.unwrap().found.is_none());
    let done = it.store.insert(&token, value("v"), audit("token.issue"), None).await.unwrap();
    assert!(matches!(done, Inserted::Done), "nothing is left in the way");
}

async fn the_sweep_takes_expired_tokens_that_are_marked_and_old_keys(it: Fixture) {
    for (number, auto_delete, expiry) in [
        (1, true, Some(1000)),
        (2, true, Some(1001)),
        (3, false, Some(1)),
        (4, true, None),
        (5, true, Some(2)),
    ] {
        let mut token = limited(number, 5);
        token.about.auto_delete = auto_delete;
        token.terms.expiry = expiry.map(at);
        it.insert(&token).await;
    }
    assert_eq!(it.store.sweep(at(1000), 1).await.unwrap(), 1);
    assert_eq!(it.store.sweep(at(1000), 9).await.unwrap(), 1);
    assert_eq!(it.store.sweep(at(1000), 9).await.unwrap(), 0);
    let left = it.store.list(&ListFilter { at_most: 9, ..Default::default() }).await.unwrap();
    let left: Vec<_> = left.iter().map(|token| token.terms.id).collect();
    assert_eq!(left, [4, 3, 2].map(|number| id(TokenKind::Upload, number)));
}

async fn an_installation_has_one_first_administrator(it: Fixture) {
    let (one, other) = (token(TokenKind::ApiKey, 1), token(TokenKind::ApiKey, 2));
    assert!(!it.store.is_bootstrapped().await.unwrap());
    assert!(it.store.bootstrap(&one, value("a"), audit("b")).await.unwrap());
    assert!(!it.store.bootstrap(&other, value("b"), audit("b")).await.unwrap());
    assert!(it.store.is_bootstrapped().await.unwrap());
    assert!(it.find(one.terms.id).await.is_some() && it.find(other.terms.id).await.is_none());
    it.store.purge(one.terms.id, audit("token.purge")).await.unwrap();
    assert!(!it.store.bootstrap(&other, value("b"), audit("b")).await.unwrap(), "not even once it is gone");
}

async fn only_what_is_kept_can_be_shown_and_showing_is_noted(it: Fixture) {
    let (kept, digested) = (token(TokenKind::Upload, 1), token(TokenKind::Upload, 2));
    it.store.insert(&kept, value("shown"), audit("token.issue"), None).await.unwrap();
    let credential = countermark_domain::store::NewCredential::Value {
        value: "hidden".to_owned().into(),
        recoverable: false,
    };
    it.store.insert(&digested, credential, audit("token.issue"), None).await.unwrap();
    let revealed = it.store.reveal(kept.terms.id, audit("token.reveal")).await.unwrap().unwrap();
    assert_eq!((revealed.text.as_str(), revealed.key_version), ("shown", None));
    assert!(it.store.reveal(digested.terms.id, audit("token.reveal")).await.unwrap().is_none());
    assert!(it.store.reveal(id(TokenKind::ImageUrl, 8), audit("token.reveal")).await.unwrap().is_none());
    let filter = AuditFilter { action: Some("token.reveal".into()), at_most: 9, ..Default::default() };
    assert_eq!(it.store.audit(&filter).await.unwrap().len(), 1);
}

async fn a_kept_answer_is_given_to_the_same_request_only(it: Fixture) {
    let kept = |request| KeptAnswer { key: key(1, request), answer: Zeroizing::new(b"once".to_vec()) };
    let insert = async |number, request| {
        let token = token(TokenKind::Upload, number);
        it.store
            .insert(&token, credential_for(&token), audit("token.issue"), Some(kept(request)))
            .await
            .unwrap()
    };
    assert!(matches!(insert(1, 1).await, Inserted::Done));
    assert!(matches!(insert(2, 1).await, Inserted::KeyTaken));
    assert!(it.find(id(TokenKind::Upload, 2)).await.is_none());
    let recall = async |request, seconds| it.store.recall(key(1, request), at(seconds)).await.unwrap();
    assert!(matches!(recall(1, 1001).await, Recalled::Answer(answer) if *answer == b"once"));
    assert!(matches!(recall(2, 1001).await, Recalled::KeyMismatch));
    assert!(matches!(recall(1, 1000 + 86_400).await, Recalled::Nothing));
    it.store.sweep(at(1000 + 86_400), 1).await.unwrap();
    assert!(matches!(recall(1, 1001).await, Recalled::Nothing), "swept");
}

async fn lists_are_newest_first_and_continue_after_a_purged_token(it: Fixture) {
    for (number, kind) in
        [(1, TokenKind::Upload), (2, TokenKind::ImageUrl), (3, TokenKind::ApiKey), (4, TokenKind::Upload)]
    {
        it.insert(&token(kind, number)).await;
    }
    let page = async |after| {
        let filter = ListFilter { after, at_most: 2, ..Default::default() };
        let tokens = it.store.list(&filter).await.unwrap();
        tokens.iter().map(|token| token.terms.id).collect::<Vec<_>>()
    };
    let first = page(None).await;
    assert_eq!(first, [id(TokenKind::Upload, 4), id(TokenKind::ApiKey, 3)]);
    it.store.purge(first[1], audit("token.purge")).await.unwrap();
    let second = page(Some(first[1])).await;
    assert_eq!(second, [id(TokenKind::ImageUrl, 2), id(TokenKind::Upload, 1)]);
    assert!(page(Some(second[1])).await.is_empty());
}

async fn lists_filter_by_every_member(it: Fixture) {
    let mut image = full_image();
    image.about.labels = BTreeMap::from([("we\"ird.$[0] ü".into(), "x".into())]);
    image.about.preview = "cmK_abc".into();
    it.insert(&image).await;
    it.insert(&token(TokenKind::Upload, 2)).await;
    let all = || ListFilter { at_most: 9, ..Default::default() };
    let label = |name: &str, value: Option<&str>| Some((name.to_owned(), value.map(str::to_owned)));
    for (filter, expected) in [
        (all(), 2),
        (ListFilter { kind: Some(TokenKind::ImageUrl), ..all() }, 1),
        (ListFilter { kind: Some(TokenKind::ApiKey), ..all() }, 0),
        (ListFilter { owner: Some("owner".into()), ..all() }, 1),
        (ListFilter { owner: Some("Owner".into()), ..all() }, 0),
        (ListFilter { name: Some("name".into()), ..all() }, 1),
        (ListFilter { name: Some("nam".into()), ..all() }, 0),
        (ListFilter { dialect: Some(Dialect::Shardimage), ..all() }, 1),
        (ListFilter { label: label("we\"ird.$[0] ü", None), ..all() }, 1),
        (ListFilter { label: label("we\"ird.$[0] ü", Some("x")), ..all() }, 1),
        (ListFilter { label: label("we\"ird.$[0] ü", Some("y")), ..all() }, 0),
        (ListFilter { label: label("we", None), ..all() }, 0),
        (ListFilter { contains: Some("'QUOTES'".into()), ..all() }, 1),
        (ListFilter { contains: Some("CMk_".into()), ..all() }, 1),
        (ListFilter { contains: Some("%".into()), ..all() }, 0),
        (ListFilter { contains: Some("iu_".into()), ..all() }, 1),
        (ListFilter { status: Some((Status::Disabled, at(15))), ..all() }, 1),
        (ListFilter { status: Some((Status::Active, at(15))), ..all() }, 1),
    ] {
        assert_eq!(it.store.list(&filter).await.unwrap().len(), expected, "{filter:?}");
    }
}

async fn statistics_add_up_but_never_beyond_a_limit(it: Fixture) {
    let (free, bound) = (token(TokenKind::Upload, 1), limited(2, 5));
    it.insert(&free).await;
    it.insert(&bound).await;
    let of = |token: TokenId| TokenStatistic {
        token,
        uses: 3,
        refusals: 1,
        unlimited_uses: 3,
        last_used_at: Some(at(3700)),
    };
    let statistics = Statistics {
        tokens: vec![of(free.terms.id), of(bound.terms.id), of(id(TokenKind::Upload, 99))],
        decisions: vec![("ALLOWED", 6), ("REVOKED", 3)],
        hour: at(3600),
    };
    let mut told = it.store.add_statistics(&statistics).await.unwrap().tallies;
    told.sort_unstable_by_key(|(token, _)| *token);
    let tally = |used| Tally { used, given_back: 0 };
    assert_eq!(told, [(free.terms.id, tally(3)), (bound.terms.id, tally(3))]);
    it.store.add_statistics(&statistics).await.unwrap();
    it.store.add_statistics(&Statistics { hour: at(7200), ..statistics }).await.unwrap();
    let found = it.find(free.terms.id).await.unwrap();
    assert_eq!((found.usage.used, found.usage.last_used_at), (9, Some(at(3700))));
    assert_eq!(it.used(bound.terms.id).await, 5);
    let usage = it.store.usage(free.terms.id, at(3600), at(7200)).await.unwrap();
    assert_eq!(usage, [HourlyUse { hour: at(3600), uses: 6, refusals: 2 }]);
    let decisions = it.store.decisions(at(0), at(7200)).await.unwrap();
    let of = |code: &str, count| HourlyDecisions { hour: at(3600), code: code.into(), count };
    assert_eq!(decisions, [of("ALLOWED", 12), of("REVOKED", 6)]);
}

async fn statistics_that_name_a_token_twice_count_both(it: Fixture) {
    let free = token(TokenKind::Upload, 1);
    it.insert(&free).await;
    let of = |uses, last| TokenStatistic {
        token: free.terms.id,
        uses,
        refusals: 0,
        unlimited_uses: uses,
        last_used_at: Some(at(last)),
    };
    let statistics = Statistics { tokens: vec![of(3, 3700), of(4, 3650)], decisions: vec![], hour: at(3600) };
    let told = it.store.add_statistics(&statistics).await.unwrap().tallies;
    assert_eq!(told, [(free.terms.id, Tally { used: 7, given_back: 0 })]);
    let found = it.find(free.terms.id).await.unwrap();
    assert_eq!((found.usage.used, found.usage.last_used_at), (7, Some(at(3700))));
    let usage = it.store.usage(free.terms.id, at(3600), at(7200)).await.unwrap();
    assert_eq!(usage, [HourlyUse { hour: at(3600), uses: 7, refusals: 0 }]);
}

async fn the_audit_log_tells_who_did_what(it: Fixture) {
    let actor = id(TokenKind::ApiKey, 8);
    for number in 1..=3 {
        let token = limited(number, 5);
        let mut entry = audit("token.issue");
        (entry.token, entry.actor, entry.members) = (Some(token.terms.id), Some(actor), vec!["limit"]);
        it.store.insert(&token, credential_for(&token), entry, None).await.unwrap();
    }
    let all = || AuditFilter { at_most: 2, ..Default::default() };
    let read = async |filter| it.store.audit(&filter).await.unwrap();
    let newest = read(all()).await;
    assert_eq!(newest.iter().map(|entry| entry.number).collect::<Vec<_>>(), [3, 2]);
    assert_eq!((newest[0].actor, newest[0].action.as_str()), (Some(actor), "token.issue"));
    assert_eq!(
        (newest[0].address.as_deref(), &newest[0].members[..]),
        (Some("192.0.2.7"), &["limit".to_owned()][..])
    );
    assert_eq!(read(AuditFilter { before: Some(2), ..all() }).await.len(), 1);
    assert_eq!(read(AuditFilter { token: Some(limited(1, 5).terms.id), ..all() }).await.len(), 1);
    assert_eq!(read(AuditFilter { actor: Some(limited(1, 5).terms.id), ..all() }).await.len(), 0);
    assert_eq!(read(AuditFilter { action: Some("x".into()), ..all() }).await.len(), 0);
}

async fn the_highest_time_never_falls(it: Fixture) {
    assert_eq!(it.store.highest_time().await.unwrap(), at(0));
    it.store.raise_highest_time(at(50)).await.unwrap();
    it.store.raise_highest_time(at(40)).await.unwrap();
    assert_eq!(it.store.highest_time().await.unwrap(), at(50));
    it.store.ping().await.unwrap();
}

async fn a_closed_store_refuses_every_call(it: Fixture) {
    it.store.close().await;
    it.store.close().await;
    let unavailable = |error| matches!(error, Some(StoreError::Unavailable(_)));
    assert!(unavailable(it.store.ping().await.err()));
    assert!(unavailable(it.store.find(Lookup::Id(id(TokenKind::Upload, 1))).await.err()));
    assert!(unavailable(it.store.take_uses(&[], at(1)).await.err()));
}

async fn a_caller_that_gives_up_leaves_no_half_done_change(mut it: Fixture) {
    let token = limited(1, 1000);
    it.insert(&token).await;
    for polls in 0..40 {
        let uses = [one_use(&token, 1)];
        let mut call = it.store.take_uses(&uses, at(1000));
        for _ in 0..polls % 8 {
            let waker = std::task::Waker::noop();
            let _ = call.as_mut().poll(&mut std::task::Context::from_waker(waker));
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    let uses = [one_use(&token, 1)];
    let mut taken = it.store.take_uses(&uses, at(1000)).await;
    // What was given up may still keep all connections busy.
    for _ in 0..20 {
        if matches!(taken, Err(StoreError::Unavailable(_))) {
            taken = it.store.take_uses(&uses, at(1000)).await;
        }
    }
    let [Granted { used }] = taken.unwrap().outcome[..] else { panic!("the store still works") };
    // Closing waits for what is under way.
    it.reopen().await;
    let stored = it.used(token.terms.id).await;
    assert!((1..=41).contains(&used) && (used..=41).contains(&stored), "{used} {stored}");
    assert_eq!(it.take(&[one_use(&token, 1)]).await, [Granted { used: stored + 1 }]);
}
