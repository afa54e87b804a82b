//! The gate: proxies ask here, for each request of a client, whether it may go on.
//!
//! A client can send any header and some proxies pass it on, so each dialect has a route of its own and reads the original
//! request from exactly one source.

mod answer;
mod ask;
mod credential;
mod destination;
mod envoy;
mod forwarded;
mod heads;
mod nginx;
mod original;
mod rules;
mod trust;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::DomainError;
use tracing::{error, warn};

use answer::Statuses;
use heads::{Heads, Names};
use original::{Original, Untold};
use trust::{Hourglass, Trust};

use crate::config::{GateRule, GateSettings};
use crate::state::AppState;

/// The gate's settings, and what it has told the operator lately.
#[derive(Debug)]
pub struct Gate {
    trust: Trust,
    rules: Vec<GateRule>,
    max_age: u64,
    told_untrusted: Hourglass,
    told_missing: Hourglass,
    told_failing: Hourglass,
}

/// How one kind of proxy asks and what it understands.
struct Dialect {
    name: &'static str,
    names: &'static Names,
    original: for<'a> fn(&'a HttpRequest, &Heads<'a>) -> Result<Original<'a>, Untold>,
    statuses: &'static Statuses,
}

static NGINX: Dialect =
    Dialect { name: "nginx", names: &nginx::NAMES, original: nginx::original, statuses: &answer::FOR_NGINX };

static FORWARDED: Dialect = Dialect {
    name: "forwarded",
    names: &forwarded::NAMES,
    original: forwarded::original,
    statuses: &answer::IN_FULL,
};

static ENVOY: Dialect =
    Dialect { name: "envoy", names: &envoy::NAMES, original: envoy::original, statuses: &answer::FOR_ENVOY };

/// Registers the gate's routes; every method is an ask.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/v1/forward-auth/nginx").route(web::to(forward_auth_nginx)))
        .service(web::resource("/v1/forward-auth/forwarded").route(web::to(forward_auth_forwarded)))
        .service(web::scope(envoy::PREFIX).default_service(web::to(forward_auth_envoy)));
}

/// Decides a request that nginx reports
pub async fn forward_auth_nginx(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    answered(&NGINX, &request, &state).await
}

/// Decides a request that Caddy, Traefik or APISIX reports
pub async fn forward_auth_forwarded(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    answered(&FORWARDED, &request, &state).await
}

/// Decides a request that Envoy repeats
pub async fn forward_auth_envoy(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    answered(&ENVOY, &request, &state).await
}

async fn answered(dialect: &Dialect, request: &HttpRequest, state: &AppState) -> HttpResponse {
    match ask::ask(dialect, request, state).await {
        Ok(pass) => pass.render(dialect.statuses),
        Err(refused) => refused.render(dialect.statuses, request, &state.public_url),
    }
}

impl Gate {
    /// A gate with these settings.
    pub fn new(settings: &GateSettings) -> Self {
        Self {
            trust: Trust::new(settings),
            rules: settings.rules.clone(),
            max_age: settings.max_age_seconds,
            told_untrusted: Hourglass::new(),
            told_missing: Hourglass::new(),
            told_failing: Hourglass::new(),
        }
    }

    fn tell_untrusted(&self, request: &HttpRequest) {
        if !self.told_untrusted.is_free() {
            return;
        }
        let peer = request.peer_addr().map(|peer| peer.ip().to_string());
        if self.trust.is_configured() {
            warn!(peer, "the gate was asked by a peer that gate.trusted_proxies does not list");
        } else {
            warn!(peer, "the gate refuses everybody: set gate.trusted_proxies or gate.shared_secret");
        }
    }

    fn tell_missing(&self, dialect: &Dialect, name: &str) {
        if self.told_missing.is_free() {
            error!(
                dialect = dialect.name,
                header = name,
                "the proxy does not send a header that its kind must send; every such request is refused with 500"
            );
        }
    }

    fn tell_failing(&self, cause: &DomainError) {
        if self.told_failing.is_free() {
            error!(%cause, "the gate cannot decide");
        }
    }
}
