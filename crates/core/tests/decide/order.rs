//! Of several reasons to refuse, the earliest is answered.

use countermark_core::{DenyReason, TokenKind, Viewer};

use crate::scene::{NOW, Scene, Shown, VALUE, api_key, at, id, image_url, key, legacy_url, upload};

pub(crate) type Violation = (DenyReason, fn(&mut Scene));

/// Every reason that can meet a token of one kind, with a change that gives it, in the order of refusal.
const IMAGE_URL: &[Violation] = &[
    (DenyReason::Malformed, |scene| scene.link().garbage = "#"),
    (DenyReason::WrongType, |scene| scene.terms.id = id(TokenKind::Upload)),
    (DenyReason::BadSignature, |scene| scene.link().key = key("x")),
    (DenyReason::Revoked, revoke),
    (DenyReason::Disabled, disable),
    (DenyReason::NotYetValid, postpone),
    (DenyReason::Expired, expire),
    (DenyReason::LinkExpired, |scene| scene.link().expires = Some(at(NOW))),
    (DenyReason::MethodDenied, |scene| scene.facts.method = Some("POST")),
    (DenyReason::WrongCloud, |scene| scene.image().cloud_id = Some("other".into())),
    (DenyReason::WrongHost, |scene| scene.image().hosts = scene.image().hosts[..1].into()),
    (DenyReason::StorageDenied, demand_storage),
    (DenyReason::PermissionDenied, demand_permission),
    (DenyReason::AuthenticationRequired, |scene| scene.facts.viewer = Viewer::Unproven),
    // Whichever method asks, the token counts it.
    (DenyReason::LimitReached, |scene| {
        scene.image().counting = countermark_core::Counting::Request;
        scene.used = 10;
    }),
];

/// As above but for a link of its own expiry, which this form has not.
const LEGACY_URL: &[Violation] = &[
    (DenyReason::Malformed, |scene| scene.link().garbage = "?"),
    (DenyReason::WrongType, |scene| scene.terms.id = id(TokenKind::Upload)),
    (DenyReason::BadSignature, |scene| scene.link().legacy_secret = Some("another secret")),
    (DenyReason::Revoked, revoke),
    (DenyReason::Disabled, disable),
    (DenyReason::NotYetValid, postpone),
    (DenyReason::Expired, expire),
    (DenyReason::MethodDenied, |scene| scene.facts.method = Some("POST")),
    (DenyReason::WrongCloud, |scene| scene.image().cloud_id = Some("other".into())),
    (DenyReason::WrongHost, |scene| scene.image().hosts = scene.image().hosts[..1].into()),
    (DenyReason::StorageDenied, demand_storage),
    (DenyReason::PermissionDenied, demand_permission),
    (DenyReason::AuthenticationRequired, |scene| scene.facts.viewer = Viewer::Unproven),
    (DenyReason::LimitReached, |scene| {
        scene.image().counting = countermark_core::Counting::Request;
        scene.used = 10;
    }),
];

const UPLOAD: &[Violation] = &[
    (DenyReason::UnknownToken, forget_value),
    (DenyReason::WrongType, |scene| scene.terms.id = id(TokenKind::ImageUrl)),
    (DenyReason::Revoked, revoke),
    (DenyReason::Disabled, disable),
    (DenyReason::NotYetValid, postpone),
    (DenyReason::Expired, expire),
    (DenyReason::MethodDenied, |scene| scene.facts.method = Some("PATCH")),
    (DenyReason::WrongCloud, |scene| scene.facts.cloud = Some("other")),
    (DenyReason::StorageDenied, demand_storage),
    (DenyReason::PermissionDenied, demand_permission),
    (DenyReason::ConstraintFailed, |scene| scene.facts.bytes = Some(21)),
    (DenyReason::LimitReached, |scene| scene.used = 10),
];

const API_KEY: &[Violation] = &[
    (DenyReason::UnknownToken, forget_value),
    (DenyReason::WrongType, |scene| scene.terms.id = id(TokenKind::ImageUrl)),
    (DenyReason::Revoked, revoke),
    (DenyReason::Disabled, disable),
    (DenyReason::NotYetValid, postpone),
    (DenyReason::Expired, expire),
    (DenyReason::WrongCloud, |scene| scene.facts.cloud = Some("other")),
    (DenyReason::PathDenied, |scene| scene.facts.path = Some("/upload2")),
    (DenyReason::StorageDenied, |scene| scene.facts.storage = Some("s3")),
    (DenyReason::PermissionDenied, |scene| scene.facts.permission = Some("write")),
    (DenyReason::LimitReached, |scene| scene.used = 10),
];

fn demand_storage(scene: &mut Scene) {
    scene.facts.is_demanded_of_all = true;
    scene.facts.storage = Some("s1");
}

fn demand_permission(scene: &mut Scene) {
    scene.facts.is_demanded_of_all = true;
    scene.facts.permission = Some("read");
}

fn revoke(scene: &mut Scene) {
    scene.terms.revoked_at = Some(at(1));
}

fn disable(scene: &mut Scene) {
    scene.terms.enabled = false;
}

fn postpone(scene: &mut Scene) {
    scene.terms.not_before = Some(at(NOW + 1));
}

fn expire(scene: &mut Scene) {
    scene.terms.expiry = Some(at(NOW));
}

fn forget_value(scene: &mut Scene) {
    let mut other = VALUE;
    other.0[31] ^= 1;
    scene.shown = Shown::Value(other);
}

fn kinds() -> [(Scene, &'static [Violation]); 4] {
    [(image_url(), IMAGE_URL), (legacy_url(), LEGACY_URL), (upload(), UPLOAD), (api_key(), API_KEY)]
}

fn violating(scene: &Scene, violations: &[Violation]) -> Scene {
    // Backwards, so that changing the kind of the id comes after all that reads it.
    scene.with(|scene| violations.iter().rev().for_each(|(_, violate)| violate(scene)))
}

#[test]
fn the_order_is_the_published_one() {
    let codes = [
        "MALFORMED",
        "UNKNOWN_TOKEN",
        "WRONG_TYPE",
        "BAD_SIGNATURE",
        "REVOKED",
        "DISABLED",
        "NOT_YET_VALID",
        "EXPIRED",
        "LINK_EXPIRED",
        "METHOD_DENIED",
        "WRONG_CLOUD",
        "WRONG_HOST",
        "PATH_DENIED",
        "STORAGE_DENIED",
        "PERMISSION_DENIED",
        "CONSTRAINT_FAILED",
        "AUTHENTICATION_REQUIRED",
        "LIMIT_REACHED",
    ];
    assert_eq!(DenyReason::ALL.map(DenyReason::code), codes);
    assert!(DenyReason::ALL.is_sorted());
    for reason in DenyReason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
}

#[test]
fn the_rules_are_tried_in_the_published_order() {
    for (scene, _) in kinds() {
        let tried: Vec<_> = scene.explain().iter().map(|step| step.reason).collect();
        assert_eq!(tried, DenyReason::ALL[1..], "MALFORMED alone comes of reading");
    }
}

#[test]
fn every_reason_has_a_violation_below() {
    let mut covered: Vec<_> =
        kinds().iter().flat_map(|(_, all)| all.iter().map(|(reason, _)| *reason)).collect();
    covered.sort();
    covered.dedup();
    assert_eq!(covered, DenyReason::ALL);
    for (_, violations) in kinds() {
        assert!(violations.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}

#[test]
fn what_violates_nothing_is_allowed() {
    for (scene, _) in kinds() {
        assert_eq!(scene.refusal(), None, "{:?}", scene.terms.kind());
    }
}

#[test]
fn what_violates_one_rule_gets_its_reason() {
    for (scene, violations) in kinds() {
        for violation in violations {
            let refusal = violating(&scene, &[*violation]).refusal();
            assert_eq!(refusal, Some(violation.0), "{:?}", scene.terms.kind());
        }
    }
}

#[test]
fn what_violates_two_rules_gets_the_earlier_reason() {
    for (scene, violations) in kinds() {
        for (position, earlier) in violations.iter().enumerate() {
            for later in &violations[position + 1..] {
                let refusal = violating(&scene, &[*earlier, *later]).refusal();
                assert_eq!(refusal, Some(earlier.0), "{:?}: and {:?}", scene.terms.kind(), later.0);
            }
        }
    }
}

#[test]
fn what_violates_a_rule_and_all_after_it_gets_its_reason() {
    for (scene, violations) in kinds() {
        for from in 0..violations.len() {
            let refusal = violating(&scene, &violations[from..]).refusal();
            assert_eq!(refusal, Some(violations[from].0), "{:?}", scene.terms.kind());
        }
    }
}
