//! `POST /admin/api`: a new API user.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Permission, TokenId, UnixSeconds};
use countermark_domain::{DomainError, Draft, PurposeDraft, Service};
use zeroize::Zeroizing;

use super::administrator::administrator;
use super::claims::Subject;
use super::error::{ErrorBody, Refusal, Refusals};
use super::input::CreateRequest;
use super::record::{ApiUser, answer};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::json;
use crate::state::AppState;

/// Creates an API user
///
/// The answer shows his token: a JWT that is kept sealed, so that it can be shown again.
#[utoipa::path(
    post, path = "/admin/api", operation_id = "contentive_create_api_user", tag = "Contentive dialect",
    request_body(content = CreateRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The new API user.", body = ApiUser<'_>),
        (status = 400, description = "A member is missing or not acceptable, or the name is taken.", body = ErrorBody<'_>),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn create_api_user(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(created(&request, payload, &state).await?)
}

async fn created(request: &HttpRequest, payload: Payload, state: &AppState) -> Result<HttpResponse, Refusal> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload.into_inner()).await?;
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    let (draft, status) = json::read::<CreateRequest>(&bytes)?.draft()?;
    let service = call.service();
    let described = Described::of(&draft);
    let value = |id, expiry| described.token(service, id, status.name(), expiry);
    let issued = service.issue_naming(&caller, draft, value).await?;
    let value = issued.value.as_deref().map(String::as_str);
    Ok(answer(StatusCode::CREATED, &ApiUser::of(&issued.token, value, service.now())))
}

/// What the token says of its user, taken from the draft that is issued with it.
struct Described {
    name: String,
    scopes: Vec<Permission>,
}

impl Described {
    fn of(draft: &Draft) -> Self {
        let scopes = match &draft.purpose {
            PurposeDraft::ApiKey { permissions, .. } => permissions.clone(),
            PurposeDraft::ImageUrl { .. } | PurposeDraft::Upload { .. } => Vec::new(),
        };
        Self { name: draft.name.clone().unwrap_or_default(), scopes }
    }

    fn token(
        &self,
        service: &Service,
        id: TokenId,
        status: &str,
        expiry: Option<UnixSeconds>,
    ) -> Result<Zeroizing<String>, DomainError> {
        let scopes = Subject::names(&self.scopes);
        // What could not be made again is not made: every later status and expiry must fit as well.
        Subject::longest(id, &self.name, scopes.clone()).token(service)?;
        Subject { id, name: &self.name, scopes, status, expiry }.token(service)
    }
}
