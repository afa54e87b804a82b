//! Methods by kind of token; a missing one is GET.

use countermark_core::DenyReason;

use crate::scene::{Scene, api_key, image_url, upload};

const METHODS: [Option<&str>; 17] = [
    None,
    Some("GET"),
    Some("HEAD"),
    Some("POST"),
    Some("PUT"),
    Some("PATCH"),
    Some("DELETE"),
    Some("OPTIONS"),
    Some("TRACE"),
    Some("CONNECT"),
    Some("QUERY"),
    Some("PROPFIND"),
    Some("MKCOL"),
    Some(""),
    Some("get"),
    Some("GET "),
    Some("post"),
];

fn assert_only(scene: &Scene, allowed: &[Option<&str>]) {
    for method in METHODS {
        let expected = if allowed.contains(&method) { None } else { Some(DenyReason::MethodDenied) };
        let refusal = scene.refusal_with(|scene| scene.facts.method = method);
        assert_eq!(refusal, expected, "{:?} {method:?}", scene.terms.kind());
    }
}

#[test]
fn signed_urls_open_for_get_and_head_only() {
    assert_only(&image_url(), &[None, Some("GET"), Some("HEAD")]);
    let continuing = image_url().with(|scene| scene.facts.continues_upload = true);
    assert_only(&continuing, &[None, Some("GET"), Some("HEAD")]);
}

#[test]
fn uploads_begin_by_post_or_put_only() {
    assert_only(&upload(), &[Some("POST"), Some("PUT")]);
}

#[test]
fn live_uploads_go_on_by_patch_head_or_delete_only() {
    let continuing = upload().with(|scene| scene.facts.continues_upload = true);
    assert_only(&continuing, &[Some("PATCH"), Some("HEAD"), Some("DELETE")]);
}

#[test]
fn api_keys_are_not_bound_to_methods() {
    assert_only(&api_key(), &METHODS);
}
