//! Management calls: life and permission are judged, places and uses are not.

use countermark_core::{DenyReason, TokenKind, UnixSeconds, ValueDigest, decide_management};

use crate::order::Violation;
use crate::scene::{NOW, Scene, VALUE, api_key, at, id, image_url, upload};

fn managing(scene: &Scene, permission: &str) -> Result<(), DenyReason> {
    decide_management(&scene.terms, VALUE, permission, scene.now)
}

fn refusal(change: fn(&mut Scene)) -> Option<DenyReason> {
    managing(&api_key().with(change), "read").err()
}

#[test]
fn a_key_in_its_life_may_do_what_it_is_granted() {
    assert_eq!(managing(&api_key(), "read"), Ok(()));
    assert_eq!(managing(&api_key(), "files:write"), Ok(()));
    for lacking in ["tokens:write", "*", ""] {
        assert_eq!(managing(&api_key(), lacking), Err(DenyReason::PermissionDenied), "{lacking}");
    }
}

#[test]
fn places_and_uses_do_not_bind_the_call_itself() {
    let spent = api_key().with(|scene| {
        scene.terms.limit = Some(0);
        scene.used = 5;
    });
    assert_eq!(managing(&spent, "read"), Ok(()), "the scene's key has a path, clouds and storages");
}

#[test]
fn every_end_of_its_life_ends_its_calls() {
    assert_eq!(refusal(|scene| scene.terms.revoked_at = Some(at(1))), Some(DenyReason::Revoked));
    assert_eq!(refusal(|scene| scene.terms.enabled = false), Some(DenyReason::Disabled));
    assert_eq!(refusal(|scene| scene.terms.not_before = Some(at(NOW + 1))), Some(DenyReason::NotYetValid));
    assert_eq!(refusal(|scene| scene.terms.not_before = Some(at(NOW))), None);
    assert_eq!(refusal(|scene| scene.terms.expiry = Some(at(NOW))), Some(DenyReason::Expired));
    assert_eq!(refusal(|scene| scene.terms.expiry = Some(at(NOW + 1))), None);
}

#[test]
fn a_value_that_does_not_present_the_key_is_unknown() {
    let now: UnixSeconds = at(NOW);
    let other = ValueDigest([0; 32]);
    let unknown = Err(DenyReason::UnknownToken);
    assert_eq!(decide_management(&api_key().terms, other, "read", now), unknown);
    let replaced = api_key().with(|scene| scene.api().values[0].valid_until = Some(at(NOW)));
    assert_eq!(managing(&replaced, "read"), unknown);
    let overlapping = api_key().with(|scene| scene.api().values[0].valid_until = Some(at(NOW + 1)));
    assert_eq!(managing(&overlapping, "read"), Ok(()));
}

#[test]
fn only_api_keys_manage() {
    assert_eq!(managing(&upload(), "read"), Err(DenyReason::WrongType));
    assert_eq!(refusal(|scene| scene.terms.id = id(TokenKind::Upload)), Some(DenyReason::WrongType));
    assert_eq!(refusal(|scene| scene.terms.id = id(TokenKind::ImageUrl)), Some(DenyReason::WrongType));
}

#[test]
fn a_value_that_presents_nothing_is_unknown_before_its_kind_matters() {
    let other = ValueDigest([0; 32]);
    for scene in [image_url(), upload(), api_key()] {
        let refusal = decide_management(&scene.terms, other, "read", scene.now);
        assert_eq!(refusal, Err(DenyReason::UnknownToken), "{:?}", scene.terms.kind());
    }
}

#[test]
fn the_order_of_refusal_is_that_of_every_use() {
    let changes: [Violation; 6] = [
        (DenyReason::UnknownToken, |scene| scene.api().values.clear()),
        (DenyReason::WrongType, |scene| scene.terms.id = id(TokenKind::Upload)),
        (DenyReason::Revoked, |scene| scene.terms.revoked_at = Some(at(1))),
        (DenyReason::Disabled, |scene| scene.terms.enabled = false),
        (DenyReason::NotYetValid, |scene| scene.terms.not_before = Some(at(NOW + 1))),
        (DenyReason::Expired, |scene| scene.terms.expiry = Some(at(NOW))),
    ];
    for from in 0..changes.len() {
        let scene = api_key().with(|scene| changes[from..].iter().for_each(|(_, change)| change(scene)));
        assert_eq!(managing(&scene, "lacking"), Err(changes[from].0));
    }
}
