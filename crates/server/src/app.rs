//! The routes in the order in which they are tried.

use actix_web::web::{Data, ServiceConfig};

use crate::problem::pages;
use crate::state::AppState;
use utoipa::openapi::OpenApi;

use crate::config::FacadeSettings;
use crate::{api_docs, facade, gate, hooks, native, ops};

/// Registers every route of the service; `with_docs` also the Swagger UI, `with_metrics` also `/metrics`.
pub fn routes(
    state: Data<AppState>,
    with_docs: bool,
    with_metrics: bool,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let docs = with_docs.then(|| api_docs::api_docs(&document(&state.facades)));
    move |config| {
        config.app_data(state.clone());
        // Routes are tried in the order of registration: the hot ones stand first.
        gate::routes(config);
        native::routes(config);
        hooks::routes(config);
        facade::routes(config, &state.facades);
        ops::routes(config, with_metrics);
        // Problems point to these pages, also where the Swagger UI is switched off.
        config.configure(pages);
        if let Some(docs) = &docs {
            docs(config);
        }
    }
}

/// The OpenAPI document of everything that is spoken under these settings.
pub fn document(settings: &FacadeSettings) -> OpenApi {
    let mut document = native::document();
    facade::add_to(&mut document, settings);
    document
}
