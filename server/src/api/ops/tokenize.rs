//! `POST /tokenize` and `POST /detokenize`, in the fields of vLLM and of llama.cpp's server.
//!
//! A text is read as a prompt of `/v1/completions` is; messages as those of `/v1/chat/completions`.

use std::mem::take;

use axum::extract::{Request, State};
use axum::response::Json;
use nibble_engine::{Prompt, Reading};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::asker::Asker;
use crate::api::openai::conversation::ConversationFields;
use crate::api::openapi::Schemas;
use crate::api::prepared::prepared;
use crate::api::{body, fields};
use crate::error::ApiError;
use crate::state::AppState;

#[derive(Deserialize, ToSchema)]
#[schema(as = TokenizeRequest)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    prompt: Option<String>,
    /// llama.cpp's name of it, where no first token is put in front unless that is asked for.
    content: Option<String>,
    /// vLLM's name and llama.cpp's.
    #[serde(alias = "add_special")]
    add_special_tokens: Option<bool>,
    parse_special: Option<bool>,
    return_token_strs: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DetokenizeRequest)]
#[serde(expecting = "an object")]
struct Tokens {
    model: Option<String>,
    tokens: Vec<u32>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// What [`tokenize`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    schemas.of::<Wire>()
}

/// What [`detokenize`] reads.
pub(in crate::api) fn tokens_schema(schemas: &mut Schemas) -> Value {
    schemas.of::<Tokens>()
}

pub(in crate::api) async fn tokenize(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    prepared(&state, request, read).await
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Json<Value>, ApiError> {
    let mut wire: Wire = body::read(body, "a request for tokens")?;
    asker.check_model(wire.model.as_deref())?;
    let tokens = wire.tokens(asker)?;
    let spelt = tokens
        .iter()
        .map(|&id| asker.generator.spelt(&[id]).map_err(ApiError::from));
    let spelt: Option<Vec<_>> = (wire.return_token_strs == Some(true))
        .then(|| spelt.collect::<Result<_, _>>())
        .transpose()?;
    Ok(Json(json!({
        "count": tokens.len(),
        "max_model_len": asker.info().context,
        "tokens": tokens,
        "token_strs": spelt,
    })))
}

impl Wire {
    fn tokens(&mut self, asker: &Asker) -> Result<Vec<u32>, ApiError> {
        let others = take(&mut self.others);
        let (text, adds_first) = match (self.prompt.take(), self.content.take()) {
            (Some(_), Some(_)) => {
                let message = "`content` and `prompt` are the same: name one";
                return Err(ApiError::invalid_field("content", message));
            }
            (Some(prompt), None) => (prompt, true),
            (None, Some(content)) => (content, false),
            (None, None) => return self.tokens_of_messages(others, asker),
        };
        fields::refuse_unknown(&others, &[])?;
        let reading = Reading {
            control_tokens: self.parse_special != Some(false),
            first_token: self.add_special_tokens.unwrap_or(adds_first),
        };
        Ok(asker.generator.text_tokens(&text, reading)?)
    }

    /// As they are answered, unless it is said whether a first token goes before what the template writes.
    fn tokens_of_messages(
        &self,
        others: Map<String, Value>,
        asker: &Asker,
    ) -> Result<Vec<u32>, ApiError> {
        let mut fields: ConversationFields = body::rest(others)?;
        fields::refuse_unknown(&take(&mut fields.others), &[])?;
        if self.parse_special == Some(false) {
            let message = "`parse_special` must not be false for `messages`, whose template writes control tokens";
            return Err(ApiError::invalid_field("parse_special", message));
        }
        let (mut conversation, thinking) = fields.checked()?;
        thinking.tell(&mut conversation);
        let Some(first_token) = self.add_special_tokens else {
            let prompt = Prompt::Chat(conversation);
            return Ok(asker.generator.prompt_tokens(&prompt, thinking)?);
        };
        let text = asker.generator.laid_out(&conversation, thinking)?;
        let reading = Reading {
            control_tokens: true,
            first_token,
        };
        Ok(asker.generator.text_tokens(&text, reading)?)
    }
}

pub(in crate::api) async fn detokenize(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    prepared(&state, request, read_tokens).await
}

/// # Errors
/// As [`read`].
pub(super) fn read_tokens(body: &[u8], asker: &Asker) -> Result<Json<Value>, ApiError> {
    let wire: Tokens = body::read(body, "a request for text")?;
    asker.check_model(wire.model.as_deref())?;
    fields::refuse_unknown(&wire.others, &[])?;
    let text = asker.generator.spelt(&wire.tokens)?;
    Ok(Json(json!({ "prompt": text, "content": text })))
}
