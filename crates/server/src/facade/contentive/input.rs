//! The members of a request: what may be left out, and what each must be.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::HttpRequest;
use countermark_core::{Dialect, Permission, TokenId, UnixSeconds};
use countermark_domain::{DomainError, Draft, Expiry, Patch, PurposeDraft, TokenPatch};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::error::Refusal;
use super::record::{ApiUserStatus, STATUS_LABEL};
use crate::facade::{instant, uuid};
use crate::json::{self, List, Text};

/// Most scopes of one API user.
const MOST_SCOPES: usize = 100;

/// A new API user. Unknown members are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = ContentiveCreateRequest, example = json!({
    "name": "api-user-name", "description": "API user description", "expire_at": "2034-01-01T00:00:00Z",
    "status": "active", "scopes": ["scope1", "scope2"]
}))]
pub struct CreateRequest {
    /// Unique among API users, 1 to 200 characters.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: Option<Text<0, 200>>,
    /// Free text.
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Text<0, 2000>>,
    /// First instant at which the token no longer works, ISO 8601; absent = never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expire_at: Option<Instant>,
    /// `active`, `inactive` or `expired`.
    #[schema(value_type = ApiUserStatus)]
    status: Option<Text<0, 200>>,
    /// What the token may do: exact names, or `*` for all.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    scopes: Option<List<Scope, MOST_SCOPES>>,
}

/// Changes of an API user: what is left out stays, and null too, except that it takes the expiry away.
#[derive(Deserialize, ToSchema)]
#[schema(as = ContentiveUpdateRequest, example = json!({"status": "inactive", "expire_at": null}))]
pub struct UpdateRequest {
    /// Unique among API users, 1 to 200 characters.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<Text<0, 200>>,
    /// Free text.
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Text<0, 2000>>,
    /// First instant at which the token no longer works, ISO 8601; null = never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expire_at: json::Patch<Instant>,
    /// `active`, `inactive` or `expired`.
    #[schema(value_type = Option<ApiUserStatus>)]
    status: Option<Text<0, 200>>,
    /// What the token may do: exact names, or `*` for all. Replaces all former ones.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    scopes: Option<List<Scope, MOST_SCOPES>>,
}

/// An instant of ISO 8601.
struct Instant(UnixSeconds);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let expected = "expected an instant of ISO 8601 with its offset, such as 2030-01-01T00:00:00Z";
        instant::read(&text).map(Self).ok_or_else(|| serde::de::Error::custom(expected))
    }
}

/// A permission that covers itself only, or all: Contentive knows no other patterns.
struct Scope(Permission);

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let scope = Permission::parse(&text).ok().filter(|scope| !scope.as_str().ends_with(":*"));
        let expected = "expected an exact scope such as blog:read, or * for all";
        scope.map(Self).ok_or_else(|| serde::de::Error::custom(expected))
    }
}

impl CreateRequest {
    /// What is to be issued, with the status that it will have.
    ///
    /// # Errors
    /// 400 for what is missing, and for an unknown status.
    pub fn draft(self) -> Result<(Draft, ApiUserStatus), Refusal> {
        let name = self.name.filter(|name| !name.is_empty());
        let status = self.status.filter(|status| !status.is_empty());
        let (name, status) = match (name, status) {
            (Some(name), Some(status)) => (name, self::status(&status)?),
            (None, Some(_)) => return Err(Refusal::Unacceptable("Name is required".into())),
            (Some(_), None) => {
                let text = "Status is required: expected active, inactive or expired";
                return Err(Refusal::Unacceptable(text.into()));
            }
            (None, None) => return Err(Refusal::Unacceptable("Name and Status are required".into())),
        };
        let labels = match status {
            ApiUserStatus::Expired => BTreeMap::from([(STATUS_LABEL.to_owned(), status.name().to_owned())]),
            ApiUserStatus::Active | ApiUserStatus::Inactive => BTreeMap::new(),
        };
        let draft = Draft {
            name: Some(name.into_string()),
            description: self.description.filter(|it| !it.is_empty()).map(Text::into_string),
            owner: None,
            labels,
            enabled: status == ApiUserStatus::Active,
            not_before: None,
            expiry: self.expire_at.map(|it| Expiry::At(it.0)),
            limit: None,
            notify: None,
            auto_delete: false,
            recoverable: true,
            dialect: Dialect::Contentive,
            purpose: PurposeDraft::ApiKey {
                value: None,
                permissions: self.scopes.map(permissions).unwrap_or_default(),
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        };
        Ok((draft, status))
    }
}

impl UpdateRequest {
    /// What is to be changed.
    ///
    /// # Errors
    /// 400 for an empty name and an unknown status.
    pub fn patch(self) -> Result<TokenPatch, Refusal> {
        let mut patch = TokenPatch {
            expiry: match self.expire_at {
                json::Patch::Absent => Patch::Keep,
                json::Patch::Null => Patch::Clear,
                json::Patch::Set(instant) => Patch::Set(instant.0),
            },
            ..TokenPatch::default()
        };
        if let Some(name) = self.name {
            if name.is_empty() {
                return Err(Refusal::Unacceptable("Name cannot be empty".into()));
            }
            patch.name = Patch::Set(name.into_string());
        }
        if let Some(description) = self.description {
            let text = description.into_string();
            patch.description = if text.is_empty() { Patch::Clear } else { Patch::Set(text) };
        }
        if let Some(status) = self.status {
            let status = self::status(&status)?;
            let said = (status == ApiUserStatus::Expired).then(|| status.name().to_owned());
            patch.enabled = Patch::Set(status == ApiUserStatus::Active);
            patch.labels = Patch::Set(BTreeMap::from([(STATUS_LABEL.to_owned(), said)]));
        }
        if let Some(scopes) = self.scopes {
            patch.permissions = Patch::Set(permissions(scopes));
        }
        Ok(patch)
    }
}

/// The API user whom the path names; what is no UUID names nobody.
///
/// # Errors
/// [`DomainError::NotFound`].
pub fn user_id(request: &HttpRequest) -> Result<TokenId, DomainError> {
    uuid::read(request.match_info().query("id")).ok_or(DomainError::NotFound)
}

fn status(name: &str) -> Result<ApiUserStatus, Refusal> {
    let expected = "Invalid status: expected active, inactive or expired";
    ApiUserStatus::from_name(name).ok_or(Refusal::Unacceptable(expected.into()))
}

fn permissions(scopes: List<Scope, MOST_SCOPES>) -> Vec<Permission> {
    scopes.0.into_iter().map(|scope| scope.0).collect()
}
