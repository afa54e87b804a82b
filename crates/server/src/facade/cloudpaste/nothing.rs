//! What the front end's key page asks for beside the keys, and what there is none of here: mounts, storages, settings.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::envelope::{Envelope, answered};
use super::error::{Refusals, worded};
use super::visitor::administrator;
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::state::AppState;

/// Lists no mounts
///
/// Files lie behind the gate, not here; the list lets CloudPaste's front end open its key page.
#[utoipa::path(
    get, path = "/api/mount/list", operation_id = "cloudpaste_list_mounts", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "Always empty.", body = inline(Envelope<Vec<String>>), example = json!({
            "success": true, "code": "OK", "message": "there are none here", "data": []
        })),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn list_mounts(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, DialectError> {
    none(&request, &state).await
}

/// Lists no storages
///
/// Ids of storages are given by the gate's rules; the list lets CloudPaste's front end open its key page.
#[utoipa::path(
    get, path = "/api/storage", operation_id = "cloudpaste_list_storages", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "Always empty.", body = inline(Envelope<Vec<String>>), example = json!({
            "success": true, "code": "OK", "message": "there are none here", "data": []
        })),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn list_storages(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    none(&request, &state).await
}

/// Lists no settings
///
/// The configuration is a file; the list lets CloudPaste's front end open its key page.
#[utoipa::path(
    get, path = "/api/admin/settings", operation_id = "cloudpaste_list_settings", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "Always empty.", body = inline(Envelope<Vec<String>>), example = json!({
            "success": true, "code": "OK", "message": "there are none here", "data": []
        })),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn list_settings(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    none(&request, &state).await
}

async fn none(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, DialectError> {
    administrator(&Call::of(request, state), request).await.map_err(worded)?;
    Ok(answered("there are none here", Vec::<String>::new()))
}
