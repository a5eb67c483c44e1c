//! What a chat completion looks like on the wire, whole and in chunks.

use std::time::{SystemTime, UNIX_EPOCH};

use nibble_engine::metrics::Metrics;
use nibble_engine::{Completion, FinishReason, ToolCall};
use serde::Serialize;

use crate::error::ApiError;

/// What all parts of one reply have in common.
pub(super) struct Reply {
    id: String,
    created: u64,
    model: String,
}

/// The reply in one piece.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [WholeChoice; 1],
    usage: Usage,
    nibble: Metrics,
}

#[derive(Serialize)]
struct WholeChoice {
    index: u32,
    message: AssistantMessage,
    /// Clients read these two as "none were asked for".
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct AssistantMessage {
    role: &'static str,
    /// Null where there are calls alone.
    content: Option<String>,
    refusal: Option<()>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall>,
}

/// A call of a tool, in a chunk with its place among all of the message.
#[derive(Serialize)]
struct WireCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction,
}

#[derive(Serialize)]
struct CalledFunction {
    name: String,
    /// A JSON object, as text.
    arguments: String,
}

/// One event of a streamed reply.
#[derive(Serialize)]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChunkChoice>,
    /// Absent unless the client asked for usage; then null in every chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nibble: Option<Metrics>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

/// What a chunk adds to the message.
#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall>,
}

/// Tokens that went in and came out.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptTokensDetails,
}

#[derive(Clone, Copy, Serialize)]
struct PromptTokensDetails {
    cached_tokens: usize,
}

impl Reply {
    pub(super) fn new(model: &str) -> Self {
        Self {
            id: format!("chatcmpl-{:032x}", rand::random::<u128>()),
            created: unix_time(),
            model: model.to_owned(),
        }
    }

    /// # Errors
    /// A cancelled answer is none: a client must not take it for complete.
    pub(super) fn whole(
        &self,
        content: String,
        calls: Vec<ToolCall>,
        completion: Completion,
    ) -> Result<Whole<'_>, ApiError> {
        let finish_reason = finish_reason(&completion, !calls.is_empty())?;
        Ok(Whole {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: &self.model,
            choices: [WholeChoice {
                index: 0,
                message: AssistantMessage {
                    role: "assistant",
                    content: Some(content).filter(|text| calls.is_empty() || !text.is_empty()),
                    refusal: None,
                    tool_calls: calls
                        .into_iter()
                        .map(|call| WireCall::new(call, None))
                        .collect(),
                },
                logprobs: None,
                finish_reason,
            }],
            usage: Usage::of(&completion),
            nibble: completion.metrics,
        })
    }

    /// The first chunk, which only says who speaks.
    pub(super) fn role(&self) -> Chunk<'_> {
        let delta = Delta {
            role: Some("assistant"),
            content: Some(String::new()),
            ..Delta::default()
        };
        self.chunk(delta, None)
    }

    pub(super) fn text(&self, text: String) -> Chunk<'_> {
        let delta = Delta {
            content: Some(text),
            ..Delta::default()
        };
        self.chunk(delta, None)
    }

    /// A call of a tool, behind `index` others.
    pub(super) fn call(&self, call: ToolCall, index: usize) -> Chunk<'_> {
        let delta = Delta {
            tool_calls: vec![WireCall::new(call, Some(index))],
            ..Delta::default()
        };
        self.chunk(delta, None)
    }

    /// The last chunk of the choice: why it ended, and our figures. `called` says whether there were calls.
    ///
    /// # Errors
    /// As [`Reply::whole`].
    pub(super) fn end(&self, completion: &Completion, called: bool) -> Result<Chunk<'_>, ApiError> {
        let reason = finish_reason(completion, called)?;
        let mut chunk = self.chunk(Delta::default(), Some(reason));
        chunk.nibble = Some(completion.metrics.clone());
        Ok(chunk)
    }

    /// The chunk after the last, without choices.
    pub(super) fn usage(&self, completion: &Completion) -> Chunk<'_> {
        let mut chunk = self.chunk(Delta::default(), None);
        chunk.choices.clear();
        chunk.usage = Some(Some(Usage::of(completion)));
        chunk
    }

    fn chunk(&self, delta: Delta, finish_reason: Option<&'static str>) -> Chunk<'_> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices: vec![ChunkChoice {
                index: 0,
                delta,
                logprobs: None,
                finish_reason,
            }],
            usage: None,
            nibble: None,
        }
    }
}

impl Chunk<'_> {
    /// Says that usage will follow, as clients that asked for it expect.
    pub(super) fn with_usage_to_come(mut self) -> Self {
        self.usage = self.usage.or(Some(None));
        self
    }
}

impl WireCall {
    fn new(call: ToolCall, index: Option<usize>) -> Self {
        Self {
            index,
            id: call.id,
            kind: "function",
            function: CalledFunction {
                name: call.name,
                arguments: call.arguments.as_json().to_owned(),
            },
        }
    }
}

impl Usage {
    fn of(completion: &Completion) -> Self {
        let completion_tokens = completion.token_ids.len();
        Self {
            prompt_tokens: completion.prompt_tokens,
            completion_tokens,
            total_tokens: completion.prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: completion.cached_tokens,
            },
        }
    }
}

fn finish_reason(completion: &Completion, called: bool) -> Result<&'static str, ApiError> {
    match completion.finish_reason {
        FinishReason::Stop if called => Ok("tool_calls"),
        FinishReason::Stop => Ok("stop"),
        FinishReason::Length => Ok("length"),
        FinishReason::Cancelled => Err(ApiError::unavailable(
            "the server cancelled the answer before it was complete",
        )),
    }
}

/// Seconds since 1970; 0 on a clock that is set before.
pub(super) fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
