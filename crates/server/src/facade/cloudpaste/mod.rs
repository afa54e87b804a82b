//! CloudPaste: API keys with permission bits, the guest key and the login of its front end.

mod acl;
mod bits;
mod create;
mod delete;
mod envelope;
mod error;
mod guest;
mod list;
mod login;
mod members;
mod nothing;
mod own;
mod replacement;
mod row;
mod strength;
mod update;
mod visitor;

use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use self::error::{refused, unknown_path};
use crate::resource::at;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/api/admin", "/api/test", "/api/public", "/api/mount", "/api/storage"];

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            at("/api/admin/api-keys")
                .get_alone(list::list_api_keys)
                .post(create::create_api_key)
                .refusing(refused),
        )
        .service(
            at("/api/admin/api-keys/{id}")
                .put(update::update_api_key)
                .delete(delete::delete_api_key)
                .refusing(refused),
        )
        .service(
            at("/api/admin/api-keys/{id}/storage-acl")
                .get(acl::view_storage_acl)
                .put(acl::replace_storage_acl)
                .refusing(refused),
        )
        .service(at("/api/admin/login").post(login::log_in).refusing(refused))
        .service(at("/api/admin/logout").post(login::log_out).refusing(refused))
        .service(at("/api/test/admin-token").get(login::test_admin_token).refusing(refused))
        .service(at("/api/test/api-key").get(own::test_api_key).refusing(refused))
        .service(at("/api/public/guest-config").get(guest::view_guest_config).refusing(refused))
        .service(at("/api/admin/settings").get(nothing::list_settings).refusing(refused))
        .service(at("/api/mount/list").get(nothing::list_mounts).refusing(refused))
        .service(at("/api/storage").get(nothing::list_storages).refusing(refused));
    for own in PATHS {
        config.route(own, web::to(unknown_path)).route(&format!("{own}/{{tail:.*}}"), web::to(unknown_path));
    }
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Room::openapi();
    let login = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("What `POST /api/admin/login` answers, or an administrator key."))
        .build();
    let key = ApiKeyValue::with_description("Authorization", "`ApiKey` and an API key of this dialect.");
    let custom = ApiKeyValue::with_description("X-Custom-Auth-Key", "An API key of this dialect.");
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("An API key with WEBDAV_READ, as user name and as password."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("cloudpasteLogin", SecurityScheme::Http(login));
    components.add_security_scheme("cloudpasteApiKey", SecurityScheme::ApiKey(ApiKey::Header(key)));
    components.add_security_scheme("cloudpasteCustomKey", SecurityScheme::ApiKey(ApiKey::Header(custom)));
    components.add_security_scheme("cloudpasteBasic", SecurityScheme::Http(basic));
    document
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "CloudPaste dialect", description = "API keys as CloudPaste manages them.")),
    paths(
        create::create_api_key,
        list::list_api_keys,
        update::update_api_key,
        delete::delete_api_key,
        acl::view_storage_acl,
        acl::replace_storage_acl,
        login::log_in,
        login::log_out,
        login::test_admin_token,
        own::test_api_key,
        guest::view_guest_config,
        nothing::list_settings,
        nothing::list_mounts,
        nothing::list_storages,
    )
)]
struct Room;
