//! Contentive's documentation calls from a browser, as of another origin.

use actix_web::App;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web;
use countermark_server::app::routes;
use countermark_server::cors::cors;
use countermark_server::request_id::RequestIds;
use countermark_server::resource::unknown_path;
use countermark_server::respond::Respond;

use super::USERS;
use crate::installation::Installation;

/// Status, allowed origin and allowed headers of an answer to a browser of this origin.
async fn ask(it: &Installation, request: TestRequest, origin: &str) -> (u16, String, String) {
    let ids = RequestIds::new(1);
    let app = App::new()
        .app_data(ids.clone())
        .configure(routes(it.state.clone(), false, false))
        .default_service(web::to(unknown_path))
        .wrap(Respond::new(ids, "https://cm.example"))
        .wrap(cors(&["http://localhost:3000".to_owned()]));
    let request = request.insert_header(("origin", origin)).to_request();
    let answer = call_service(&init_service(app).await, request).await;
    let header = |name: &str| {
        answer.headers().get(name).map(|it| it.to_str().unwrap().to_lowercase()).unwrap_or_default()
    };
    (answer.status().as_u16(), header("access-control-allow-origin"), header("access-control-allow-headers"))
}

fn preflight(path: &str, method: &'static str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(Method::OPTIONS)
        .insert_header(("access-control-request-method", method))
        .insert_header(("access-control-request-headers", "authorization,content-type"))
}

#[actix_web::test]
async fn s4_3_a_preflight_passes_from_an_allowed_origin_only() {
    let it = Installation::new().await;
    let regeneration = format!("{USERS}/regenerate-token/x");
    for (path, method) in [
        (format!("{USERS}/x"), "PUT"),
        (format!("{USERS}/x"), "DELETE"),
        (USERS.to_owned(), "POST"),
        (regeneration, "POST"),
        ("/admin/auth/login".to_owned(), "POST"),
    ] {
        let (status, origin, headers) = ask(&it, preflight(&path, method), "http://localhost:3000").await;
        assert_eq!((status, origin.as_str()), (200, "http://localhost:3000"), "{method} {path}");
        assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
        let (_, origin, _) = ask(&it, preflight(&path, method), "http://localhost:3001").await;
        assert_eq!(origin, "", "{method} {path}");
    }
}

#[actix_web::test]
async fn s4_3_answers_and_refusals_may_be_read_by_an_allowed_origin_only() {
    let it = Installation::new().await;
    for (key, status) in [(it.admin.as_str(), 200), ("wrong", 401)] {
        let request =
            || TestRequest::get().uri(USERS).insert_header(("authorization", format!("Bearer {key}")));
        let (answered, origin, _) = ask(&it, request(), "http://localhost:3000").await;
        assert_eq!((answered, origin.as_str()), (status, "http://localhost:3000"));
        let (_, origin, _) = ask(&it, request(), "http://evil.example").await;
        assert_eq!(origin, "");
    }
}
