//! `GET /v1/models` and `GET /v1/models/{id}`: the one model that is loaded.

use std::sync::LazyLock;

use axum::extract::{Path, State};
use axum::response::Json;
use nibble_engine::ModelInfo;
use serde::Serialize;

use super::response::unix_time;
use crate::error::ApiError;
use crate::state::AppState;

/// OpenAI wants a date of creation, which model files do not carry: the first time this program was asked.
static CREATED: LazyLock<u64> = LazyLock::new(unix_time);

#[derive(Serialize)]
pub(super) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    nibble: ModelInfo,
}

impl Model {
    fn new(info: &ModelInfo) -> Self {
        Self {
            id: info.id.clone(),
            object: "model",
            created: *CREATED,
            owned_by: "nibble",
            nibble: info.clone(),
        }
    }
}

pub(super) async fn list(State(state): State<AppState>) -> Json<Models> {
    Json(Models {
        object: "list",
        data: vec![Model::new(state.model.info())],
    })
}

pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Model>, ApiError> {
    let info = state.model.info();
    if id == info.id {
        Ok(Json(Model::new(info)))
    } else {
        Err(ApiError::unknown_model(&id, &info.id))
    }
}
