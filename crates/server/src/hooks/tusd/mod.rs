//! `POST /v1/hooks/tusd`: tusd's HTTP hooks. One call begins an upload, one ends it; tusd's repetitions change nothing.

mod create;
mod credential;
mod end;
mod event;
mod metadata;
mod reply;
mod secret;
mod settings;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Dialect, TokenId};
use countermark_domain::UploadAsker;
use sha2::{Digest, Sha256};

use crate::body::{BODY_LIMIT, json_bytes};
use crate::client_address::client_address;
use crate::hooks::tusd::event::{Event, Hook, HookRequest};
use crate::hooks::tusd::reply::Reply;
use crate::json;
use crate::problem::{Problem, ProblemBody, codes};
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::throttle::Entrance;
pub use settings::TusdSettings;

/// Stands for tusd where uploads name the key that began them: no key has this id, which is no UUID of any time.
const TUSD: &str = "ak_0000000000000000000000";

/// Receives a hook of tusd
///
/// For tusd's `-hooks-http`, with the secret of `hooks.tusd_secret` as the password in that URL. `pre-create` begins an
/// upload and gives it its id and metadata, `pre-finish` and `post-finish` complete it with the size that was stored,
/// `post-terminate` gives the use of an unfinished one back. Other hooks change nothing. A refusal is a 200 that rejects
/// the upload: tusd passes the problem inside it on to the client.
#[utoipa::path(
    post, path = "/v1/hooks/tusd", operation_id = "receive_tusd_hook", tag = "hooks",
    request_body(content = HookRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "What tusd is to do.", body = Reply),
        (status = 400, description = "The body is no hook of tusd; `errors` names the member.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "The secret is missing or wrong.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "No secret is configured.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many failed attempts from this address.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The service cannot answer now; tusd tries again.", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("tusdSecret" = []))
)]
pub async fn receive_tusd_hook(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    admit(&request, &state)?;
    let Some(hook) = event::hook_of(&bytes)? else { return Ok(Reply::default().answered()) };
    let event = json::read::<HookRequest>(&bytes)?.event;
    let call =
        Call { state: &state, request_id: RequestId::of(&request), digest: Sha256::digest(&bytes).into() };
    let reply = match hook {
        Hook::PreCreate => create::begin(&call, &event).await?,
        Hook::PreFinish => end::complete_before_answer(&call, &event).await?,
        Hook::PostFinish => end::complete(&call, &event).await?,
        Hook::PostTerminate => end::abandon(&call, &event).await?,
    };
    Ok(reply.answered())
}

/// What the hooks share about the call that they are part of.
struct Call<'a> {
    state: &'a AppState,
    request_id: Option<RequestId>,
    /// Of the whole body: tusd repeats a hook byte for byte.
    digest: [u8; 32],
}

impl Call<'_> {
    /// A reply that refuses with this problem; one that is not the client's fault is for tusd itself, which tries again.
    fn refuse(&self, problem: Problem) -> Result<Reply, Problem> {
        if problem.code().status >= 500 {
            return Err(problem);
        }
        let refusal =
            |problem: &Problem| Reply::refusal(problem, &self.state.public_url, self.request_id.as_ref());
        let reply = refusal(&problem);
        if reply.fits() {
            return Ok(reply);
        }
        // The demands of a token can be long: tusd would take a reply that it cannot read whole for a failure.
        let bare = problem.headers().fold(Problem::new(problem.code()), |bare, (name, value)| {
            bare.header(name.clone(), value.clone())
        });
        Ok(refusal(&bare))
    }

    /// The key of the client's request to tusd, from the header that only a proxy can have set.
    fn repetition_key<'e>(&self, event: &'e Event) -> Option<(&'static str, &'e str, [u8; 32])> {
        let id = event.request.only_header(self.state.tusd.request_id_header.as_deref()?)?;
        let fits = (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(("tusd", id, self.digest))
    }
}

fn admit(request: &HttpRequest, state: &AppState) -> Result<(), Problem> {
    let Some(expected) = &state.tusd.secret else {
        state.tusd.tell_once_that_there_is_no_secret();
        return Err(Problem::new(&codes::HOOKS_NOT_CONFIGURED));
    };
    secret::check(request, expected).map_err(|failure| {
        let address = client_address(request, &state.trusted_proxies);
        state.throttle.failed(Entrance::Api(Dialect::Native), address, failure)
    })
}

fn tusd() -> TokenId {
    TUSD.parse().expect("the constant has the form of an id")
}

/// Hooks carry no API key: their secret proves tusd, which reaches the uploads that it has begun and no others.
fn tusd_itself() -> UploadAsker<'static> {
    UploadAsker::Server(tusd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tusd_stands_for_a_key_that_no_time_can_give() {
        assert_eq!(tusd().to_string(), TUSD);
    }
}
