//! `GET /metrics`, for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::TEXT_FORMAT;

use crate::error::ApiError;
use crate::state::AppState;

pub(in crate::api) async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    for model in state.served.iter() {
        model.show_load();
    }
    let text = state.telemetry.render(&state.served.load());
    let text = text.map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}
