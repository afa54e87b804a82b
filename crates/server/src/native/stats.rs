//! `GET /v1/stats`: the decisions of the whole installation over time.

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::native::answer::answered;
use crate::native::buckets::Buckets;
use crate::native::caller::unbound_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// The decisions of the installation over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats, example = json!({"items": [{"from": 1_800_000_000, "uses": 7, "refusals": 3, "byCode": {"ALLOWED": 7, "EXPIRED": 1, "LIMIT_REACHED": 2}}]}))]
pub struct StatsAnswer {
    /// Every bucket, oldest first, also those without any.
    items: Vec<StatsBucket>,
}

/// The figures of one bucket.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = StatsBucket)]
#[serde(rename_all = "camelCase")]
pub struct StatsBucket {
    /// Its beginning, Unix seconds.
    from: u64,
    /// Requests that were allowed.
    uses: u64,
    /// Requests that were refused.
    refusals: u64,
    /// Decisions by their code; codes that did not occur are left out.
    by_code: BTreeMap<String, u64>,
}

/// Shows decisions over time
///
/// Of the whole installation, from hourly figures, at most 5 s late. Buckets begin at multiples of `step`; at most 1,000
/// of them. A key that is bound to a path, clouds or storages may not see them.
#[utoipa::path(
    get, path = "/v1/stats", operation_id = "view_stats", tag = "figures",
    params(
        ("from" = Option<u64>, Query, description = "Beginning, Unix seconds; a day before `to` if absent.", example = 1_800_000_000),
        ("to" = Option<u64>, Query, description = "End, not included; now if absent.", example = 1_800_086_400),
        ("step" = Option<u64>, Query, description = "Seconds of a bucket, a multiple of 3600; 3600 if absent.", example = 3600)
    ),
    responses((status = 200, description = "The figures.", body = StatsAnswer), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn view_stats(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    unbound_caller(&request, &state, "tokens:read").await?;
    let query = Query::of(&request, &["from", "to", "step"])?;
    let buckets = Buckets::of(&query, state.service.now())?;
    let (from, to) = buckets.instants();
    let decisions = state.service.stats(from, to).await.map_err(problem)?;
    let mut items: Vec<StatsBucket> =
        buckets.begins().map(|from| StatsBucket { from, ..StatsBucket::default() }).collect();
    for decision in decisions {
        if let Some(bucket) = items.get_mut(buckets.place(decision.hour)) {
            let sum = if decision.code == "ALLOWED" { &mut bucket.uses } else { &mut bucket.refusals };
            *sum += decision.count;
            *bucket.by_code.entry(decision.code).or_default() += decision.count;
        }
    }
    Ok(answered(&StatsAnswer { items }))
}
