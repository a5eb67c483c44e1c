//! What an answer looks like on the wire: lines of JSON, of which the last has its figures, or all in one.

use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use jiff::Timestamp;
use nibble_engine::{Completion, FinishReason, ToolCall};
use serde_json::{Value, json};

use crate::api::reply::{Answered, ByKind, Form, Piece, only};
use crate::error::ApiError;
use crate::figures::Figures;

/// Where a line has its text.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In a message, as of `/api/chat`.
    Message,
    /// In `response`, as of `/api/generate`.
    Response,
}

/// An answer on the wire.
pub(super) struct AnswerForm {
    pub(super) model: String,
    pub(super) place: Place,
    /// Where nothing was asked, what was done instead: `load` or `unload`.
    pub(super) nothing: Option<&'static str>,
}

impl AnswerForm {
    /// The only line where nothing was asked.
    fn done_at_once(&self) -> Option<Value> {
        let reason = self.nothing?;
        let mut line = self.line("", "", &[]);
        line["done"] = true.into();
        line["done_reason"] = reason.into();
        Some(line)
    }

    fn line(&self, thought: &str, text: &str, calls: &[ToolCall]) -> Value {
        let (model, now) = (&self.model, Timestamp::now().to_string());
        let calls = calls.iter().map(|call| {
            let arguments = call.arguments.object();
            json!({ "id": call.id, "function": { "name": call.name, "arguments": arguments } })
        });
        let calls: Vec<Value> = calls.collect();
        let mut line = json!({ "model": model, "created_at": now, "done": false });
        let said = match self.place {
            Place::Message => {
                line["message"] = json!({ "role": "assistant", "content": text });
                &mut line["message"]
            }
            Place::Response => {
                line["response"] = text.into();
                &mut line
            }
        };
        if !thought.is_empty() {
            said["thinking"] = thought.into();
        }
        if !calls.is_empty() {
            said["tool_calls"] = calls.into();
        }
        line
    }
}

/// Makes a line the last.
fn end(line: &mut Value, completion: &Completion) -> Result<(), ApiError> {
    let reason = match completion.finish_reason {
        FinishReason::Stop => "stop",
        FinishReason::Length | FinishReason::Context | FinishReason::Repetition => "length",
        FinishReason::Cancelled => {
            return Err(ApiError::unavailable(
                "the server cancelled the answer before it was complete",
            ));
        }
    };
    line["done"] = true.into();
    line["done_reason"] = reason.into();
    tell_figures(line, completion);
    Ok(())
}

/// Adds what an answer took.
pub(super) fn tell_figures(line: &mut Value, completion: &Completion) {
    let metrics = &completion.metrics;
    let decode_s = metrics.total_s - metrics.time_to_first_token_s.unwrap_or(metrics.total_s);
    line["total_duration"] = nanoseconds(metrics.total_s);
    line["load_duration"] = nanoseconds(metrics.loading_s.unwrap_or_default());
    line["prompt_eval_count"] = completion.prompt_tokens.into();
    line["prompt_eval_duration"] = nanoseconds(metrics.prefill_s.unwrap_or_default());
    line["eval_count"] = completion.token_ids.len().into();
    line["eval_duration"] = nanoseconds(decode_s);
    line["nibble"] = json!(Figures::of(completion.clone()));
}

pub(super) fn nanoseconds(seconds: f64) -> Value {
    ((seconds * 1e9) as u64).into()
}

impl Form for AnswerForm {
    type Frame = Value;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        if let Some(line) = self.done_at_once() {
            return Ok(Json(line).into_response());
        }
        let answer = only(answers)?;
        let said = ByKind::of(answer.pieces);
        let mut line = self.line(&said.thought, &said.text, &said.calls);
        end(&mut line, &answer.completion)?;
        Ok(Json(line).into_response())
    }

    fn begin(&mut self) -> Vec<Value> {
        self.done_at_once().into_iter().collect()
    }

    fn piece(&mut self, _: usize, piece: Piece) -> Vec<Value> {
        vec![match piece {
            Piece::Thought(thought) => self.line(&thought, "", &[]),
            Piece::Text(text) => self.line("", &text, &[]),
            Piece::Called(call) => self.line("", "", &[call]),
        }]
    }

    fn end(&mut self, _: usize, completion: &Completion) -> Result<Vec<Value>, ApiError> {
        let mut line = self.line("", "", &[]);
        end(&mut line, completion)?;
        Ok(vec![line])
    }

    fn done(&mut self) -> Vec<Value> {
        Vec::new()
    }

    fn refused(error: &ApiError) -> Value {
        super::written(error.logged().clone())
    }

    fn streamed(frames: impl Stream<Item = Value> + Send + 'static) -> Response {
        super::lines(frames)
    }
}
