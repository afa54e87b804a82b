//! `GET /v1/stats`: the decisions of the whole installation over time.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::store::{Condition, Sharing};
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

/// The decisions of the installation over time, and its nodes now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats, example = json!({
    "items": [{"from": 1_800_000_000, "uses": 7, "refusals": 3, "byCode": {"ALLOWED": 7, "EXPIRED": 1, "LIMIT_REACHED": 2}}],
    "nodes": {
        "live": 3,
        "lease": {"lengthMillis": 1000, "ageMillis": 212, "held": true},
        "revocation": {"boundMillis": 1000, "p50Millis": 3, "p99Millis": 12, "count": 25}
    }
}))]
pub struct StatsAnswer {
    /// Every bucket, oldest first, also those without any.
    items: Vec<StatsBucket>,
    /// The nodes that share the installation, as the answering one sees them.
    nodes: StatsNodes,
}

/// The nodes that share an installation, as one of them sees them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsNodes)]
pub struct StatsNodes {
    /// Nodes that hold a lease, the answering one included; seen about a lease ago.
    live: usize,
    /// The lease of the answering node; null on SQLite, where a node is always alone.
    lease: Option<StatsLease>,
    /// How long changes have waited at the answering node.
    revocation: StatsRevocation,
}

/// How long a node trusts what it remembers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsLease)]
#[serde(rename_all = "camelCase")]
pub struct StatsLease {
    /// Its length in milliseconds.
    length_millis: u64,
    /// Milliseconds since its last renewal.
    age_millis: u64,
    /// Whether it holds. If not, each look-up reads the database.
    held: bool,
}

/// How long revocations and other changes have waited, after they were stored, until every node knew of them; since the
/// start of the answering node.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = StatsRevocation)]
#[serde(rename_all = "camelCase")]
pub struct StatsRevocation {
    /// The longest that a change waits for a node that does not answer: the length of the lease. Null where a node is always
    /// alone.
    bound_millis: Option<u64>,
    /// Milliseconds that half of the changes did not exceed, rounded up; null without any.
    p50_millis: Option<u64>,
    /// Milliseconds that 99 of 100 changes did not exceed, rounded up; null without any.
    p99_millis: Option<u64>,
    /// How many changes were answered.
    count: u64,
}

impl StatsNodes {
    fn of(condition: &Condition) -> Self {
        Self {
            live: condition.live_nodes(),
            lease: condition.sharing().map(StatsLease::of),
            revocation: condition.sharing().map(StatsRevocation::of).unwrap_or_default(),
        }
    }
}

impl StatsLease {
    fn of(sharing: &Sharing) -> Self {
        Self {
            length_millis: millis(sharing.lease),
            age_millis: millis(sharing.lease_age),
            held: sharing.lapsed_for.is_none(),
        }
    }
}

impl StatsRevocation {
    fn of(sharing: &Sharing) -> Self {
        let quantile = |per_mille| sharing.waits.quantile(per_mille).map(|micros| micros.div_ceil(1000));
        Self {
            bound_millis: Some(millis(sharing.lease)),
            p50_millis: quantile(500),
            p99_millis: quantile(990),
            count: sharing.waits.count(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
/// Of the whole installation, from hourly figures, at most 5 s late; and how its nodes are now. Buckets begin at multiples of `step`; at most 1,000
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
    Ok(answered(&StatsAnswer { items, nodes: StatsNodes::of(&state.service.condition()) }))
}
