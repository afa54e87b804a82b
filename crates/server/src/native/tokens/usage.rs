//! `GET /v1/access-tokens/{id}/usage`: uses and refusals of one token over time.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::token_id;
use crate::native::answer::answered;
use crate::native::buckets::Buckets;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Uses and refusals of a token over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenUsage, example = json!({"items": [{"from": 1_800_000_000, "uses": 7, "refusals": 1}, {"from": 1_800_003_600, "uses": 0, "refusals": 0}]}))]
pub struct UsageAnswer {
    /// Every bucket, oldest first, also those without any.
    items: Vec<UsageBucket>,
}

/// The figures of one bucket.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenUsageBucket)]
pub struct UsageBucket {
    /// Its beginning, Unix seconds.
    from: u64,
    /// Uses that were granted.
    uses: u64,
    /// Requests that were refused.
    refusals: u64,
}

/// Shows a token's uses over time
///
/// From hourly figures, at most 5 s late. An upload counts where it began, also if its use went back later. Buckets begin at multiples of `step`; at most 1,000 of them.
#[utoipa::path(
    get, path = "/v1/access-tokens/{id}/usage", operation_id = "view_access_token_usage", tag = "figures",
    params(
        ("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("from" = Option<u64>, Query, description = "Beginning, Unix seconds; a day before `to` if absent.", example = 1_800_000_000),
        ("to" = Option<u64>, Query, description = "End, not included; now if absent.", example = 1_800_086_400),
        ("step" = Option<u64>, Query, description = "Seconds of a bucket, a multiple of 3600; 3600 if absent.", example = 3600)
    ),
    responses(
        (status = 200, description = "The figures.", body = UsageAnswer),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn view_access_token_usage(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = caller(&request, &state, "tokens:read").await?;
    let query = Query::of(&request, &["from", "to", "step"])?;
    let buckets = Buckets::of(&query, state.service.now())?;
    let (from, to) = buckets.instants();
    let hours = state.service.usage(&caller, token_id(&request)?, from, to).await.map_err(problem)?;
    let mut items: Vec<UsageBucket> =
        buckets.begins().map(|from| UsageBucket { from, uses: 0, refusals: 0 }).collect();
    for hour in hours {
        if let Some(bucket) = items.get_mut(buckets.place(hour.hour)) {
            bucket.uses = bucket.uses.saturating_add(hour.uses);
            bucket.refusals = bucket.refusals.saturating_add(hour.refusals);
        }
    }
    Ok(answered(&UsageAnswer { items }))
}
