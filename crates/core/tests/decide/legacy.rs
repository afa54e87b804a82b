//! What only tokens with legacy signatures have: the other form, which signs less.

use countermark_core::{DenyReason, Placement};

use crate::scene::{NOW, at, image_url, key, legacy_slot, legacy_url, slot};

const SECRET: &str = "a legacy secret";

#[test]
fn a_token_verifies_one_form_only_even_if_it_held_a_key_of_the_other() {
    assert_eq!(legacy_url().refusal(), None);
    for placement in [Placement::Path, Placement::Query] {
        let ours = legacy_url().with(|scene| {
            scene.link().placement = placement;
            scene.link().legacy_secret = None;
            scene.image().keys.push(slot(1, None, "k"));
        });
        assert_eq!(ours.refusal(), Some(DenyReason::BadSignature));
        assert_eq!(ours.refusal_with(|scene| scene.image().legacy_signatures = false), None);
    }
    let theirs = legacy_url().with(|scene| scene.image().legacy_signatures = false);
    assert_eq!(theirs.refusal(), Some(DenyReason::BadSignature));
}

#[test]
fn one_secret_never_verifies_both_forms() {
    const BOTH: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    let by_hmac = image_url().with(|scene| {
        scene.link().url = "https://b.example/c/i/a.png";
        scene.link().legacy_secret = Some(BOTH);
    });
    assert_eq!(by_hmac.refusal(), Some(DenyReason::BadSignature), "a cm1 token was sent an s-token2 URL");
    let by_secret = legacy_url().with(|scene| {
        scene.image().keys = vec![legacy_slot(1, None, BOTH)];
        scene.link().legacy_secret = None;
        scene.link().key = key("k");
    });
    assert_eq!(by_secret.refusal(), Some(DenyReason::BadSignature), "a legacy token was sent a cm1 URL");
}

#[test]
fn another_cloud_in_the_path_is_refused_although_it_is_not_signed() {
    let elsewhere = legacy_url().with(|scene| scene.link().url = "https://b.example/d/w:200/i/a%2Fb.png");
    assert_eq!(elsewhere.refusal(), Some(DenyReason::WrongCloud));
    // The signature is the same for every cloud.
    assert_eq!(elsewhere.refusal_with(|scene| scene.image().cloud_id = Some("d".into())), None);
}

#[test]
fn every_version_verifies_until_it_is_retired() {
    let until = |second: u64| {
        legacy_url().with(|scene| {
            scene.image().keys =
                vec![legacy_slot(1, Some(second), SECRET), legacy_slot(2, None, "the next secret")];
        })
    };
    assert_eq!(until(NOW + 1).refusal(), None);
    assert_eq!(until(NOW).refusal(), Some(DenyReason::BadSignature));
    let by_next = until(NOW).refusal_with(|scene| scene.link().legacy_secret = Some("the next secret"));
    assert_eq!(by_next, None);
    assert_eq!(legacy_url().refusal_with(|scene| scene.image().keys.clear()), Some(DenyReason::BadSignature));
}

#[test]
fn a_legacy_link_ends_with_its_token() {
    assert_eq!(legacy_url().refusal_with(|scene| scene.terms.expiry = None), None);
    let expired = legacy_url().refusal_with(|scene| scene.terms.expiry = Some(at(NOW)));
    assert_eq!(expired, Some(DenyReason::Expired));
}

#[test]
fn a_legacy_link_counts_as_any_other() {
    assert_eq!(legacy_url().decide().unwrap().takes, 1);
    let head = legacy_url().with(|scene| {
        scene.facts.method = Some("HEAD");
        scene.used = 10;
    });
    assert_eq!(head.decide().unwrap().takes, 0);
}
