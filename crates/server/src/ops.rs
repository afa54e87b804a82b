//! Health and metrics, for machines that watch the service.

use actix_web::http::header;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use countermark_domain::NotReady;
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
}

/// Tells that the process lives
///
/// Asks nothing of the database.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operations",
    responses((status = 200, description = "The process lives.", body = Health)))]
pub async fn healthz() -> impl Responder {
    health(HttpResponse::Ok(), "alive", None)
}

/// Tells whether the service should get requests
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready.", body = Health),
        (status = 503, description = "Not ready, and why.", body = Health)
    ))]
pub async fn readyz(state: Data<AppState>) -> impl Responder {
    match state.service.ready().await {
        Ok(()) => health(HttpResponse::Ok(), "ready", None),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            // The store's own words may name paths: they are for the log.
            let reason = match error {
                NotReady::ClockStepBack(_) => error.to_string(),
                NotReady::Store(_) => "the store cannot be read or written".to_owned(),
            };
            health(HttpResponse::ServiceUnavailable(), "notReady", Some(reason))
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

fn health(
    mut answer: actix_web::HttpResponseBuilder,
    status: &'static str,
    reason: Option<String>,
) -> HttpResponse {
    answer.insert_header((header::CACHE_CONTROL, "no-store")).json(Health { status, reason })
}
