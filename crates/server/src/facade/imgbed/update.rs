//! `PUT /api/manage/apiTokens`.

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Token;
use countermark_domain::{DomainError, Patch, TokenPatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::manager;
use super::error::{BodyRefusals, Refusal, Refusals, worded};
use super::id;
use super::wire::{ImgbedPermission, Instant, answered, asked, permissions};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, instant};
use crate::json::{self, Choice, List};
use crate::state::AppState;

/// The body of `PUT /api/manage/apiTokens`; members that are not listed are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ImgbedUpdateRequest, example = json!({
    "tokenId": "01tzi33hj4m5hqhtmyukxd9p2", "permissions": ["upload", "delete"],
    "expiresAt": "2025-01-01T00:00:00.000Z", "autoDelete": false
}))]
#[serde(rename_all = "camelCase")]
pub struct UpdateRequest {
    /// Which token.
    token_id: String,
    /// What it may do from now on.
    #[schema(value_type = Vec<ImgbedPermission>, max_items = 100)]
    permissions: List<Choice<ImgbedPermission>, 100>,
    /// First instant at which it no longer works, ISO 8601; null or left out = never. A fraction of a second is cut off.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// Whether it is removed once it has expired; false if left out.
    #[serde(default)]
    auto_delete: Option<bool>,
}

/// What has become of the token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedUpdated, example = json!({
    "success": true, "message": "Token permissions updated", "token": {
        "id": "01tzi33hj4m5hqhtmyukxd9p2", "name": "Upload Only", "permissions": ["upload", "delete"],
        "expiresAt": "2025-01-01T00:00:00.000Z", "autoDelete": false
    }
}))]
pub struct Updated {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
    /// The token as it is now.
    token: UpdatedToken,
}

/// What can be changed of a token, and what names it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedUpdatedToken)]
#[serde(rename_all = "camelCase")]
struct UpdatedToken {
    /// 25 lower-case letters and digits.
    id: String,
    /// Display name.
    name: String,
    /// What it may do.
    permissions: Vec<String>,
    /// First instant at which it no longer works; null = never.
    expires_at: Option<String>,
    /// Whether it is removed once it has expired.
    auto_delete: bool,
}

/// Changes a token, in the ImgBed dialect
///
/// Whatever is left out goes back to its default; the value stays.
#[utoipa::path(
    put, path = "/api/manage/apiTokens", operation_id = "update_imgbed_token", tag = "ImgBed dialect",
    request_body(content = UpdateRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Changed.", body = Updated),
        (status = 400, description = "A member is missing or not acceptable.", body = Refusal<'_>),
        Refusals<'_>,
        BodyRefusals<'_>,
        (status = 403, description = "The token reaches further than the calling one, now or then.", body = Refusal<'_>),
        (status = 404, description = "No such token.", body = Refusal<'_>),
        (status = 409, description = "The token is revoked.", body = Refusal<'_>)
    ),
    security(("imgbedToken" = []), ("imgbedAdministrator" = []))
)]
pub async fn update_imgbed_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    update(&request, &mut payload.into_inner(), &state).await.map_err(worded)
}

async fn update(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = json_bytes::<BODY_LIMIT>(request, payload).await?;
    let call = Call::of(request, state);
    let caller = manager(&call, request).await?;
    let body: UpdateRequest = json::read(&bytes)?;
    let id = id::read(&body.token_id).ok_or(DomainError::NotFound)?;
    let token = call.service().update(&caller, id, None, body.patch()).await?;
    Ok(answered(&Updated::of(&token)))
}

impl UpdateRequest {
    fn patch(self) -> TokenPatch {
        let permissions = self.permissions.0.into_iter().map(|choice| choice.0).collect();
        TokenPatch {
            permissions: Patch::Set(asked(permissions)),
            expiry: self.expires_at.map_or(Patch::Clear, |instant| Patch::Set(instant.0)),
            auto_delete: Patch::Set(self.auto_delete.unwrap_or(false)),
            ..TokenPatch::default()
        }
    }
}

impl Updated {
    fn of(token: &Token) -> Self {
        let token = UpdatedToken {
            id: id::write(token.terms.id),
            name: token.about.name.clone().unwrap_or_default(),
            permissions: permissions(token),
            expires_at: token.terms.expiry.map(instant::with_millis),
            auto_delete: token.about.auto_delete,
        };
        Self { success: true, message: "Token permissions updated", token }
    }
}
