//! Permissions and places of API keys: each on its own, and without the fact that it asks for.

use countermark_core::{BasePath, DenyReason, Dialect};

use crate::scene::{api_key, image_url, list, permissions, upload};

#[test]
fn a_cloud_must_be_named_and_in_the_list() {
    let of = |cloud| api_key().refusal_with(|scene| scene.facts.cloud = cloud);
    assert_eq!(of(Some("c")), None);
    assert_eq!(of(Some("d")), None);
    for bad in [None, Some(""), Some("e"), Some("C")] {
        assert_eq!(of(bad), Some(DenyReason::WrongCloud), "{bad:?}");
    }
    let unbound = api_key().with(|scene| scene.api().clouds = None);
    assert_eq!(unbound.refusal_with(|scene| scene.facts.cloud = None), None);
    let none = api_key().with(|scene| scene.api().clouds = list(&[]));
    assert_eq!(none.refusal(), Some(DenyReason::WrongCloud), "an empty list allows no cloud");
}

#[test]
fn the_hosts_cloud_stands_in_and_is_not_contradicted() {
    let mapped = |cloud, to| {
        api_key().refusal_with(|scene| {
            scene.facts.cloud = cloud;
            scene.facts.mapped_cloud = Some(to);
        })
    };
    assert_eq!(mapped(None, "c"), None);
    assert_eq!(mapped(None, "e"), Some(DenyReason::WrongCloud));
    assert_eq!(mapped(Some("c"), "d"), Some(DenyReason::WrongCloud));
}

#[test]
fn a_storage_must_be_named_and_in_the_list() {
    let of = |storage| api_key().refusal_with(|scene| scene.facts.storage = storage);
    assert_eq!(of(Some("s1")), None);
    for bad in [None, Some(""), Some("s3"), Some("S1")] {
        assert_eq!(of(bad), Some(DenyReason::StorageDenied), "{bad:?}");
    }
    let unbound = api_key().with(|scene| scene.api().storages = None);
    assert_eq!(unbound.refusal_with(|scene| scene.facts.storage = None), None);
    let none = api_key().with(|scene| scene.api().storages = list(&[]));
    assert_eq!(none.refusal(), Some(DenyReason::StorageDenied));
}

#[test]
fn a_path_must_be_named_and_lie_below_the_prefix() {
    let of = |path| api_key().refusal_with(|scene| scene.facts.path = path);
    for good in ["/upload", "/upload/", "/upload/x/y", "/%75pload/x"] {
        assert_eq!(of(Some(good)), None, "{good}");
    }
    for bad in [
        None,
        Some(""),
        Some("/"),
        Some("/upload2"),
        Some("/upload/../x"),
        Some("/upload/%2e%2e/x"),
        Some("/upload/..;/x"),
        Some("/upload/;/x"),
    ] {
        assert_eq!(of(bad), Some(DenyReason::PathDenied), "{bad:?}");
    }
    let unbound = api_key().with(|scene| scene.api().base_path = None);
    assert_eq!(unbound.refusal_with(|scene| scene.facts.path = None), None);
    let root = api_key().with(|scene| scene.api().base_path = BasePath::parse("/").ok());
    assert_eq!(root.refusal_with(|scene| scene.facts.path = None), Some(DenyReason::PathDenied));
}

#[test]
fn a_move_and_a_copy_need_their_destination_below_the_prefix_too() {
    for method in ["MOVE", "COPY"] {
        let to = |destination| {
            api_key().with(|scene| {
                scene.facts.method = Some(method);
                scene.facts.destination = destination;
            })
        };
        assert_eq!(to(Some("/upload/y")).refusal(), None);
        for bad in [None, Some("/elsewhere"), Some("/upload/../y"), Some("/upload/..%3b/y"), Some("/upload2")]
        {
            assert_eq!(to(bad).refusal(), Some(DenyReason::PathDenied), "{method} {bad:?}");
        }
        let source = to(Some("/upload/y")).refusal_with(|scene| scene.facts.path = Some("/elsewhere"));
        assert_eq!(source, Some(DenyReason::PathDenied), "{method}");
        assert_eq!(
            to(None).refusal_with(|scene| scene.api().base_path = None),
            None,
            "no prefix, no question"
        );
    }
}

#[test]
fn other_methods_have_no_destination() {
    for method in ["PUT", "PROPFIND", "DELETE"] {
        let refusal = api_key().refusal_with(|scene| {
            scene.facts.method = Some(method);
            scene.facts.destination = Some("/elsewhere");
        });
        assert_eq!(refusal, None);
    }
}

#[test]
fn a_permission_must_be_asked_and_granted() {
    let of = |permission| api_key().refusal_with(|scene| scene.facts.permission = permission);
    for good in ["read", "files:read", "files:*"] {
        assert_eq!(of(Some(good)), None, "{good}");
    }
    for bad in [None, Some(""), Some("write"), Some("files"), Some("files:"), Some("*"), Some("read:x")] {
        assert_eq!(of(bad), Some(DenyReason::PermissionDenied), "{bad:?}");
    }
}

#[test]
fn even_an_administrator_must_ask_for_something() {
    let admin = api_key().with(|scene| scene.api().permissions = permissions(&["*"]));
    assert_eq!(admin.refusal_with(|scene| scene.facts.permission = Some("anything:at.all")), None);
    assert_eq!(admin.refusal_with(|scene| scene.facts.permission = None), Some(DenyReason::PermissionDenied));
}

#[test]
fn an_administrator_stays_within_his_places() {
    let admin = api_key().with(|scene| scene.api().permissions = permissions(&["*"]));
    assert_eq!(admin.refusal_with(|scene| scene.facts.cloud = None), Some(DenyReason::WrongCloud));
    assert_eq!(admin.refusal_with(|scene| scene.facts.path = None), Some(DenyReason::PathDenied));
    assert_eq!(admin.refusal_with(|scene| scene.facts.storage = None), Some(DenyReason::StorageDenied));
}

#[test]
fn what_is_demanded_of_all_only_an_api_key_can_have() {
    for scene in [image_url(), upload()] {
        let kind = scene.terms.kind();
        let of = |is_demanded_of_all, permission, storage| {
            scene.refusal_with(|scene| {
                scene.facts.is_demanded_of_all = is_demanded_of_all;
                scene.facts.permission = permission;
                scene.facts.storage = storage;
            })
        };
        assert_eq!(of(true, Some("read"), None), Some(DenyReason::PermissionDenied), "{kind:?}");
        assert_eq!(of(true, None, Some("s1")), Some(DenyReason::StorageDenied), "{kind:?}");
        assert_eq!(of(true, Some("read"), Some("s1")), Some(DenyReason::StorageDenied), "{kind:?}");
        assert_eq!(of(true, None, None), None, "{kind:?}: nothing is named");
        assert_eq!(of(false, Some("read"), Some("s1")), None, "{kind:?}");
    }
    let key = api_key().with(|scene| scene.facts.is_demanded_of_all = true);
    assert_eq!(key.refusal(), None);
    assert_eq!(key.refusal_with(|scene| scene.facts.permission = None), Some(DenyReason::PermissionDenied));
    assert_eq!(key.refusal_with(|scene| scene.facts.storage = Some("s3")), Some(DenyReason::StorageDenied));
}

/// S3-18: the storage list concerns storage-related permissions only.
#[test]
fn texts_of_cloudpaste_lie_in_no_storage() {
    let asking = |dialect, permission, storage| {
        api_key()
            .with(|scene| {
                scene.terms.dialect = dialect;
                scene.api().permissions = permissions(&["text:share", "file:share"]);
            })
            .refusal_with(|scene| {
                scene.facts.permission = Some(permission);
                scene.facts.storage = storage;
            })
    };
    assert_eq!(asking(Dialect::Cloudpaste, "text:share", None), None);
    assert_eq!(asking(Dialect::Cloudpaste, "text:share", Some("s3")), Some(DenyReason::StorageDenied));
    assert_eq!(asking(Dialect::Cloudpaste, "file:share", None), Some(DenyReason::StorageDenied));
    assert_eq!(asking(Dialect::Native, "text:share", None), Some(DenyReason::StorageDenied));
}
