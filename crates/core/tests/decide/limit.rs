//! What a request takes, and whether that much is left.

use countermark_core::{Counting, DenyReason, Grant};

use crate::scene::{Scene, api_key, image_url, upload};

fn kinds() -> [Scene; 3] {
    [image_url(), upload(), api_key()]
}

fn decided(scene: &Scene, limit: Option<u64>, used: u64, cost: u64) -> Result<u64, DenyReason> {
    let scene = scene.with(|scene| {
        scene.terms.limit = limit;
        scene.used = used;
        scene.facts.cost = cost;
    });
    scene.decide().map(|grant| grant.takes)
}

#[test]
fn the_last_use_is_granted_and_no_further_one() {
    for scene in kinds() {
        assert_eq!(decided(&scene, Some(3), 2, 1), Ok(1));
        assert_eq!(decided(&scene, Some(3), 3, 1), Err(DenyReason::LimitReached));
        assert_eq!(decided(&scene, Some(0), 0, 1), Err(DenyReason::LimitReached));
    }
}

#[test]
fn a_cost_is_granted_whole_or_not_at_all() {
    for scene in kinds() {
        assert_eq!(decided(&scene, Some(10), 7, 3), Ok(3));
        assert_eq!(decided(&scene, Some(10), 7, 4), Err(DenyReason::LimitReached));
    }
}

#[test]
fn a_cost_of_nothing_is_allowed_even_when_no_use_is_left() {
    for scene in kinds() {
        assert_eq!(decided(&scene, Some(10), 10, 0), Ok(0));
        assert_eq!(decided(&scene, Some(0), 0, 0), Ok(0));
    }
}

#[test]
fn without_a_limit_any_cost_is_granted() {
    for scene in kinds() {
        assert_eq!(decided(&scene, None, u64::MAX, u64::MAX), Ok(u64::MAX));
    }
}

#[test]
fn no_sum_wraps_at_the_end_of_numbers() {
    for scene in kinds() {
        assert_eq!(decided(&scene, Some(u64::MAX), u64::MAX - 1, 1), Ok(1));
        assert_eq!(decided(&scene, Some(u64::MAX), 0, u64::MAX), Ok(u64::MAX));
        assert_eq!(decided(&scene, Some(u64::MAX), 1, u64::MAX), Err(DenyReason::LimitReached));
        assert_eq!(decided(&scene, Some(u64::MAX), u64::MAX, 1), Err(DenyReason::LimitReached));
        assert_eq!(decided(&scene, Some(1), u64::MAX, u64::MAX), Err(DenyReason::LimitReached));
    }
}

#[test]
fn what_remains_is_never_below_nothing() {
    let mut terms = upload().terms;
    for (limit, used, remaining) in
        [(10, 3, 7), (10, 10, 0), (10, 11, 0), (0, u64::MAX, 0), (u64::MAX, 0, u64::MAX)]
    {
        terms.limit = Some(limit);
        assert_eq!(terms.remaining(used), Some(remaining));
    }
    terms.limit = None;
    assert_eq!(terms.remaining(5), None);
}

#[test]
fn head_is_free_unless_every_request_counts() {
    let head = image_url().with(|scene| {
        scene.facts.method = Some("HEAD");
        scene.facts.cost = 4;
        scene.used = 10;
    });
    assert_eq!(head.decide(), Ok(Grant { takes: 0 }));
    let counted = head.with(|scene| scene.image().counting = Counting::Request);
    assert_eq!(counted.decide(), Err(DenyReason::LimitReached));
    assert_eq!(counted.with(|scene| scene.used = 6).decide(), Ok(Grant { takes: 4 }));
}

#[test]
fn get_counts_under_both_ways_of_counting() {
    for counting in [Counting::Get, Counting::Request] {
        for method in [None, Some("GET")] {
            let scene = image_url().with(|scene| {
                scene.image().counting = counting;
                scene.facts.method = method;
            });
            assert_eq!(scene.decide(), Ok(Grant { takes: 1 }));
        }
    }
}

#[test]
fn going_on_with_an_upload_is_free() {
    let scene = upload().with(|scene| {
        scene.facts.continues_upload = true;
        scene.facts.method = Some("PATCH");
        scene.facts.cost = 4;
        scene.used = 10;
    });
    assert_eq!(scene.decide(), Ok(Grant { takes: 0 }));
}

#[test]
fn api_keys_count_every_request() {
    for method in ["HEAD", "GET", "PROPFIND"] {
        let scene = api_key().with(|scene| scene.facts.method = Some(method));
        assert_eq!(scene.decide(), Ok(Grant { takes: 1 }));
    }
}
