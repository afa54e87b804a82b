//! `GET` and `POST /v1/notification-secrets`: what receivers check signatures with.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::UnixSeconds;
use countermark_domain::store::NotificationSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::may_reveal;
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Whole};
use crate::native::answer::{answered, answered_with};
use crate::native::caller::audited_unbound_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// The secrets of this installation.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationSecretList)]
pub struct SecretsAnswer<'a> {
    /// The versions, oldest first.
    items: Vec<SecretRecord<'a>>,
}

/// One version of the secret.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationSecret, example = json!({
    "version": 2, "createdAt": 1_800_000_000, "validUntil": null, "signs": true, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
}))]
#[serde(rename_all = "camelCase")]
pub struct SecretRecord<'a> {
    /// From 1.
    version: u64,
    /// When it was made, Unix seconds.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    /// First instant at which it no longer signs; null for the current one.
    #[schema(value_type = Option<u64>)]
    valid_until: Option<UnixSeconds>,
    /// Whether it signs now.
    signs: bool,
    /// The secret itself; only for callers that hold `tokens:reveal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// The body of `POST /v1/notification-secrets`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RotateNotificationSecretRequest, example = json!({"overlapSeconds": 86_400}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the former secrets still sign beside the new one; 86,400 if absent, so that receivers have a day to take
    /// the new one.
    #[serde(default)]
    overlap_seconds: Option<Whole<0, 31_536_000>>,
}

/// Overlap that is used where none is given.
const OVERLAP_SECONDS: u64 = 86_400;

/// Shows the secrets of notifications
///
/// One secret for the installation, several while they overlap. The secrets themselves are shown to callers that also
/// hold `tokens:reveal`, which is audited.
#[utoipa::path(
    get, path = "/v1/notification-secrets", operation_id = "view_notification_secrets", tag = "notifications",
    responses((status = 200, description = "The versions.", body = SecretsAnswer<'_>), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn view_notification_secrets(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = audited_unbound_caller(&request, &state, "notifications:read").await?;
    Query::of(&request, &[])?;
    let reveals = may_reveal(&caller, &state);
    let secrets = if reveals {
        state.service.reveal_notification_secrets(&caller).await
    } else {
        state.service.notification_secrets().await
    };
    let (secrets, now) = (secrets.map_err(problem)?, state.service.now());
    let items = secrets.iter().map(|secret| SecretRecord::of(secret, now, reveals)).collect();
    Ok(answered(&SecretsAnswer { items }))
}

/// Makes the next secret
///
/// From now on it signs; the former ones sign beside it until the overlap ends. The secret itself is shown only to
/// callers that also hold `tokens:reveal`.
#[utoipa::path(
    post, path = "/v1/notification-secrets", operation_id = "rotate_notification_secret", tag = "notifications",
    request_body(content = RotateRequest, content_type = "application/json"),
    responses((status = 201, description = "The new version.", body = SecretRecord<'_>), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn rotate_notification_secret(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = audited_unbound_caller(&request, &state, "notifications:write").await?;
    Query::of(&request, &[])?;
    let wire: RotateRequest = json::read(&bytes)?;
    let overlap = wire.overlap_seconds.map_or(OVERLAP_SECONDS, Whole::get);
    let secret = state.service.rotate_notification_secret(&caller, overlap).await.map_err(problem)?;
    let record = SecretRecord::of(&secret, state.service.now(), may_reveal(&caller, &state));
    Ok(answered_with(StatusCode::CREATED, &record))
}

impl<'a> SecretRecord<'a> {
    fn of(secret: &'a NotificationSecret, now: UnixSeconds, reveals: bool) -> Self {
        Self {
            version: secret.version,
            created_at: secret.created_at,
            valid_until: secret.valid_until,
            signs: secret.valid_until.is_none_or(|until| now < until),
            secret: reveals.then_some(secret.text.as_str()),
        }
    }
}
