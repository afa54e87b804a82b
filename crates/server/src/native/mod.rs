//! The native API under `/v1`: one file a route, this table for all of them.

mod answer;
mod audit;
mod authorize;
mod buckets;
mod caller;
mod cursor;
pub(crate) mod error;
mod explain;
mod introspect;
mod notifications;
mod question;
mod refusals;
mod signed_urls;
mod stats;
pub(crate) mod tokens;
mod uploads;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

use crate::api_docs;
use crate::resource::at;

/// Registers the native routes, hot ones first.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/v1/authorize").post(authorize::authorize))
        .service(at("/v1/authorize/batch").post(authorize::authorize_batch))
        .service(at("/v1/signed-urls").post(signed_urls::create_signed_url))
        .service(at("/v1/explain").post(explain::explain))
        .service(at("/oauth2/introspect").post(introspect::introspect))
        .service(
            at("/v1/access-tokens")
                .get(tokens::list::list_access_tokens)
                .post(tokens::issue::issue_access_token),
        )
        .service(
            at("/v1/access-tokens/{id}")
                .head(tokens::view::access_token_exists)
                .get(tokens::view::view_access_token)
                .patch(tokens::update::update_access_token)
                .delete(tokens::revoke::revoke_access_token),
        )
        .service(at("/v1/access-tokens/{id}/regenerate").post(tokens::regenerate::regenerate_access_token))
        .service(at("/v1/access-tokens/{id}/value").get(tokens::reveal::reveal_access_token))
        .service(at("/v1/access-tokens/{id}/usage").get(tokens::usage::view_access_token_usage))
        .service(at("/v1/uploads").post(uploads::begin::begin_upload))
        .service(at("/v1/uploads/{id}").get(uploads::view::view_upload))
        .service(at("/v1/uploads/{id}/complete").post(uploads::complete::complete_upload))
        .service(at("/v1/uploads/{id}/abort").post(uploads::abort::abort_upload))
        .service(at("/v1/stats").get(stats::view_stats))
        .service(at("/v1/audit").get(audit::view_audit_log))
        .service(at("/v1/notifications").get(notifications::list::list_notifications))
        .service(at("/v1/notifications/test").post(notifications::test::send_test_notification))
        .service(at("/v1/notifications/{id}").get(notifications::view::view_notification))
        .service(at("/v1/notifications/{id}/replay").post(notifications::replay::replay_notification))
        .service(
            at("/v1/notification-secrets")
                .get(notifications::secrets::view_notification_secrets)
                .post(notifications::secrets::rotate_notification_secret),
        );
}

/// The OpenAPI document of the native API.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Native::openapi();
    api_docs::add_security(&mut document);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countermark",
        description = "Issues the access tokens of image delivery and upload, signs URLs with them, decides on every use, counts uses exactly and ends tokens at once.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    tags(
        (name = "decisions", description = "May this credential be used? Every use is decided, counted and durable before the answer leaves."),
        (name = "signing", description = "Signing URLs on the server."),
        (name = "access tokens", description = "Issuing, viewing, changing and ending tokens."),
        (name = "uploads", description = "An upload reserves one use when it begins; it is spent when the upload completes and goes back when it is aborted."),
        (name = "figures", description = "Uses and refusals over time, and the audit log."),
        (name = "gate", description = "Proxies ask here, for each request of a client, whether it may go on."),
        (name = "notifications", description = "What is told to receivers, as Standard Webhooks 1.0."),
        (name = "hooks", description = "What upload servers call by themselves."),
        (name = "operations", description = "Health and metrics.")
    ),
    paths(
        authorize::authorize,
        authorize::authorize_batch,
        explain::explain,
        signed_urls::create_signed_url,
        introspect::introspect,
        tokens::issue::issue_access_token,
        tokens::list::list_access_tokens,
        tokens::view::view_access_token,
        tokens::view::access_token_exists,
        tokens::update::update_access_token,
        tokens::revoke::revoke_access_token,
        tokens::regenerate::regenerate_access_token,
        tokens::reveal::reveal_access_token,
        tokens::usage::view_access_token_usage,
        uploads::begin::begin_upload,
        uploads::view::view_upload,
        uploads::complete::complete_upload,
        uploads::abort::abort_upload,
        stats::view_stats,
        audit::view_audit_log,
        crate::gate::forward_auth_nginx,
        crate::gate::forward_auth_forwarded,
        crate::gate::forward_auth_envoy,
        notifications::list::list_notifications,
        notifications::view::view_notification,
        notifications::replay::replay_notification,
        notifications::test::send_test_notification,
        notifications::secrets::view_notification_secrets,
        notifications::secrets::rotate_notification_secret,
        crate::hooks::tusd::receive_tusd_hook,
        crate::ops::healthz,
        crate::ops::readyz,
        crate::ops::metrics,
    )
)]
struct Native;
