//! Contentive: API users with JWT tokens, managed by administrators who log in.

mod administrator;
mod claims;
mod create;
mod delete;
mod error;
mod input;
mod list;
mod log_in;
mod record;
mod regenerate;
mod update;
mod view;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::DialectError;
use crate::resource::at;
use error::{Refusal, refuse};

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/admin/api", "/admin/auth"];

/// The name of the room's security scheme.
const ADMINISTRATOR: &str = "contentiveAdministrator";

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/admin/auth/login").refusing(refuse).post(log_in::log_in))
        .service(
            at("/admin/api").refusing(refuse).get_alone(list::list_api_users).post(create::create_api_user),
        )
        .service(
            at("/admin/api/regenerate-token/{id}")
                .refusing(refuse)
                .post(regenerate::regenerate_api_user_token),
        )
        .service(
            at("/admin/api/{id}")
                .refusing(refuse)
                .get(view::view_api_user)
                .put(update::update_api_user)
                .delete(delete::delete_api_user),
        )
        .service(
            web::resource(["/admin/auth", "/admin/auth/{tail:.*}", "/admin/api/{tail:.*}"]).to(unknown_path),
        );
}

async fn unknown_path() -> Result<HttpResponse, DialectError> {
    Err(Refusal::UnknownPath.into())
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Room::openapi();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token of a login, or an administrator key as it is."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(ADMINISTRATOR, SecurityScheme::Http(scheme));
    document
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "Contentive dialect", description = "API users as Contentive manages them.")),
    paths(
        log_in::log_in,
        list::list_api_users,
        create::create_api_user,
        view::view_api_user,
        update::update_api_user,
        delete::delete_api_user,
        regenerate::regenerate_api_user_token,
    )
)]
struct Room;
