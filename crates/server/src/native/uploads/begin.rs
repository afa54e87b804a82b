//! `POST /v1/uploads`: an upload begins.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{DenyReason, Dialect, TokenId, UploadParameters};
use countermark_domain::{Credential, UploadAnswer, UploadOrder};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::record::Standing;
use crate::body::{BODY_LIMIT, json_bytes};
use crate::caller_credentials::bearer;
use crate::client_address::client_address;
use crate::idempotency_key::idempotency_key;
use crate::json::{self, List, Text, Whole, optional_object};
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::codes::code_of_reason;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;
use crate::throttle::Entrance;

/// The body of `POST /v1/uploads`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BeginUploadRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginRequest {
    /// The upload token's value, if the caller is an API key; absent if the token itself is the Bearer.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096, example = "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l")]
    value: Option<Text<1, 4096>>,
    /// What the client asks for.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<AskedUpload>)]
    request: Option<AskedUpload>,
    /// Makes a retry find the same upload for 24 hours. The `Idempotency-Key` header does the same.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "c1f0a9e2")]
    idempotency_key: Option<Text<1, 255>>,
}

/// What the client of an upload asks for. The token's directives replace or extend it; the empty string is absent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = AskedUpload, example = json!({
    "publicId": "cat", "tags": ["pets"], "bytes": 48_213, "contentType": "image/jpeg"
}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskedUpload {
    /// Target cloud; another one than the token's is refused.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    cloud_id: Option<Text<0, 64>>,
    /// Name of the image.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    public_id: Option<Text<0, 512>>,
    /// Tags.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    tags: Option<List<Text<1, 200>, 100>>,
    /// Transformation to store the image with.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    transformation: Option<Text<0, 1024>>,
    /// Image format.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    format: Option<Text<0, 64>>,
    /// Projection.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    projection: Option<Text<0, 64>>,
    /// Size in bytes, which a token that bounds it demands to know.
    #[serde(default)]
    bytes: Option<Whole<0, { u64::MAX }>>,
    /// Content type, which a token that bounds it demands to know.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255)]
    content_type: Option<Text<0, 255>>,
}

/// Begins an upload
///
/// Decides, reserves one use and says which parameters the upload really gets. Either an API key with `authorize` calls
/// and names the upload token's `value`, or the upload token itself is the Bearer and `value` is left out. Of uploads
/// that are not completed or aborted by their deadline, the former's are aborted, the latter's completed.
#[utoipa::path(
    post, path = "/v1/uploads", operation_id = "begin_upload", tag = "uploads",
    request_body(content = BeginRequest, content_type = "application/json", examples(
        ("caller" = (summary = "An upload server asks for a client", value = json!({"value": "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l", "request": {"publicId": "cat", "tags": ["pets"], "bytes": 48_213, "contentType": "image/jpeg"}, "idempotencyKey": "c1f0a9e2"}))),
        ("holder" = (summary = "The upload token itself is the Bearer", value = json!({"request": {"publicId": "cat", "bytes": 48_213, "contentType": "image/jpeg"}})))
    )),
    params(("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key and request within 24 hours finds the same upload.")),
    responses(
        (status = 201, description = "Begun, or begun before by the same request.", body = Standing<'_>, headers(("Location" = String, description = "Path of the upload."))),
        (status = 409, description = "The same request has begun an upload whose use was given back since.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The idempotency key was used for another request.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn begin_upload(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let presented = presented(&request, &state).await?;
    Query::of(&request, &[])?;
    let wire: BeginRequest = json::read(&bytes)?;
    let (value, began_by) = match (presented, wire.value.as_deref()) {
        (Presented::Caller(caller), Some(value)) => (value, Some(caller)),
        (Presented::Holder(value), None) => (value, None),
        (Presented::Caller(_), None) => {
            return Err(Problem::invalid_member("/value", "expected the upload token's value"));
        }
        (Presented::Holder(_), Some(_)) => {
            let expected = "expected no value beside an upload token as Bearer";
            return Err(Problem::invalid_member("/value", expected));
        }
    };
    let key = wire.key(idempotency_key(&request)?)?;
    let (asked, bytes, content_type) = wire.request.unwrap_or_default().parts();
    let digest = digest(&asked, bytes, content_type.as_deref());
    let order = UploadOrder {
        credential: Credential::Value(value),
        began_by,
        asked,
        bytes,
        content_type: content_type.as_deref(),
        idempotency: key.as_deref().map(|key| ("uploads", key, digest)),
    };
    match state.service.begin_upload(&order).await.map_err(problem)? {
        UploadAnswer::Begun { upload, remaining } => Ok(created(&Standing::new(&upload, remaining))),
        UploadAnswer::Refused { reason, .. } => {
            let failure = refused(reason);
            // Whoever guesses values is braked like whoever guesses keys.
            let is_guess = began_by.is_none() && reason == DenyReason::UnknownToken;
            let address = || client_address(&request, &state.trusted_proxies);
            Err(if is_guess { state.throttle.failed(NATIVE, address(), failure) } else { failure })
        }
    }
}

const NATIVE: Entrance = Entrance::Api(Dialect::Native);

/// Who begins the upload.
enum Presented<'a> {
    /// An API key with `authorize`.
    Caller(TokenId),
    /// The upload token's holder, by its value.
    Holder(&'a str),
}

async fn presented<'a>(request: &'a HttpRequest, state: &AppState) -> Result<Presented<'a>, Problem> {
    match bearer(request) {
        Ok(value) if !value.starts_with("cmk_") => {
            let address = client_address(request, &state.trusted_proxies);
            state.throttle.admit(NATIVE, address, value)?;
            Ok(Presented::Holder(value))
        }
        _ => Ok(Presented::Caller(caller(request, state, "authorize").await?.id())),
    }
}

/// A refusal as a problem, with a challenge where the credential is at fault.
fn refused(reason: DenyReason) -> Problem {
    let problem = Problem::new(code_of_reason(reason));
    if problem.code().status == 401 {
        problem.header(header::WWW_AUTHENTICATE, INVALID_TOKEN)
    } else {
        problem
    }
}

const INVALID_TOKEN: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="countermark", error="invalid_token""#);

fn created(standing: &Standing<'_>) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v1/uploads/{}", standing.id())))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(serde_json::to_vec(standing).expect("answers are plain structs of texts and numbers"))
}

/// A digest of everything that is asked, whatever its spelling in JSON. The value is not part of it: the key is bound to
/// the token, whose value may be regenerated between two tries.
fn digest(asked: &UploadParameters, bytes: Option<u64>, content_type: Option<&str>) -> [u8; 32] {
    let parts = serde_json::to_vec(&(asked, bytes, content_type)).expect("texts and numbers serialise");
    Sha256::digest(parts).into()
}

impl BeginRequest {
    /// The idempotency key of body or header; `header` is the header's.
    fn key(&self, header: Option<&str>) -> Result<Option<String>, Problem> {
        match (self.idempotency_key.as_deref(), header) {
            (Some(one), Some(other)) if one != other => {
                Err(Problem::invalid_member("/idempotencyKey", "expected the same key as in the header"))
            }
            (key, header) => Ok(key.or(header).map(str::to_owned)),
        }
    }
}

impl AskedUpload {
    fn parts(self) -> (UploadParameters, Option<u64>, Option<String>) {
        let parameters = UploadParameters {
            cloud_id: self.cloud_id.map(Text::into_string),
            public_id: self.public_id.map(Text::into_string),
            tags: self.tags.unwrap_or_default().0.into_iter().map(Text::into_string).collect(),
            transformation: self.transformation.map(Text::into_string),
            format: self.format.map(Text::into_string),
            projection: self.projection.map(Text::into_string),
        };
        (parameters, self.bytes.map(Whole::get), self.content_type.map(Text::into_string))
    }
}
