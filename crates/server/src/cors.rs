//! Browsers of other origins: which of them may call the native API and the dialects (the CORS protocol of the Fetch standard).

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_cors::{Cors, CorsMiddleware};
use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Condition;
use futures_util::future::LocalBoxFuture;

use crate::facade;
use crate::gate;
use crate::hooks;
use crate::respond::X_REQUEST_ID;

/// Seconds for which a browser may remember what it was allowed.
const MAX_AGE: usize = 3600;

/// Middleware that lets these origins, or with `*` all of them, call the native API; for none it is switched off.
/// It stands outside of [`crate::respond::Respond`], so that problems carry its headers, too.
pub fn cors(origins: &[String]) -> Condition<NativeCors> {
    let is_any = origins.iter().any(|origin| origin == "*");
    let allowed = origins.to_vec();
    let cors = Cors::default()
        .allowed_origin_fn(move |origin, _| {
            is_any || allowed.iter().any(|known| known.as_bytes() == origin.as_bytes())
        })
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-custom-auth-key"),
        ])
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            X_REQUEST_ID,
        ])
        .max_age(MAX_AGE);
    Condition::new(!origins.is_empty(), NativeCors(cors))
}

/// The CORS protocol for the native API and the dialects, and for nothing else: it answers preflights by itself, and an answer to a proxy
/// that asks the gate must come from the gate.
pub struct NativeCors(Cors);

/// Made by [`NativeCors`] for each worker.
pub struct NativeCorsService<S> {
    with_cors: CorsMiddleware<Rc<S>>,
    without: Rc<S>,
}

impl<S, B> Transform<S, ServiceRequest> for NativeCors
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = NativeCorsService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let without = Rc::new(service);
        let with_cors = self.0.new_transform(Rc::clone(&without)).into_inner();
        ready(with_cors.map(|with_cors| NativeCorsService { with_cors, without }))
    }
}

impl<S, B> Service<ServiceRequest> for NativeCorsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    actix_web::dev::forward_ready!(without);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        // As the router reads it, escapes decoded.
        if is_open_to_browsers(request.match_info().as_str()) {
            self.with_cors.call(request)
        } else {
            let answer = self.without.call(request);
            Box::pin(async move { Ok(answer.await?.map_into_left_body()) })
        }
    }
}

fn is_open_to_browsers(path: &str) -> bool {
    facade::owns(path) || is_native(path)
}

fn is_native(path: &str) -> bool {
    path.starts_with("/v1/") && !path.starts_with(gate::PREFIX) && !path.starts_with(hooks::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_native_api_and_the_dialects_speak_cors() {
        for path in ["/api/manage/apiTokens", "/v1/uploads", "/v1/authorize", "/v1/access-tokens/x"] {
            assert!(is_open_to_browsers(path), "{path}");
        }
        for path in
            ["/", "/v1", "/healthz", "/v1/forward-auth/nginx", "/v1/forward-auth/envoy", "/v1/hooks/tusd"]
        {
            assert!(!is_open_to_browsers(path), "{path}");
        }
    }
}
