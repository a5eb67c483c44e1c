//! What a chat completion looks like on the wire, whole and in chunks.

use nibble_engine::{Completion, Logprobs, ToolCall, Wanted};
use serde::Serialize;

use crate::api::openai::ending::{finish_reason, unix_time};
use crate::api::openai::logprobs::{self, ChatLogprobs, Pairs, PromptToken, Spelling};
use crate::api::reply::{Answered, ByKind};
use crate::error::ApiError;
use crate::figures::{Figures, Usage};

/// What all parts of one reply have in common.
pub(super) struct Reply {
    id: String,
    created: u64,
    model: String,
    wanted: Wanted,
    spelling: Spelling,
}

/// The reply in one piece.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<WholeChoice>,
    usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_logprobs: Option<Vec<Option<Pairs<u32, PromptToken>>>>,
    /// Of the one answer; each of several has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    nibble: Option<Figures>,
}

#[derive(Serialize)]
struct WholeChoice {
    index: usize,
    message: AssistantMessage,
    /// Clients read null as "none were asked for".
    logprobs: Option<ChatLogprobs>,
    finish_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nibble: Option<Figures>,
}

#[derive(Serialize)]
struct AssistantMessage {
    role: &'static str,
    /// Null where there are calls alone.
    content: Option<String>,
    /// What the model thought before, as vLLM and DeepSeek have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    /// Clients read null as "none".
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
    nibble: Option<Figures>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: usize,
    delta: Delta,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
}

/// What a chunk adds to the message.
#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireCall>,
}

impl Reply {
    pub(super) fn new(model: &str, wanted: Wanted, spelling: Spelling) -> Self {
        Self {
            id: format!("chatcmpl-{:032x}", rand::random::<u128>()),
            created: unix_time(),
            model: model.to_owned(),
            wanted,
            spelling,
        }
    }

    /// How tokens are written.
    pub(super) fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// Whether each chunk tells the usage so far.
    pub(super) fn counts(&self) -> bool {
        self.wanted.counts
    }

    /// # Errors
    /// A cancelled answer is none: a client must not take it for complete.
    pub(super) fn whole(&self, answers: Vec<Answered>) -> Result<Whole<'_>, ApiError> {
        let completions = answers.iter().map(|answer| &answer.completion);
        let usage = Usage::of_choices(completions, answers.len());
        let first = answers.first();
        let prompt = first.and_then(|first| first.prompt.as_ref());
        let prompt = prompt.zip(self.wanted.prompt_logprobs);
        let prompt_logprobs = prompt.map(|(prompt, most)| logprobs::prompt(prompt, most));
        let choices = answers.into_iter().enumerate();
        let choices = choices.map(|(index, answered)| self.whole_choice(index, answered));
        let mut choices = choices.collect::<Result<Vec<_>, _>>()?;
        let nibble = match choices.as_mut_slice() {
            [only] => only.nibble.take(),
            _ => None,
        };
        Ok(Whole {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: &self.model,
            choices,
            usage,
            prompt_logprobs,
            nibble,
        })
    }

    fn whole_choice(&self, index: usize, answered: Answered) -> Result<WholeChoice, ApiError> {
        let Answered {
            pieces,
            logprobs,
            completion,
            ..
        } = answered;
        let ByKind {
            thought,
            text,
            calls,
        } = ByKind::of(pieces);
        let finish_reason = finish_reason(&completion, !calls.is_empty())?;
        let logprobs = ChatLogprobs::of(&logprobs, self.spelling);
        Ok(WholeChoice {
            index,
            message: AssistantMessage {
                role: "assistant",
                content: Some(text).filter(|text| calls.is_empty() || !text.is_empty()),
                reasoning_content: Some(thought).filter(|thought| !thought.is_empty()),
                refusal: None,
                tool_calls: calls
                    .into_iter()
                    .map(|call| WireCall::new(call, None))
                    .collect(),
            },
            logprobs: self.wanted.logprobs.map(|_| logprobs),
            finish_reason,
            nibble: Some(Figures::of(completion)),
        })
    }

    /// The first chunk, which only says who speaks.
    pub(super) fn role(&self, choice: usize) -> Chunk<'_> {
        let delta = Delta {
            role: Some("assistant"),
            content: Some(String::new()),
            ..Delta::default()
        };
        self.chunk(choice, delta, None)
    }

    pub(super) fn thought(&self, choice: usize, thought: String) -> Chunk<'_> {
        let delta = Delta {
            reasoning_content: Some(thought),
            ..Delta::default()
        };
        self.chunk(choice, delta, None)
    }

    pub(super) fn text(&self, choice: usize, text: String) -> Chunk<'_> {
        let delta = Delta {
            content: Some(text),
            ..Delta::default()
        };
        self.chunk(choice, delta, None)
    }

    /// A call of a tool, behind `index` others.
    pub(super) fn call(&self, choice: usize, call: ToolCall, index: usize) -> Chunk<'_> {
        let delta = Delta {
            tool_calls: vec![WireCall::new(call, Some(index))],
            ..Delta::default()
        };
        self.chunk(choice, delta, None)
    }

    /// The last chunk of the choice: why it ended, and our figures. `called` says whether there were calls.
    ///
    /// # Errors
    /// As [`Reply::whole`].
    pub(super) fn end(
        &self,
        choice: usize,
        completion: &Completion,
        called: bool,
    ) -> Result<Chunk<'_>, ApiError> {
        let reason = finish_reason(completion, called)?;
        let mut chunk = self.chunk(choice, Delta::default(), Some(reason));
        chunk.nibble = Some(Figures::of(completion.clone()));
        Ok(chunk)
    }

    /// The chunk after the last, without choices.
    pub(super) fn usage(&self, usage: Usage) -> Chunk<'_> {
        let mut chunk = self.chunk(0, Delta::default(), None);
        chunk.choices.clear();
        chunk.usage = Some(Some(usage));
        chunk
    }

    fn chunk(&self, index: usize, delta: Delta, finish_reason: Option<&'static str>) -> Chunk<'_> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices: vec![ChunkChoice {
                index,
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
    /// With what is known of tokens whose text is now here.
    pub(super) fn likely(mut self, tokens: &[Logprobs], spelling: Spelling) -> Self {
        if let [choice] = self.choices.as_mut_slice() {
            choice.logprobs = (!tokens.is_empty()).then(|| ChatLogprobs::of(tokens, spelling));
        }
        self
    }

    /// With the usage so far, or with null: clients that asked for it expect it to come in the end.
    pub(super) fn with_usage(mut self, so_far: Option<Usage>) -> Self {
        self.usage = self.usage.or(Some(so_far));
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
