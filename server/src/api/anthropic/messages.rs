//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.

use std::mem::take;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::sse;
use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use nibble_engine::{Completion, Constraint, Prompt};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::conversation::ConversationFields;
use super::response::MessageForm;
use crate::api::asker::Asker;
use crate::api::body::{self, Integer};
use crate::api::constraint::{of_format, only as only_one};
use crate::api::conversation_key::conversation_key;
use crate::api::effort;
use crate::api::fields::refuse_unknown;
use crate::api::openapi::Schemas;
use crate::api::prepared::prepared;
use crate::api::reply::{Answered, Asked, Form, Piece, only, reply, server_sent};
use crate::api::sampling::{SamplingFields, limit};
use crate::api::stages::{Stages, stage};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

/// Fields that change no answer here.
const HARMLESS: [&str; 6] = [
    "cache_control",
    "diagnostics",
    "inference_geo",
    "metadata",
    "service_tier",
    "speed",
];

/// Fields of an answer that change nothing of its prompt.
const UNCOUNTED: [&str; 2] = ["output_config", "output_format"];

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageAnswerFields)]
#[serde(expecting = "an object")]
struct AnswerFields {
    max_tokens: Option<Integer>,
    stream: Option<bool>,
    output_format: Option<Value>,
    output_config: Option<OutputConfig>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

stage!(AnswerFields);

type Fields = (ConversationFields, AnswerFields, SamplingFields);

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
struct OutputConfig {
    format: Option<Value>,
    /// How much a model that thinks is to think.
    effort: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

pub(in crate::api) async fn create(
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

/// What [`count`] reads.
pub(in crate::api) fn count_schema(schemas: &mut Schemas) -> Value {
    schemas.of::<ConversationFields>()
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<MessageForm>, ApiError> {
    let (fields, others) = Fields::read(body, "a request for a message")?;
    let (conversation, mut answer, sampling) = fields;
    refuse_unknown(&others, &HARMLESS)?;
    let edits_context = conversation.edits_context()?;
    let (conversation, mut thinking) = conversation.checked(asker)?;
    thinking.budget = thinking.budget.or(answer.effort()?);
    let request = nibble_engine::Request {
        constraint: answer.constraint()?,
        max_tokens: asker.most_tokens(limit("max_tokens", answer.max_tokens)?),
        thinking,
        conversation: conversation_key(&others),
        ..sampling.request(Prompt::Chat(conversation), asker)?
    };
    let (stop, generator) = (request.stop.clone(), Arc::clone(&asker.generator));
    Ok(Asked {
        form: MessageForm::new(&asker.info().id, stop, generator, edits_context),
        requests: vec![request],
        more: None,
        stream: answer.stream == Some(true),
    })
}

impl AnswerFields {
    /// The most tokens of a thought, where that is said in a word.
    fn effort(&self) -> Result<Option<usize>, ApiError> {
        let config = self.output_config.as_ref();
        match config.and_then(|config| config.effort.as_deref()) {
            None => Ok(None),
            Some(word) => effort::budget("output_config.effort", word),
        }
    }

    fn constraint(&mut self) -> Result<Option<Constraint>, ApiError> {
        let configured = match self.output_config.take() {
            None => None,
            Some(config) => {
                refuse_unknown(&config.others, &[])?;
                of_format("output_config.format", config.format)?
            }
        };
        let format = of_format("output_format", self.output_format.take())?;
        only_one([
            ("output_config.format", configured),
            ("output_format", format),
        ])
    }
}

pub(in crate::api) async fn count_tokens(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    prepared(&state, request, count).await
}

/// # Errors
/// As [`read`].
pub(super) fn count(body: &[u8], asker: &Asker) -> Result<Json<Value>, ApiError> {
    let mut fields: ConversationFields = body::read(body, "messages to count")?;
    let harmless = [&HARMLESS[..], &UNCOUNTED].concat();
    refuse_unknown(&take(&mut fields.others), &harmless)?;
    let edits_context = fields.edits_context()?;
    let (mut conversation, thinking) = fields.checked(asker)?;
    thinking.tell(&mut conversation);
    let prompt = Prompt::Chat(conversation);
    let tokens = asker.generator.prompt_tokens(&prompt, thinking)?;
    let mut count = json!({ "input_tokens": tokens.len() });
    if edits_context {
        count["context_management"] = json!({ "original_input_tokens": tokens.len() });
    }
    Ok(Json(count))
}

impl Form for MessageForm {
    type Frame = sse::Event;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        Ok(Json(self.message(only(answers)?)?).into_response())
    }

    fn begin(&mut self) -> Vec<sse::Event> {
        // The message begins with how many tokens it answers.
        Vec::new()
    }

    fn reads(&mut self, _: usize, tokens: usize, cached: usize) -> Vec<sse::Event> {
        vec![self.start(tokens, cached)]
    }

    fn piece(&mut self, _: usize, piece: Piece) -> Vec<sse::Event> {
        match piece {
            Piece::Thought(thought) => self.thought(&thought),
            Piece::Text(text) => self.text(&text),
            Piece::Called(call) => self.called(&call),
        }
    }

    fn end(&mut self, _: usize, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        self.ended(completion)
    }

    fn done(&mut self) -> Vec<sse::Event> {
        vec![super::response::event(&json!({ "type": "message_stop" }))]
    }

    fn refused(error: &ApiError) -> sse::Event {
        let written = super::written(error.status(), error.logged().clone());
        super::response::event(&written)
    }

    fn streamed(frames: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
        server_sent(frames)
    }
}
