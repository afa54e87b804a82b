//! How far one token's rights reach, compared with another's: nobody hands on more than he has.

use crate::id::TokenKind;
use crate::path_scope::BasePath;
use crate::permission::PermissionSet;
use crate::time::UnixSeconds;
use crate::token::{Dialect, Purpose, Terms};

/// A member by which a token would reach further than the API key that manages it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// `permissions`.
    Permissions,
    /// `basePath`, or a kind of token that cannot be bound to a path.
    BasePath,
    /// `clouds` or `extra.cloudId`.
    Clouds,
    /// `storages`, or a kind of token that cannot be bound to storages.
    Storages,
    /// `expiry`.
    Expiry,
    /// `limit`.
    Limit,
}

impl Excess {
    /// JSON pointer to the member.
    pub const fn pointer(self, target: &Terms) -> &'static str {
        match (self, &target.purpose) {
            (Self::Permissions, _) => "/permissions",
            (Self::BasePath, Purpose::ApiKey(_)) => "/basePath",
            (Self::Storages, Purpose::ApiKey(_)) => "/storages",
            (Self::Clouds, Purpose::ApiKey(_)) => "/clouds",
            (Self::Clouds, _) => "/extra/cloudId",
            (Self::BasePath | Self::Storages, _) => "/type",
            (Self::Expiry, _) => "/expiry",
            (Self::Limit, _) => "/limit",
        }
    }
}

/// The bounds of a token's rights; every `None` is unbounded.
struct Bounds<'a> {
    permissions: Option<&'a PermissionSet>,
    base_path: Option<&'a BasePath>,
    clouds: Option<Vec<&'a str>>,
    storages: Option<Vec<&'a str>>,
    expiry: Option<UnixSeconds>,
    limit: Option<u64>,
}

impl<'a> Bounds<'a> {
    fn of(terms: &'a Terms) -> Self {
        let (permissions, base_path, clouds, storages) = match &terms.purpose {
            Purpose::ImageUrl(image) => (None, None, image.cloud_id.as_deref().map(|one| vec![one]), None),
            Purpose::Upload(upload) => {
                (None, None, upload.extra.cloud_id.as_deref().map(|one| vec![one]), None)
            }
            Purpose::ApiKey(api) => (
                Some(&api.permissions),
                api.base_path.as_ref(),
                api.clouds.as_deref().map(as_strs),
                api.storages.as_deref().map(as_strs),
            ),
        };
        Self { permissions, base_path, clouds, storages, expiry: terms.expiry, limit: terms.limit }
    }
}

/// The first member by which `target` reaches further than `caller`, which must be an API key.
///
/// imageUrl and upload tokens carry no permissions, so only their clouds and life are compared; since they cannot be
/// bound to a path or to storages, a caller that is bound so cannot manage them at all.
pub fn excess(caller: &Terms, target: &Terms) -> Option<Excess> {
    let (held, wanted) = (Bounds::of(caller), Bounds::of(target));
    let permissions_fit = match (held.permissions, wanted.permissions) {
        (_, None) => true,
        (Some(held), Some(wanted)) => held.covers_all(wanted),
        (None, Some(_)) => false,
    };
    if !permissions_fit {
        Some(Excess::Permissions)
    } else if let Some(place) = excess_of_place(&held, &wanted) {
        Some(place)
    } else if held.expiry.is_some_and(|held| wanted.expiry.is_none_or(|wanted| wanted > held)) {
        Some(Excess::Expiry)
    } else if held.limit.is_some_and(|held| wanted.limit.is_none_or(|wanted| wanted > held)) {
        Some(Excess::Limit)
    } else {
        None
    }
}

/// Whether `caller` may know of `target` at all: it lies in the caller's clouds, storages and path. What lies outside is
/// answered like a token that does not exist.
pub fn sees(caller: &Terms, target: &Terms) -> bool {
    excess_of_place(&Bounds::of(caller), &Bounds::of(target)).is_none()
}

/// Whether a call in `dialect` may know of `target`: the native API of every token, a foreign dialect of its own only, and
/// Shardimage not of its own management keys, which have no place on its wire.
pub fn is_managed_in(dialect: Dialect, target: &Terms) -> bool {
    match dialect {
        Dialect::Native => true,
        Dialect::Shardimage => target.dialect == dialect && target.kind() != TokenKind::ApiKey,
        foreign => target.dialect == foreign,
    }
}

/// Sets every bound that `target` leaves open to the caller's: null in a child means the parent's bound.
pub fn inherit(caller: &Terms, target: &mut Terms) {
    target.expiry = target.expiry.or(caller.expiry);
    target.limit = target.limit.or(caller.limit);
    let Purpose::ApiKey(held) = &caller.purpose else { return };
    let only_cloud = match held.clouds.as_deref() {
        Some([only]) => Some(only.clone()),
        _ => None,
    };
    match &mut target.purpose {
        Purpose::ImageUrl(image) => image.cloud_id = image.cloud_id.take().or(only_cloud),
        Purpose::Upload(upload) => {
            upload.extra.cloud_id = upload.extra.cloud_id.take().or(only_cloud.map(String::from));
        }
        Purpose::ApiKey(api) => {
            api.base_path = api.base_path.take().or_else(|| held.base_path.clone());
            api.clouds = api.clouds.take().or_else(|| held.clouds.clone());
            api.storages = api.storages.take().or_else(|| held.storages.clone());
        }
    }
}

fn excess_of_place(held: &Bounds<'_>, wanted: &Bounds<'_>) -> Option<Excess> {
    if held.base_path.is_some_and(|held| !wanted.base_path.is_some_and(|wanted| held.contains(wanted))) {
        Some(Excess::BasePath)
    } else if !is_list_within(held.clouds.as_deref(), wanted.clouds.as_deref()) {
        Some(Excess::Clouds)
    } else if !is_list_within(held.storages.as_deref(), wanted.storages.as_deref()) {
        Some(Excess::Storages)
    } else {
        None
    }
}

fn is_list_within(held: Option<&[&str]>, wanted: Option<&[&str]>) -> bool {
    match (held, wanted) {
        (None, _) => true,
        (Some(held), Some(wanted)) => wanted.iter().all(|one| held.contains(one)),
        (Some(_), None) => false,
    }
}

fn as_strs(list: &[Box<str>]) -> Vec<&str> {
    list.iter().map(|one| &**one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{api_key, at};
    use crate::token::ApiTerms;

    fn with(permissions: &[&str], change: impl FnOnce(&mut Terms, &mut ApiTerms)) -> Terms {
        let mut terms = api_key(permissions);
        let Purpose::ApiKey(mut api) = terms.purpose.clone() else {
            unreachable!("api_key makes an API key")
        };
        change(&mut terms, &mut api);
        terms.purpose = Purpose::ApiKey(api);
        terms
    }

    fn list(of: &[&str]) -> Option<Box<[Box<str>]>> {
        Some(of.iter().map(|one| Box::from(*one)).collect())
    }

    #[test]
    fn nobody_hands_on_a_permission_that_he_lacks() {
        let caller = api_key(&["tokens:write", "files:*"]);
        assert_eq!(excess(&caller, &api_key(&["*"])), Some(Excess::Permissions));
        assert_eq!(excess(&caller, &api_key(&["tokens:*"])), Some(Excess::Permissions));
        assert_eq!(excess(&caller, &api_key(&["files:read", "tokens:write"])), None);
    }

    #[test]
    fn every_bound_of_the_caller_binds_the_target() {
        let path = |text: &str| Some(BasePath::parse(text).unwrap());
        let caller = with(&["*"], |terms, api| {
            terms.expiry = Some(at(100));
            terms.limit = Some(10);
            api.base_path = path("/a");
            api.clouds = list(&["c1", "c2"]);
            api.storages = list(&["s1"]);
        });
        let fits = |change: fn(&mut Terms, &mut ApiTerms)| {
            let target = with(&["*"], |terms, api| {
                terms.expiry = Some(at(100));
                terms.limit = Some(10);
                api.base_path = Some(BasePath::parse("/a/b").unwrap());
                api.clouds = list(&["c1"]);
                api.storages = list(&["s1"]);
                change(terms, api);
            });
            excess(&caller, &target)
        };
        assert_eq!(fits(|_, _| {}), None);
        assert_eq!(fits(|terms, _| terms.expiry = Some(at(101))), Some(Excess::Expiry));
        assert_eq!(fits(|terms, _| terms.expiry = None), Some(Excess::Expiry));
        assert_eq!(fits(|terms, _| terms.limit = Some(11)), Some(Excess::Limit));
        assert_eq!(fits(|terms, _| terms.limit = None), Some(Excess::Limit));
        assert_eq!(fits(|_, api| api.base_path = None), Some(Excess::BasePath));
        assert_eq!(fits(|_, api| api.base_path = BasePath::parse("/").ok()), Some(Excess::BasePath));
        assert_eq!(fits(|_, api| api.clouds = list(&["c1", "c3"])), Some(Excess::Clouds));
        assert_eq!(fits(|_, api| api.clouds = None), Some(Excess::Clouds));
        assert_eq!(fits(|_, api| api.storages = None), Some(Excess::Storages));
    }

    #[test]
    fn a_child_inherits_the_bounds_that_it_leaves_open() {
        let caller = with(&["*"], |terms, api| {
            terms.expiry = Some(at(100));
            terms.limit = Some(10);
            api.clouds = list(&["c1"]);
        });
        let mut child = with(&["read"], |terms, _| terms.limit = Some(3));
        inherit(&caller, &mut child);
        assert_eq!((child.expiry, child.limit), (Some(at(100)), Some(3)));
        assert_eq!(excess(&caller, &child), None);
    }

    #[test]
    fn what_lies_in_another_cloud_is_not_even_seen() {
        let caller = with(&["*"], |_, api| api.clouds = list(&["c1"]));
        assert!(!sees(&caller, &with(&[], |_, api| api.clouds = list(&["c2"]))));
        assert!(!sees(&caller, &api_key(&[])));
        assert!(sees(&caller, &with(&["*"], |_, api| api.clouds = list(&["c1"]))));
    }
}
