//! `POST /v1/chat/completions`.

use std::mem::take;

use axum::extract::{Request, State};
use axum::response::sse;
use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use nibble_engine::{Completion, Learned, Logprobs, MAX_LOGPROBS, Prompt, Wanted};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::response::{Chunk, Reply};
use super::answer_fields::AnswerFields;
use super::conversation::ConversationFields;
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::choices;
use crate::api::constraint::ConstraintFields;
use crate::api::conversation_key::conversation_key;
use crate::api::fields::{refuse_all, refuse_unsupported};
use crate::api::openapi::Schemas;
use crate::api::reply::{Answered, Asked, Form, Piece, data, reply, server_sent};
use crate::api::sampling::{SamplingFields, whole};
use crate::api::stages::{Stages, stage};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::figures::Usage;
use crate::state::AppState;

mod response;

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatLogprobs)]
#[serde(expecting = "an object")]
struct Wire {
    logprobs: Option<bool>,
    top_logprobs: Option<Integer>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(Wire);

/// Fields that only a text has.
pub(super) const OF_COMPLETIONS: [&str; 1] = ["prompt"];

type Fields = (
    ConversationFields,
    AnswerFields,
    SamplingFields,
    ConstraintFields,
    Wire,
);

pub(in crate::api) async fn complete(
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
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<ChatForm>, ApiError> {
    let (fields, others) = Fields::read(body, "a chat completion request")?;
    let (conversation, answer, sampling, mut form, wire) = fields;
    answer.check(asker)?;
    refuse_all(&others, &OF_COMPLETIONS, "`/v1/completions` has it")?;
    refuse_unsupported(&others)?;
    let n = answer.choices()?;
    let (conversation, thinking) = conversation.checked()?;
    let request = nibble_engine::Request {
        max_tokens: asker.most_tokens(answer.max_tokens()?),
        thinking,
        constraint: form.constraint()?,
        conversation: conversation_key(&others),
        wanted: Wanted {
            logprobs: wire.logprobs()?,
            prompt_logprobs: answer.prompt_logprobs()?,
            counts: answer.continuous_usage(),
            ..Wanted::default()
        },
        ..sampling.request(Prompt::Chat(conversation), asker)?
    };
    let wanted = request.wanted;
    Ok(Asked {
        requests: choices::each([request], n),
        more: None,
        stream: answer.stream(),
        form: ChatForm {
            reply: Reply::new(&asker.info().id, wanted, answer.spelling()),
            include_usage: answer.include_usage(),
            choices: (0..n).map(|_| Choice::default()).collect(),
            begun: false,
            prompt_tokens: 0,
            cached_tokens: 0,
            usage: Usage::default(),
        },
    })
}

impl Wire {
    /// How many of the likeliest tokens are told beside each of the answer, where that is wanted.
    fn logprobs(&self) -> Result<Option<usize>, ApiError> {
        let most = whole("top_logprobs", self.top_logprobs)?.unwrap_or_default();
        match self.logprobs {
            Some(true) if most > MAX_LOGPROBS => Err(ApiError::invalid_field(
                "top_logprobs",
                format!("`top_logprobs` must be at most {MAX_LOGPROBS}, found {most}"),
            )),
            Some(true) => Ok(Some(most)),
            _ if most > 0 => Err(ApiError::invalid_field(
                "top_logprobs",
                "`top_logprobs` needs `logprobs` to be true",
            )),
            _ => Ok(None),
        }
    }
}

/// A chat completion on the wire.
pub(super) struct ChatForm {
    reply: Reply,
    include_usage: bool,
    choices: Vec<Choice>,
    /// Whether it was said who speaks.
    begun: bool,
    prompt_tokens: usize,
    cached_tokens: usize,
    usage: Usage,
}

/// What there is of one answer in a stream.
#[derive(Default)]
struct Choice {
    /// Calls of tools so far.
    calls: usize,
    /// Of tokens whose text is to come.
    likely: Vec<Logprobs>,
    put_out: usize,
}

impl Form for ChatForm {
    type Frame = sse::Event;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        Ok(Json(self.reply.whole(answers)?).into_response())
    }

    fn begin(&mut self) -> Vec<sse::Event> {
        match self.reply.counts() {
            // With the usage so far it begins when the prompt's is known, as vLLM's does.
            true => Vec::new(),
            false => self.roles(),
        }
    }

    fn reads(&mut self, choice: usize, tokens: usize, cached: usize) -> Vec<sse::Event> {
        // Others than the first find in the cache what that computes.
        if choice == 0 || self.prompt_tokens == 0 {
            (self.prompt_tokens, self.cached_tokens) = (tokens, cached);
        }
        self.roles()
    }

    fn learned(&mut self, choice: usize, learned: Learned) -> Vec<sse::Event> {
        match learned {
            Learned::Token(likely) => self.choices[choice].likely.push(likely),
            Learned::PutOut(tokens) => self.choices[choice].put_out = tokens,
            // Of a prompt nothing is told in a stream.
            Learned::Prompt(_) | Learned::Embedding(_) => {}
        }
        Vec::new()
    }

    fn piece(&mut self, choice: usize, piece: Piece) -> Vec<sse::Event> {
        let is_thought = matches!(piece, Piece::Thought(_));
        let chunk = match piece {
            Piece::Thought(thought) => self.reply.thought(choice, thought),
            Piece::Text(text) => self.reply.text(choice, text),
            Piece::Called(call) => {
                let calls = &mut self.choices[choice].calls;
                *calls += 1;
                self.reply.call(choice, call, *calls - 1)
            }
        };
        let likely = match is_thought {
            true => Vec::new(),
            false => take(&mut self.choices[choice].likely),
        };
        let chunk = chunk.likely(&likely, self.reply.spelling());
        let chunk = self.chunk(choice, chunk);
        let mut chunks = self.roles();
        chunks.push(chunk);
        chunks
    }

    fn end(&mut self, choice: usize, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        let n = self.choices.len();
        let usage = Usage::of_choice(completion, choice, n);
        self.usage = self.usage.and(usage);
        let of_choice = &mut self.choices[choice];
        of_choice.put_out = completion.token_ids.len();
        let (likely, called) = (take(&mut of_choice.likely), of_choice.calls > 0);
        let end = self.reply.end(choice, completion, called)?;
        let end = self.chunk(choice, end.likely(&likely, self.reply.spelling()));
        let mut chunks = self.roles();
        chunks.push(end);
        Ok(chunks)
    }

    fn done(&mut self) -> Vec<sse::Event> {
        let usage = self.include_usage.then_some(self.usage);
        let usage = usage.map(|usage| data(&self.reply.usage(usage)));
        let done = sse::Event::default().data("[DONE]");
        usage.into_iter().chain([done]).collect()
    }

    fn refused(error: &ApiError) -> sse::Event {
        data(&error.in_mid_stream())
    }

    fn streamed(frames: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
        server_sent(frames)
    }
}

impl ChatForm {
    /// The first chunks of all choices, unless they were there.
    fn roles(&mut self) -> Vec<sse::Event> {
        if std::mem::replace(&mut self.begun, true) {
            return Vec::new();
        }
        let choices = 0..self.choices.len();
        let roles = choices.map(|choice| self.chunk(choice, self.reply.role(choice)));
        roles.collect()
    }

    /// A chunk with the usage that its reader asked for.
    fn chunk(&self, choice: usize, chunk: Chunk<'_>) -> sse::Event {
        let put_out = self.choices[choice].put_out;
        let so_far = self
            .reply
            .counts()
            .then(|| Usage::so_far(self.prompt_tokens, self.cached_tokens, put_out));
        data(&match self.include_usage {
            true => chunk.with_usage(so_far),
            false => chunk,
        })
    }
}
