//! `/api/admin/api-keys/{id}/storage-acl`: the storages that a key may touch.

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Token;
use countermark_domain::{Patch as Change, TokenPatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::envelope::{Envelope, answered};
use super::error::{ErrorBody, Refusals, worded};
use super::row::api_terms;
use super::update::key_id;
use super::visitor::administrator;
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, uuid};
use crate::json::{self, List};
use crate::problem::Problem;
use crate::state::AppState;

/// The storages of one key.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteStorageAcl, example = json!({
    "subject_type": "API_KEY", "subject_id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "storage_config_ids": ["r2-main"]
}))]
pub struct StorageAcl {
    /// Always `API_KEY`.
    subject_type: &'static str,
    /// UUID of the key.
    subject_id: String,
    /// The storages that it may touch; empty = all.
    storage_config_ids: Vec<String>,
}

/// The storages that shall take the place of the former ones.
#[derive(Deserialize, ToSchema)]
#[schema(as = CloudpasteStorageAclRequest, example = json!({"storage_config_ids": ["r2-main"]}))]
pub struct AclRequest {
    /// Ids of 1 to 128 visible characters, outer spaces dropped; empty = all storages.
    #[schema(value_type = Vec<String>, max_items = 100)]
    storage_config_ids: List<String, 100>,
}

/// Shows the storages of a key
///
/// They matter to uses that name a storage; texts lie in none.
#[utoipa::path(
    get, path = "/api/admin/api-keys/{id}/storage-acl", operation_id = "cloudpaste_view_storage_acl", tag = "CloudPaste dialect",
    params(("id" = String, Path, description = "UUID of the key.", example = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11")),
    responses(
        (status = 200, description = "The storages.", body = inline(Envelope<StorageAcl>), example = json!({
            "success": true, "code": "OK", "message": "the storages of the API key", "data": {
                "subject_type": "API_KEY", "subject_id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11",
                "storage_config_ids": ["r2-main"]
            }
        })),
        (status = 404, description = "No such key.", body = ErrorBody),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn view_storage_acl(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    view(&request, &state).await.map_err(worded)
}

/// Replaces the storages of a key
#[utoipa::path(
    put, path = "/api/admin/api-keys/{id}/storage-acl", operation_id = "cloudpaste_replace_storage_acl", tag = "CloudPaste dialect",
    params(("id" = String, Path, description = "UUID of the key.", example = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11")),
    request_body = AclRequest,
    responses(
        (status = 200, description = "The storages as they are now.", body = inline(Envelope<StorageAcl>), example = json!({
            "success": true, "code": "OK", "message": "the storages are replaced", "data": {
                "subject_type": "API_KEY", "subject_id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11",
                "storage_config_ids": ["r2-main"]
            }
        })),
        (status = 404, description = "No such key.", body = ErrorBody),
        (status = 409, description = "The key is revoked.", body = ErrorBody),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn replace_storage_acl(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    replace(&request, payload.into_inner(), &state).await.map_err(worded)
}

async fn view(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let token = call.service().view(&caller, key_id(request)?).await?;
    Ok(answered("the storages of the API key", StorageAcl::of(&token)))
}

async fn replace(
    request: &HttpRequest,
    mut payload: dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let id = key_id(request)?;
    // Unknown keys first: what they shall have does not matter then.
    call.service().view(&caller, id).await?;
    let storages = json::read::<AclRequest>(&bytes)?.storages()?;
    let storages = if storages.is_empty() { Change::Clear } else { Change::Set(storages) };
    let patch = TokenPatch { storages, ..TokenPatch::default() };
    let token = call.service().update(&caller, id, None, patch).await?;
    Ok(answered("the storages are replaced", StorageAcl::of(&token)))
}

impl StorageAcl {
    fn of(token: &Token) -> Self {
        let storages = api_terms(token).storages.as_deref().unwrap_or_default();
        Self {
            subject_type: "API_KEY",
            subject_id: uuid::write(token.terms.id),
            storage_config_ids: storages.iter().map(ToString::to_string).collect(),
        }
    }
}

impl AclRequest {
    /// Each once, in their order. What is no id is refused, not dropped: a list of which nothing is left would open all.
    fn storages(self) -> Result<Vec<String>, Problem> {
        let mut storages: Vec<String> = Vec::new();
        for (at, id) in self.storage_config_ids.0.iter().enumerate() {
            let id = id.trim();
            if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                let expected = "expected a storage id of 1 to 128 visible ASCII characters";
                return Err(Problem::invalid_member(format!("/storage_config_ids/{at}"), expected));
            }
            if !storages.iter().any(|known| known == id) {
                storages.push(id.to_owned());
            }
        }
        Ok(storages)
    }
}
