//! `POST /api/chat`.

use axum::extract::{Request, State};
use axum::response::Response;
use nibble_engine::{Conversation, Message, Prompt, Role, Turn};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{AnswerForm, Place};
use super::fields::AnswerFields;
use super::messages::{WireMessage, turns};
use crate::api::asker::Asker;
use crate::api::fields::refuse_unknown;
use crate::api::openapi::Schemas;
use crate::api::reply::{Asked, reply};
use crate::api::stages::{Stages, stage};
use crate::api::tools::{Chosen, WireTool, offered};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaChatRequest)]
#[serde(expecting = "an object")]
struct Wire {
    #[serde(default)]
    messages: Vec<WireMessage>,
    tools: Option<Vec<WireTool>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(Wire);

type Fields = (Wire, AnswerFields);

pub(in crate::api) async fn chat(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    request: Request,
) -> Result<Response, ApiError> {
    reply(&state, caller, request, read).await
}

/// What [`read`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    Fields::schema(schemas)
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<AnswerForm>, ApiError> {
    let ((wire, answer), others) = Fields::read(body, "a chat request")?;
    refuse_unknown(&others, &[])?;
    if wire.messages.is_empty() {
        return answer.nothing(Place::Message, asker);
    }
    let turns = turns(wire.messages)?;
    let last = turns.last();
    let Chosen {
        tools,
        strict,
        tool_choice,
    } = offered(wire.tools, None)?;
    let conversation = Conversation {
        // Ollama goes on with what the assistant has begun.
        continues_last: matches!(last, Some(Turn::Said(Message { role, .. })) if *role == Role::Assistant),
        turns,
        tools,
        strict,
        tool_choice,
        ..Conversation::default()
    };
    Ok(Asked {
        more: None,
        stream: answer.stream(),
        requests: vec![answer.request(Prompt::Chat(conversation), asker)?],
        form: AnswerForm {
            model: asker.info().id.clone(),
            place: Place::Message,
            nothing: None,
        },
    })
}
