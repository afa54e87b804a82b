//! What every handler shares.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::web::Data;
use countermark_domain::Service;

use crate::config::{Config, FacadeSettings};
use crate::facade::UploadTarget;
use crate::gate::Gate;
use crate::hooks::tusd::TusdSettings;
use crate::telemetry::Metrics;
use crate::throttle::FailureThrottle;

/// The state behind the routes; one for all workers.
pub struct AppState {
    /// The use-cases.
    pub service: Arc<Service>,
    /// Renders the figures.
    pub metrics: Metrics,
    /// Brakes callers whose keys fail.
    pub throttle: FailureThrottle,
    /// What tusd must present.
    pub tusd: TusdSettings,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Who may ask at the gate, and what it demands.
    pub gate: Gate,
    /// How foreign dialects are spoken.
    pub facades: FacadeSettings,
    /// Where the bytes of Shardimage uploads go.
    pub shardimage_target: UploadTarget,
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
            tusd: TusdSettings::of(&config.hooks),
            trusted_proxies: config.server.trusted_proxies.clone(),
            gate: Gate::new(&config.gate),
            facades: config.facades.clone(),
            shardimage_target: UploadTarget::new(&config.facades),
            public_url: config.public_url(),
        })
    }
}
