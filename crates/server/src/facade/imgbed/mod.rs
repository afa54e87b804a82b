//! CloudFlare-ImgBed: `/api/manage/apiTokens`.

mod create;
mod credential;
mod delete;
mod error;
mod id;
mod list;
mod preflight;
mod update;
mod wire;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::resource::at;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/api/manage/apiTokens"];

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            at("/api/manage/apiTokens")
                .refusing(error::not_offered)
                .get(list::list_imgbed_tokens)
                .post(create::create_imgbed_token)
                .put(update::update_imgbed_token)
                .delete(delete::delete_imgbed_token)
                .options(preflight::answer_imgbed_preflight),
        )
        .route("/api/manage/apiTokens/{tail:.*}", web::to(error::unknown_path));
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("imgbed_…")
        .description(Some("A token of this dialect with the permission `manage`, or an administrator key."));
    let administrator = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(
        "The user name of `facades.admin_name`, and an administrator key as the password.",
    ));
    let mut document = Room::openapi();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("imgbedToken", SecurityScheme::Http(token.build()));
    components.add_security_scheme("imgbedAdministrator", SecurityScheme::Http(administrator.build()));
    document
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "ImgBed dialect", description = "API tokens as CloudFlare-ImgBed manages them.")),
    paths(
        list::list_imgbed_tokens,
        create::create_imgbed_token,
        update::update_imgbed_token,
        delete::delete_imgbed_token,
        preflight::answer_imgbed_preflight
    ),
    // Named by no path itself, only by what all of them can answer.
    components(schemas(error::NotValid))
)]
struct Room;
