//! `POST /_/token`.

use std::collections::BTreeMap;

use actix_web::dev;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Dialect, UnixSeconds};
use countermark_domain::{Draft, Expiry, PurposeDraft};
use serde::Deserialize;
use utoipa::ToSchema;

use super::credential::administrator;
use super::error::{BodyRefusals, Refusals, missing, worded};
use super::wire::{ExpirationDate, done, permissions, read};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::json::Text;
use crate::state::AppState;

/// What Query Server says of a past date.
pub const PAST: &str = "The expiration_date must be greater than current time";

/// The body of `POST /_/token` and `PUT /_/token`; members that are not listed are ignored, null is the same as leaving a
/// member out.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = QueryTokenRequest, example = json!({
    "name": "example", "expiration_date": 1_632_960_000_000_i64, "active": true, "write": true
}))]
pub struct TokenRequest {
    /// Unique; not empty.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub name: Text<1, 200>,
    /// First instant at which it no longer works: Unix milliseconds, or below 100,000,000,000 seconds. Left out: never
    /// (POST), as before (PUT).
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub expiration_date: Option<ExpirationDate>,
    /// Whether it may be used. Left out: true (POST), as before (PUT).
    #[serde(default)]
    pub active: Option<bool>,
    /// Whether it may write. Left out: true (POST), as before (PUT).
    #[serde(default)]
    pub write: Option<bool>,
}

/// Creates a token, in the Query dialect
///
/// No content type is demanded, and none named in the answer.
#[utoipa::path(
    post, path = "/_/token", operation_id = "create_query_token", tag = "Query dialect",
    request_body(content = TokenRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "Created; no body."),
        (status = 400, description = "A member is not acceptable, or the name is taken; one line of text."),
        Refusals,
        BodyRefusals
    ),
    security(("queryAdministrator" = []))
)]
pub async fn create_query_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    create(&request, &mut payload.into_inner(), &state).await.map_err(worded)
}

async fn create(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let draft = read::<TokenRequest>(&bytes)?.draft(call.service().now())?;
    call.service().issue_once(&caller, draft).await?;
    Ok(done(StatusCode::CREATED))
}

impl TokenRequest {
    fn draft(self, now: UnixSeconds) -> Result<Draft, Fault> {
        // Milliseconds are taken as they are: the document's own example lies in the past and is to be created.
        if self.expiration_date.is_some_and(|date| date.is_in_seconds && date.at <= now) {
            return Err(missing(PAST));
        }
        Ok(Draft {
            name: Some(self.name.into_string()),
            description: None,
            owner: None,
            labels: BTreeMap::new(),
            enabled: self.active.unwrap_or(true),
            not_before: None,
            expiry: self.expiration_date.map(|date| Expiry::At(date.at)),
            limit: None,
            notify: None,
            auto_delete: false,
            recoverable: true,
            dialect: Dialect::Query,
            purpose: PurposeDraft::ApiKey {
                value: None,
                permissions: permissions(self.write.unwrap_or(true)),
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        })
    }
}
