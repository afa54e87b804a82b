//! Health and metrics, for machines that watch the service.

use actix_web::http::header;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use countermark_domain::Missing;
use serde::Serialize;
use utoipa::ToSchema;

use crate::resource::at;
use crate::state::AppState;

/// Registers `/healthz` and `/readyz`, and `/metrics` if it is to be served here.
pub fn routes(config: &mut ServiceConfig, with_metrics: bool) {
    config.service(at("/healthz").get(healthz)).service(at("/readyz").get(readyz));
    if with_metrics {
        config.service(at("/metrics").get(metrics));
    }
}

/// What a health check says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health, example = json!({"status": "ready"}))]
pub struct Health {
    /// `alive`, `ready` or `notReady`.
    status: &'static str,
    /// Why the service is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The parts that are missing then: `database`, which must answer a read and take a write; `lease`, beside other nodes,
    /// once it has lapsed for longer than it lasts; `clock`, which must not be far behind the highest time seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    missing: Vec<&'static str>,
}

/// Tells that the process lives
///
/// Asks nothing of the database.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operations",
    responses((status = 200, description = "The process lives.", body = Health)))]
pub async fn healthz() -> impl Responder {
    health(HttpResponse::Ok(), "alive", None, Vec::new())
}

/// Tells whether the service should get requests
///
/// Answers within 1.5 s, also if the database does not.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready.", body = Health),
        (status = 503, description = "Not ready, and why.", body = Health,
            example = json!({"status": "notReady", "reason": "the store cannot be read or written", "missing": ["database"]}))
    ))]
pub async fn readyz(state: Data<AppState>) -> impl Responder {
    match state.service.ready().await {
        Ok(()) => health(HttpResponse::Ok(), "ready", None, Vec::new()),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            let parts = error.missing.iter().map(Missing::part).collect();
            let reasons: Vec<_> = error.missing.iter().map(reason).collect();
            health(HttpResponse::ServiceUnavailable(), "notReady", Some(reasons.join("; ")), parts)
        }
    }
}

/// Shows the metrics
///
/// In the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain",
        example = "# HELP countermark_decisions_total Decisions by code\n# TYPE countermark_decisions_total counter\ncountermark_decisions_total{code=\"ALLOWED\"} 42\n")))]
pub async fn metrics(state: Data<AppState>) -> impl Responder {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.metrics.render(&state.service, &state.throttle).await)
}

/// The store's own words may name paths: they are for the log.
fn reason(missing: &Missing) -> String {
    match missing {
        Missing::Database(_) => "the store cannot be read or written".to_owned(),
        Missing::Lease(_) | Missing::Clock(_) => missing.to_string(),
    }
}

fn health(
    mut answer: actix_web::HttpResponseBuilder,
    status: &'static str,
    reason: Option<String>,
    missing: Vec<&'static str>,
) -> HttpResponse {
    answer.insert_header((header::CACHE_CONTROL, "no-store")).json(Health { status, reason, missing })
}
