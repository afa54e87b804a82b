//! Browsers of other origins: which of them may call the native API (the CORS protocol of the Fetch standard).

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Condition;

use crate::respond::X_REQUEST_ID;

/// Seconds for which a browser may remember what it was allowed.
const MAX_AGE: usize = 3600;

/// Middleware that lets these origins, or with `*` all of them, call what lies under `/v1`; for none it is switched off.
/// It stands outside of [`crate::respond::Respond`], so that problems carry its headers, too.
pub fn cors(origins: &[String]) -> Condition<Cors> {
    let is_any = origins.iter().any(|origin| origin == "*");
    let allowed = origins.to_vec();
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, request| {
            let is_known = is_any || allowed.iter().any(|known| known.as_bytes() == origin.as_bytes());
            is_known && request.uri.path().starts_with("/v1/")
        })
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            X_REQUEST_ID,
        ])
        .max_age(MAX_AGE);
    Condition::new(!origins.is_empty(), cors)
}
