//! The OpenAPI document and the Swagger UI that shows it.

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::resource::at;

/// The name of the security scheme that every protected operation refers to.
pub const MANAGEMENT_KEY: &str = "managementKey";

/// The name of the security scheme of tusd's hooks.
pub const TUSD_SECRET: &str = "tusdSecret";

/// Adds the schemes that make Swagger UI's Authorize button work.
pub fn add_security(document: &mut OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cmk_…")
        .description(Some("A management key: an apiKey token's value, shown once when it was issued."))
        .build();
    let tusd = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("The secret of `hooks.tusd_secret` as the password, with any user name."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(MANAGEMENT_KEY, SecurityScheme::Http(scheme));
    components.add_security_scheme(TUSD_SECRET, SecurityScheme::Http(tusd));
}

/// The document as it is served and committed: indented JSON with a line feed at the end.
pub fn to_json(document: &OpenApi) -> String {
    let mut json = document.to_pretty_json().expect("an OpenAPI document always becomes JSON");
    json.push('\n');
    json
}

/// Registers `/openapi.json` and `/docs/`; what stands below `/docs` must be registered before.
pub fn api_docs(document: &OpenApi) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    let json = Bytes::from(to_json(document));
    move |service| {
        let json = json.clone();
        service
            .service(at("/openapi.json").get(move || {
                let json = json.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(json) }
            }))
            // Relative, so that it holds behind a proxy with a path of its own.
            .service(at("/docs").get(|| to_folder("docs/")))
            .service(
                SwaggerUi::new("/docs/{_:.*}").config(
                    Config::new(["../openapi.json"])
                        .persist_authorization(true)
                        .try_it_out_enabled(true)
                        .display_request_duration(true)
                        .validator_url("none"),
                ),
            )
            .route("/docs/{_:.*}", web::to(crate::resource::unknown_path));
    }
}

async fn to_folder(location: &'static str) -> impl Responder {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish()
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use utoipa::openapi::{Info, Paths};

    use super::*;

    fn document() -> OpenApi {
        let mut document = OpenApi::new(Info::new("Countermark", "0"), Paths::new());
        add_security(&mut document);
        document
    }

    async fn body_of(path: &str) -> (u16, String) {
        let app = init_service(App::new().configure(api_docs(&document()))).await;
        let answer = call_service(&app, TestRequest::with_uri(path).to_request()).await;
        let status = answer.status().as_u16();
        (status, String::from_utf8_lossy(&read_body(answer).await).into_owned())
    }

    #[actix_web::test]
    async fn the_document_is_served_with_its_security_scheme() {
        let (status, body) = body_of("/openapi.json").await;
        assert_eq!((status, body.as_str()), (200, to_json(&document()).as_str()));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["components"]["securitySchemes"][MANAGEMENT_KEY]["scheme"], "bearer");
    }

    #[actix_web::test]
    async fn swagger_ui_opens_and_points_to_the_document() {
        let (status, page) = body_of("/docs/").await;
        assert_eq!(status, 200);
        assert!(page.contains("swagger-ui"));
        let (status, script) = body_of("/docs/swagger-initializer.js").await;
        assert_eq!(status, 200);
        assert!(
            script.contains("../openapi.json") && script.contains("\"persistAuthorization\": true"),
            "{script}"
        );
    }

    #[actix_web::test]
    async fn docs_without_a_slash_lead_to_the_folder() {
        let app = init_service(App::new().configure(api_docs(&document()))).await;
        let answer = call_service(&app, TestRequest::with_uri("/docs").to_request()).await;
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.headers().get("location").unwrap(), "docs/");
    }
}
