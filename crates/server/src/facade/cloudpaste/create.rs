//! `POST /api/admin/api-keys`.

use std::collections::BTreeMap;

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Dialect, may_be_credential};
use countermark_domain::{DomainError, Draft, Expiry, PurposeDraft};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::envelope::{Envelope, created};
use super::error::{ErrorBody, Refusals, conflict, worded};
use super::list::sweep;
use super::members::{self, Bits, Role};
use super::replacement;
use super::row::{Created, GUEST};
use super::strength::{LEAST_BITS, estimated_bits};
use super::visitor::administrator;
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::json::{self, Choice, Patch, Text};
use crate::problem::Problem;
use crate::state::AppState;

/// Seconds for which a key holds if nothing else is said: one day.
const DEFAULT_SECONDS: u64 = 86_400;

/// Base62 digits of a key that nobody has chosen: 71 bits.
const DIGITS: usize = 12;

/// A key to make. Members that are not named here are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = CloudpasteCreateApiKeyRequest, example = json!({
    "name": "uploader", "permissions": 2, "basic_path": "/upload", "expires_at": null, "is_enable": 1
}))]
pub struct CreateRequest {
    /// Unique name, outer spaces dropped. Of a `GUEST` it is always `guest`.
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Option<Text<0, 200>>,
    /// The key itself, of `A-Z a-z 0-9 _ -` and at least 64 bits by an estimate; 12 random letters and digits if absent. Of
    /// a `GUEST` it is always `guest`.
    #[schema(value_type = Option<String>, max_length = 256)]
    custom_key: Option<Text<0, 256>>,
    /// `GENERAL` (default) or `GUEST`, of which there is at most one.
    #[schema(value_type = Option<String>)]
    role: Option<Choice<Role>>,
    /// First instant at which it no longer works, ISO 8601; null or `never` = never. One day from now if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expires_at: Patch<Text<0, 64>>,
    /// Sum of the permission bits, 0 if absent.
    #[schema(value_type = Option<u32>, maximum = 204559)]
    permissions: Option<Bits>,
    /// Path that it is confined to; `/` (default) = none.
    #[schema(value_type = Option<String>, max_length = 1024)]
    basic_path: Option<Text<0, 1024>>,
    /// Only the number 1 switches the key on; it is off by default.
    #[schema(value_type = Option<u8>)]
    is_enable: Option<Value>,
}

/// Makes an API key
///
/// It is switched off unless `is_enable` is 1, and may do nothing unless `permissions` says so. The key is shown here and in
/// the list. A `GUEST` that was switched off after it was made gets the new permissions, path, end and switch, and all
/// storages; its id stays.
#[utoipa::path(
    post, path = "/api/admin/api-keys", operation_id = "cloudpaste_create_api_key", tag = "CloudPaste dialect",
    request_body = CreateRequest,
    responses(
        (status = 201, description = "The key.", body = inline(Envelope<Created>), example = json!({
            "success": true, "code": "CREATED", "message": "the API key is made",
            "data": {
                "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "key": "k7Gq2ZpX9mTa",
                "key_masked": "k7Gq2Z...", "permissions": 2, "role": "GENERAL", "basic_path": "/upload",
                "is_enable": 1, "permission_names": ["FILE_SHARE"], "expires_at": "9999-12-31T23:59:59.000Z"
            }
        })),
        (status = 409, description = "The name or key is taken, or there is a guest key that is in use.", body = ErrorBody),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn create_api_key(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    create(&request, payload.into_inner(), &state).await.map_err(worded)
}

async fn create(
    request: &HttpRequest,
    mut payload: dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let asked = json::read::<CreateRequest>(&bytes)?;
    let is_guest = asked.role.is_some_and(|role| role.0 == Role::Guest);
    let draft = asked.draft(&call)?;
    // What has expired shall hold neither a name nor a key.
    sweep(&call).await?;
    if is_guest && let Some(guest) = replacement::replaceable(call.service()).await? {
        let token = replacement::replace(call.service(), &caller, &guest, draft).await?;
        return Ok(created("the guest key is as asked for now", Created::of(call.service(), &token, GUEST)));
    }
    match call.service().issue_once(&caller, draft).await {
        Ok(issued) => {
            let value = issued.value.as_deref().map(String::as_str).unwrap_or_default();
            Ok(created("the API key is made", Created::of(call.service(), &issued.token, value)))
        }
        Err(DomainError::NameTaken) if is_guest => Err(conflict(replacement::EXISTS)),
        Err(DomainError::ValueTaken) if is_guest => Err(conflict(replacement::VALUE_GIVEN)),
        Err(error) => Err(error.into()),
    }
}

impl CreateRequest {
    fn draft(self, call: &Call<'_>) -> Result<Draft, Fault> {
        let (name, value) = self.name_and_key(call)?;
        let expiry = match &self.expires_at {
            Patch::Absent => Some(Expiry::After(DEFAULT_SECONDS)),
            Patch::Null => None,
            Patch::Set(given) => members::expiry(given)?.map(Expiry::At),
        };
        let permissions = self.permissions.map(members::permissions).transpose()?.unwrap_or_default();
        let base_path = self.basic_path.as_deref().map(members::base_path).transpose()?.flatten();
        Ok(Draft {
            name: Some(name),
            description: None,
            owner: None,
            labels: BTreeMap::new(),
            enabled: self.is_enable.is_some_and(|given| given == 1),
            not_before: None,
            expiry,
            limit: None,
            notify: None,
            auto_delete: true,
            recoverable: true,
            dialect: Dialect::Cloudpaste,
            purpose: PurposeDraft::ApiKey {
                value: Some(value),
                permissions,
                base_path,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        })
    }

    fn name_and_key(&self, call: &Call<'_>) -> Result<(String, Zeroizing<String>), Fault> {
        if self.role.is_some_and(|role| role.0 == Role::Guest) {
            return Ok((GUEST.to_owned(), Zeroizing::new(GUEST.to_owned())));
        }
        let name = members::name(self.name.as_deref().unwrap_or_default())?;
        let custom = self.custom_key.as_deref().filter(|key| !key.is_empty());
        if name == GUEST || custom == Some(GUEST) {
            return Err(conflict("guest is the name and the key of the role GUEST alone"));
        }
        match custom {
            None => Ok((name, call.service().foreign_value("", DIGITS))),
            Some(custom) => Ok((name, chosen(custom, call.state.facades.short_keys)?)),
        }
    }
}

/// A key that somebody has chosen.
fn chosen(key: &str, may_be_short: bool) -> Result<Zeroizing<String>, Problem> {
    let refused = |expected: &str| Err(Problem::invalid_member("/custom_key", expected));
    let fits = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    // What looks like a value of our own form without being one could never be presented.
    if !fits || !may_be_credential(key) {
        return refused("expected letters, digits, - and _ only, and no beginning like cmk_");
    }
    if !may_be_short && estimated_bits(key) < LEAST_BITS {
        return refused(
            "expected a key that cannot be guessed, of 64 bits or more: say 12 random letters and digits. The operator can allow shorter ones by facades.short_keys",
        );
    }
    Ok(Zeroizing::new(key.to_owned()))
}
