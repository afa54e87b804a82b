//! `POST /v1/explain`: the same question, taking nothing, answered with its reasons.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{SignatureForm, StepOutcome};
use countermark_domain::Explanation;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{BODY_LIMIT, json_bytes};
use crate::json;
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::question::{Asker, AuthorizeAnswer, AuthorizeRequest};
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::state::AppState;

/// A decision with its reasons. Holds neither a MAC nor a secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainAnswer, example = json!({
    "allowed": false, "code": "BAD_SIGNATURE", "tokenId": "iu_034YCGMODo7rNXJe1rD0Im", "type": "imageUrl",
    "owner": null, "limit": null, "used": 0, "remaining": null, "expiry": null,
    "steps": [{"code": "WRONG_TYPE", "outcome": "passed"}, {"code": "BAD_SIGNATURE", "outcome": "refused"}],
    "form": "cm1",
    "canonicalString": "countermark-url-v1\npath\nimg.example.com\n/mycloud/s-cm1:iu_034YCGMODo7rNXJe1rD0Im.1,-,/i/cat.jpg?w=1",
    "differs": ["the query was added after signing"]
}))]
#[serde(rename_all = "camelCase")]
pub struct ExplainAnswer {
    /// What authorize would answer.
    #[serde(flatten)]
    answer: AuthorizeAnswer,
    /// Every rule in the order of refusal; empty if no token was found.
    steps: Vec<ExplainedStep>,
    /// How the URL is signed, `cm1` or `s-token2`; null for values and malformed URLs.
    form: Option<&'static str>,
    /// What the URL's signature must be over; null for values, malformed URLs and `s-token2`.
    canonical_string: Option<String>,
    /// In plain words, what differs from a request that would be allowed.
    differs: Vec<String>,
}

/// One rule of the order of refusal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainStep)]
pub struct ExplainedStep {
    /// The refusal that the rule can give.
    #[schema(example = "EXPIRED")]
    code: &'static str,
    /// `passed`, `refused` or `notReached`.
    #[schema(example = "passed")]
    outcome: &'static str,
}

/// Explains a decision
///
/// Answers what authorize would, taking no use, with the decision trace, the canonical string and what differs. Needs
/// the permissions `authorize` and `tokens:read`.
#[utoipa::path(
    post, path = "/v1/explain", operation_id = "explain", tag = "decisions",
    request_body(content = AuthorizeRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The decision and its reasons.", body = ExplainAnswer),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn explain(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = caller(&request, &state, "authorize").await?;
    state.service.permit(&caller, "tokens:read").map_err(problem)?;
    let wire: AuthorizeRequest<'_> = json::read(&bytes)?;
    let asker = Asker { caller: caller.id(), route: "explain", header_key: None };
    let client = wire.client();
    let question = wire.question(None, client.as_deref(), asker)?;
    let explanation = state.service.explain(&caller, &question).await.map_err(problem)?;
    Ok(answered(&ExplainAnswer::of(explanation)))
}

impl ExplainAnswer {
    fn of(explanation: Explanation) -> Self {
        let token = explanation.token.as_deref().map(|entry| (&entry.terms, entry.used()));
        Self {
            answer: AuthorizeAnswer::new(explanation.verdict.err(), token),
            steps: explanation
                .steps
                .iter()
                .map(|step| ExplainedStep { code: step.reason.code(), outcome: outcome(step.outcome) })
                .collect(),
            form: explanation.form.map(SignatureForm::name),
            canonical_string: explanation.canonical_string,
            differs: explanation.differs,
        }
    }
}

const fn outcome(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Passed => "passed",
        StepOutcome::Refused => "refused",
        StepOutcome::NotReached => "notReached",
    }
}
