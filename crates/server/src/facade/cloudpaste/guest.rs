//! `GET /api/public/guest-config`: the key for everybody, told to everybody.

use actix_web::HttpResponse;
use actix_web::web::Data;
use countermark_core::{Dialect, Token};
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::ToSchema;

use super::bits::{self, PermissionDetail};
use super::envelope::{Envelope, answered};
use super::error::{ErrorBody, worded};
use super::row::{self, GUEST, api_terms, is_guest};
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// The guest key as everybody may see it.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteGuestConfig)]
pub struct GuestConfig {
    /// Whether it can be used now.
    #[schema(example = true)]
    enabled: bool,
    /// `guest`; null while it cannot be used.
    #[schema(example = "guest")]
    key: Option<&'static str>,
    /// What else there is to tell of it; nothing if there is none.
    #[serde(flatten)]
    #[schema(inline)]
    about: Option<About>,
}

/// What a guest key may do.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteGuestKey)]
pub struct About {
    /// Always `guest`.
    #[schema(example = "guest")]
    name: String,
    /// Sum of the permission bits.
    #[schema(example = 256)]
    permissions: u32,
    /// Bit by bit.
    permissions_detail: PermissionDetail,
    /// Path that it is confined to; `/` = none.
    #[schema(example = "/public")]
    basic_path: String,
    /// First instant at which it no longer works.
    #[schema(example = "9999-12-31T23:59:59.000Z")]
    expires_at: String,
}

/// Tells the guest key to everybody
#[utoipa::path(
    get, path = "/api/public/guest-config", operation_id = "cloudpaste_view_guest_config", tag = "CloudPaste dialect",
    responses(
        (status = 200, description = "The guest key, if there is one.", body = inline(Envelope<GuestConfig>), examples(
            ("enabled" = (summary = "It can be used", value = json!({
                "success": true, "code": "OK", "message": "the guest key", "data": {
                    "enabled": true, "key": "guest", "name": "guest", "permissions": 256,
                    "permissions_detail": {
                        "text_share": false, "text_manage": false, "file_share": false, "file_manage": false,
                        "mount_view": true, "mount_upload": false, "mount_copy": false, "mount_rename": false,
                        "mount_delete": false, "webdav_read": false, "webdav_manage": false
                    },
                    "basic_path": "/public", "expires_at": "9999-12-31T23:59:59.000Z"
                }
            }))),
            ("none" = (summary = "There is none", value = json!({
                "success": true, "code": "OK", "message": "the guest key", "data": {"enabled": false, "key": null}
            })))
        )),
        (status = 503, description = "The service cannot answer now.", body = ErrorBody)
    )
)]
pub async fn view_guest_config(state: Data<AppState>) -> Result<HttpResponse, DialectError> {
    let config = config(&state).await.map_err(worded)?;
    Ok(answered("the guest key", config))
}

async fn config(state: &AppState) -> Result<GuestConfig, Fault> {
    let service = &state.service;
    let named = service.named(Dialect::Cloudpaste, GUEST).await?;
    // By its value as well: the native API may have given the key another one, and then it is nobody's to know.
    let Some(guest) = named.filter(|token| is_guest(service, token)) else {
        return Ok(GuestConfig { enabled: false, key: None, about: None });
    };
    let enabled = match service.holder(Dialect::Cloudpaste, GUEST).await {
        Ok(holder) => holder.terms.id == guest.terms.id,
        Err(DomainError::Unauthenticated(_)) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(GuestConfig { enabled, key: enabled.then_some(GUEST), about: Some(About::of(&guest)) })
}

impl About {
    fn of(guest: &Token) -> Self {
        let terms = api_terms(guest);
        Self {
            name: row::name(guest).to_owned(),
            permissions: bits::number(&terms.permissions),
            permissions_detail: PermissionDetail::of(&terms.permissions),
            basic_path: row::basic_path(terms).to_owned(),
            expires_at: row::expires_at(guest),
        }
    }
}
