//! `PUT /_/token`.

use actix_web::dev;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Token, UnixSeconds};
use countermark_domain::{Patch, TokenPatch};

use super::create::{PAST, TokenRequest};
use super::credential::administrator;
use super::error::{BodyRefusals, Refusals, missing, worded};
use super::wire::{done, permissions, read};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Changes the token with this name, in the Query dialect
///
/// What is left out stays as it is, and so does the value.
#[utoipa::path(
    put, path = "/_/token", operation_id = "update_query_token", tag = "Query dialect",
    request_body(content = TokenRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Changed; no body."),
        (status = 400, description = "A member is not acceptable, or there is no such token; one line of text."),
        (status = 409, description = "The token is revoked; one line of text."),
        Refusals,
        BodyRefusals
    ),
    security(("queryAdministrator" = []))
)]
pub async fn update_query_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    update(&request, &mut payload.into_inner(), &state).await.map_err(worded)
}

async fn update(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let body: TokenRequest = read(&bytes)?;
    let token = call.service().find_named(&caller, &body.name).await?;
    let patch = body.patch(&token, call.service().now())?;
    call.service().update(&caller, token.terms.id, None, patch).await?;
    Ok(done(StatusCode::OK))
}

impl TokenRequest {
    fn patch(self, token: &Token, now: UnixSeconds) -> Result<TokenPatch, Fault> {
        // Whoever sends a row of the list back means what it said: this date is how never is written there.
        let says_never = |date| token.terms.expiry.is_none() && date == token.about.updated_at;
        let date = self.expiration_date.filter(|date| !says_never(date.at));
        // Milliseconds are taken as they are, as at POST.
        if date.is_some_and(|date| date.is_in_seconds && date.at <= now) {
            return Err(missing(PAST));
        }
        Ok(TokenPatch {
            enabled: set(self.active),
            expiry: set(date.map(|date| date.at)),
            permissions: set(self.write.map(permissions)),
            ..TokenPatch::default()
        })
    }
}

fn set<T>(given: Option<T>) -> Patch<T> {
    given.map_or(Patch::Keep, Patch::Set)
}
