//! `POST /api/embed`, and `POST /api/embeddings`, which older clients ask.

use std::mem::take;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Json;
use nibble_engine::{Pooling, Prompt, Thinking};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::nanoseconds;
use super::fields::refuse_options;
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
#[schema(as = OllamaEmbedRequest)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    #[serde(alias = "prompt")]
    input: Input,
    /// Whether what is too long for the context is cut off, as it is unless that is said.
    truncate: Option<bool>,
    dimensions: Option<Integer>,
    #[schema(value_type = Option<Value>)]
    options: Option<Map<String, Value>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
pub(in crate::api) struct Embeddings {
    model: String,
    embeddings: Vec<Vec<f32>>,
    total_duration: Value,
    load_duration: u64,
    prompt_eval_count: usize,
}

#[derive(Serialize)]
pub(in crate::api) struct Embedding {
    embedding: Vec<f32>,
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Inputs, ApiError> {
    let mut wire: Wire = body::read(body, "a request for embeddings")?;
    refuse_unknown(&wire.others, &["keep_alive"])?;
    asker.check_model(wire.model.as_deref())?;
    refuse_options(take(&mut wire.options))?;
    let inputs = match wire.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    let found = inputs.len();
    if found > MAX_INPUTS {
        let message = format!("`input` must hold at most {MAX_INPUTS} texts, found {found}");
        return Err(ApiError::invalid_field("input", message));
    }
    Ok(Inputs {
        prompts: inputs.into_iter().map(Prompt::Raw).collect(),
        pooling: Pooling::Mean,
        made: match wire.truncate {
            Some(false) => |input, _| Ok(input),
            _ => truncated,
        },
        dimensions: wire.dimensions,
    })
}

/// As many tokens of a text as the context holds.
fn truncated(input: Prompt, asker: &Asker) -> Result<Prompt, ApiError> {
    let mut tokens = asker.generator.prompt_tokens(&input, Thinking::default())?;
    tokens.truncate(asker.info().context);
    Ok(Prompt::Tokens(tokens))
}

pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    schemas.of::<Wire>()
}

pub(in crate::api) async fn embed(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    http: Request,
) -> Result<Json<Embeddings>, ApiError> {
    let began = Instant::now();
    let (inputs, model, asker) = prepared_by(&state, http, read).await?;
    let Embedded { vectors, tokens } = embedded(&model, asker, caller, inputs).await?;
    Ok(Json(Embeddings {
        model: model.info().id.clone(),
        embeddings: vectors,
        total_duration: nanoseconds(began.elapsed().as_secs_f64()),
        load_duration: 0,
        prompt_eval_count: tokens,
    }))
}

pub(in crate::api) async fn embeddings(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    http: Request,
) -> Result<Json<Embedding>, ApiError> {
    let (inputs, model, asker) = prepared_by(&state, http, read).await?;
    let embedded = embedded(&model, asker, caller, inputs).await?;
    let embedding = embedded.vectors.into_iter().next().unwrap_or_default();
    Ok(Json(Embedding { embedding }))
}
