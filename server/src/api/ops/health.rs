//! `GET /health` and `/health/ready`: whether answers can be had. `GET /health/live`: whether the program is to be started anew.

use axum::extract::State;
use axum::response::Json;
use nibble_engine::Error;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::AppState;

/// # Errors
/// When the program ends: a balancer is to send its requests elsewhere. When the engine is gone: a supervisor is to
/// start the program anew.
pub(in crate::api) async fn health(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
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

/// # Errors
/// When the engine is gone. A server that ends lives until it has.
pub(in crate::api) async fn live(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    if !state.model.is_alive() {
        return Err(Error::Stopped.into());
    }
    Ok(Json(json!({ "status": "ok" })))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::http::header::HOST;
    use tower::ServiceExt;

    use crate::generator::Generator;
    use crate::router;
    use crate::state::{AppState, Settings};
    use crate::test_support::browser::store;
    use crate::test_support::held::Held;
    use crate::test_support::stopped::Stopped;

    fn state_of(generator: Arc<dyn Generator>) -> AppState {
        let settings = Settings {
            usd_per_hour: 1.0,
            allowed_hosts: Vec::new(),
            grace: Duration::ZERO,
            default_max_tokens: 4096,
            connections: 64,
            h2c: false,
        };
        AppState::new(generator, settings, store(), None)
    }

    async fn asked(state: &AppState, path: &str) -> (u16, String) {
        let request = Request::get(path).header(HOST, "localhost");
        told(state, request.body(Body::empty()).unwrap()).await
    }

    async fn told(state: &AppState, request: Request<Body>) -> (u16, String) {
        let response = router(state.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_server_is_well_until_it_ends() {
        let state = state_of(Arc::new(Held::default()));
        let well = r#"{"model":"scripted-1b","status":"ok"}"#;
        let lives = (200, r#"{"status":"ok"}"#.to_owned());
        for path in ["/health", "/health/", "/health/ready"] {
            assert_eq!(asked(&state, path).await, (200, well.to_owned()));
        }
        assert_eq!(asked(&state, "/health/live").await, lives);
        state.model.refuse_from_now_on();
        for path in ["/health", "/health/ready"] {
            let (status, body) = asked(&state, path).await;
            assert_eq!(status, 503);
            assert!(body.contains("the server is ending"), "{body}");
        }
        assert_eq!(asked(&state, "/health/live").await, lives);
    }
    #[tokio::test]
    async fn a_server_whose_model_has_stopped_is_neither_ready_nor_alive() {
        let state = state_of(Arc::new(Stopped::default()));
        let body = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;
        let chat = Request::post("/v1/chat/completions").header(HOST, "localhost");
        let chat = told(&state, chat.body(body.into()).unwrap()).await;
        let mut replies = vec![chat];
        for path in ["/health", "/health/ready", "/health/live"] {
            replies.push(asked(&state, path).await);
        }
        for (status, body) in replies {
            assert_eq!(status, 503, "{body}");
            assert!(body.contains("the model has stopped"), "{body}");
        }
    }
}
