//! The route table.

use axum::Router;

use crate::openai;
use crate::state::AppState;

/// Every route of the program.
pub fn router(state: AppState) -> Router {
    Router::new().merge(openai::routes()).with_state(state)
}
