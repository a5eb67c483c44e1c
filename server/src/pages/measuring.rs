//! `POST /about/measure`: measures what the machine can do at best, while nothing else is asked of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use crate::chat::Refused;
use crate::state::AppState;
use crate::visitor::Visiting;

pub(super) async fn measure(State(state): State<AppState>, visiting: Visiting) -> Response {
    let t = visiting.visitor.language;
    let chat = Arc::clone(&state.chat);
    // To its end also when the client leaves, or another would measure beside it.
    let measured = tokio::spawn(async move { chat.measure_limits().await }).await;
    match measured.unwrap_or_else(|error| Err(Refused::Failed(error.to_string()))) {
        // The limits are shown, however old they are.
        Ok(()) | Err(Refused::Fresh) => Redirect::to("/about#machine").into_response(),
        Err(Refused::Busy) => {
            let reason = format!("{}\n", t.not_idle());
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
        Err(Refused::Failed(error)) => {
            tracing::error!("the machine's limits are not measured: {error}");
            let reason = format!("{}\n", t.limits_not_measured());
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
    }
}
