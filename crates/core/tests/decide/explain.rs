//! The explanation tells the same story as the decision.

use countermark_core::{Counting, StepOutcome, TokenKind, Viewer};
use proptest::prelude::*;

use crate::scene::{NOW, Scene, Shown, api_key, at, id, image_url, key, upload};

/// One deviation from a scene that is allowed; those that do not concern its kind change nothing.
fn deviate(scene: &mut Scene, which: u8) {
    let kind = scene.terms.kind();
    match which {
        0 => scene.terms.revoked_at = Some(at(1)),
        1 => scene.terms.enabled = false,
        2 => scene.terms.not_before = Some(at(NOW + 1)),
        3 => scene.terms.expiry = Some(at(NOW)),
        4 => scene.used = 10,
        5 => scene.facts.method = Some("MOVE"),
        6 => scene.facts.cloud = None,
        7 => scene.facts.mapped_cloud = Some("e"),
        8 => scene.facts.path = None,
        9 => scene.facts.storage = None,
        10 => scene.facts.permission = None,
        11 => scene.facts.bytes = None,
        12 => scene.facts.viewer = Viewer::Unproven,
        13 => scene.facts.cost = 0,
        14 => scene.facts.continues_upload = true,
        15 if kind == TokenKind::ImageUrl => scene.link().expires = Some(at(NOW)),
        16 if kind == TokenKind::ImageUrl => scene.link().key = key("x"),
        17 if kind == TokenKind::ImageUrl => scene.image().hosts = scene.image().hosts[..1].into(),
        18 if kind == TokenKind::ImageUrl => scene.image().counting = Counting::Request,
        19 => scene.shown = if kind == TokenKind::Upload { image_url().shown } else { upload().shown },
        20 if matches!(scene.shown, Shown::Value(_)) => scene.terms.id = id(TokenKind::ImageUrl),
        _ => {}
    }
}

proptest! {
    #[test]
    fn exactly_the_step_that_decides_refuses_and_none_after_it_is_reached(
        kind in 0usize..3, mut deviations in proptest::collection::vec(0u8..24, 0..4),
    ) {
        // What changes the kind comes last: the others look at it.
        deviations.sort_unstable();
        let scene = [image_url, upload, api_key][kind]()
            .with(|scene| deviations.iter().for_each(|which| deviate(scene, *which)));
        let steps = scene.explain();
        let refused = steps.iter().position(|step| step.outcome == StepOutcome::Refused);
        prop_assert_eq!(refused.map(|at| steps[at].reason), scene.refusal());
        let (before, after) = steps.split_at(refused.unwrap_or(steps.len()));
        prop_assert!(before.iter().all(|step| step.outcome == StepOutcome::Passed));
        prop_assert!(after.iter().skip(1).all(|step| step.outcome == StepOutcome::NotReached));
    }
}
