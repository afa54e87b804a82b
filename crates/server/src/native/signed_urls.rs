//! `POST /v1/signed-urls`: signing on the server.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Placement, TokenId, UnixSeconds};
use countermark_domain::{Expiry, SigningOrder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Choice, Text, UnixTime, Whole};
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// The body of `POST /v1/signed-urls`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SignedUrlRequest, example = json!({
    "tokenId": "iu_034YCGMODo7rNXJe1rD0Im", "url": "https://img.example.com/mycloud/w:200/i/cat.jpg", "ttl": 3600, "bucket": 600
}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedUrlRequest {
    /// The imageUrl token that signs.
    #[schema(value_type = String, example = "iu_034YCGMODo7rNXJe1rD0Im")]
    token_id: TokenId,
    /// Full URL without a signature; in path placement its first segment is the cloud.
    #[schema(value_type = String, max_length = 8192)]
    url: Text<1, 8192>,
    /// Instant at which the link ends, Unix seconds; absent or null = with the token.
    #[serde(default)]
    expires: Option<UnixTime>,
    /// Seconds after which the link ends; instead of `expires`.
    #[serde(default)]
    ttl: Option<UnixTime>,
    /// Seconds to whose multiple the expiry is rounded up, so that equal requests within it give the same, cacheable URL.
    #[serde(default)]
    bucket: Option<Whole<0, 31_536_000>>,
    /// `path` (default) or `query`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "path")]
    placement: Option<Choice<Placement>>,
}

/// A signed URL.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedUrlAnswer, example = json!({
    "url": "https://img.example.com/mycloud/s-cm1:iu_034YCGMODo7rNXJe1rD0Im.1,1900000200,Kdam6bOS0_xQskFyE35i4mDtFkjc-lbl6qlN9oIXE7Y/w:200/i/cat.jpg"
}))]
pub struct SignedUrlAnswer {
    /// The URL to hand out.
    url: String,
}

/// Signs a URL
///
/// Signs with the token's newest secret. Refused if the token itself would refuse the link.
#[utoipa::path(
    post, path = "/v1/signed-urls", operation_id = "create_signed_url", tag = "signing",
    request_body(content = SignedUrlRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The signed URL.", body = SignedUrlAnswer),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The token would refuse the link.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn create_signed_url(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = caller(&request, &state, "sign").await?;
    let order: SignedUrlRequest = json::read(&bytes)?;
    let expiry = match (order.expires, order.ttl) {
        (Some(_), Some(_)) => return Err(Problem::invalid_member("/ttl", "expected either expires or ttl")),
        (Some(instant), None) => {
            Some(Expiry::At(UnixSeconds::new(instant.get()).unwrap_or(UnixSeconds::MAX)))
        }
        (None, Some(seconds)) => Some(Expiry::After(seconds.get())),
        (None, None) => None,
    };
    let order = SigningOrder {
        token: order.token_id,
        url: &order.url,
        expiry,
        bucket: order.bucket.map_or(0, Whole::get),
        placement: order.placement.map_or(Placement::Path, |placement| placement.0),
    };
    let url = state.service.sign(&caller, order).await.map_err(problem)?;
    Ok(answered(&SignedUrlAnswer { url }))
}
