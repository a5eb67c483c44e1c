//! `POST /v1/completions`: text or tokens that the model goes on with, without a chat template. Control tokens that a prompt
//! spells are control tokens.

use std::mem::take;

use axum::extract::{Request, State};
use axum::response::sse;
use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use nibble_engine::{Completion, Learned, PromptLogprobs, Thinking, Wanted};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::prompts::{Prompts, echoed, unbegun};
use self::response::{Reply, Shown};
use super::answer_fields::AnswerFields;
use super::figures::Usage;
use super::logprobs::{CompletionLogprobs, Place, Told};
use crate::api::asker::Asker;
use crate::api::body::{self, Integer};
use crate::api::choices;
use crate::api::constraint::ConstraintFields;
use crate::api::fields::{refuse_all, refuse_unsupported};
use crate::api::openapi::{Schemas, all_of};
use crate::api::reply::{Answered, Asked, Form, Piece, data, reply, server_sent};
use crate::api::sampling::{SamplingFields, whole};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

pub(super) mod prompts;
mod response;

/// The most logprobs at each place of all prompts together: they are sent when all of them are there.
const MAX_LOGPROBS: usize = 64;

/// Fields that only a conversation has.
const OF_CHATS: [&str; 7] = [
    "messages",
    "tools",
    "tool_choice",
    "reasoning_effort",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
];

#[derive(Deserialize, ToSchema)]
#[schema(as = CompletionRequest)]
#[serde(expecting = "an object")]
struct Wire {
    prompt: Prompts,
    echo: Option<bool>,
    /// Whether the model's first token goes before a text, as it does unless that is denied.
    add_special_tokens: Option<bool>,
    logprobs: Option<Logprobs>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// How many of the likeliest tokens are told; true is one, as llama.cpp's clients write.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a whole number, true or false")]
enum Logprobs {
    Whether(bool),
    Most(Integer),
}

impl Logprobs {
    fn most(&self) -> Result<Option<usize>, ApiError> {
        match self {
            Self::Whether(whether) => Ok(whether.then_some(1)),
            Self::Most(most) => whole("logprobs", Some(*most)),
        }
    }
}

pub(in crate::api) async fn complete(
    State(state): State<AppState>,
    CalledBy(caller): CalledBy,
    request: Request,
) -> Result<Response, ApiError> {
    reply(&state, caller, request, read).await
}

/// What [`read`] reads.
pub(in crate::api) fn schema(schemas: &mut Schemas) -> Value {
    all_of([
        schemas.of::<Wire>(),
        schemas.of::<AnswerFields>(),
        schemas.of::<SamplingFields>(),
        schemas.of::<ConstraintFields>(),
    ])
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<CompletionForm>, ApiError> {
    let mut wire: Wire = body::read(body, "a completion request")?;
    let mut answer: AnswerFields = body::rest(take(&mut wire.others))?;
    let mut sampling: SamplingFields = body::rest(take(&mut answer.others))?;
    refuse_all(&sampling.others, &OF_CHATS, "`/v1/chat/completions` has it")?;
    let mut form: ConstraintFields = body::rest(take(&mut sampling.others))?;
    refuse_unsupported(&form.others)?;
    let info = asker.info();
    answer.check_model(asker)?;
    let mut prompts = wire.prompt.checked("prompt", choices::MAX_ANSWERS)?;
    if wire.add_special_tokens == Some(false) {
        let unbegun = prompts.into_iter().map(|prompt| unbegun(prompt, asker));
        prompts = unbegun.collect::<Result<_, _>>()?;
    }
    let (echo, n) = (wire.echo == Some(true), answer.choices()?);
    if prompts.len() * n > choices::MAX_ANSWERS {
        let (most, found) = (choices::MAX_ANSWERS, prompts.len() * n);
        let message = format!("`n` for each prompt may make {most} answers, found {found}");
        return Err(ApiError::invalid_field("n", message));
    }
    let wanted = wanted(wire.logprobs.as_ref(), echo, &answer, prompts.len())?;
    let one = nibble_engine::Request {
        sampling: sampling.sampling(info.sampling)?,
        max_tokens: asker.most_tokens(answer.max_tokens_or_none(wanted.prompt_logprobs)?),
        prompt: nibble_engine::Prompt::Raw(String::new()),
        thinking: Thinking::default(),
        constraint: form.constraint()?,
        stop: sampling.stops(),
        usd_per_hour: asker.usd_per_hour,
        caller: asker.caller,
        steering: sampling.steering()?,
        speculation: sampling.speculation()?,
        revealed: sampling.revealed(),
        wanted,
        ..nibble_engine::Request::default()
    };
    // Before it is there for each prompt.
    one.check()?;
    if one.max_tokens == 0 && n > 1 {
        let message = format!("`n` must be 1 where `max_tokens` is 0, found {n}");
        return Err(ApiError::invalid_field("n", message));
    }
    let echoes = prompts.iter().map(|prompt| match echo {
        true => echoed(prompt, asker),
        false => Ok(String::new()),
    });
    let echoes = echoes.collect::<Result<Vec<_>, _>>()?;
    let requests = prompts.into_iter().map(|prompt| nibble_engine::Request {
        prompt,
        ..one.clone()
    });
    let requests = choices::each(requests, n);
    let waits = echo && wanted.logprobs.is_some();
    let choices = echoes
        .into_iter()
        .flat_map(|echo| std::iter::repeat_n(echo, n));
    Ok(Asked {
        requests,
        stream: answer.stream(),
        form: CompletionForm {
            reply: Reply::new(
                &info.id,
                Shown {
                    include_usage: answer.include_usage(),
                    continuous: wanted.counts,
                    echo,
                    logprobs: wanted.logprobs.map(|most| Told {
                        most,
                        spelling: answer.spelling(),
                    }),
                    prompt_logprobs: answer.prompt_logprobs()?,
                    n,
                },
            ),
            choices: choices.map(|echo| Choice::new(echo, waits)).collect(),
            usage: Usage::default(),
        },
    })
}

/// What is to be told of each of so many prompts and its answer: of the prompt too where that is echoed.
///
/// # Errors
/// Status 400 that names the field.
fn wanted(
    logprobs: Option<&Logprobs>,
    echo: bool,
    answer: &AnswerFields,
    prompts: usize,
) -> Result<Wanted, ApiError> {
    let logprobs = logprobs.map(Logprobs::most).transpose()?.flatten();
    let of_echo = logprobs.filter(|_| echo);
    let prompt_logprobs = answer.prompt_logprobs()?.max(of_echo);
    let at_each_place = prompt_logprobs.map_or(0, |most| most.saturating_add(1));
    let found = prompts.saturating_mul(at_each_place);
    if found > MAX_LOGPROBS {
        let message = format!(
            "`logprobs` may come to {MAX_LOGPROBS} at each place of all prompts together, found {found}"
        );
        return Err(ApiError::invalid_field("logprobs", message));
    }
    Ok(Wanted {
        logprobs,
        prompt_logprobs,
        // As vLLM tells it: who sums up what a text is worth leaves out the last token of an answer of one.
        end: true,
        counts: answer.continuous_usage(),
        embedding: None,
    })
}

/// A completion on the wire.
pub(super) struct CompletionForm {
    reply: Reply,
    choices: Vec<Choice>,
    usage: Usage,
}

/// What there is of one answer in a stream.
struct Choice {
    /// What goes before the answer.
    echo: String,
    /// What waits until the echo is there, whose likelihood is told with the prompt's first answer.
    held: Option<Held>,
    place: Place,
    /// Of tokens whose text is to come.
    likely: Vec<nibble_engine::Logprobs>,
    prompt_tokens: usize,
    put_out: usize,
}

/// What came of an answer before its echo.
#[derive(Default)]
struct Held {
    text: String,
    end: Option<sse::Event>,
}

impl Choice {
    fn new(echo: String, waits: bool) -> Self {
        Self {
            echo,
            held: waits.then(Held::default),
            place: Place::default(),
            likely: Vec::new(),
            prompt_tokens: 0,
            put_out: 0,
        }
    }
}

impl Form for CompletionForm {
    type Frame = sse::Event;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        let echoes = self.choices.into_iter().map(|choice| choice.echo);
        Ok(Json(self.reply.whole(echoes.collect(), answers)?).into_response())
    }

    fn begin(&mut self) -> Vec<sse::Event> {
        if self.reply.shown.echoes_logprobs() {
            return Vec::new();
        }
        let choices = 0..self.choices.len();
        let echoes = choices.filter_map(|choice| {
            let echo = take(&mut self.choices[choice].echo);
            (!echo.is_empty()).then(|| self.part(choice, echo, None))
        });
        echoes.collect()
    }

    fn reads(&mut self, choice: usize, tokens: usize, _: usize) -> Vec<sse::Event> {
        self.choices[choice].prompt_tokens = tokens;
        Vec::new()
    }

    fn learned(&mut self, choice: usize, learned: Learned) -> Vec<sse::Event> {
        match learned {
            Learned::Token(likely) => self.choices[choice].likely.push(likely),
            Learned::PutOut(tokens) => self.choices[choice].put_out = tokens,
            Learned::Prompt(prompt) => {
                let siblings = choice..choice + self.reply.shown.n;
                return siblings
                    .flat_map(|choice| self.echo(choice, &prompt))
                    .collect();
            }
            Learned::Embedding(_) => {}
        }
        Vec::new()
    }

    fn piece(&mut self, choice: usize, piece: Piece) -> Vec<sse::Event> {
        match piece {
            Piece::Thought(text) | Piece::Text(text) => {
                if let Some(held) = &mut self.choices[choice].held {
                    held.text.push_str(&text);
                    return Vec::new();
                }
                let logprobs = self.likely(choice, &text);
                vec![self.part(choice, text, logprobs)]
            }
            // There is no tool without a conversation.
            Piece::Called(_) => Vec::new(),
        }
    }

    fn end(&mut self, choice: usize, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        let n = self.reply.shown.n;
        self.usage = self.usage.and(Usage::of_choice(completion, choice, n));
        let waits = self.choices[choice].held.is_some();
        // Tokens whose text waits are told with it.
        let logprobs = match waits {
            true => None,
            false => self.likely(choice, ""),
        };
        let of_choice = &mut self.choices[choice];
        of_choice.put_out = completion.token_ids.len();
        let usage = Usage::so_far(of_choice.prompt_tokens, of_choice.put_out);
        let end = data(&self.reply.end(choice, completion, logprobs, usage)?);
        match &mut of_choice.held {
            Some(held) => {
                held.end = Some(end);
                Ok(Vec::new())
            }
            None => Ok(vec![end]),
        }
    }

    fn done(&mut self) -> Vec<sse::Event> {
        let usage = self.reply.usage(self.usage).map(|usage| data(&usage));
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

impl CompletionForm {
    /// A prompt with how likely its tokens are, and what waited for it.
    fn echo(&mut self, choice: usize, prompt: &PromptLogprobs) -> Vec<sse::Event> {
        let told = self.reply.shown.logprobs.unwrap_or_default();
        let of_choice = &mut self.choices[choice];
        let echo = take(&mut of_choice.echo);
        of_choice.place.extend(&echo);
        let mut logprobs = CompletionLogprobs::default();
        logprobs.echo(prompt, told, &mut of_choice.place);
        let Held { text, end } = of_choice.held.take().unwrap_or_default();
        let mut parts = vec![self.part(choice, echo, Some(logprobs))];
        let likely = self.likely(choice, &text);
        if !text.is_empty() || likely.is_some() {
            parts.push(self.part(choice, text, likely));
        }
        parts.extend(end);
        parts
    }

    /// What is known of the tokens whose text is now here.
    fn likely(&mut self, choice: usize, text: &str) -> Option<CompletionLogprobs> {
        let told = self.reply.shown.logprobs?;
        let of_choice = &mut self.choices[choice];
        of_choice.place.extend(text);
        let likely = take(&mut of_choice.likely);
        let mut logprobs = CompletionLogprobs::default();
        logprobs.add(&likely, told, &mut of_choice.place);
        (!likely.is_empty()).then_some(logprobs)
    }

    fn part(
        &self,
        choice: usize,
        text: String,
        logprobs: Option<CompletionLogprobs>,
    ) -> sse::Event {
        let of_choice = &self.choices[choice];
        let usage = Usage::so_far(of_choice.prompt_tokens, of_choice.put_out);
        data(&self.reply.text(choice, text, logprobs, usage))
    }
}
