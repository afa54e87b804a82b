//! `PUT /api/admin/api-keys/{id}`.

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Token, TokenId};
use countermark_domain::{Patch as Change, TokenPatch};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::envelope::{Done, done};
use super::error::{ErrorBody, Refusals, conflict, worded};
use super::members::{self, Bits, Role};
use super::row::{self, GUEST, is_guest};
use super::visitor::administrator;
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, uuid};
use crate::json::{self, Choice, Patch, Text};
use crate::problem::Problem;
use crate::state::AppState;

/// What to change; what is not named stays. Members that are not named here are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = CloudpasteUpdateApiKeyRequest, example = json!({"is_enable": true}))]
pub struct UpdateRequest {
    /// Unique name, outer spaces dropped; that of the guest key cannot change.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Patch<Text<0, 200>>,
    /// Only as it is: a key keeps its role.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Patch<Choice<Role>>,
    /// Sum of the permission bits.
    #[serde(default)]
    #[schema(value_type = Option<u32>, maximum = 204559)]
    permissions: Patch<Bits>,
    /// Path that it is confined to; `/` = none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    basic_path: Patch<Text<0, 1024>>,
    /// First instant at which it no longer works, ISO 8601; null or `never` = never. Ignored for the guest key.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expires_at: Patch<Text<0, 64>>,
    /// Whether it is switched on: 0, 1, false or true.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    is_enable: Patch<Value>,
}

/// Changes an API key
///
/// When this has been answered, no use is allowed any more that the key as it is now refuses. The key itself stays.
#[utoipa::path(
    put, path = "/api/admin/api-keys/{id}", operation_id = "cloudpaste_update_api_key", tag = "CloudPaste dialect",
    params(("id" = String, Path, description = "UUID of the key.", example = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11")),
    request_body = UpdateRequest,
    responses(
        (status = 200, description = "Changed.", body = Done),
        (status = 404, description = "No such key.", body = ErrorBody),
        (status = 409, description = "The name is taken, or name or role of the guest key would change.", body = ErrorBody),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn update_api_key(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    update(&request, payload.into_inner(), &state).await.map_err(worded)
}

async fn update(
    request: &HttpRequest,
    mut payload: dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let id = key_id(request)?;
    let former = call.service().view(&caller, id).await?;
    let asked = json::read::<UpdateRequest>(&bytes)?;
    if asked.is_empty() {
        let expected = "expected name, permissions, basic_path, expires_at or is_enable";
        return Err(Problem::invalid_member("", expected).into());
    }
    let is_guest = is_guest(call.service(), &former);
    asked.keeps_role(&former, is_guest)?;
    if let Some(patch) = asked.patch(is_guest)? {
        call.service().update(&caller, id, None, patch).await?;
    }
    Ok(done("the API key is updated"))
}

/// The key that the path names; what is no UUID is answered like one that does not exist.
///
/// # Errors
/// 404.
pub fn key_id(request: &HttpRequest) -> Result<TokenId, Fault> {
    uuid::read(request.match_info().query("id"))
        .ok_or_else(|| countermark_domain::DomainError::NotFound.into())
}

impl UpdateRequest {
    fn is_empty(&self) -> bool {
        self.name.is_absent()
            && self.role.is_absent()
            && self.permissions.is_absent()
            && self.basic_path.is_absent()
            && self.expires_at.is_absent()
            && self.is_enable.is_absent()
    }

    /// Name and role of the guest key belong together, and to it alone.
    fn keeps_role(&self, former: &Token, is_guest: bool) -> Result<(), Fault> {
        let role = matches!(self.role, Patch::Set(Choice(role)) if (role == Role::Guest) != is_guest);
        let is_other = |name: &str| name != row::name(former) && (is_guest || name == GUEST);
        let name = matches!(&self.name, Patch::Set(name) if is_other(name.trim()));
        if role || name {
            return Err(conflict("a key keeps its role, and guest is the name of the role GUEST alone"));
        }
        Ok(())
    }

    /// `None` where nothing is to be changed.
    fn patch(self, is_guest: bool) -> Result<Option<TokenPatch>, Fault> {
        let mut patch = TokenPatch::default();
        if let Some(name) = set(self.name, "/name", "expected a name")? {
            patch.name = Change::Set(members::name(&name)?);
        }
        if let Some(bits) = set(self.permissions, "/permissions", "expected a sum of permission bits")? {
            patch.permissions = Change::Set(members::permissions(bits)?);
        }
        if let Some(given) = set(self.is_enable, "/is_enable", SWITCH)? {
            patch.enabled = Change::Set(switch(&given)?);
        }
        patch.base_path = match &self.basic_path {
            Patch::Absent => Change::Keep,
            Patch::Null => Change::Clear,
            Patch::Set(given) => members::base_path(given)?.map_or(Change::Clear, Change::Set),
        };
        let expiry = match &self.expires_at {
            Patch::Absent => Change::Keep,
            Patch::Null => Change::Clear,
            Patch::Set(given) => members::expiry(given)?.map_or(Change::Clear, Change::Set),
        };
        // Read, so that nonsense is told; but the guest key keeps its end.
        patch.expiry = if is_guest { Change::Keep } else { expiry };
        let changes = patch.name.is_mentioned()
            || patch.permissions.is_mentioned()
            || patch.base_path.is_mentioned()
            || patch.expiry.is_mentioned()
            || patch.enabled.is_mentioned();
        Ok(changes.then_some(patch))
    }
}

/// What a member is set to; null is nothing that it could be.
fn set<T>(member: Patch<T>, pointer: &str, expected: &str) -> Result<Option<T>, Problem> {
    match member {
        Patch::Absent => Ok(None),
        Patch::Null => Err(Problem::invalid_member(pointer, expected)),
        Patch::Set(given) => Ok(Some(given)),
    }
}

const SWITCH: &str = "expected 0, 1, false or true";

fn switch(given: &Value) -> Result<bool, Problem> {
    match given {
        Value::Bool(on) => Ok(*on),
        number if *number == 1 => Ok(true),
        number if *number == 0 => Ok(false),
        _ => Err(Problem::invalid_member("/is_enable", SWITCH)),
    }
}
