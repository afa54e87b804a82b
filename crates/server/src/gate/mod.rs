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
use utoipa::IntoResponses;

use answer::Statuses;
use heads::{Heads, Names};
use original::{Original, Untold};
use trust::{Hourglass, Trust};

use crate::config::{GateRule, GateSettings};
use crate::problem::ProblemBody;
use crate::state::AppState;

/// Stands before the paths of all dialects.
pub const PREFIX: &str = "/v1/forward-auth/";

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

/// What lets a request go on.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
enum Allowed {
    /// The request may go on; a counted use is durable. As every answer, it has `X-Countermark-Token-Id`, `-Code`,
    /// `-Remaining`, `-Owner` (percent-encoded) and `-Cache-Control` (for the client's response), empty when unknown.
    #[response(status = 204)]
    WithoutContent,
}

/// What makes Envoy let a request go on.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
enum AllowedForEnvoy {
    /// The request may go on; a counted use is durable. There is no body. As every answer, it has
    /// `X-Countermark-Token-Id`, `-Code`, `-Remaining`, `-Owner` (percent-encoded) and `-Cache-Control` (for the client's
    /// response), empty when unknown.
    #[response(status = 200)]
    Ok,
}

/// What the gate answers in every dialect.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
enum GateAnswers<'a> {
    /// No credential, an unknown one, one of the wrong type, a bad signature; or the viewer must log in.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(ProblemBody<'a>),
    /// Any refusal without a status of its own; also for peers that are not trusted.
    #[response(status = 403, content_type = "application/problem+json")]
    Refused(ProblemBody<'a>),
    /// The proxy does not send a header that it must send.
    #[response(status = 500, content_type = "application/problem+json")]
    Untold(ProblemBody<'a>),
    /// The service cannot decide now; nothing has been taken.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}

/// What only proxies see that pass any status on.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
enum AnswersInFull<'a> {
    /// The request breaks the grammar, presents two credentials, or repeats a header.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody<'a>),
    /// The token or the link has expired.
    #[response(status = 410, content_type = "application/problem+json")]
    Expired(ProblemBody<'a>),
    /// The token's uses are spent; or, with `Retry-After` and the code `THROTTLED`, the client has presented too many
    /// unknown values.
    #[response(status = 429, content_type = "application/problem+json")]
    Exhausted(ProblemBody<'a>),
}

/// Decides a request that nginx reports
///
/// For `auth_request`. Any method will do, the query is ignored, a body is not read. Only trusted peers may ask. The
/// client's own `Authorization`, `X-Custom-Auth-Key`, `Origin` and `Destination` are read as they come.
#[utoipa::path(
    get, path = "/v1/forward-auth/nginx", operation_id = "forward_auth_nginx", tag = "gate",
    params(
        ("X-Original-URI" = String, Header, description = "Raw path and query of the original request: `$request_uri`."),
        ("X-Original-Method" = String, Header, description = "Its method: `$request_method`."),
        ("X-Original-Host" = String, Header, description = "Its host: `$host`."),
        ("X-Real-IP" = Option<String>, Header, description = "The client's address, for counting windows and the brake on guesses."),
        ("X-Original-Content-Length" = Option<String>, Header, description = "Size of an upload in bytes."),
        ("X-Original-Content-Type" = Option<String>, Header, description = "Content type of an upload."),
        ("X-Countermark-Gate-Secret" = Option<String>, Header, description = "Makes any peer a trusted one.")
    ),
    responses(Allowed, GateAnswers<'_>)
)]
pub async fn forward_auth_nginx(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    answered(&NGINX, &request, &state).await
}

/// Decides a request that Caddy, Traefik or APISIX reports
///
/// For `forward_auth` and the like. Any method will do, the query is ignored, a body is not read. Only trusted peers may
/// ask. The client's own `Authorization`, `X-Custom-Auth-Key`, `Content-Type`, `Origin` and `Destination` are read as they
/// come.
#[utoipa::path(
    get, path = "/v1/forward-auth/forwarded", operation_id = "forward_auth_forwarded", tag = "gate",
    params(
        ("X-Forwarded-Uri" = String, Header, description = "Raw path and query of the original request."),
        ("X-Forwarded-Method" = String, Header, description = "Its method."),
        ("X-Forwarded-Host" = String, Header, description = "Its host."),
        ("X-Forwarded-For" = Option<String>, Header, description = "The last element is the client's address, for counting windows and the brake on guesses."),
        ("X-Countermark-Gate-Secret" = Option<String>, Header, description = "Makes any peer a trusted one.")
    ),
    responses(Allowed, GateAnswers<'_>, AnswersInFull<'_>)
)]
pub async fn forward_auth_forwarded(request: HttpRequest, state: Data<AppState>) -> HttpResponse {
    answered(&FORWARDED, &request, &state).await
}

/// Decides a request that Envoy repeats
///
/// For `ext_authz` over HTTP with `path_prefix: /v1/forward-auth/envoy`: the raw path and query of the original request
/// stand behind the prefix, and its method, `Host` and headers are the ask's own. Only trusted peers may ask.
#[utoipa::path(
    get, path = "/v1/forward-auth/envoy/{path}", operation_id = "forward_auth_envoy", tag = "gate",
    params(
        ("path" = String, Path, description = "Raw path of the original request, of any number of segments; its query follows."),
        ("X-Forwarded-For" = Option<String>, Header, description = "The last element is the client's address, for counting windows and the brake on guesses."),
        ("X-Countermark-Gate-Secret" = Option<String>, Header, description = "Makes any peer a trusted one.")
    ),
    responses(AllowedForEnvoy, GateAnswers<'_>, AnswersInFull<'_>)
)]
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
