//! What only signed URLs have: signatures, clouds of the path, hosts, viewers.

use countermark_core::{DenyReason, Placement, TokenKind, Viewer};

use crate::scene::{NOW, Scene, Shown, VALUE, api_key, id, image_url, key, slot, upload};

fn signed_by(version: u16, letter: &'static str) -> impl Fn(&mut Scene) {
    move |scene| {
        scene.link().version = version;
        scene.link().key = key(letter);
    }
}

#[test]
fn a_signature_verifies_only_under_the_version_that_it_names() {
    let scene =
        image_url().with(|scene| scene.image().keys = vec![slot(1, Some(NOW + 9), "k"), slot(2, None, "n")]);
    assert_eq!(scene.refusal_with(signed_by(1, "k")), None);
    assert_eq!(scene.refusal_with(signed_by(2, "n")), None);
    for (version, letter) in [(1, "n"), (2, "k"), (3, "n"), (65_535, "n")] {
        assert_eq!(
            scene.refusal_with(signed_by(version, letter)),
            Some(DenyReason::BadSignature),
            "{version}"
        );
    }
}

#[test]
fn a_token_without_secrets_verifies_nothing() {
    assert_eq!(image_url().refusal_with(|scene| scene.image().keys.clear()), Some(DenyReason::BadSignature));
}

#[test]
fn a_token_of_legacy_signatures_never_verifies_ours() {
    for placement in [Placement::Path, Placement::Query] {
        let refusal = image_url().refusal_with(|scene| {
            scene.link().placement = placement;
            scene.image().legacy_signatures = true;
        });
        assert_eq!(refusal, Some(DenyReason::BadSignature));
    }
}

#[test]
fn a_signed_url_that_names_another_kind_of_token_is_refused() {
    let link = image_url().shown;
    for scene in [upload(), api_key()] {
        assert_eq!(scene.refusal_with(|scene| scene.shown = link.clone()), Some(DenyReason::WrongType));
    }
}

#[test]
fn no_value_presents_an_image_url_token() {
    let refusal = image_url().refusal_with(|scene| scene.shown = Shown::Value(VALUE));
    assert_eq!(refusal, Some(DenyReason::UnknownToken));
    let mistaken = upload().refusal_with(|scene| scene.terms.id = id(TokenKind::ImageUrl));
    assert_eq!(mistaken, Some(DenyReason::WrongType));
}

#[test]
fn the_cloud_of_the_path_must_be_the_tokens() {
    for placement in [Placement::Path, Placement::Query] {
        let of = |cloud: Option<&str>| {
            image_url().refusal_with(|scene| {
                scene.link().placement = placement;
                scene.image().cloud_id = cloud.map(Into::into);
            })
        };
        assert_eq!(of(Some("c")), None);
        assert_eq!(of(None), None);
        for other in ["C", "cc", ""] {
            assert_eq!(of(Some(other)), Some(DenyReason::WrongCloud), "{other}");
        }
    }
}

#[test]
fn a_cloud_that_the_asker_claims_does_not_replace_that_of_the_url() {
    let scene = image_url().with(|scene| scene.image().cloud_id = Some("d".into()));
    assert_eq!(scene.refusal_with(|scene| scene.facts.cloud = Some("d")), Some(DenyReason::WrongCloud));
    assert_eq!(image_url().refusal_with(|scene| scene.facts.cloud = Some("d")), None);
}

#[test]
fn a_cloud_that_the_asker_claims_does_not_stand_in_where_the_url_names_none() {
    let refusal = image_url().refusal_with(|scene| {
        scene.link().placement = Placement::Query;
        scene.link().url = "https://b.example/a.b/i.png";
        scene.facts.cloud = Some("c");
    });
    assert_eq!(refusal, Some(DenyReason::WrongCloud));
}

#[test]
fn another_cloud_in_the_path_than_the_hosts_is_refused() {
    for placement in [Placement::Path, Placement::Query] {
        for cloud in [None, Some("c")] {
            let mapped = |to: &'static str| {
                image_url().refusal_with(|scene| {
                    scene.link().placement = placement;
                    scene.image().cloud_id = cloud.map(Into::into);
                    scene.facts.mapped_cloud = Some(to);
                })
            };
            assert_eq!(mapped("c"), None);
            assert_eq!(mapped("d"), Some(DenyReason::WrongCloud));
        }
    }
}

#[test]
fn the_hosts_cloud_stands_in_where_the_path_names_none() {
    let mapped = |to: Option<&'static str>, cloud: Option<&str>| {
        image_url().refusal_with(|scene| {
            scene.link().placement = Placement::Query;
            scene.link().url = "https://b.example/a.b/i.png";
            scene.image().cloud_id = cloud.map(Into::into);
            scene.facts.mapped_cloud = to;
        })
    };
    assert_eq!(mapped(Some("c"), Some("c")), None);
    assert_eq!(mapped(Some("d"), Some("c")), Some(DenyReason::WrongCloud));
    assert_eq!(mapped(None, Some("c")), Some(DenyReason::WrongCloud), "no cloud at all");
    assert_eq!(mapped(None, None), None);
    assert_eq!(mapped(Some("d"), None), None);
}

#[test]
fn the_host_must_be_among_those_of_the_token() {
    let at_host = |url| image_url().refusal_with(|scene| scene.link().url = url);
    assert_eq!(at_host("https://a.example/c/i"), None);
    assert_eq!(at_host("http://B.example.:8443/c/i"), None);
    for url in ["https://c.example/c/i", "https://a.example.b/c/i", "https://x.a.example/c/i"] {
        assert_eq!(at_host(url), Some(DenyReason::WrongHost), "{url}");
    }
    let anywhere = image_url().refusal_with(|scene| {
        scene.image().hosts = [].into();
        scene.link().url = "https://c.example/c/i";
    });
    assert_eq!(anywhere, None);
}

#[test]
fn viewers_must_be_proven_where_the_token_names_some() {
    let unproven = image_url().with(|scene| scene.facts.viewer = Viewer::Unproven);
    assert_eq!(unproven.refusal(), Some(DenyReason::AuthenticationRequired));
    assert_eq!(unproven.refusal_with(|scene| scene.image().viewers.clear()), None);
    for scene in [upload(), api_key()] {
        assert_eq!(scene.refusal_with(|scene| scene.facts.viewer = Viewer::Unproven), None);
    }
}
