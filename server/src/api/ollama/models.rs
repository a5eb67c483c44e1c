//! What there is to say of the model: `GET /api/tags`, `GET /api/ps`, `POST /api/show`, `GET /api/version`.

use std::sync::LazyLock;

use axum::extract::{Request, State};
use axum::response::Json;
use jiff::{SignedDuration, Timestamp};
use nibble_engine::{Conversation, Message, ModelInfo, Prompt, Role, Thinking};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::api::asker::Asker;
use crate::api::body;
use crate::api::fields::refuse_unknown;
use crate::api::model::{named, tagged};
use crate::api::openapi::Schemas;
use crate::api::prepared::looked_at;
use crate::error::ApiError;
use crate::hex::hex;
use crate::state::AppState;

/// Model files carry no date: the first time this program was asked.
static MODIFIED: LazyLock<String> = LazyLock::new(|| Timestamp::now().to_string());

/// What Ollama's own client sends with every request, which changes nothing of a model.
const HARMLESS: [&str; 3] = ["system", "template", "verbose"];

/// The Ollama whose API this is: the first that speaks OpenAI's responses and Anthropic's messages beside its own form. Clients
/// choose by it what they ask, and refuse one that is too old for them.
const OLLAMA: &str = "0.14.0";

/// A model that stays still has to have an end.
const NEVER: &str = "9999-12-31T23:59:59Z";

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaShowRequest)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    /// Of clients that know no `model`, or send both.
    name: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

fn details(info: &ModelInfo) -> Value {
    let size = match info.parameters {
        small if small < 1_000_000_000 => format!("{}M", small / 1_000_000),
        large => format!("{:.1}B", large as f64 / 1e9),
    };
    json!({
        "parent_model": "",
        "format": "nibble",
        "family": info.family,
        "families": [info.family],
        "parameter_size": size,
        "quantization_level": info.quantization,
    })
}

fn listed(info: &ModelInfo, name: &str) -> Value {
    json!({
        "name": tagged(name),
        "model": tagged(name),
        "size": info.weight_bytes,
        "digest": hex(&Sha256::digest(info.id.as_bytes())),
        "details": details(info),
    })
}

pub(in crate::api) async fn tags(State(state): State<AppState>) -> Json<Value> {
    let models = named(&state).map(|(model, name)| {
        let mut model = listed(model.info(), &name);
        model["modified_at"] = MODIFIED.as_str().into();
        model
    });
    Json(json!({ "models": models.collect::<Vec<_>>() }))
}

pub(in crate::api) async fn ps(State(state): State<AppState>) -> Json<Value> {
    let loaded = state.served.iter().filter_map(|model| {
        let (info, stays) = (model.info(), model.stays()?);
        let mut listed = listed(info, &info.id);
        let expires = stays.and_then(|left| SignedDuration::try_from(left).ok());
        let expires = expires.and_then(|left| Timestamp::now().checked_add(left).ok());
        let expires = expires.map_or(NEVER.to_owned(), |at| at.to_string());
        listed["expires_at"] = expires.into();
        listed["size_vram"] = 0.into();
        listed["context_length"] = info.context.into();
        Some(listed)
    });
    Json(json!({ "models": loaded.collect::<Vec<_>>() }))
}

pub(in crate::api) async fn version() -> Json<Value> {
    Json(json!({ "version": OLLAMA, "nibble_version": env!("CARGO_PKG_VERSION") }))
}

/// What [`show`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    schemas.of::<Wire>()
}

pub(in crate::api) async fn show(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    looked_at(&state, request, read).await
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Json<Value>, ApiError> {
    let wire: Wire = body::read(body, "a request for a model")?;
    refuse_unknown(&wire.others, &HARMLESS)?;
    let info = asker.info();
    let model = wire.model.filter(|model| !model.is_empty());
    asker.check_model(model.or(wire.name).as_deref())?;
    let sampling = &info.sampling;
    let (temperature, top_p) = (sampling.temperature, sampling.top_p);
    let mut model_info = json!({
        "general.architecture": "nibble",
        "general.basename": info.name,
        "general.parameter_count": info.parameters,
        "nibble.context_length": info.context,
        "nibble.vocab_size": info.vocabulary,
    });
    if let Some(draft) = &info.draft {
        model_info["nibble.draft_model"] = draft.name.as_str().into();
    }
    Ok(Json(json!({
        "parameters": format!("temperature {temperature}\ntop_p {top_p}"),
        "modified_at": *MODIFIED,
        "details": details(info),
        "model_info": model_info,
        "capabilities": capabilities(asker),
    })))
}

fn capabilities(asker: &Asker) -> Vec<&'static str> {
    let question = Message {
        role: Role::User,
        content: String::new(),
    };
    let offers = Prompt::Chat(Conversation {
        tools: vec![json!({
            "type": "function",
            "function": { "name": "f", "description": "", "parameters": { "type": "object", "properties": {} } },
        })],
        ..vec![question].into()
    });
    let calls = asker
        .generator
        .prompt_tokens(&offers, Thinking::default())
        .is_ok();
    let all = [
        ("completion", true),
        ("tools", calls),
        ("thinking", asker.info().thinks),
    ];
    let has = all.into_iter().filter(|(_, has)| *has);
    has.map(|(name, _)| name).collect()
}
