//! `DELETE /_/token`.

use actix_web::dev;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Dialect;
use countermark_domain::DomainError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::credential::administrator;
use super::error::{BodyRefusals, Refusals, worded};
use super::wire::{done, read};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::problem::{Problem, codes};
use crate::state::AppState;

/// The body of `DELETE /_/token`; members that are not listed are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = QueryDeleteRequest, example = json!({"name": "example"}))]
pub struct DeleteRequest {
    /// Which token; one that does not exist is gone already.
    name: String,
}

/// Deletes the token with this name, in the Query dialect
///
/// When this is answered, the token is no longer accepted anywhere.
#[utoipa::path(
    delete, path = "/_/token", operation_id = "delete_query_token", tag = "Query dialect",
    request_body(content = DeleteRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "There is no such token any more; no body."),
        (status = 400, description = "No name is given; one line of text."),
        Refusals,
        BodyRefusals
    ),
    security(("queryAdministrator" = []))
)]
pub async fn delete_query_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    delete(&request, &mut payload.into_inner(), &state).await.map_err(worded)
}

async fn delete(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, payload).await?;
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let body: DeleteRequest = read(&bytes)?;
    let service = call.service();
    let Some(token) = service.named(Dialect::Query, &body.name).await? else {
        return Ok(done(StatusCode::OK));
    };
    match service.purge(&caller, token.terms.id).await {
        Ok(()) => Ok(done(StatusCode::OK)),
        Err(DomainError::NotFound) => {
            // Either another call was first, or the token is out of reach: 200 would say that it is accepted nowhere.
            let left = service.named(Dialect::Query, &body.name).await?;
            match left.is_some_and(|left| left.terms.id == token.terms.id) {
                true => Err(Problem::new(&codes::RIGHTS_EXCEEDED).detail(NOT_YOURS).into()),
                false => Ok(done(StatusCode::OK)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

const NOT_YOURS: &str = "This token reaches further than the key that makes this call";
