//! `GET /tokenizer_info`: the tokens that begin a text and end one, and how long it may be, as vLLM tells it. With `/tokenize`
//! beside it lm-eval needs no tokenizer of its own.

use axum::extract::State;
use axum::response::Json;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::state::AppState;

pub(in crate::api) async fn tokenizer_info(
    State(state): State<AppState>,
) -> Result<Json<Value>, ApiError> {
    // Looking loads none.
    let generator = state.model.loaded().ok_or_else(|| {
        let id = &state.model.info().id;
        ApiError::unavailable(format!(
            "the model `{id}` is not in memory; a request that it answers loads it"
        ))
    })?;
    let [first, last] = generator.first_and_last();
    Ok(Json(json!({
        "bos_token": first,
        "eos_token": last,
        "model_max_length": generator.info().context,
    })))
}
