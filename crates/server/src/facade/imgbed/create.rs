//! `POST /api/manage/apiTokens`.

use std::collections::BTreeMap;

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Dialect;
use countermark_domain::{Draft, Expiry, PurposeDraft};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::credential::manager;
use super::error::{BodyRefusals, Refusal, Refusals, worded};
use super::wire::{ImgbedPermission, Instant, TokenRecord, answered, asked};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::json::{self, Choice, List, Text};
use crate::state::AppState;

/// The body of `POST /api/manage/apiTokens`; members that are not listed are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ImgbedCreateRequest, example = json!({
    "name": "Upload Only", "permissions": ["upload"], "owner": "admin", "expiresAt": "2024-07-01T00:00:00.000Z",
    "autoDelete": true
}))]
#[serde(rename_all = "camelCase")]
pub struct CreateRequest {
    /// Display name; not empty.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: Text<1, 200>,
    /// What it may do.
    #[schema(value_type = Vec<ImgbedPermission>, max_items = 100)]
    permissions: List<Choice<ImgbedPermission>, 100>,
    /// On whose behalf it acts; not empty.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    owner: Text<1, 200>,
    /// First instant at which it no longer works, ISO 8601; null = never. A fraction of a second is cut off.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// Whether it is removed once it has expired.
    #[serde(default)]
    auto_delete: Option<bool>,
}

/// Creates a token, in the ImgBed dialect
///
/// Only this answer shows the value. A token with `manage` creates only what lies within its own permissions and its own
/// life.
#[utoipa::path(
    post, path = "/api/manage/apiTokens", operation_id = "create_imgbed_token", tag = "ImgBed dialect",
    request_body(content = CreateRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The token with its value.", body = TokenRecord),
        (status = 400, description = "A member is missing or not acceptable.", body = Refusal<'_>),
        Refusals<'_>,
        BodyRefusals<'_>,
        (status = 403, description = "The new token would reach further than the calling one.", body = Refusal<'_>)
    ),
    security(("imgbedToken" = []), ("imgbedAdministrator" = []))
)]
pub async fn create_imgbed_token(
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
    // Browsers add a Basic login by themselves to what foreign pages send, but only after a preflight if it is JSON.
    let bytes = json_bytes::<BODY_LIMIT>(request, payload).await?;
    let call = Call::of(request, state);
    let caller = manager(&call, request).await?;
    let body: CreateRequest = json::read(&bytes)?;
    let value = call.service().foreign_value("imgbed_", 32);
    let issued = call.service().issue_once(&caller, body.draft(value.clone())).await?;
    Ok(answered(&TokenRecord::whole(&issued.token, &value)))
}

impl CreateRequest {
    fn draft(self, value: Zeroizing<String>) -> Draft {
        let permissions = self.permissions.0.into_iter().map(|choice| choice.0).collect();
        Draft {
            name: Some(self.name.into_string()),
            description: None,
            owner: Some(self.owner.into_string()),
            labels: BTreeMap::new(),
            enabled: true,
            not_before: None,
            expiry: self.expires_at.map(|instant| Expiry::At(instant.0)),
            limit: None,
            notify: None,
            auto_delete: self.auto_delete.unwrap_or(false),
            recoverable: false,
            dialect: Dialect::Imgbed,
            purpose: PurposeDraft::ApiKey {
                value: Some(value),
                permissions: asked(permissions),
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        }
    }
}
