//! Query Server: `/_/token`.

mod create;
mod credential;
mod delete;
mod error;
mod list;
mod reveal;
mod update;
mod wire;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::resource::at;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/_/token"];

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            at("/_/token")
                .refusing(error::not_offered)
                .get_alone(list::list_query_tokens)
                .post(create::create_query_token)
                .put(update::update_query_token)
                .delete(delete::delete_query_token),
        )
        .service(at("/_/token/value").refusing(error::not_offered).get_alone(reveal::view_query_token_value))
        .route("/_/token/{tail:.*}", web::to(error::unknown_path));
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cmk_…")
        .description(Some("An administrator key."));
    let mut document = Room::openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("queryAdministrator", SecurityScheme::Http(key.build()));
    document
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "Query dialect", description = "Tokens as Query Server manages them.")),
    paths(
        list::list_query_tokens,
        create::create_query_token,
        update::update_query_token,
        delete::delete_query_token,
        reveal::view_query_token_value
    )
)]
struct Room;
