//! Constraints of upload tokens: each on its own, at its edge, and without the fact that it asks for.

use countermark_core::{DenyReason, UploadExtra};

use crate::scene::{Scene, upload};

/// An upload that states nothing, under a token with this constraint alone.
fn only(extra: UploadExtra) -> Scene {
    upload().with(|scene| {
        *scene.extra() = extra;
        scene.facts.cloud = None;
        scene.facts.bytes = None;
        scene.facts.content_type = None;
        scene.facts.public_id = None;
    })
}

#[test]
fn without_constraints_nothing_need_be_known() {
    assert_eq!(only(UploadExtra::default()).refusal(), None);
}

#[test]
fn a_cloud_must_be_named_and_the_tokens() {
    let scene = only(UploadExtra { cloud_id: Some("c".into()), ..UploadExtra::default() });
    assert_eq!(scene.refusal(), Some(DenyReason::WrongCloud));
    assert_eq!(scene.refusal_with(|scene| scene.facts.cloud = Some("d")), Some(DenyReason::WrongCloud));
    assert_eq!(scene.refusal_with(|scene| scene.facts.cloud = Some("c")), None);
    assert_eq!(scene.refusal_with(|scene| scene.facts.mapped_cloud = Some("c")), None);
    assert_eq!(
        scene.refusal_with(|scene| scene.facts.mapped_cloud = Some("d")),
        Some(DenyReason::WrongCloud)
    );
}

#[test]
fn a_named_cloud_must_be_that_of_the_host() {
    let scene = only(UploadExtra::default()).with(|scene| scene.facts.mapped_cloud = Some("c"));
    assert_eq!(scene.refusal_with(|scene| scene.facts.cloud = Some("d")), Some(DenyReason::WrongCloud));
    assert_eq!(scene.refusal_with(|scene| scene.facts.cloud = Some("c")), None);
}

#[test]
fn the_size_must_be_known_and_within_both_bounds() {
    let refusal = |least, most, bytes| {
        let extra = UploadExtra { min_bytes: least, max_bytes: most, ..UploadExtra::default() };
        only(extra).refusal_with(|scene| scene.facts.bytes = bytes)
    };
    let failed = Some(DenyReason::ConstraintFailed);
    assert_eq!(refusal(Some(10), None, None), failed);
    assert_eq!(refusal(None, Some(20), None), failed);
    assert_eq!(refusal(Some(0), None, None), failed, "even a bound that every size keeps");
    for (bytes, expected) in
        [(0, failed), (9, failed), (10, None), (20, None), (21, failed), (u64::MAX, failed)]
    {
        assert_eq!(refusal(Some(10), Some(20), Some(bytes)), expected, "{bytes}");
    }
}

#[test]
fn the_content_type_must_be_known_and_match_one_glob() {
    let scene = upload();
    let of = |content_type| scene.refusal_with(|scene| scene.facts.content_type = content_type);
    for good in ["image/png", "IMAGE/WebP", "text/plain; charset=utf-8"] {
        assert_eq!(of(Some(good)), None, "{good}");
    }
    for bad in [None, Some(""), Some("image"), Some("text/html"), Some("video/mp4")] {
        assert_eq!(of(bad), Some(DenyReason::ConstraintFailed), "{bad:?}");
    }
}

#[test]
fn the_public_id_must_be_known_and_begin_with_the_prefix() {
    let scene = only(UploadExtra { public_id_prefix: Some("in/".into()), ..UploadExtra::default() });
    let of = |public_id| scene.refusal_with(|scene| scene.facts.public_id = public_id);
    for good in ["in/", "in/a"] {
        assert_eq!(of(Some(good)), None, "{good}");
    }
    for bad in [None, Some(""), Some("in"), Some("In/a"), Some("a/in/a")] {
        assert_eq!(of(bad), Some(DenyReason::ConstraintFailed), "{bad:?}");
    }
}

#[test]
fn the_prefix_is_held_against_the_directed_public_id() {
    let directed = |to: &str| {
        only(UploadExtra {
            public_id_prefix: Some("in/".into()),
            public_id: Some(to.into()),
            ..UploadExtra::default()
        })
    };
    assert_eq!(directed("in/x").refusal_with(|scene| scene.facts.public_id = Some("out")), None);
    let outside = directed("out").refusal_with(|scene| scene.facts.public_id = Some("in/x"));
    assert_eq!(outside, Some(DenyReason::ConstraintFailed));
    assert_eq!(directed("").refusal(), Some(DenyReason::ConstraintFailed), "empty directs nothing");
    assert_eq!(directed("").refusal_with(|scene| scene.facts.public_id = Some("in/x")), None);
}

#[test]
fn going_on_with_an_upload_states_no_facts_anew_but_stays_in_its_cloud() {
    let continuing = upload().with(|scene| {
        scene.facts.continues_upload = true;
        scene.facts.method = Some("PATCH");
        scene.facts.bytes = None;
        scene.facts.content_type = None;
        scene.facts.public_id = None;
    });
    assert_eq!(continuing.refusal(), None);
    assert_eq!(continuing.refusal_with(|scene| scene.facts.cloud = None), Some(DenyReason::WrongCloud));
}

#[test]
fn path_storage_and_permission_do_not_concern_uploads() {
    let refusal = upload().refusal_with(|scene| {
        scene.facts.path = Some("/../x");
        scene.facts.storage = Some("s");
        scene.facts.permission = Some("x");
    });
    assert_eq!(refusal, None);
}
