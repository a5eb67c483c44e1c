//! The OpenAI-compatible API.

use axum::Router;

use crate::state::AppState;

/// `/v1/*` and `/health`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
}
