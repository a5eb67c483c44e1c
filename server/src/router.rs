//! The route table.

use axum::Router;
use axum::middleware::{self, from_fn};

use crate::state::AppState;
use crate::{api, assets, pages, request_id, security, sign_in, traces};

/// Every route of the program. Building it needs no runtime; answering a message does.
pub fn router(state: AppState) -> Router {
    let mut routes = Router::new()
        .merge(pages::routes(&state))
        .merge(assets::routes())
        .merge(api::routes(&state));
    if state.model.is_traced() {
        routes = routes.layer(from_fn(traces::follow));
    }
    routes
        .layer(middleware::from_fn_with_state(state.clone(), sign_in::gate))
        .layer(from_fn(api::hint))
        .layer(from_fn(pages::lead_readers))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::guard,
        ))
        .layer(from_fn(request_id::follow))
        .with_state(state)
}
