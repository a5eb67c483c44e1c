//! What supervisors and monitoring systems ask: `/health` and `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use nibble_engine::Error;
use prometheus::TEXT_FORMAT;
use serde_json::{Value, json};

use crate::error::{ApiError, log_cause, wrong_method};
use crate::state::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(log_cause))
}

/// # Errors
/// When the program ends: a balancer is to send its requests elsewhere. When the engine is gone: a supervisor is to
/// start the program anew.
async fn health(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    if state.model.is_ending() {
        return Err(Error::Ending.into());
    }
    if !state.model.is_alive() {
        return Err(Error::Stopped.into());
    }
    Ok(Json(
        json!({ "model": state.model.info().id, "status": "ok" }),
    ))
}

async fn metrics(State(state): State<AppState>) -> Result<Response, ApiError> {
    let text = state
        .telemetry
        .render(&state.model.load())
        .map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::http::header::HOST;
    use tower::ServiceExt;

    use crate::router;
    use crate::state::{AppState, Settings};
    use crate::test_support::held::Held;

    async fn health(state: &AppState) -> (u16, String) {
        let request = Request::get("/health").header(HOST, "localhost");
        let request = request.body(Body::empty()).unwrap();
        let response = router(state.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_server_is_well_until_it_ends() {
        let settings = Settings {
            usd_per_hour: 1.0,
            allowed_hosts: Vec::new(),
            grace: Duration::ZERO,
            connections: 64,
        };
        let state = AppState::new(Arc::new(Held::default()), settings);
        let well = r#"{"model":"scripted-1b","status":"ok"}"#;
        assert_eq!(health(&state).await, (200, well.to_owned()));
        state.model.refuse_from_now_on();
        let (status, body) = health(&state).await;
        assert_eq!(status, 503);
        assert!(body.contains("the server is ending"), "{body}");
    }
}
