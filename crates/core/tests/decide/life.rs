//! Both sides of every edge in time.

use countermark_core::{DenyReason, SecretState, ValueDigest, ValueSlot};

use crate::scene::{NOW, Scene, Shown, VALUE, api_key, at, image_url, key, slot, upload};

fn kinds() -> [Scene; 3] {
    [image_url(), upload(), api_key()]
}

#[test]
fn a_token_is_expired_at_the_second_of_its_expiry() {
    for scene in kinds() {
        let expiring = |at_second: u64| scene.refusal_with(|scene| scene.terms.expiry = Some(at(at_second)));
        assert_eq!(expiring(NOW + 1), None);
        assert_eq!(expiring(NOW), Some(DenyReason::Expired));
        assert_eq!(expiring(NOW - 1), Some(DenyReason::Expired));
        assert_eq!(scene.refusal_with(|scene| scene.terms.expiry = None), None);
    }
}

#[test]
fn a_token_is_valid_from_the_second_of_its_not_before() {
    for scene in kinds() {
        let from = |at_second: u64| scene.refusal_with(|scene| scene.terms.not_before = Some(at(at_second)));
        assert_eq!(from(NOW + 1), Some(DenyReason::NotYetValid));
        assert_eq!(from(NOW), None);
        assert_eq!(from(NOW - 1), None);
        assert_eq!(scene.refusal_with(|scene| scene.terms.not_before = None), None);
    }
}

#[test]
fn a_revocation_holds_whatever_its_instant() {
    for scene in kinds() {
        for instant in [0, NOW, NOW + 1000] {
            let refusal = scene.refusal_with(|scene| scene.terms.revoked_at = Some(at(instant)));
            assert_eq!(refusal, Some(DenyReason::Revoked));
        }
    }
}

#[test]
fn a_link_is_expired_at_the_second_of_its_expiry() {
    let expiring = |expires| image_url().refusal_with(|scene| scene.link().expires = expires);
    assert_eq!(expiring(Some(at(NOW + 1))), None);
    assert_eq!(expiring(Some(at(NOW))), Some(DenyReason::LinkExpired));
    assert_eq!(expiring(Some(at(NOW - 1))), Some(DenyReason::LinkExpired));
    assert_eq!(expiring(Some(at(0))), Some(DenyReason::LinkExpired));
    assert_eq!(expiring(None), None, "without an expiry only the token's own counts");
}

#[test]
fn a_replaced_secret_verifies_until_its_very_second() {
    let until = |second: u64| {
        image_url().with(|scene| {
            scene.image().keys = vec![slot(1, Some(second), "k"), slot(2, None, "n")];
        })
    };
    assert_eq!(until(NOW + 1).refusal(), None);
    assert_eq!(until(NOW).refusal(), Some(DenyReason::BadSignature));
    assert_eq!(until(NOW - 1).refusal(), Some(DenyReason::BadSignature));

    let with_new = |scene: &mut Scene| {
        scene.link().version = 2;
        scene.link().key = key("n");
    };
    assert_eq!(until(NOW - 1).refusal_with(with_new), None);
    let signing = until(NOW + 1).terms.signing_slot().unwrap().version;
    assert_eq!((signing.number.get(), signing.state(at(NOW))), (2, SecretState::Active));
}

#[test]
fn the_newest_active_secret_signs() {
    let signing = |slots: Vec<_>| {
        let scene = image_url().with(|scene| scene.image().keys = slots);
        scene.terms.signing_slot().map(|slot| slot.version.number.get())
    };
    assert_eq!(signing(vec![slot(1, None, "k"), slot(2, None, "n")]), Some(2));
    assert_eq!(signing(vec![slot(1, None, "k"), slot(2, Some(NOW + 9), "n")]), Some(1));
    assert_eq!(signing(vec![slot(1, Some(NOW + 9), "k")]), None);
    assert!(upload().terms.signing_slot().is_none());
}

#[test]
fn a_replaced_value_is_unknown_from_the_very_second_that_its_overlap_ends() {
    const NEW: ValueDigest = ValueDigest([8; 32]);
    for scene in [upload(), api_key()] {
        let until = |second: u64| {
            scene.with(|scene| {
                let values = vec![
                    ValueSlot { digest: VALUE, valid_until: Some(at(second)) },
                    ValueSlot { digest: NEW, valid_until: None },
                ];
                match &mut scene.terms.purpose {
                    countermark_core::Purpose::Upload(upload) => upload.values = values,
                    countermark_core::Purpose::ApiKey(api) => api.values = values,
                    countermark_core::Purpose::ImageUrl(_) => unreachable!("imageUrl tokens have no values"),
                }
            })
        };
        assert_eq!(until(NOW + 1).refusal(), None);
        assert_eq!(until(NOW).refusal(), Some(DenyReason::UnknownToken));
        for second in [NOW - 1, NOW, NOW + 1] {
            assert_eq!(until(second).refusal_with(|scene| scene.shown = Shown::Value(NEW)), None);
        }
    }
}
