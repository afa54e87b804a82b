//! `POST /oauth2/introspect` (RFC 7662): what a value is worth now, taking no use.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Purpose, TokenId, UnixSeconds};
use countermark_domain::cache::Entry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::form_bytes;
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, codes};
use crate::query::Query;
use crate::state::AppState;

/// The form of `POST /oauth2/introspect`.
#[derive(ToSchema)]
#[schema(as = IntrospectionRequest, example = json!({"token": "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l"}))]
#[expect(dead_code, reason = "only its schema is used: the form is read by Query")]
pub struct IntrospectionForm {
    /// The token value to ask about.
    #[schema(example = "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l")]
    token: String,
    /// Ignored, as RFC 7662 allows.
    token_type_hint: Option<String>,
}

/// An RFC 7662 answer; whatever is unknown or unusable is only `{"active": false}`.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = IntrospectionAnswer, example = json!({
    "active": true, "scope": "read write", "client_id": "ak_034UXVxixT6GLHO2styIVD", "jti": "ak_034UXVxixT6GLHO2styIVD",
    "token_type": "Bearer", "type": "apiKey", "sub": "shop", "exp": 1900000000
}))]
pub struct IntrospectionAnswer {
    /// Whether the value may be used now.
    active: bool,
    /// Permissions, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Token id: each token is its own client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    client_id: Option<TokenId>,
    /// Token id, under the name that RFC 7519 gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    jti: Option<TokenId>,
    /// How it is presented (RFC 6749, section 7.1): `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// `upload` or `apiKey`: a member of our own, as RFC 7662 allows.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// First instant at which it no longer works, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    exp: Option<UnixSeconds>,
    /// First instant at which it works, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    nbf: Option<UnixSeconds>,
}

/// Introspects a token value
///
/// RFC 7662; takes no use.
#[utoipa::path(
    post, path = "/oauth2/introspect", operation_id = "introspect", tag = "decisions",
    request_body(content = IntrospectionForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What the value is worth now.", body = IntrospectionAnswer),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn introspect(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = form_bytes(&request, &mut payload.into_inner()).await?;
    caller(&request, &state, "authorize").await?;
    let malformed =
        || Problem::new(&codes::INVALID_PARAMETER).detail("expected a form with the parameter token");
    let form = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    let form = Query::parse(form, &["token", "token_type_hint"])?;
    let value = form.text("token", 4096)?.ok_or_else(malformed)?;
    let entry = state.service.introspect(value).await.map_err(problem)?;
    Ok(answered(&entry.map_or_else(IntrospectionAnswer::default, |entry| IntrospectionAnswer::of(&entry))))
}

impl IntrospectionAnswer {
    fn of(entry: &Entry) -> Self {
        let terms = &entry.terms;
        let scope = match &terms.purpose {
            Purpose::ApiKey(api) => {
                let names: Vec<&str> = api.permissions.iter().map(|one| one.as_str()).collect();
                Some(names.join(" "))
            }
            Purpose::Upload(_) | Purpose::ImageUrl(_) => None,
        };
        Self {
            active: true,
            scope,
            client_id: Some(terms.id),
            jti: Some(terms.id),
            token_type: Some("Bearer"),
            kind: Some(terms.kind().name()),
            sub: terms.owner.as_deref().map(str::to_owned),
            exp: terms.expiry,
            nbf: terms.not_before,
        }
    }
}
