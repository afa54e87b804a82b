//! Paths with their methods; every other method is answered 405 with `Allow`, every other path 404.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

use crate::facade::DialectError;
use crate::problem::{Problem, codes};

/// A path that is to be given its methods.
pub fn at(path: &str) -> PathMethods {
    PathMethods { resource: web::resource(path), allowed: Vec::new(), refuse: None }
}

/// A path with the methods it offers; register it with `service`.
pub struct PathMethods {
    resource: Resource,
    allowed: Vec<Method>,
    /// Words what is not offered; `None` = as a problem.
    refuse: Option<fn(Problem) -> DialectError>,
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => { $(
        #[doc = concat!("Answers ", stringify!($method), " with this handler.")]
        #[must_use]
        pub fn $name<F, Args>(self, handler: F) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.method(Method::$method, handler)
        }
    )* };
}

impl PathMethods {
    methods!(head HEAD, post POST, put PUT, patch PATCH, delete DELETE, options OPTIONS);

    /// Words what is not offered in a dialect.
    #[must_use]
    pub fn refusing(mut self, refuse: fn(Problem) -> DialectError) -> Self {
        self.refuse = Some(refuse);
        self
    }

    /// Answers GET with this handler, and HEAD not at all.
    #[must_use]
    pub fn get_alone<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::GET, handler)
    }

    /// Answers GET with this handler, and HEAD as well (the body is then left out) unless [`PathMethods::head`] stands
    /// before it.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let with_get = self.method(Method::GET, handler.clone());
        if with_get.allowed.contains(&Method::HEAD) {
            with_get
        } else {
            with_get.method(Method::HEAD, handler)
        }
    }

    fn method<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::method(method.clone()).to(handler));
        self.allowed.push(method);
        self
    }
}

impl HttpServiceFactory for PathMethods {
    fn register(self, config: &mut AppService) {
        let names: Vec<&str> = self.allowed.iter().map(Method::as_str).collect();
        let allow = HeaderValue::from_str(&names.join(", ")).expect("method names may stand in a header");
        let detail = format!("this path offers {}", names.join(" and "));
        self.resource
            .default_service(web::to(move || {
                let refuse = self.refuse;
                let problem = Problem::new(&codes::METHOD_NOT_ALLOWED)
                    .detail(detail.clone())
                    .header(header::ALLOW, allow.clone());
                async move {
                    Err::<HttpResponse, actix_web::Error>(match refuse {
                        Some(refuse) => refuse(problem).into(),
                        None => problem.into(),
                    })
                }
            }))
            .register(config);
    }
}

/// The answer for paths that are not ours: the application's default service.
///
/// # Errors
/// Always, with 404.
pub async fn unknown_path() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use serde_json::Value;

    use super::*;
    use crate::request_id::RequestIds;
    use crate::respond::Respond;

    macro_rules! app {
        () => {
            init_service(
                App::new()
                    .wrap(Respond::new(RequestIds::new(1), "https://cm.example/"))
                    .service(at("/thing").get(HttpResponse::Ok).post(HttpResponse::Created))
                    .service(at("/number/{n}").get(|n: web::Path<u8>| async move { n.to_string() }))
                    .service(
                        at("/fault").get(|| async {
                            Err::<HttpResponse, _>(Problem::internal("the disk is on fire"))
                        }),
                    )
                    .default_service(web::to(unknown_path)),
            )
            .await
        };
    }

    #[actix_web::test]
    async fn a_method_that_is_not_offered_is_answered_405_with_allow() {
        let app = app!();
        let answer = call_service(&app, TestRequest::delete().uri("/thing").to_request()).await;
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers().get("allow").unwrap(), "GET, HEAD, POST");
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
        assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
        let created = call_service(&app, TestRequest::post().uri("/thing").to_request()).await;
        assert_eq!(created.status(), 201);
    }

    #[actix_web::test]
    async fn an_unknown_path_is_a_problem_with_the_id_of_its_header() {
        let app = app!();
        let request = TestRequest::with_uri("/nothing").insert_header(("x-request-id", "mine")).to_request();
        let answer = call_service(&app, request).await;
        assert_eq!(answer.status(), 404);
        let ids: Vec<String> =
            answer.headers().get_all("x-request-id").map(|id| id.to_str().unwrap().to_owned()).collect();
        let body: Value = serde_json::from_slice(&read_body(answer).await).unwrap();
        assert_eq!(ids, [body["requestId"].as_str().unwrap()]);
        assert_ne!(ids, ["mine"]);
        assert_eq!(body["type"], "https://cm.example/docs/errors/NOT_FOUND");
        assert_eq!(body["code"], "NOT_FOUND");
        assert_eq!(body["status"], 404);
    }

    #[actix_web::test]
    async fn an_error_of_the_framework_becomes_a_problem_without_its_value() {
        let app = app!();
        let answer = call_service(&app, TestRequest::with_uri("/number/canary").to_request()).await;
        assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
        let body = read_body(answer).await;
        assert!(!String::from_utf8_lossy(&body).contains("canary"));
    }

    #[actix_web::test]
    async fn the_cause_of_a_fault_stays_inside() {
        let app = app!();
        let answer = call_service(&app, TestRequest::with_uri("/fault").to_request()).await;
        assert_eq!(answer.status(), 500);
        let body = read_body(answer).await;
        assert!(!String::from_utf8_lossy(&body).contains("fire"));
    }
}
