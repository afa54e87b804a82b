//! Nobody hands on more than he has, whatever the terms of the two tokens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, in its helpers too")]

use std::collections::BTreeMap;

use countermark_core::rights::{Excess, excess, inherit, sees};
use countermark_core::{
    ApiTerms, BasePath, Counting, DenyReason, ImageTerms, Permission, PermissionSet, Proof, Purpose, Request,
    Terms, TokenId, TokenKind, UnixSeconds, UploadExtra, UploadTerms, ValueDigest, ValueSlot, decide,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const VALUE: ValueDigest = ValueDigest([7; 32]);

/// Few enough that one often lies within another.
const PERMISSIONS: &[&str] = &["read", "files:*", "files:read", "files:a*", "tokens:write", "tokens:*", "*"];
const NAMES: &[&str] = &["a", "b", "c"];

fn permission_set(from: &'static [&'static str]) -> impl Strategy<Value = PermissionSet> {
    subsequence(from, 0..=from.len()).prop_map(|names| {
        names.iter().map(|name| Permission::parse(name).unwrap()).collect::<Vec<_>>().into()
    })
}

fn names() -> impl Strategy<Value = Option<Box<[Box<str>]>>> {
    option::of(subsequence(NAMES, 0..=3).prop_map(|names| names.into_iter().map(Box::from).collect()))
}

fn purpose_of_key(permissions: &'static [&'static str]) -> impl Strategy<Value = Purpose> {
    let path = option::of(select(vec!["/", "/a", "/a/b", "/ab", "/b"]));
    (permission_set(permissions), path, names(), names()).prop_map(|(permissions, path, clouds, storages)| {
        let values = vec![ValueSlot { digest: VALUE, valid_until: None }];
        let base_path = path.map(|path| BasePath::parse(path).unwrap());
        Purpose::ApiKey(Box::new(ApiTerms {
            values,
            permissions,
            base_path,
            storages,
            clouds,
            source_networks: None,
        }))
    })
}

fn purpose() -> impl Strategy<Value = Purpose> {
    let image = option::of(select(NAMES)).prop_map(|cloud| purpose_with_cloud(TokenKind::ImageUrl, cloud));
    let upload = option::of(select(NAMES)).prop_map(|cloud| purpose_with_cloud(TokenKind::Upload, cloud));
    prop_oneof![3 => purpose_of_key(PERMISSIONS), 1 => image, 1 => upload]
}

fn terms(purpose: impl Strategy<Value = Purpose>) -> impl Strategy<Value = Terms> {
    (purpose, option::of(0u64..3), option::of(0u64..3)).prop_map(|(purpose, expiry, limit)| {
        let expiry = expiry.map(|seconds| UnixSeconds::new(seconds).unwrap());
        Terms { expiry, limit, ..unbound(purpose) }
    })
}

fn any_key() -> impl Strategy<Value = Terms> {
    terms(purpose_of_key(PERMISSIONS))
}

fn api(terms: &Terms) -> &ApiTerms {
    let Purpose::ApiKey(api) = &terms.purpose else { panic!("an API key") };
    api
}

/// Whether the token states this bound itself, so that there is nothing to inherit.
fn states(terms: &Terms, bound: Excess) -> bool {
    match (bound, &terms.purpose) {
        (Excess::Expiry, _) => terms.expiry.is_some(),
        (Excess::Limit, _) => terms.limit.is_some(),
        (Excess::Permissions, _) => true,
        (Excess::BasePath, Purpose::ApiKey(api)) => api.base_path.is_some(),
        (Excess::Clouds, Purpose::ApiKey(api)) => api.clouds.is_some(),
        (Excess::Storages, Purpose::ApiKey(api)) => api.storages.is_some(),
        (Excess::Clouds, Purpose::ImageUrl(image)) => image.cloud_id.is_some(),
        (Excess::Clouds, Purpose::Upload(upload)) => upload.extra.cloud_id.is_some(),
        (Excess::BasePath | Excess::Storages, _) => false,
    }
}

/// Whether a token of the target's kind can carry the caller's bound at all.
fn can_carry(caller: &Terms, target: &Terms, bound: Excess) -> bool {
    match (bound, target.kind()) {
        (_, TokenKind::ApiKey) | (Excess::Expiry | Excess::Limit | Excess::Permissions, _) => true,
        (Excess::Clouds, _) => api(caller).clouds.as_ref().is_none_or(|clouds| clouds.len() == 1),
        (Excess::BasePath | Excess::Storages, _) => false,
    }
}

fn within<T: PartialOrd>(held: Option<T>, wanted: Option<T>) -> bool {
    held.is_none_or(|held| wanted.is_some_and(|wanted| wanted <= held))
}

proptest! {
    #[test]
    fn after_inheriting_only_what_the_child_itself_states_can_exceed(
        caller in any_key(), mut child in terms(purpose()),
    ) {
        let before = child.clone();
        inherit(&caller, &mut child);
        if let Some(bound) = excess(&caller, &child) {
            prop_assert!(states(&before, bound) || !can_carry(&caller, &before, bound), "{:?}", bound);
        }
    }

    #[test]
    fn an_api_key_that_states_nothing_inherits_every_bound(caller in any_key()) {
        let mut child = caller.clone();
        child.expiry = None;
        child.limit = None;
        let permissions = api(&caller).permissions.clone();
        child.purpose = Purpose::ApiKey(Box::new(ApiTerms {
            values: Vec::new(), permissions, base_path: None, storages: None, clouds: None, source_networks: None,
        }));
        inherit(&caller, &mut child);
        prop_assert_eq!(excess(&caller, &child), None);
        prop_assert_eq!((child.expiry, child.limit), (caller.expiry, caller.limit));
        let (given, held) = (api(&child), api(&caller));
        prop_assert_eq!(&given.base_path, &held.base_path);
        prop_assert_eq!(&given.clouds, &held.clouds);
        prop_assert_eq!(&given.storages, &held.storages);
    }

    #[test]
    fn what_a_child_states_is_never_changed_by_inheriting(caller in any_key(), child in any_key()) {
        let mut heir = child.clone();
        inherit(&caller, &mut heir);
        prop_assert_eq!(child.expiry.or(caller.expiry), heir.expiry);
        prop_assert_eq!(child.limit.or(caller.limit), heir.limit);
        let (before, after, held) = (api(&child), api(&heir), api(&caller));
        prop_assert_eq!(before.base_path.as_ref().or(held.base_path.as_ref()), after.base_path.as_ref());
        prop_assert_eq!(before.clouds.as_ref().or(held.clouds.as_ref()), after.clouds.as_ref());
        prop_assert_eq!(before.storages.as_ref().or(held.storages.as_ref()), after.storages.as_ref());
        prop_assert_eq!(&before.permissions, &after.permissions);
    }

    #[test]
    fn a_single_cloud_is_handed_on_to_tokens_that_have_one(child in terms(purpose()), cloud in select(NAMES)) {
        let mut caller = key_with(&["*"]);
        let Purpose::ApiKey(held) = &mut caller.purpose else { unreachable!("made an API key") };
        held.clouds = Some([cloud.into()].into());
        let mut heir = child.clone();
        inherit(&caller, &mut heir);
        let open = !states(&child, Excess::Clouds);
        prop_assert!(!open || excess(&caller, &heir).is_none());
    }

    #[test]
    fn without_excess_life_and_place_lie_within(caller in any_key(), target in terms(purpose())) {
        if excess(&caller, &target).is_some() {
            return Ok(());
        }
        prop_assert!(sees(&caller, &target));
        prop_assert!(within(caller.expiry, target.expiry));
        prop_assert!(within(caller.limit, target.limit));
        for cloud in NAMES {
            prop_assert!(is_in_cloud(&caller, cloud) || !is_in_cloud(&target, cloud));
        }
    }

    #[test]
    fn whoever_does_not_exceed_whom_another_does_not_exceed_does_not_exceed_him_either(
        first in terms(purpose()), second in terms(purpose()), third in terms(purpose()),
    ) {
        if excess(&first, &second).is_none() && excess(&second, &third).is_none() {
            prop_assert_eq!(excess(&first, &third), None);
        }
        if sees(&first, &second) && sees(&second, &third) {
            prop_assert!(sees(&first, &third));
        }
    }

    #[test]
    fn nobody_exceeds_himself(terms in terms(purpose())) {
        prop_assert_eq!(excess(&terms, &terms), None);
        prop_assert!(sees(&terms, &terms));
    }

    #[test]
    fn a_key_without_star_never_reaches_star(
        caller in terms(purpose_of_key(&PERMISSIONS[..6])), mut target in any_key(),
    ) {
        prop_assert!(!api(&caller).permissions.covers("*"));
        let Purpose::ApiKey(wanted) = &mut target.purpose else { unreachable!("made an API key") };
        let mut permissions = Vec::from(wanted.permissions.clone());
        permissions.push(Permission::parse("*").unwrap());
        wanted.permissions = permissions.into();
        prop_assert_eq!(excess(&caller, &target), Some(Excess::Permissions));
        inherit(&caller, &mut target);
        prop_assert_eq!(excess(&caller, &target), Some(Excess::Permissions));
    }

    #[test]
    fn what_a_child_may_do_its_parent_may_do(
        caller in terms(purpose_of_key(PERMISSIONS)), target in any_key(),
        permission in select(PERMISSIONS), cloud in select(NAMES), storage in select(NAMES),
        path in select(vec!["/", "/a", "/a/b/c", "/ab", "/b/x"]), now in 0u64..3,
    ) {
        if excess(&caller, &target).is_some() {
            return Ok(());
        }
        let now = UnixSeconds::new(now).unwrap();
        let request = Request {
            permission: Some(permission), cloud: Some(cloud), storage: Some(storage), path: Some(path),
            ..Request::new(Proof::Value(VALUE))
        };
        let of_child = decide(&target, &request, 0, now);
        prop_assert!(of_child.is_err() || decide(&caller, &request, 0, now) == of_child);
    }
}

fn key_with(permissions: &[&str]) -> Terms {
    let permissions: Vec<_> = permissions.iter().map(|text| Permission::parse(text).unwrap()).collect();
    let values = vec![ValueSlot { digest: VALUE, valid_until: None }];
    unbound(Purpose::ApiKey(Box::new(ApiTerms {
        values,
        permissions: permissions.into(),
        base_path: None,
        storages: None,
        clouds: None,
        source_networks: None,
    })))
}

fn unbound(purpose: Purpose) -> Terms {
    let kind = match purpose {
        Purpose::ImageUrl(_) => TokenKind::ImageUrl,
        Purpose::Upload(_) => TokenKind::Upload,
        Purpose::ApiKey(_) => TokenKind::ApiKey,
    };
    Terms {
        id: TokenId::from_uuid(kind, [1; 16]),
        dialect: countermark_core::Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: None,
        expiry: None,
        limit: None,
        purpose,
    }
}

fn purpose_with_cloud(kind: TokenKind, cloud: Option<&str>) -> Purpose {
    let image = ImageTerms {
        keys: Vec::new(),
        counting: Counting::Get,
        count_window: 0,
        cloud_id: cloud.map(Into::into),
        hosts: [].into(),
        viewers: BTreeMap::new(),
        legacy_signatures: false,
    };
    let extra = UploadExtra { cloud_id: cloud.map(Into::into), ..UploadExtra::default() };
    match kind {
        TokenKind::ImageUrl => Purpose::ImageUrl(Box::new(image)),
        _ => Purpose::Upload(Box::new(UploadTerms { values: Vec::new(), extra })),
    }
}

fn cloud_of(terms: &Terms) -> Option<&str> {
    match &terms.purpose {
        Purpose::ImageUrl(image) => image.cloud_id.as_deref(),
        Purpose::Upload(upload) => upload.extra.cloud_id.as_deref(),
        Purpose::ApiKey(_) => panic!("a token with one cloud"),
    }
}

/// A key of these clouds, and a token of one cloud after it has inherited from the key.
fn heir(kind: TokenKind, held: &[&str], stated: Option<&str>) -> (Terms, Terms) {
    let mut caller = key_with(&["*"]);
    let Purpose::ApiKey(api) = &mut caller.purpose else { unreachable!("made an API key") };
    api.clouds = Some(held.iter().map(|cloud| Box::from(*cloud)).collect());
    let mut heir = unbound(purpose_with_cloud(kind, stated));
    inherit(&caller, &mut heir);
    (caller, heir)
}

#[test]
fn of_several_clouds_none_is_chosen_for_the_child() {
    for kind in [TokenKind::ImageUrl, TokenKind::Upload] {
        for held in [&[][..], &["a", "b"]] {
            let (caller, heir) = heir(kind, held, None);
            assert_eq!(cloud_of(&heir), None);
            assert_eq!(excess(&caller, &heir), Some(Excess::Clouds));
        }
    }
}

#[test]
fn a_cloud_that_the_child_states_stays_even_if_it_exceeds() {
    for kind in [TokenKind::ImageUrl, TokenKind::Upload] {
        let (caller, heir) = heir(kind, &["a"], Some("b"));
        assert_eq!((cloud_of(&heir), excess(&caller, &heir)), (Some("b"), Some(Excess::Clouds)));
    }
}

#[test]
fn only_an_api_key_can_hand_on_permissions() {
    for kind in [TokenKind::ImageUrl, TokenKind::Upload] {
        let caller = unbound(purpose_with_cloud(kind, None));
        assert_eq!(excess(&caller, &key_with(&[])), Some(Excess::Permissions));
    }
}

/// Whether the terms leave this cloud open.
fn is_in_cloud(terms: &Terms, cloud: &str) -> bool {
    match &terms.purpose {
        Purpose::ImageUrl(image) => image.cloud_id.as_deref().is_none_or(|one| one == cloud),
        Purpose::Upload(upload) => upload.extra.cloud_id.as_deref().is_none_or(|one| one == cloud),
        Purpose::ApiKey(api) => {
            api.clouds.as_ref().is_none_or(|clouds| clouds.iter().any(|one| **one == *cloud))
        }
    }
}

#[test]
fn asking_for_star_needs_star() {
    let request = Request { permission: Some("*"), ..Request::new(Proof::Value(VALUE)) };
    let now = UnixSeconds::new(1).unwrap();
    assert!(decide(&key_with(&["*"]), &request, 0, now).is_ok());
    let all_but_star = key_with(&PERMISSIONS[..6]);
    assert_eq!(decide(&all_but_star, &request, 0, now), Err(DenyReason::PermissionDenied));
}

#[test]
fn every_excess_points_to_the_member_of_its_kind() {
    let key = key_with(&[]);
    let pointers = [
        (Excess::Permissions, "/permissions", "/permissions"),
        (Excess::BasePath, "/basePath", "/type"),
        (Excess::Clouds, "/clouds", "/extra/cloudId"),
        (Excess::Storages, "/storages", "/type"),
        (Excess::Expiry, "/expiry", "/expiry"),
        (Excess::Limit, "/limit", "/limit"),
    ];
    let upload = unbound(purpose_with_cloud(TokenKind::Upload, None));
    for (excess, of_key, of_upload) in pointers {
        assert_eq!((excess.pointer(&key), excess.pointer(&upload)), (of_key, of_upload));
    }
}
