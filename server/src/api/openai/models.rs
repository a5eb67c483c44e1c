//! `GET /v1/models` and `GET /v1/models/{id}`: the models that can be asked, each under each of its names.

use std::sync::LazyLock;

use axum::extract::{Path, State};
use axum::response::Json;
use nibble_engine::ModelInfo;
use serde::Serialize;

use super::ending::unix_time;
use crate::api::model::{find, named};
use crate::error::ApiError;
use crate::state::AppState;

/// OpenAI wants a date of creation, which model files do not carry: the first time this program was asked.
static CREATED: LazyLock<u64> = LazyLock::new(unix_time);

#[derive(Serialize)]
pub(in crate::api) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
pub(in crate::api) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    /// The longest sequence, in tokens, as vLLM and OpenRouter call it.
    max_model_len: usize,
    context_length: usize,
    nibble: ModelInfo,
}

impl Model {
    fn new(info: &ModelInfo, name: &str) -> Self {
        Self {
            id: name.to_owned(),
            object: "model",
            created: *CREATED,
            owned_by: "nibble",
            max_model_len: info.context,
            context_length: info.context,
            nibble: info.clone(),
        }
    }
}

pub(in crate::api) async fn list(State(state): State<AppState>) -> Json<Models> {
    let models = named(&state).map(|(model, name)| Model::new(model.info(), &name));
    Json(Models {
        object: "list",
        data: models.collect(),
    })
}

pub(in crate::api) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Model>, ApiError> {
    let name = id.trim_end_matches('/');
    let model = find(&state, name);
    let model = model.ok_or_else(|| ApiError::unknown_model(name, &state.served.ids()))?;
    Ok(Json(Model::new(model.info(), name)))
}
