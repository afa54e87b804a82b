//! The shapes of the dialect's bodies.

use actix_web::HttpResponse;
use actix_web::http::header;
use countermark_core::{Permission, PermissionSet, Purpose, Token};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id;
use crate::facade::instant;

/// What a token of this dialect may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = ImgbedPermission, example = "upload")]
#[serde(rename_all = "lowercase")]
pub enum ImgbedPermission {
    /// Putting images in.
    Upload,
    /// Removing images.
    Delete,
    /// Listing images.
    List,
    /// Everything else under `/api/manage`, these tokens too.
    Manage,
}

/// A token as it is listed and as it is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedToken, example = json!({
    "id": "01tzi33hj4m5hqhtmyukxd9p2", "name": "Upload Only", "token": "imgbed_AbCdEfGhIjKlMnOpQrStUvWxYz123456",
    "owner": "admin", "permissions": ["upload"], "createdAt": "2024-01-01T00:00:00.000Z",
    "updatedAt": "2024-01-01T00:00:00.000Z", "expiresAt": "2024-07-01T00:00:00.000Z", "autoDelete": true
}))]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// 25 lower-case letters and digits.
    id: String,
    /// Display name.
    name: String,
    /// The value in full when it is created, later its first 15 characters and `...`.
    token: String,
    /// On whose behalf it acts.
    owner: String,
    /// What it may do.
    permissions: Vec<String>,
    /// ISO 8601 in UTC with milliseconds.
    created_at: String,
    /// ISO 8601 in UTC with milliseconds.
    updated_at: String,
    /// First instant at which it no longer works; null = never.
    expires_at: Option<String>,
    /// Whether it is removed once it has expired.
    auto_delete: bool,
}

impl TokenRecord {
    /// With what is shown of the value.
    fn of(token: &Token, shown: String) -> Self {
        Self {
            id: id::write(token.terms.id),
            name: token.about.name.clone().unwrap_or_default(),
            token: shown,
            owner: token.terms.owner.as_deref().unwrap_or_default().to_owned(),
            permissions: permissions(token),
            created_at: instant::with_millis(token.about.created_at),
            updated_at: instant::with_millis(token.about.updated_at),
            expires_at: token.terms.expiry.map(instant::with_millis),
            auto_delete: token.about.auto_delete,
        }
    }

    /// As it is created, with its whole value.
    pub fn whole(token: &Token, value: &str) -> Self {
        Self::of(token, value.to_owned())
    }

    /// As it is listed.
    pub fn masked(token: &Token) -> Self {
        Self::of(token, format!("{}...", token.about.preview))
    }
}

/// The permissions of a request as the domain keeps them.
pub fn asked(permissions: Vec<ImgbedPermission>) -> Vec<Permission> {
    let parsed = |asked| Permission::parse(name(asked)).expect("the names are permissions");
    permissions.into_iter().map(parsed).collect()
}

/// In the documented order, and what else the native API may have granted behind it.
pub fn permissions(token: &Token) -> Vec<String> {
    let none = PermissionSet::default();
    let granted = match &token.terms.purpose {
        Purpose::ApiKey(api) => &api.permissions,
        Purpose::ImageUrl(_) | Purpose::Upload(_) => &none,
    };
    let mut names: Vec<String> = granted.iter().map(|granted| granted.as_str().to_owned()).collect();
    let documented = ALL.map(name);
    names.sort_by_key(|granted| documented.iter().position(|known| known == granted).unwrap_or(usize::MAX));
    names
}

/// 200 with this body, not to be stored anywhere.
pub fn answered(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

const ALL: [ImgbedPermission; 4] =
    [ImgbedPermission::Upload, ImgbedPermission::Delete, ImgbedPermission::List, ImgbedPermission::Manage];

const fn name(permission: ImgbedPermission) -> &'static str {
    match permission {
        ImgbedPermission::Upload => "upload",
        ImgbedPermission::Delete => "delete",
        ImgbedPermission::List => "list",
        ImgbedPermission::Manage => "manage",
    }
}

/// An instant of a request, ISO 8601 with a time and an offset.
#[derive(Clone, Copy, Debug)]
pub struct Instant(pub countermark_core::UnixSeconds);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let expected = "expected an instant in ISO 8601 such as 2024-07-01T00:00:00.000Z";
        instant::read(&text).map(Self).ok_or_else(|| serde::de::Error::custom(expected))
    }
}
