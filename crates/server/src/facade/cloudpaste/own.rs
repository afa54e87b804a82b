//! `GET /api/test/api-key`: what a key may do, told to its holder.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Token;
use countermark_domain::{DomainError, Service};
use serde::Serialize;
use utoipa::ToSchema;

use super::bits::PermissionDetail;
use super::envelope::{Envelope, answered};
use super::error::{ErrorBody, worded};
use super::row::{self, api_terms};
use super::visitor::{Visitor, unauthenticated, visitor};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, uuid};
use crate::state::AppState;

/// What a key may do.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteOwnKey)]
pub struct OwnKey {
    /// Its name.
    #[schema(example = "uploader")]
    name: String,
    /// Path that it is confined to; `/` = none.
    #[schema(example = "/upload")]
    basic_path: String,
    /// Bit by bit.
    permissions: PermissionDetail,
    /// The key itself, without its value.
    key_info: KeyInfo,
}

/// A key without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteKeyInfo, example = json!({
    "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "basic_path": "/upload", "role": "GENERAL",
    "is_guest": false
}))]
pub struct KeyInfo {
    /// UUID of the key.
    id: String,
    /// Its name.
    name: String,
    /// Path that it is confined to; `/` = none.
    basic_path: String,
    /// `GENERAL` or `GUEST`.
    role: &'static str,
    /// Whether it is the one key for everybody.
    is_guest: bool,
}

/// What an administrator may do: everything.
#[derive(Serialize)]
struct Administrator<'a> {
    name: &'a str,
    basic_path: &'a str,
    permissions: Everything,
    is_admin: bool,
}

/// Text and file rights are not told apart where an administrator asks.
#[derive(Serialize)]
struct Everything {
    text: bool,
    file: bool,
    mount_view: bool,
    mount_upload: bool,
    mount_copy: bool,
    mount_rename: bool,
    mount_delete: bool,
    webdav_read: bool,
    webdav_manage: bool,
}

/// Tells what a key may do
///
/// Takes no use. `Basic` (the key as user name and as password) needs WEBDAV_READ. An administrator is told `is_admin`.
#[utoipa::path(
    get, path = "/api/test/api-key", operation_id = "cloudpaste_test_api_key", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "What the key may do.", body = inline(Envelope<OwnKey>), example = json!({
            "success": true, "code": "OK", "message": "the API key holds", "data": {
                "name": "uploader", "basic_path": "/upload",
                "permissions": {
                    "text_share": false, "text_manage": false, "file_share": true, "file_manage": false,
                    "mount_view": false, "mount_upload": false, "mount_copy": false, "mount_rename": false,
                    "mount_delete": false, "webdav_read": false, "webdav_manage": false
                },
                "key_info": {
                    "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "basic_path": "/upload",
                    "role": "GENERAL", "is_guest": false
                }
            }
        })),
        (status = 401, description = "No key that can be used now: unknown, switched off and expired ones alike.", body = ErrorBody),
        (status = 429, description = "Too many failed attempts from this address.", body = ErrorBody)
    ),
    security(("cloudpasteApiKey" = []), ("cloudpasteCustomKey" = []), ("cloudpasteBasic" = []), ("cloudpasteLogin" = []))
)]
pub async fn test_api_key(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, DialectError> {
    test(&request, &state).await.map_err(worded)
}

async fn test(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    match visitor(&call, request).await {
        Ok(Visitor::Holder(token)) => Ok(answered("the API key holds", OwnKey::of(call.service(), &token))),
        Ok(Visitor::Administrator(_)) => Ok(administrator(&state.facades.admin_name)),
        // As Bearer the dialect knows administrators only.
        Err(Fault::Domain(DomainError::PermissionRequired(_))) => Err(call.failed(unauthenticated())),
        Err(fault) => Err(fault),
    }
}

impl OwnKey {
    fn of(service: &Service, token: &Token) -> Self {
        let terms = api_terms(token);
        let (name, basic_path) = (row::name(token).to_owned(), row::basic_path(terms).to_owned());
        Self {
            permissions: PermissionDetail::of(&terms.permissions),
            key_info: KeyInfo {
                id: uuid::write(token.terms.id),
                name: name.clone(),
                basic_path: basic_path.clone(),
                role: row::role(service, token),
                is_guest: row::is_guest(service, token),
            },
            name,
            basic_path,
        }
    }
}

fn administrator(name: &str) -> HttpResponse {
    let permissions = Everything {
        text: true,
        file: true,
        mount_view: true,
        mount_upload: true,
        mount_copy: true,
        mount_rename: true,
        mount_delete: true,
        webdav_read: true,
        webdav_manage: true,
    };
    answered("an administrator", Administrator { name, basic_path: "/", permissions, is_admin: true })
}
