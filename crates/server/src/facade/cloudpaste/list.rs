//! `GET /api/admin/api-keys`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::envelope::{Envelope, answered};
use super::error::{Refusals, worded};
use super::row::Row;
use super::visitor::administrator;
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// How many tokens one sweep removes at most.
const SWEPT_AT_ONCE: u64 = 1_000;

/// Lists the API keys
///
/// Newest first, each with its key in full: one entry of the audit log. Expired keys are removed before.
#[utoipa::path(
    get, path = "/api/admin/api-keys", operation_id = "cloudpaste_list_api_keys", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "All keys.", body = inline(Envelope<Vec<Row>>), example = json!({
            "success": true, "code": "OK", "message": "the API keys", "data": [{
                "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "key": "k7Gq2ZpX9mTa",
                "permissions": 2, "role": "GENERAL", "basic_path": "/upload", "is_enable": 1, "last_used": null,
                "created_at": "2026-11-22T06:00:00.000Z", "expires_at": "9999-12-31T23:59:59.000Z",
                "key_masked": "k7Gq2Z...", "permission_names": ["FILE_SHARE"]
            }]
        })),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn list_api_keys(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    list(&request, &state).await.map_err(worded)
}

async fn list(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    sweep(&call).await?;
    let service = call.service();
    let tokens = service.all(&caller).await?;
    let values = service.reveal_all(&caller, &tokens).await?;
    let shown = tokens.iter().zip(&values);
    let rows: Vec<Row> =
        shown.map(|(token, value)| Row::of(service, token, value.as_deref().map(String::as_str))).collect();
    Ok(answered("the API keys", rows))
}

/// Removes whatever has expired and is marked for it.
///
/// # Errors
/// Store errors.
pub async fn sweep(call: &Call<'_>) -> Result<(), Fault> {
    let swept = async || call.service().sweep().await.map_err(|error| Fault::Domain(error.into()));
    while swept().await? == SWEPT_AT_ONCE {}
    Ok(())
}
