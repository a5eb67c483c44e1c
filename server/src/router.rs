//! The route table.

use axum::{Router, middleware};

use crate::state::AppState;
use crate::{assets, openai, ops, pages, security};

/// Every route of the program. Building it needs no runtime; answering a message does.
pub fn router(state: AppState) -> Router {
    Router::new()
        .merge(pages::routes(&state))
        .merge(assets::routes())
        .merge(openai::routes())
        .merge(ops::routes())
        .layer(middleware::from_fn(openai::hint))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::guard,
        ))
        .with_state(state)
}
