//! What every answer has in common: the request id, and one shape of errors, logged once.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::{Error, ResponseError};
use tracing::error;

use crate::connection_watch::{LongBody, UnderWay, end_soon, is_long};
use crate::facade::DialectError;
use crate::problem::{Problem, codes};
use crate::request_id::{RequestId, RequestIds};

/// The header that carries the request id; a client's own is ignored.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware for the whole application. Also put the same [`RequestIds`] into the application data, so that
/// handlers can learn their id.
#[derive(Clone)]
pub struct Respond {
    ids: RequestIds,
    public_url: Arc<str>,
}

impl Respond {
    /// `public_url` has no slash at its end; problems point to pages below it.
    pub fn new(ids: RequestIds, public_url: &str) -> Self {
        Self { ids, public_url: public_url.trim_end_matches('/').into() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Respond
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Transform = RespondService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RespondService { service, shared: Rc::new(self.clone()) }))
    }
}

/// Made by [`Respond`] for each worker.
pub struct RespondService<S> {
    service: S,
    shared: Rc<Respond>,
}

impl<S, B> Service<ServiceRequest> for RespondService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let shared = Rc::clone(&self.shared);
        let under_way = UnderWay::begin(&request);
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = shared.finish(answer.await?);
            match under_way {
                Some(under_way) if is_long(answer.response().body().size()) => {
                    Ok(answer.map_body(|_, body| {
                        EitherBody::right(BoxBody::new(LongBody {
                            body: body.boxed(),
                            _under_way: under_way,
                        }))
                    }))
                }
                _ => Ok(answer),
            }
        })
    }
}

impl Respond {
    fn finish<B: MessageBody>(&self, answer: ServiceResponse<B>) -> ServiceResponse<EitherBody<B, BoxBody>> {
        // A handler may have logged under its id already.
        let id = RequestId::find(answer.request()).unwrap_or_else(|| self.ids.next());
        let mut answer = match self.problem(&answer, id) {
            Some(problem) => {
                let (request, _) = answer.into_parts();
                ServiceResponse::new(request, problem).map_into_right_body()
            }
            None => answer.map_into_left_body(),
        };
        answer.headers_mut().insert(X_REQUEST_ID, id.header_value());
        answer
    }

    /// The problem in place of an error of ours, or of one that the framework made.
    fn problem<B>(&self, answer: &ServiceResponse<B>, id: RequestId) -> Option<actix_web::HttpResponse> {
        let error = answer.response().error()?;
        if let Some(worded) = error.as_error::<DialectError>() {
            return Some(pass(worded, answer, id));
        }
        let foreign;
        let problem = match error.as_error::<Problem>() {
            Some(problem) => problem,
            None => {
                foreign = of_status(error.as_response_error());
                &foreign
            }
        };
        log_fault(problem, answer, id);
        if problem.closes() {
            end_soon(answer.request());
        }
        Some(problem.render(&self.public_url, Some(&id)))
    }
}

/// An error that a room has worded already.
fn pass<B>(worded: &DialectError, answer: &ServiceResponse<B>, id: RequestId) -> actix_web::HttpResponse {
    if worded.is_failure() {
        let route = answer.request().match_pattern().unwrap_or_default();
        let (status, cause) = (worded.status_code().as_u16(), worded.cause().unwrap_or_default());
        error!(request_id = id.as_str(), route, status, cause, "request failed");
    }
    if worded.closes() {
        end_soon(answer.request());
    }
    worded.render(&id)
}

fn log_fault<B>(problem: &Problem, answer: &ServiceResponse<B>, id: RequestId) {
    if problem.status_code().is_server_error() {
        let route = answer.request().match_pattern().unwrap_or_default();
        let cause = problem.cause().unwrap_or_default();
        error!(request_id = id.as_str(), route, code = problem.code().name, cause, "request failed");
    }
}

fn of_status(error: &dyn ResponseError) -> Problem {
    match error.status_code() {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(&codes::METHOD_NOT_ALLOWED),
        StatusCode::REQUEST_TIMEOUT => Problem::new(&codes::REQUEST_TIMEOUT).closing(),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(&codes::BODY_TOO_LARGE).closing(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE),
        StatusCode::SERVICE_UNAVAILABLE => Problem::unavailable(error),
        status if status.is_client_error() => {
            Problem::new(&codes::MALFORMED_BODY).detail("the request could not be read").closing()
        }
        _ => Problem::internal(error),
    }
}
