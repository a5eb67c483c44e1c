//! What has to be known of a request before the rest of it is read: which model it asks, for how long that is to stay, and
//! whether its answer is streamed. What names no model here, or is no JSON, is refused before a model is loaded for it, and so
//! are then the other fields ([`super::prepared::ahead`]); what takes a tokenizer to find out is refused when it is there.

use std::time::Duration;

use axum::body::Bytes;
use nibble_engine::Caller;
use serde::Deserialize;
use serde_json::Value;

use super::body;
use super::model::find;
use super::ollama;
use crate::bodies::Held;
use crate::error::ApiError;
use crate::metered::Metered;
use crate::models::KeepAlive;
use crate::state::AppState;

/// As clients write it.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    /// Of Ollama's clients, where there is no `model` or an empty one.
    name: Option<Value>,
    keep_alive: Option<Value>,
    stream: Option<Value>,
}

impl Wire {
    /// Ollama's clients say where it is not to be streamed.
    fn streams(&self, path: &str) -> bool {
        match self.stream {
            Some(Value::Bool(streams)) => streams,
            _ => ollama::owns(path),
        }
    }
}

/// Whom a request asks, and how.
pub(super) struct Wanted {
    pub(super) model: Metered,
    pub(super) keep: Option<KeepAlive>,
    /// Whether it says that the model is to leave at once.
    pub(super) unloads: bool,
    /// Whether it says that its answer is to be streamed.
    pub(super) streams: bool,
}

impl Wanted {
    /// Reads the body of a request once more where there is something to choose.
    ///
    /// # Errors
    /// When too many wait for their turn, status 404 for a model that is not here, and status 400 for what is no JSON and a
    /// `keep_alive` that is none.
    pub(super) async fn of(
        state: &AppState,
        path: &str,
        caller: Caller,
        body: &Held,
    ) -> Result<Self, ApiError> {
        let first = state.served.first();
        if !first.is_managed() {
            return Ok(Self {
                model: first.clone(),
                keep: None,
                unloads: false,
                streams: false,
            });
        }
        let bytes = body.bytes.clone();
        let read = move || body::read::<Wire>(&bytes, "a request");
        let wire = first.routed(caller, read).await??;
        let name = wire.name.as_ref().and_then(Value::as_str);
        let model = wire.model.as_deref().filter(|model| !model.is_empty());
        let model = named(state, model.or(name).unwrap_or_default())?;
        let keep = wire.keep_alive.as_ref().filter(|keep| !keep.is_null());
        let keep = keep.map(KeepAlive::of).transpose();
        let keep = keep
            .map_err(|why| ApiError::invalid_field("keep_alive", format!("`keep_alive` {why}")))?;
        Ok(Self {
            unloads: keep == Some(KeepAlive::For(Duration::ZERO)),
            keep: Some(keep.unwrap_or(model.keep())),
            model,
            streams: wire.streams(path),
        })
    }

    /// Whether the answer to a body that was sent to `path` is to be streamed; not where that cannot be read now.
    pub(super) async fn streams(model: &Metered, path: &str, caller: Caller, body: Bytes) -> bool {
        let read = move || body::read::<Wire>(&body, "a request");
        matches!(model.routed(caller, read).await, Ok(Ok(wire)) if wire.streams(path))
    }
}

/// The model that a request asks by name, or the first without one.
///
/// # Errors
/// Status 404 for a name of none.
fn named(state: &AppState, asked: &str) -> Result<Metered, ApiError> {
    if asked.is_empty() {
        return Ok(state.served.first().clone());
    }
    find(state, asked).ok_or_else(|| ApiError::unknown_model(asked, &state.served.ids()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use serde_json::json;

    use crate::models::{KeepAlive, Models, Offer};
    use crate::state::AppState;
    use crate::test_support::client::{post, scripted, send_to, state};

    /// A server whose model is not in memory, and how often it was loaded.
    fn server() -> (AppState, Arc<AtomicUsize>) {
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let offer = Offer {
            info: scripted().info().clone(),
            file: None,
            bytes: 1,
            kv_blocks: 0,
            keep: KeepAlive::Always,
            load: Box::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(scripted())
            }),
        };
        let models = Models::new(vec![offer], Box::new(|| None), Some(1), None);
        (state(models), loads)
    }

    #[tokio::test]
    async fn a_name_of_any_list_is_taken_on_every_path_and_another_tag_loads_no_model() {
        let messages = json!([{ "role": "user", "content": "Hi" }]);
        for path in [
            "/v1/chat/completions",
            "/v1/messages",
            "/v1/responses",
            "/v1/completions",
            "/v1/embeddings",
            "/tokenize",
            "/api/chat",
            "/api/embed",
        ] {
            for (name, status, loaded) in [
                ("scripted-1b:q4", StatusCode::NOT_FOUND, 0),
                ("scripted-1b:latest:latest", StatusCode::NOT_FOUND, 0),
                (":latest", StatusCode::NOT_FOUND, 0),
                ("scripted-1b:latest", StatusCode::OK, 1),
                ("scripted-1b", StatusCode::OK, 1),
            ] {
                let body = match path {
                    "/v1/chat/completions" | "/v1/messages" | "/api/chat" => {
                        json!({ "model": name, "messages": messages, "stream": false })
                    }
                    "/v1/completions" => json!({ "model": name, "prompt": "Hi" }),
                    "/tokenize" => json!({ "model": name, "content": "Hi" }),
                    _ => json!({ "model": name, "input": "Hi" }),
                };
                let (server, loads) = server();
                let reply = send_to(&server, post(path, body)).await;
                assert_eq!(reply.status(), status, "{path} {name}");
                assert_eq!(loads.load(Ordering::SeqCst), loaded, "{path} {name}");
            }
        }
    }
}
