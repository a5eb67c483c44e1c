//! What a response looks like on the wire, whole and as events.

use axum::http::StatusCode;
use axum::response::sse;
use nibble_engine::{Completion, FinishReason, ToolCall};
use serde_json::{Value, json};

use super::items::{Kind, identifier};
use super::offered::{LeftOut, Namespaces};
use super::repeated::Repeated;
use crate::api::openai::ending::unix_time;
use crate::api::reply::{Answered, Piece, named};
use crate::error::{ApiError, ErrorBody};
use crate::figures::Figures;
use crate::response_items::OwnItems;

/// A response on the wire.
pub(in crate::api::openai) struct ResponseForm {
    id: String,
    created: u64,
    model: String,
    /// Events so far.
    events: usize,
    /// Items that are complete.
    output: Vec<Value>,
    open: Option<Open>,
    repeated: Repeated,
    namespaces: Namespaces,
    left_out: LeftOut,
    /// Where its items are kept, if they are.
    keeps: Option<OwnItems>,
}

/// An item that grows.
struct Open {
    kind: Kind,
    id: String,
    text: String,
}

/// Of an answer that ended, the status of the item with which it ended.
fn status(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length | FinishReason::Context | FinishReason::Repetition => "incomplete",
        FinishReason::Stop | FinishReason::Cancelled => "completed",
    }
}

impl ResponseForm {
    /// `keeps` is where its items are kept when it ends, if they are.
    pub(super) fn new(
        model: &str,
        repeated: Repeated,
        namespaces: Namespaces,
        left_out: LeftOut,
        keeps: Option<OwnItems>,
    ) -> Self {
        Self {
            id: identifier("resp"),
            created: unix_time(),
            model: model.to_owned(),
            events: 0,
            output: Vec::new(),
            open: None,
            repeated,
            namespaces,
            left_out,
            keeps,
        }
    }

    /// # Errors
    /// A cancelled answer is none: a client must not take it for complete.
    pub(super) fn response(mut self, answered: Answered) -> Result<Value, ApiError> {
        let last = answered.pieces.len().saturating_sub(1);
        for (at, piece) in answered.pieces.iter().enumerate() {
            let status = match at == last {
                true => status(answered.completion.finish_reason),
                false => "completed",
            };
            let item = match piece {
                Piece::Thought(text) => Kind::Thought.whole(text, status),
                Piece::Text(text) => Kind::Text.whole(text, status),
                // A call is told when it is complete.
                Piece::Called(call) => {
                    let (id, arguments) = (identifier("fc"), call.arguments.as_json());
                    self.called_item(call, &id, arguments, "completed")
                }
            };
            self.output.push(item);
        }
        Ok(self.ending(&answered.completion)?.1)
    }

    fn called_item(&self, call: &ToolCall, id: &str, arguments: &str, status: &str) -> Value {
        let (namespace, name) = self.namespaces.place(&call.name);
        let mut item = json!({
            "id": id,
            "type": "function_call",
            "status": status,
            "call_id": call.id,
            "name": name,
            "arguments": arguments,
        });
        if let Some(namespace) = namespace {
            item["namespace"] = namespace.into();
        }
        item
    }

    /// The response so far.
    fn envelope(&self, status: &str) -> Value {
        let completed = (status == "completed").then(unix_time);
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": completed,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "model": self.model,
            "output": self.output,
            "usage": null,
        });
        self.repeated.add_to(&mut response);
        response
    }

    /// The event that ends a stream, and the whole response, whose items are kept from now on.
    fn ending(&self, completion: &Completion) -> Result<(&'static str, Value), ApiError> {
        if completion.finish_reason == FinishReason::Cancelled {
            return Err(ApiError::unavailable(
                "the server cancelled the answer before it was complete",
            ));
        }
        let status = status(completion.finish_reason);
        let mut response = self.envelope(status);
        let event = match status {
            "incomplete" => {
                response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
                "response.incomplete"
            }
            _ => "response.completed",
        };
        if let Some(keeps) = &self.keeps {
            keeps.keep(&self.output);
        }
        tell_figures(&mut response, completion);
        if !self.left_out.is_empty() {
            response["nibble"]["left_out_tools"] = json!(self.left_out);
        }
        Ok((event, response))
    }

    fn event(&mut self, kind: &str, mut content: Value) -> sse::Event {
        content["type"] = kind.into();
        content["sequence_number"] = self.events.into();
        self.events += 1;
        named(kind, &content)
    }

    pub(super) fn start(&mut self) -> Vec<sse::Event> {
        let response = self.envelope("in_progress");
        let content = json!({ "response": response });
        let kinds = ["response.created", "response.in_progress"];
        kinds.map(|kind| self.event(kind, content.clone())).into()
    }

    pub(super) fn thought(&mut self, text: &str) -> Vec<sse::Event> {
        self.grow(Kind::Thought, text)
    }

    pub(super) fn text(&mut self, text: &str) -> Vec<sse::Event> {
        self.grow(Kind::Text, text)
    }

    fn grow(&mut self, kind: Kind, text: &str) -> Vec<sse::Event> {
        let mut events = Vec::new();
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            events.extend(self.close("completed"));
            let (id, index) = (kind.new_id(), self.output.len());
            let item = kind.item(&id, "in_progress", Vec::new());
            let content = json!({ "output_index": index, "item": item });
            events.push(self.event("response.output_item.added", content));
            let part = json!({ "item_id": id, "output_index": index, "content_index": 0, "part": kind.part("") });
            events.push(self.event("response.content_part.added", part));
            let text = String::new();
            self.open = Some(Open { kind, id, text });
        }
        let index = self.output.len();
        if let Some(open) = &mut self.open {
            open.text.push_str(text);
            let delta = json!({
                "item_id": open.id, "output_index": index, "content_index": 0, "delta": text, "logprobs": [],
            });
            events.push(self.event(&format!("{}.delta", kind.events()), delta));
        }
        events
    }

    /// Ends the item that grows.
    fn close(&mut self, status: &str) -> Vec<sse::Event> {
        let Some(Open { kind, id, text }) = self.open.take() else {
            return Vec::new();
        };
        let (index, part) = (self.output.len(), kind.part(&text));
        let item = kind.item(&id, status, vec![part.clone()]);
        self.output.push(item.clone());
        let done = json!({
            "item_id": id, "output_index": index, "content_index": 0, "text": text, "logprobs": [],
        });
        let part =
            json!({ "item_id": id, "output_index": index, "content_index": 0, "part": part });
        let item = json!({ "output_index": index, "item": item });
        vec![
            self.event(&format!("{}.done", kind.events()), done),
            self.event("response.content_part.done", part),
            self.event("response.output_item.done", item),
        ]
    }

    pub(super) fn called(&mut self, call: &ToolCall) -> Vec<sse::Event> {
        let mut events = self.close("completed");
        let (id, index) = (identifier("fc"), self.output.len());
        let arguments = call.arguments.as_json();
        let begun = self.called_item(call, &id, "", "in_progress");
        let item = self.called_item(call, &id, arguments, "completed");
        self.output.push(item.clone());
        let place = |key: &str| json!({ "item_id": id, "output_index": index, key: arguments });
        for (kind, content) in [
            (
                "response.output_item.added",
                json!({ "output_index": index, "item": begun }),
            ),
            ("response.function_call_arguments.delta", place("delta")),
            ("response.function_call_arguments.done", place("arguments")),
            (
                "response.output_item.done",
                json!({ "output_index": index, "item": item }),
            ),
        ] {
            events.push(self.event(kind, content));
        }
        events
    }

    /// # Errors
    /// As [`Self::response`].
    pub(super) fn ended(&mut self, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        let mut events = self.close(status(completion.finish_reason));
        let (kind, response) = self.ending(completion)?;
        events.push(self.event(kind, json!({ "response": response })));
        Ok(events)
    }

    /// What ends a response that fails: the error, and then the response with it, in which the item that grew is incomplete.
    pub(super) fn failure(&mut self, status: StatusCode, error: &ErrorBody) -> Vec<sse::Event> {
        let told = self.event("error", json!(error));
        if let Some(Open { kind, id, text }) = self.open.take() {
            let item = kind.item(&id, "incomplete", vec![kind.part(&text)]);
            self.output.push(item);
        }
        // The form has words of its own for what went wrong.
        let code = match status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_exceeded",
            status if status.is_client_error() => "invalid_prompt",
            _ => "server_error",
        };
        let mut response = self.envelope("failed");
        response["error"] = json!({ "code": code, "message": error.message() });
        if let Some(spent) = error.spent() {
            tell_figures(&mut response, spent);
        }
        let failed = self.event("response.failed", json!({ "response": response }));
        vec![told, failed]
    }
}

/// Adds what an answer took.
fn tell_figures(response: &mut Value, completion: &Completion) {
    let (input, output) = (completion.prompt_tokens, completion.token_ids.len());
    response["usage"] = json!({
        "input_tokens": input,
        "input_tokens_details": { "cached_tokens": completion.cached_tokens, "cache_write_tokens": 0 },
        "output_tokens": output,
        "output_tokens_details": { "reasoning_tokens": completion.metrics.thought_tokens },
        "total_tokens": input + output,
    });
    response["nibble"] = json!(Figures::of(completion.clone()));
}

/// The one event of a stream without a response.
pub(super) fn refusal(error: &ErrorBody) -> sse::Event {
    let mut content = json!(error);
    content["type"] = "error".into();
    content["sequence_number"] = 0.into();
    named("error", &content)
}
