//! An API user as Contentive shows him: with his token in full, each time.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use countermark_core::{Permission, Purpose, Status, Token, UnixSeconds};
use countermark_domain::{Caller, DomainError, Service};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::claims::Subject;
use crate::facade::{instant, uuid};

/// The label that keeps apart who was said to be expired from who is only disabled.
pub const STATUS_LABEL: &str = "contentive.status";

/// An API user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContentiveApiUser, example = json!({
    "id": "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10", "name": "api-user-name", "description": "API user description",
    "token": "jwt-token", "expire_at": "2024-01-01T00:00:00Z", "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-01T00:00:00Z", "scopes": ["scope1", "scope2"], "status": "active"
}))]
pub struct ApiUser<'a> {
    /// A UUID.
    id: String,
    /// Unique among API users.
    name: &'a str,
    /// Free text; empty if there is none.
    description: &'a str,
    /// A JWT (HS256), the value to present; null only for one that was revoked and is gone.
    token: Option<&'a str>,
    /// First instant at which the token no longer works, ISO 8601; null = never.
    expire_at: Option<String>,
    /// ISO 8601.
    created_at: String,
    /// ISO 8601.
    updated_at: String,
    /// What the token may do, sorted, each once.
    scopes: Vec<&'a str>,
    /// Whether the token works: `active`, `inactive` or `expired`.
    #[schema(value_type = ApiUserStatus)]
    status: &'static str,
}

/// Whether an API user may use the API, is disabled for now, or has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(as = ContentiveStatus, rename_all = "lowercase")]
pub enum ApiUserStatus {
    /// May use the API.
    Active,
    /// Disabled for now.
    Inactive,
    /// Over.
    Expired,
}

impl ApiUserStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Expired];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// What a token amounts to at `now`.
    pub fn of(token: &Token, now: UnixSeconds) -> Self {
        let said = token.about.labels.get(STATUS_LABEL).is_some_and(|it| it == Self::Expired.name());
        if token.terms.is_expired(now) || (said && !token.terms.enabled) {
            return Self::Expired;
        }
        match token.terms.status(token.usage.used, now) {
            Status::Active => Self::Active,
            Status::Expired => Self::Expired,
            Status::Revoked | Status::Disabled | Status::NotYetValid | Status::Exhausted => Self::Inactive,
        }
    }
}

impl<'a> ApiUser<'a> {
    /// The record at `now` with the token's value.
    pub fn of(token: &'a Token, value: Option<&'a str>, now: UnixSeconds) -> Self {
        Self {
            id: uuid::write(token.terms.id),
            name: token.about.name.as_deref().unwrap_or_default(),
            description: token.about.description.as_deref().unwrap_or_default(),
            token: value,
            expire_at: token.terms.expiry.map(instant::without_fraction),
            created_at: instant::without_fraction(token.about.created_at),
            updated_at: instant::without_fraction(token.about.updated_at),
            scopes: Subject::names(scopes(token)),
            status: ApiUserStatus::of(token, now).name(),
        }
    }
}

/// The scopes of an API user in order.
pub fn scopes(token: &Token) -> impl Iterator<Item = &Permission> {
    let api = match &token.terms.purpose {
        Purpose::ApiKey(api) => Some(api),
        Purpose::ImageUrl(_) | Purpose::Upload(_) => None,
    };
    api.into_iter().flat_map(|api| api.permissions.iter())
}

/// The token's value as it is kept; audited.
///
/// # Errors
/// As [`Service::reveal`].
pub async fn value(
    service: &Service,
    caller: &Caller,
    token: &Token,
) -> Result<Option<Zeroizing<String>>, DomainError> {
    match service.reveal(caller, token.terms.id).await {
        Ok(revealed) => Ok(Some(revealed.text)),
        Err(DomainError::NotRecoverable) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An answer with this body, not to be stored anywhere.
pub fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(body).expect("answers are plain structs of texts");
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}
