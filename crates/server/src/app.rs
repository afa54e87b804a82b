//! What every handler shares, and the routes in the order in which they are tried.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use countermark_domain::Service;

use crate::config::Config;
use crate::problem::pages;
use crate::telemetry::Metrics;
use crate::throttle::FailureThrottle;
use crate::{api_docs, native, ops};

/// The state behind the routes; one for all workers.
pub struct AppState {
    /// The use-cases.
    pub service: Arc<Service>,
    /// Renders the figures.
    pub metrics: Metrics,
    /// Brakes callers whose keys fail.
    pub throttle: FailureThrottle,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// As clients see the service, without a slash at its end.
    pub public_url: String,
}

impl AppState {
    /// The state for `service` under `config`.
    pub fn new(service: Arc<Service>, config: &Config) -> Data<Self> {
        Data::new(Self {
            service,
            metrics: Metrics::new(),
            throttle: FailureThrottle::new(config.throttle.burst, config.throttle.per_second),
            trusted_proxies: config.server.trusted_proxies.clone(),
            public_url: config.public_url(),
        })
    }
}

/// Registers every route of the service; `with_docs` also the Swagger UI, `with_metrics` also `/metrics`.
pub fn routes(
    state: Data<AppState>,
    with_docs: bool,
    with_metrics: bool,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let docs = with_docs.then(|| api_docs::api_docs(&native::document()));
    move |config| {
        config.app_data(state.clone());
        // Routes are tried in the order of registration: the hot ones stand first.
        native::routes(config);
        ops::routes(config, with_metrics);
        // Problems point to these pages, also where the Swagger UI is switched off.
        config.configure(pages);
        if let Some(docs) = &docs {
            docs(config);
        }
    }
}
