//! What has to be known of a request before the rest of it is read: which model it asks, for how long that is to stay, and
//! whether its answer is streamed. A field that is wrong is refused when all is read.

use serde::Deserialize;
use serde_json::Value;

use super::ollama::untagged;
use crate::bodies::Held;
use crate::error::ApiError;
use crate::metered::Metered;
use crate::models::KeepAlive;
use crate::state::AppState;

/// As clients write it.
#[derive(Default, Deserialize)]
struct Wire {
    #[serde(alias = "name")]
    model: Option<Value>,
    keep_alive: Option<Value>,
    stream: Option<Value>,
}

/// Whom a request asks, and how.
pub(super) struct Wanted {
    pub(super) model: Metered,
    pub(super) keep: Option<KeepAlive>,
    /// Whether it says that its answer is to be streamed.
    pub(super) streams: bool,
}

impl Wanted {
    /// Reads a body once more where there is something to choose.
    ///
    /// # Errors
    /// When too many wait for their turn, and status 400 for a `keep_alive` that is none.
    pub(super) async fn of(state: &AppState, body: &Held) -> Result<Self, ApiError> {
        let first = state.served.first();
        if !first.is_managed() {
            return Ok(Self {
                model: first.clone(),
                keep: None,
                streams: false,
            });
        }
        let bytes = body.bytes.clone();
        let read = move || serde_json::from_slice::<Wire>(&bytes).unwrap_or_default();
        let wire = first.prepared(read).await?;
        let name = wire.model.as_ref().and_then(Value::as_str);
        let keep = wire.keep_alive.as_ref().filter(|keep| !keep.is_null());
        let keep = keep.map(KeepAlive::of).transpose();
        let keep = keep
            .map_err(|why| ApiError::invalid_field("keep_alive", format!("`keep_alive` {why}")))?;
        let model = state
            .model_named(untagged(name.unwrap_or_default()))
            .clone();
        Ok(Self {
            keep: Some(keep.unwrap_or(model.keep())),
            model,
            streams: wire.stream == Some(Value::Bool(true)),
        })
    }
}
