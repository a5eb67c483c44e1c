//! What has to be known of a request before the rest of it is read: which model it asks, for how long that is to stay, and
//! whether its answer is streamed. What names no model here, or is no JSON, is refused before a model is loaded for it; other
//! fields that are wrong when all is read.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::body;
use super::ollama::untagged;
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
    /// Of Ollama's clients, where there is no `model`.
    name: Option<Value>,
    keep_alive: Option<Value>,
    stream: Option<Value>,
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
    /// Reads a body once more where there is something to choose.
    ///
    /// # Errors
    /// When too many wait for their turn, status 404 for a model that is not here, and status 400 for what is no JSON and a
    /// `keep_alive` that is none.
    pub(super) async fn of(state: &AppState, body: &Held) -> Result<Self, ApiError> {
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
        let wire = first.routed(read).await??;
        let name = wire.name.as_ref().and_then(Value::as_str);
        let model = named(state, wire.model.as_deref().or(name).unwrap_or_default())?;
        let keep = wire.keep_alive.as_ref().filter(|keep| !keep.is_null());
        let keep = keep.map(KeepAlive::of).transpose();
        let keep = keep
            .map_err(|why| ApiError::invalid_field("keep_alive", format!("`keep_alive` {why}")))?;
        Ok(Self {
            unloads: keep == Some(KeepAlive::For(Duration::ZERO)),
            keep: Some(keep.unwrap_or(model.keep())),
            model,
            streams: wire.stream == Some(Value::Bool(true)),
        })
    }
}

/// The model of a name with or without its tag, which may be one that the first is to go by too; the first without a name.
///
/// # Errors
/// Status 404 for another name.
fn named(state: &AppState, name: &str) -> Result<Metered, ApiError> {
    let names = [name, untagged(name)];
    if let Some(model) = names.iter().find_map(|name| state.served.named(name)) {
        return Ok(model);
    }
    let is_other = |name: &&str| state.access.served_names.iter().any(|other| other == name);
    match name.is_empty() || names.iter().any(is_other) {
        true => Ok(state.served.first().clone()),
        false => Err(ApiError::unknown_model(name, &state.served.ids())),
    }
}
