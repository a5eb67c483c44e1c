//! The route table.

use axum::Router;
use axum::middleware::{self, from_fn};

use crate::state::AppState;
use crate::{assets, openai, ops, pages, security, traces};

/// Every route of the program. Building it needs no runtime; answering a message does.
pub fn router(state: AppState) -> Router {
    let mut routes = Router::new()
        .merge(pages::routes(&state))
        .merge(assets::routes())
        .merge(openai::routes())
        .merge(ops::routes());
    if state.model.is_traced() {
        routes = routes.layer(from_fn(traces::follow));
    }
    routes
        .layer(from_fn(openai::hint))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::guard,
        ))
        .with_state(state)
}
