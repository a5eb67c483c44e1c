//! `POST /v1/completions`: text or tokens that the model goes on with, without a chat template. Control tokens that a prompt
//! spells are control tokens.

use std::iter::repeat_n;

use axum::extract::{Request, State};
use axum::response::Response;
use nibble_engine::{Prompt, Thinking, Wanted};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use self::form::CompletionForm;
use self::prompts::{Prompts, echoed, unbegun};
use self::response::{Reply, Shown};
use super::answer_fields::AnswerFields;
use super::logprobs::Told;
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::choices;
use crate::api::constraint::ConstraintFields;
use crate::api::fields::{refuse_all, refuse_unsupported};
use crate::api::openapi::Schemas;
use crate::api::reply::{Asked, More, reply};
use crate::api::sampling::{SamplingFields, whole};
use crate::api::stages::{Stages, stage};
use crate::caller::CalledBy;
use crate::error::ApiError;
use crate::state::AppState;

mod form;
pub(super) mod prompts;
mod response;

/// The most logprobs of all prompts of a request, and of all its answers, those of the likeliest tokens included: each takes some
/// 90 bytes until they are sent, which is when all of them are there.
const MAX_PROMPT_LOGPROBS: usize = 1 << 20;
const MAX_LOGPROBS: usize = 4 << 20;

/// Fields that only a conversation has.
pub(super) const OF_CHATS: [&str; 9] = [
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "thinking_token_budget",
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

stage!(Wire);

type Fields = (Wire, AnswerFields, SamplingFields, ConstraintFields);

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
    Fields::schema(schemas)
}

/// # Errors
/// Status 400 that names the field, or 404 for another model.
pub(super) fn read(body: &[u8], asker: &Asker) -> Result<Asked<CompletionForm>, ApiError> {
    let (fields, others) = Fields::read(body, "a completion request")?;
    let (wire, answer, sampling, mut form) = fields;
    refuse_all(&others, &OF_CHATS, "`/v1/chat/completions` has it")?;
    refuse_unsupported(&others)?;
    answer.check(asker)?;
    let mut prompts = wire.prompt.checked("prompt", choices::MAX_ANSWERS)?;
    let (echo, n) = (wire.echo == Some(true), answer.choices()?);
    if prompts.len() * n > choices::MAX_ANSWERS {
        let (most, found) = (choices::MAX_ANSWERS, prompts.len() * n);
        let message = format!("`n` for each prompt may make {most} answers, found {found}");
        return Err(ApiError::invalid_field("n", message));
    }
    let mut wanted = wanted(wire.logprobs.as_ref(), echo, &answer)?;
    let limit = answer.max_tokens_or_none(echo || wanted.prompt_logprobs.is_some())?;
    if limit == Some(0) {
        // The engine answers nothing only where it has something to say of the prompt, which an echo alone leaves out.
        wanted.prompt_logprobs = wanted.prompt_logprobs.or(Some(0));
    }
    let one = nibble_engine::Request {
        max_tokens: asker.most_tokens(limit),
        constraint: form.constraint()?,
        wanted,
        ..sampling.request(Prompt::Raw(String::new()), asker)?
    };
    // Before it is there for each prompt.
    one.check()?;
    if one.max_tokens == 0 && n > 1 {
        let message = format!("`n` must be 1 where `max_tokens` is 0, found {n}");
        return Err(ApiError::invalid_field("n", message));
    }
    check_logprobs(&one, prompts.len() * n)?;
    // From here on it takes a tokenizer.
    if wire.add_special_tokens == Some(false) {
        let unbegun = prompts.into_iter().map(|prompt| unbegun(prompt, asker));
        prompts = unbegun.collect::<Result<_, _>>()?;
    }
    check_prompt_logprobs(wanted, &prompts, asker)?;
    let echoes = prompts.iter().map(|prompt| match echo {
        true => echoed(prompt, asker),
        false => Ok(String::new()),
    });
    let echoes = echoes.collect::<Result<Vec<_>, _>>()?;
    let later = match prompts.len() * n > choices::AT_ONCE {
        true => prompts.split_off((choices::AT_ONCE.min(asker.generator.queue()) / n).max(1)),
        false => Vec::new(),
    };
    let requests = prompts.into_iter().map(|prompt| nibble_engine::Request {
        prompt,
        ..one.clone()
    });
    let requests = choices::each(requests, n);
    let more = (!later.is_empty()).then_some(More {
        one,
        prompts: later,
        n,
    });
    let waits = echo && wanted.logprobs.is_some();
    let echoes = echoes.into_iter().flat_map(|echo| repeat_n(echo, n));
    let shown = Shown {
        include_usage: answer.include_usage(),
        continuous: wanted.counts,
        echo,
        logprobs: wanted.logprobs.map(|most| Told {
            most,
            spelling: answer.spelling(),
        }),
        prompt_logprobs: answer.prompt_logprobs()?,
        n,
    };
    let reply = Reply::new(&asker.info().id, shown);
    Ok(Asked {
        requests,
        more,
        stream: answer.stream(),
        form: CompletionForm::new(reply, echoes, waits),
    })
}

/// What is to be told of each prompt and its answer: of the prompt too where that is echoed.
///
/// # Errors
/// Status 400 that names the field.
fn wanted(
    logprobs: Option<&Logprobs>,
    echo: bool,
    answer: &AnswerFields,
) -> Result<Wanted, ApiError> {
    let logprobs = logprobs.map(Logprobs::most).transpose()?.flatten();
    let of_echo = logprobs.filter(|_| echo);
    Ok(Wanted {
        logprobs,
        prompt_logprobs: answer.prompt_logprobs()?.max(of_echo),
        // As vLLM tells it: who sums up what a text is worth leaves out the last token of an answer of one.
        end: true,
        counts: answer.continuous_usage(),
        embedding: None,
    })
}

/// # Errors
/// Status 400 where more is to be told of prompts than is kept.
fn check_prompt_logprobs(
    wanted: Wanted,
    prompts: &[Prompt],
    asker: &Asker,
) -> Result<(), ApiError> {
    let Some(most) = wanted.prompt_logprobs else {
        return Ok(());
    };
    let context = asker.info().context;
    let told = |tokens: usize| tokens.min(context).saturating_mul(most.saturating_add(1));
    let at_most = prompts.iter().map(|prompt| match prompt {
        Prompt::Raw(text) => told(text.len() + 1),
        Prompt::Tokens(tokens) => told(tokens.len()),
        Prompt::Chat(_) => 0,
    });
    if at_most.fold(0, usize::saturating_add) <= MAX_PROMPT_LOGPROBS {
        return Ok(());
    }
    let mut found = 0_usize;
    for prompt in prompts {
        let tokens = asker.generator.prompt_tokens(prompt, Thinking::default())?;
        found = found.saturating_add(told(tokens.len()));
    }
    match found > MAX_PROMPT_LOGPROBS {
        true => Err(too_many_logprobs("prompts", MAX_PROMPT_LOGPROBS, found)),
        false => Ok(()),
    }
}

/// # Errors
/// Status 400 where more is to be told of so many answers than is kept.
fn check_logprobs(one: &nibble_engine::Request, answers: usize) -> Result<(), ApiError> {
    let told = one.wanted.logprobs.map_or(0, |most| most.saturating_add(1));
    let found = told.saturating_mul(one.max_tokens).saturating_mul(answers);
    match found > MAX_LOGPROBS {
        true => Err(too_many_logprobs("answers", MAX_LOGPROBS, found)),
        false => Ok(()),
    }
}

fn too_many_logprobs(of: &str, most: usize, found: usize) -> ApiError {
    let message = format!("`logprobs` of all {of} may come to {most}, found {found}");
    ApiError::invalid_field("logprobs", message)
}
