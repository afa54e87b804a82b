//! `POST /v1/authorize` and its batch: the hot path.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::{Question, Service};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{BATCH_BODY_LIMIT, BODY_LIMIT, json_bytes};
use crate::idempotency_key::idempotency_key;
use crate::json::{self, List, Obj};
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::question::{Asker, AuthorizeAnswer, AuthorizeRequest};
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// Decides one use
///
/// Always 200: `allowed` and `code` say what was decided. A counted use is durable before the answer leaves.
#[utoipa::path(
    post, path = "/v1/authorize", operation_id = "authorize", tag = "decisions",
    request_body(content = AuthorizeRequest, content_type = "application/json"),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry of the same question free for 24 hours.")),
    responses(
        (status = 200, description = "The decision.", body = AuthorizeAnswer),
        (status = 422, description = "The idempotency key was used for another question.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn authorize(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = caller(&request, &state, "authorize").await?;
    let wire: AuthorizeRequest<'_> = json::read(&bytes)?;
    let asker = Asker { caller: caller.id(), route: "authorize", header_key: idempotency_key(&request)? };
    let client = wire.client();
    let question = wire.question(None, client.as_deref(), asker)?;
    let answer = state.service.authorize(&question).await.map_err(problem)?;
    Ok(answered(&AuthorizeAnswer::of(&answer)))
}

/// The body of `POST /v1/authorize/batch`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AuthorizeBatchRequest)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest<'a> {
    /// At most 100 questions.
    #[serde(borrow)]
    #[schema(value_type = Vec<AuthorizeRequest>, max_items = 100)]
    items: List<Obj<AuthorizeRequest<'a>>, 100>,
}

/// The answers of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthorizeBatchAnswer)]
pub struct BatchAnswer {
    /// One result for each question, in the same order.
    #[schema(value_type = Vec<BatchResultSchema>)]
    results: Vec<BatchResult>,
}

/// A decision, or the code of the problem that kept one question from being decided.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum BatchResult {
    Decided(AuthorizeAnswer),
    Failed { allowed: bool, code: &'static str },
}

/// One result of a batch.
#[derive(ToSchema)]
#[schema(as = AuthorizeBatchResult)]
#[expect(
    dead_code,
    reason = "only its schema is used: results are decisions, or a refusal with the code of a problem"
)]
struct BatchResultSchema(AuthorizeAnswer);

/// Decides up to 100 uses
///
/// The questions are decided in order; those that take exact uses share a transaction.
#[utoipa::path(
    post, path = "/v1/authorize/batch", operation_id = "authorize_batch", tag = "decisions",
    request_body(content = BatchRequest, content_type = "application/json", example = json!({"items": [
        {"credential": {"value": "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l"}, "request": {"method": "POST", "bytes": 1024}, "dryRun": true},
        {"credential": {"url": "https://img.example.com/images/cat.jpg?cm-token=iu_034YReQTIGubVCzWuStHEC.1&cm-expires=1900000000&cm-signature=spOv1zz3k8AYGbNq0uSfNdSprKQaMCTC7Ko5t0wANoI"}}
    ]})),
    responses(
        (status = 200, description = "The decisions, in order.", body = BatchAnswer),
        (status = 413, description = "The body is over 1 MiB.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn authorize_batch(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BATCH_BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = caller(&request, &state, "authorize").await?;
    let wire: BatchRequest<'_> = json::read(&bytes)?;
    let asker = Asker { caller: caller.id(), route: "authorize", header_key: None };
    let clients: Vec<Option<String>> = wire.items.0.iter().map(|item| item.client()).collect();
    let questions = wire
        .items
        .0
        .iter()
        .zip(&clients)
        .enumerate()
        .map(|(place, (item, client))| item.question(Some(place), client.as_deref(), asker));
    let questions: Vec<Question<'_>> = questions.collect::<Result<_, _>>()?;
    let results = decide_all(&state.service, &questions).await;
    Ok(answered(&BatchAnswer { results }))
}

async fn decide_all(service: &Service, questions: &[Question<'_>]) -> Vec<BatchResult> {
    let mut results: Vec<Option<BatchResult>> = questions
        .iter()
        .map(|question| match service.authorize_from_cache(question) {
            Ok(Some(answer)) => Some(BatchResult::Decided(AuthorizeAnswer::of(&answer))),
            Ok(None) => None,
            Err(error) => Some(BatchResult::failed(&problem(error))),
        })
        .collect();
    let waiting: Vec<usize> = (0..results.len()).filter(|place| results[*place].is_none()).collect();
    let decided = join_all(waiting.iter().map(|place| service.authorize(&questions[*place]))).await;
    for (place, answer) in waiting.into_iter().zip(decided) {
        results[place] = Some(match answer {
            Ok(answer) => BatchResult::Decided(AuthorizeAnswer::of(&answer)),
            Err(error) => BatchResult::failed(&problem(error)),
        });
    }
    results.into_iter().flatten().collect()
}

impl BatchResult {
    fn failed(problem: &Problem) -> Self {
        Self::Failed { allowed: false, code: problem.code().name }
    }
}
