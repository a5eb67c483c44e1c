//! `POST /v1/responses`: what was said before comes along as `input`. Of a response its items are kept for a while, for those who
//! refer to them ([`crate::response_items`]), and not where `store` is false; no response is found again by its own id.

use axum::extract::{Request, State};
use axum::response::sse;
use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use nibble_engine::{
    Completion, Conversation, ConversationKey, Message, Prompt, Role, Thinking, Turn,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::form::ResponseForm;
use self::input::Input;
use self::offered::{LeftOut, Namespaces, Offered, WireTool, is_left_out, offered};
use self::repeated::Repeated;
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::constraint::{of_format, only as only_one};
use crate::api::conversation_key::conversation_key;
use crate::api::effort;
use crate::api::fields::{refuse_all, refuse_unknown};
use crate::api::openapi::Schemas;
use crate::api::reply::{Answered, Asked, Form, Piece, only, reply, server_sent};
use crate::api::sampling::{SamplingFields, limit};
use crate::api::stages::{Stages, stage};
use crate::api::tools::{Chosen, bounded, chosen};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::response_items::OwnItems;
use crate::state::AppState;

mod form;
mod input;
mod items;
mod offered;
mod repeated;

/// Fields that change no answer here.
const HARMLESS: [&str; 8] = [
    "client_metadata",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "stream_options",
    "user",
];

/// Fields that want something kept.
const OF_A_MEMORY: [&str; 3] = ["conversation", "previous_response_id", "prompt"];

/// What clients of a server that keeps nothing ask for, and do without.
const UNKEPT: &str = "reasoning.encrypted_content";

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseRequest)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    input: Input,
    instructions: Option<String>,
    tools: Option<Vec<WireTool>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    reasoning: Option<Reasoning>,
    max_output_tokens: Option<Integer>,
    stream: Option<bool>,
    text: Option<Text>,
    truncation: Option<String>,
    background: Option<bool>,
    store: Option<bool>,
    include: Option<Vec<String>>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(Wire);

type Fields = (Wire, SamplingFields);

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseReasoning)]
#[serde(expecting = "an object")]
struct Reasoning {
    effort: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseText)]
#[serde(expecting = "an object")]
struct Text {
    format: Option<Value>,
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

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<ResponseForm>, ApiError> {
    let ((mut wire, sampling), others) = Fields::read(body, "a request for a response")?;
    let kept = "no response is kept here, so `input` must hold all that was said";
    refuse_all(&others, &OF_A_MEMORY, kept)?;
    refuse_unknown(&others, &HARMLESS)?;
    wire.refuse_others()?;
    asker.check_model(wire.model.as_deref())?;
    let max_tokens = limit("max_output_tokens", wire.max_output_tokens)?;
    let stream = wire.stream == Some(true);
    let repeated = Repeated::of(&wire, &others);
    let format = wire.text.as_mut().and_then(|text| text.format.take());
    let format = of_format("text.format", format)?;
    let constraint = only_one([("text.format", format)])?;
    let own_items = asker.own_items();
    let keeps = wire.store != Some(false);
    let (conversation, thinking, namespaces, left_out) = wire.conversation(&own_items)?;
    let request = nibble_engine::Request {
        max_tokens: asker.most_tokens(max_tokens),
        thinking,
        constraint,
        conversation: match keeps {
            true => conversation_key(&others),
            false => ConversationKey::Unkept,
        },
        ..sampling.request(Prompt::Chat(conversation), asker)?
    };
    Ok(Asked {
        more: None,
        stream,
        form: ResponseForm::new(
            &asker.info().id,
            repeated.with(&request, max_tokens),
            namespaces,
            left_out,
            keeps.then_some(own_items),
        ),
        requests: vec![request],
    })
}

impl Wire {
    fn refuse_others(&self) -> Result<(), ApiError> {
        if let Some(text) = &self.text {
            refuse_unknown(&text.others, &[])?;
        }
        if let Some(reasoning) = &self.reasoning {
            // Nothing is summed up, which those who leave it open are told by there being nothing.
            let summaries = ["summary", "generate_summary"];
            let is_open = |name: &str| reasoning.others.get(name).is_none_or(|how| how == "auto");
            let open: Vec<_> = summaries.into_iter().filter(|name| is_open(name)).collect();
            refuse_unknown(&reasoning.others, &open)?;
        }
        let mut included = self.include.iter().flatten();
        let refused = [
            (
                "truncation",
                self.truncation
                    .as_deref()
                    .is_some_and(|how| how != "disabled"),
            ),
            ("background", self.background == Some(true)),
            (
                "include",
                included.any(|what| what != UNKEPT && !is_left_out(what)),
            ),
        ];
        match refused.into_iter().find(|(_, is_there)| *is_there) {
            None => Ok(()),
            Some((field, _)) => {
                let message = format!("`{field}` is not supported beyond its default");
                Err(ApiError::invalid_field(field, message))
            }
        }
    }

    fn conversation(
        self,
        own_items: &OwnItems,
    ) -> Result<(Conversation, Thinking, Namespaces, LeftOut), ApiError> {
        let mut variables = Map::new();
        let effort = self.reasoning.and_then(|reasoning| reasoning.effort);
        let thinking = effort::thinking(effort, &mut variables)?;
        let role = Role::System;
        let told_first = self
            .instructions
            .map(|content| Turn::Said(Message { role, content }));
        let turns = self.input.turns(own_items)?;
        let turns = told_first.into_iter().chain(turns).collect();
        let choice = self.tool_choice.as_ref();
        let Offered {
            functions,
            namespaces,
            left_out,
        } = offered(self.tools.unwrap_or_default(), choice)?;
        let tools = bounded(functions.into_iter().map(Ok))?;
        let Chosen {
            tools,
            strict,
            tool_choice,
        } = chosen(tools, choice)?;
        let conversation = Conversation {
            turns,
            tools,
            strict,
            tool_choice,
            single_call: self.parallel_tool_calls == Some(false),
            variables,
            ..Conversation::default()
        };
        Ok((conversation, thinking, namespaces, left_out))
    }
}

impl Form for ResponseForm {
    type Frame = sse::Event;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        Ok(Json(self.response(only(answers)?)?).into_response())
    }

    fn begin(&mut self) -> Vec<sse::Event> {
        self.start()
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
        Vec::new()
    }

    fn failed(&mut self, error: &ApiError) -> Vec<sse::Event> {
        self.failure(error.status(), error.logged())
    }

    fn refused(error: &ApiError) -> sse::Event {
        form::refusal(error.logged())
    }

    fn streamed(frames: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
        server_sent(frames)
    }
}
