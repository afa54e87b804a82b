//! Management calls: life and permission are judged, places and uses are not.

use countermark_core::{
    DenyReason, Dialect, Management, Permission, TokenKind, ValueDigest, decide_management,
};

use crate::order::Violation;
use crate::scene::{NOW, Scene, VALUE, api_key, at, id, image_url, upload};

fn managing(scene: &Scene, permission: &str) -> Result<(), DenyReason> {
    manage(scene, VALUE, permission)
}

fn manage(scene: &Scene, value: ValueDigest, permission: &str) -> Result<(), DenyReason> {
    let call = Management { value, dialect: Dialect::Native, permission, address: None };
    decide_management(&scene.terms, &call, scene.now)
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
    let other = ValueDigest([0; 32]);
    let unknown = Err(DenyReason::UnknownToken);
    assert_eq!(manage(&api_key(), other, "read"), unknown);
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
        let refusal = manage(&scene, other, "read");
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

fn in_dialect(
    of_key: Dialect,
    of_call: Dialect,
    permissions: &[&str],
    asked: &str,
) -> Result<(), DenyReason> {
    let scene = api_key().with(|scene| {
        scene.terms.dialect = of_key;
        let permission = |text: &&str| Permission::parse(text).unwrap();
        scene.api().permissions = permissions.iter().map(permission).collect::<Vec<_>>().into();
    });
    let call = Management { value: VALUE, dialect: of_call, permission: asked, address: None };
    decide_management(&scene.terms, &call, scene.now)
}

#[test]
fn native_administrators_manage_in_every_dialect_and_nobody_else_in_another_than_his_own() {
    for own in Dialect::ALL {
        for other in Dialect::ALL.into_iter().filter(|other| *other != own) {
            let of_administrator = in_dialect(own, other, &["*"], "manage");
            let of_manager = in_dialect(own, other, &["manage"], "manage");
            if own == Dialect::Native {
                assert_eq!(of_administrator, Ok(()), "{other:?}");
                assert_eq!(of_manager, Err(DenyReason::PermissionDenied), "{other:?}");
            } else {
                assert_eq!(of_administrator, Err(DenyReason::WrongType), "{own:?} in {other:?}");
                assert_eq!(of_manager, Err(DenyReason::WrongType), "{own:?} in {other:?}");
            }
        }
    }
}

#[test]
fn a_foreign_key_is_no_administrator_of_its_own_dialect_whatever_it_holds() {
    let granted = [
        (Dialect::Imgbed, "manage"),
        (Dialect::Shardimage, "tokens:read"),
        (Dialect::Shardimage, "tokens:write"),
    ];
    for own in Dialect::ALL.into_iter().filter(|own| *own != Dialect::Native) {
        for asked in ["*", "manage", "tokens:read", "tokens:write", "tokens:reveal"] {
            let is_granted = granted.contains(&(own, asked));
            for held in ["*", asked] {
                let managing = in_dialect(own, own, &[held], asked);
                let expected = if is_granted { Ok(()) } else { Err(DenyReason::PermissionDenied) };
                assert_eq!(managing, expected, "{own:?} holding {held} for {asked}");
            }
            let without = in_dialect(own, own, &["read"], asked);
            assert_eq!(without, Err(DenyReason::PermissionDenied), "{own:?} {asked}");
        }
    }
}

#[test]
fn a_key_of_some_networks_manages_from_there_only() {
    let from = |address: Option<&str>| {
        let networks = Some(["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()].into());
        let scene = api_key().with(|scene| scene.api().source_networks = networks.clone());
        let address = address.map(|it| it.parse().unwrap());
        let call = Management { value: VALUE, dialect: Dialect::Native, permission: "read", address };
        decide_management(&scene.terms, &call, scene.now)
    };
    assert_eq!(from(Some("192.0.2.9")), Ok(()));
    assert_eq!(from(Some("2001:db8::1")), Ok(()));
    for elsewhere in [Some("192.0.3.9"), Some("2001:db9::1"), None] {
        assert_eq!(from(elsewhere), Err(DenyReason::PermissionDenied), "{elsewhere:?}");
    }
}
