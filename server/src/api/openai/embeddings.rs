//! `POST /v1/embeddings`: what texts or tokens come to, as the mean of the model's states behind its final norm, or the last of them.
//!
//! Embeddings have the length 1, also where only the first `dimensions` are wanted. A chat's model gives what it has: one that was
//! trained for embeddings gives better ones.

use axum::extract::{Request, State};
use axum::response::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nibble_engine::Pooling;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::completions::prompts::{Prompts, unbegun};
use crate::api::asker::Asker;
use crate::api::body::{self, Integer};
use crate::api::embedding::{Embedded, Inputs, MAX_INPUTS, embedded};
use crate::api::fields::refuse_unknown;
use crate::api::openapi::Schemas;
use crate::api::prepared::prepared_by;
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

#[derive(Deserialize, ToSchema)]
#[schema(as = EmbeddingRequest)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    input: Prompts,
    dimensions: Option<Integer>,
    encoding_format: Option<Encoding>,
    pooling: Option<WirePooling>,
    add_special_tokens: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    /// The bytes of little-endian floats.
    Base64,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WirePooling {
    Mean,
    Last,
}

#[derive(Serialize)]
pub(in crate::api) struct Embeddings {
    object: &'static str,
    data: Vec<Item>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// What is asked for.
pub(super) struct Asked {
    pub(super) inputs: Inputs,
    encoding: Option<Encoding>,
}

pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    schemas.of::<Wire>()
}

pub(in crate::api) async fn create(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    http: Request,
) -> Result<Json<Embeddings>, ApiError> {
    let (asked, model, asker) = prepared_by(&state, http, read).await?;
    let Embedded { vectors, tokens } = embedded(&model, asker, caller, asked.inputs).await?;
    let data = vectors.into_iter().enumerate().map(|(index, vector)| Item {
        object: "embedding",
        index,
        embedding: match asked.encoding {
            None | Some(Encoding::Float) => Vector::Floats(vector),
            Some(Encoding::Base64) => {
                let bytes = vector.iter().flat_map(|value| value.to_le_bytes());
                Vector::Base64(STANDARD.encode(bytes.collect::<Vec<_>>()))
            }
        },
    });
    Ok(Json(Embeddings {
        object: "list",
        data: data.collect(),
        model: model.info().id.clone(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    }))
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked, ApiError> {
    let wire: Wire = body::read(body, "a request for embeddings")?;
    refuse_unknown(&wire.others, &["user"])?;
    asker.check_model(wire.model.as_deref())?;
    let pooling = match wire.pooling {
        None | Some(WirePooling::Mean) => Pooling::Mean,
        Some(WirePooling::Last) => Pooling::Last,
    };
    let prompts = wire.input.checked("input", MAX_INPUTS)?;
    Ok(Asked {
        inputs: Inputs {
            prompts,
            pooling,
            made: match wire.add_special_tokens {
                Some(false) => unbegun,
                _ => |input, _| Ok(input),
            },
            dimensions: wire.dimensions,
        },
        encoding: wire.encoding_format,
    })
}
