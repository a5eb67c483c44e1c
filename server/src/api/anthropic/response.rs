//! What a message looks like on the wire, whole and as events.

use std::sync::Arc;

use axum::response::sse;
use nibble_engine::{Completion, FinishReason, Reading, ToolCall};
use serde_json::{Value, json};

use crate::api::reply::{Answered, Piece, named};
use crate::error::ApiError;
use crate::figures::Figures;
use crate::generator::Generator;

/// No stop text is longer, in tokens or in bytes.
const STOP_TOKENS: usize = nibble_engine::MAX_STOP_BYTES;

/// A message on the wire.
pub(super) struct MessageForm {
    id: String,
    model: String,
    stop: Vec<String>,
    generator: Arc<dyn Generator>,
    /// Whether it says which edits of the context were applied.
    edits_context: bool,
    /// The kind of block that is open.
    open: Option<&'static str>,
    /// Blocks that have begun.
    blocks: usize,
    called: bool,
}

/// An event under the name that its data says too.
pub(super) fn event(content: &Value) -> sse::Event {
    let name = content["type"].as_str().unwrap_or_default();
    named(name, content)
}

impl MessageForm {
    pub(super) fn new(
        model: &str,
        stop: Vec<String>,
        generator: Arc<dyn Generator>,
        edits_context: bool,
    ) -> Self {
        Self {
            id: format!("msg_{:032x}", rand::random::<u128>()),
            model: model.to_owned(),
            stop,
            generator,
            edits_context,
            open: None,
            blocks: 0,
            called: false,
        }
    }

    /// # Errors
    /// A cancelled answer is none: a client must not take it for complete.
    pub(super) fn message(mut self, answered: Answered) -> Result<Value, ApiError> {
        let pieces = answered.pieces;
        self.called = pieces.iter().any(|piece| matches!(piece, Piece::Called(_)));
        let content = pieces.iter().map(|piece| match piece {
            Piece::Thought(thought) => thinking_block(thought),
            Piece::Text(text) => text_block(text),
            Piece::Called(call) => call_block(call, &json!(call.arguments.object())),
        });
        let (reason, stopped_by) = self.stop_reason(&answered.completion)?;
        let mut message = self.envelope(content.collect(), usage_of(&answered.completion));
        message["stop_reason"] = reason.into();
        message["stop_sequence"] = stopped_by.into();
        message["nibble"] = json!(Figures::of(answered.completion));
        self.tell_edits(&mut message);
        Ok(message)
    }

    fn envelope(&self, content: Vec<Value>, usage: Value) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": null,
            "stop_sequence": null,
            "stop_details": null,
            "container": null,
            "usage": usage,
        })
    }

    /// The first event, when the prompt begins to be read.
    pub(super) fn start(&self, tokens: usize, cached: usize) -> sse::Event {
        let message = self.envelope(Vec::new(), usage(tokens, cached, [0, 0]));
        event(&json!({ "type": "message_start", "message": message }))
    }

    pub(super) fn thought(&mut self, thought: &str) -> Vec<sse::Event> {
        let block = thinking_block("");
        let delta = json!({ "type": "thinking_delta", "thinking": thought });
        self.delta("thinking", &block, &delta)
    }

    pub(super) fn text(&mut self, text: &str) -> Vec<sse::Event> {
        let block = text_block("");
        let delta = json!({ "type": "text_delta", "text": text });
        self.delta("text", &block, &delta)
    }

    pub(super) fn called(&mut self, call: &ToolCall) -> Vec<sse::Event> {
        self.called = true;
        let block = call_block(call, &json!({}));
        let json = call.arguments.as_json();
        let delta = json!({ "type": "input_json_delta", "partial_json": json });
        let mut events = self.delta("tool_use", &block, &delta);
        events.extend(self.close());
        events
    }

    /// # Errors
    /// As [`Self::message`].
    pub(super) fn ended(&mut self, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        let (reason, stopped_by) = self.stop_reason(completion)?;
        let mut events: Vec<_> = self.close().into_iter().collect();
        let mut end = json!({
            "type": "message_delta",
            "delta": { "stop_reason": reason, "stop_sequence": stopped_by },
            "usage": usage_of(completion),
            "nibble": Figures::of(completion.clone()),
        });
        self.tell_edits(&mut end);
        events.push(event(&end));
        Ok(events)
    }

    /// Says where that is wanted that no edit of the context was applied.
    fn tell_edits(&self, end: &mut Value) {
        if self.edits_context {
            end["context_management"] = json!({ "applied_edits": [] });
        }
    }

    /// A part of a block, which begins with it unless one of its kind is open.
    fn delta(&mut self, kind: &'static str, block: &Value, delta: &Value) -> Vec<sse::Event> {
        let mut events = Vec::new();
        if self.open != Some(kind) {
            events.extend(self.close());
            let start = json!({ "type": "content_block_start", "index": self.blocks, "content_block": block });
            events.push(event(&start));
            self.open = Some(kind);
            self.blocks += 1;
        }
        let index = self.blocks - 1;
        events.push(event(
            &json!({ "type": "content_block_delta", "index": index, "delta": delta }),
        ));
        events
    }

    fn close(&mut self) -> Option<sse::Event> {
        self.open.take()?;
        let index = self.blocks - 1;
        Some(event(
            &json!({ "type": "content_block_stop", "index": index }),
        ))
    }

    /// Why an answer ended, and by which stop text.
    fn stop_reason(
        &self,
        completion: &Completion,
    ) -> Result<(&'static str, Option<String>), ApiError> {
        match completion.finish_reason {
            FinishReason::Stop if self.called => Ok(("tool_use", None)),
            FinishReason::Stop => Ok(match self.stopped_by(&completion.token_ids) {
                Some(stop) => ("stop_sequence", Some(stop)),
                None => ("end_turn", None),
            }),
            FinishReason::Length | FinishReason::Context | FinishReason::Repetition => {
                Ok(("max_tokens", None))
            }
            FinishReason::Cancelled => Err(ApiError::unavailable(
                "the server cancelled the answer before it was complete",
            )),
        }
    }

    /// The stop text that the last token completed: the one that begins first, as the engine chooses.
    fn stopped_by(&self, tokens: &[u32]) -> Option<String> {
        if self.stop.is_empty() {
            return None;
        }
        let tokens = &tokens[tokens.len().saturating_sub(STOP_TOKENS + 1)..];
        let (last, before) = tokens.split_last()?;
        if self.is_control(*last) {
            return None;
        }
        let text = self.generator.spelt(tokens).ok()?;
        // A character may begin in one token and end in the next.
        let before = self.generator.spelt(before).ok()?;
        let earlier = before.trim_end_matches('\u{fffd}').len();
        let ends = self.stop.iter().filter_map(|stop| {
            let at = text.rfind(stop.as_str())?;
            (at + stop.len() > earlier).then_some((at, stop))
        });
        ends.min_by_key(|(at, _)| *at).map(|(_, stop)| stop.clone())
    }

    /// Whether a token is no text, in which the engine finds no stop text either.
    fn is_control(&self, token: u32) -> bool {
        let read = |control_tokens| {
            let text = self.generator.spelt(&[token])?;
            let first_token = false;
            let reading = Reading {
                control_tokens,
                first_token,
            };
            self.generator.text_tokens(&text, reading)
        };
        match (read(true), read(false)) {
            (Ok(control), Ok(text)) => control != text,
            _ => false,
        }
    }
}

/// Of an answer that has ended.
pub(super) fn usage_of(completion: &Completion) -> Value {
    let output = [
        completion.token_ids.len(),
        completion.metrics.thought_tokens,
    ];
    usage(completion.prompt_tokens, completion.cached_tokens, output)
}

fn thinking_block(thought: &str) -> Value {
    json!({ "type": "thinking", "thinking": thought, "signature": "" })
}

/// `citations` must be there, and some clients know them as an array alone.
fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text, "citations": [] })
}

fn call_block(call: &ToolCall, input: &Value) -> Value {
    json!({
        "type": "tool_use",
        "id": call.id,
        "name": call.name,
        "input": input,
        "caller": { "type": "direct" },
    })
}

/// Tokens as Anthropic counts them: those from a cache are not among the others. Of those put out some are thoughts.
fn usage(prompt: usize, cached: usize, [output, thought]: [usize; 2]) -> Value {
    json!({
        "input_tokens": prompt.saturating_sub(cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
        "output_tokens_details": { "thinking_tokens": thought },
        "cache_creation": null,
        "inference_geo": null,
        "server_tool_use": null,
        "service_tier": "standard",
    })
}
