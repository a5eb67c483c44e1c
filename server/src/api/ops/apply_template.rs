//! `POST /apply-template`: the text that the model reads of a conversation, as llama.cpp's server tells it.

use std::mem::take;

use axum::extract::{Request, State};
use axum::response::Json;
use serde_json::{Value, json};

use crate::api::asker::Asker;
use crate::api::openai::conversation::ConversationFields;
use crate::api::openapi::Schemas;
use crate::api::prepared::prepared;
use crate::api::{body, fields};
use crate::error::ApiError;
use crate::state::AppState;

/// What [`apply_template`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    schemas.of::<ConversationFields>()
}

pub(in crate::api) async fn apply_template(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    prepared(&state, request, read).await
}

/// # Errors
/// Status 400 that names the field.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Json<Value>, ApiError> {
    let mut fields: ConversationFields = body::read(body, "a conversation")?;
    let mut others = take(&mut fields.others);
    let model = others.remove("model").unwrap_or_default();
    asker.check_model(model.as_str())?;
    fields::refuse_unknown(&others, &[])?;
    let (mut conversation, thinking) = fields.checked()?;
    thinking.tell(&mut conversation);
    let prompt = asker.generator.laid_out(&conversation, thinking)?;
    Ok(Json(json!({ "prompt": prompt })))
}
