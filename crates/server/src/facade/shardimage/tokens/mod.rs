//! Access tokens: one file an operation, and what they share.

pub mod create;
pub mod exists;
mod members;
mod record;
pub mod revoke;
pub mod schema;
pub mod update;
pub mod view;
mod wire;

use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Token, TokenId, TokenKind};
use countermark_domain::{Caller, DomainError};

use super::error::{CONTENT_ID, about, worded};
use super::message::{Asked, content_id};
use crate::body::BODY_LIMIT;
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::problem::{Problem, codes};
use crate::state::AppState;
use wire::{ImageUrlExtra, TokenRequest};

/// Where tokens are made; each one lies below.
pub const COLLECTION: &str = "/secure/v1/access-token";

/// Answers a request that came by itself.
async fn direct(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
    answer: impl AsyncFnOnce(&Call<'_>, &Asked) -> Result<HttpResponse, Fault>,
) -> Result<HttpResponse, DialectError> {
    let id = content_id(request.headers());
    let call = Call::of(&request, &state);
    let asked = Asked::read::<BODY_LIMIT>(&request, payload).await;
    let answered = match asked {
        Ok(asked) => answer(&call, &asked).await,
        Err(problem) => Err(problem.into()),
    };
    let mut answered = answered.map_err(|fault| about(worded(fault), id.clone()))?;
    if let Some(id) = id {
        answered.headers_mut().insert(CONTENT_ID, id);
    }
    Ok(answered)
}

/// Answers a request that came as a part of a batch; `None` for a path that is none of these.
pub async fn answer_part(call: &Call<'_>, asked: &Asked) -> Option<Result<HttpResponse, Fault>> {
    let rest = asked.path().strip_prefix(COLLECTION)?;
    let is_member = rest.strip_prefix('/').is_some_and(|id| !id.is_empty() && !id.contains('/'));
    let method = match (&asked.method, is_member) {
        (it, false) if rest.is_empty() && *it == Method::POST => create::create(call, asked).await,
        (it, true) if *it == Method::GET => view::view(call, asked).await,
        (it, true) if *it == Method::HEAD => exists::exists(call, asked).await,
        (it, true) if *it == Method::PUT => update::update(call, asked).await,
        (it, true) if *it == Method::DELETE => revoke::revoke(call, asked).await,
        (_, false) if !rest.is_empty() => return None,
        _ => Err(Problem::new(&codes::METHOD_NOT_ALLOWED).into()),
    };
    Some(method)
}

/// How many passwords of viewers a request sets, if it is one that sets any.
pub fn new_passwords(asked: &Asked) -> usize {
    let sets = asked.method == Method::POST || asked.method == Method::PUT;
    let sent = || asked.object::<TokenRequest<ImageUrlExtra>>().ok();
    sets.then(sent).flatten().map_or(0, |sent| sent.new_passwords())
}

/// The token that the path names: one that signs URLs by its id, one for uploads by its value. A revoked one is gone in
/// this dialect.
async fn named(call: &Call<'_>, caller: &Caller, asked: &Asked) -> Result<(Token, String), DomainError> {
    let name =
        asked.path().strip_prefix(COLLECTION).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let token = match name.parse::<TokenId>() {
        Ok(id) if id.kind() == TokenKind::ImageUrl => call.service().view(caller, id).await?,
        Ok(_) => return Err(DomainError::NotFound),
        Err(_) => call.service().find_presented(caller, name).await?,
    };
    if token.terms.revoked_at.is_some() { Err(DomainError::NotFound) } else { Ok((token, name.to_owned())) }
}
