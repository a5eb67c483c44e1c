//! What a client may ask of `POST /v1/chat/completions`, read into an engine request; the engine checks the ranges of what
//! both know.
//!
//! Without a field of its own a request takes the sampling that the model's authors advise, and may fill the
//! context. `max_completion_tokens` outranks `max_tokens`. `model` may be absent; a name other than that of the
//! loaded model is refused, as Ollama and vLLM do, since an answer by another model than the one asked for misleads.

use nibble_engine::{Caller, Conversation, ModelInfo, Prompt, Request, Sampling};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::{WireMessage, turns};
use super::tools::{WireTool, offered};
use crate::error::ApiError;

/// OpenAI's limit.
const MAX_STOPS: usize = 4;

/// A checked request.
#[derive(Debug)]
pub(super) struct ChatCompletion {
    pub(super) request: Request,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Wire {
    model: Option<String>,
    messages: Vec<WireMessage>,
    tools: Option<Vec<WireTool>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<i64>,
    min_p: Option<f32>,
    seed: Option<i64>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    stop: Option<Stop>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl ChatCompletion {
    /// # Errors
    /// Status 400 that names the field, or 404 for another model.
    pub(super) fn parse(
        body: &[u8],
        info: &ModelInfo,
        usd_per_hour: f64,
    ) -> Result<Self, ApiError> {
        let mut wire = read(body)?;
        refuse_unsupported(&wire.others)?;
        match wire.model.as_deref() {
            None | Some("") => {}
            Some(name) if name == info.id => {}
            Some(name) => return Err(ApiError::unknown_model(name, &info.id)),
        }
        let stream = wire.stream.unwrap_or(false);
        let include_usage = wire
            .stream_options
            .as_ref()
            .and_then(|options| options.include_usage)
            .unwrap_or(false);
        let conversation = Conversation {
            tools: offered(wire.tools.take(), wire.tool_choice.as_ref())?,
            single_call: wire.parallel_tool_calls == Some(false),
            ..Conversation::default()
        };
        let request = Request {
            sampling: wire.sampling(info.sampling)?,
            max_tokens: wire.max_tokens()?.unwrap_or(info.context),
            prompt: Prompt::Chat(Conversation {
                turns: turns(wire.messages)?,
                ..conversation
            }),
            stop: stops(wire.stop)?,
            usd_per_hour,
            caller: Caller::default(),
        };
        Ok(Self {
            request,
            stream,
            include_usage,
        })
    }
}

fn read(body: &[u8]) -> Result<Wire, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let wire = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner();
        // Fields that are missing at the top, and broken syntax, have no path.
        if path == "." || !reason.is_data() {
            ApiError::invalid(format!(
                "the body is not a chat completion request: {reason}"
            ))
        } else {
            ApiError::invalid_field(&path, format!("`{path}`: {reason}"))
        }
    })?;
    json.end().map_err(|error| {
        ApiError::invalid(format!("the body goes on after its object: {error}"))
    })?;
    Ok(wire)
}

impl Wire {
    fn sampling(&self, advised: Sampling) -> Result<Sampling, ApiError> {
        let mut sampling = Sampling {
            temperature: self.temperature.unwrap_or(advised.temperature),
            top_p: self.top_p.unwrap_or(advised.top_p),
            min_p: self.min_p.unwrap_or(advised.min_p),
            seed: self.seed.map(i64::cast_unsigned).or(advised.seed),
            ..advised
        };
        if let Some(top_k) = self.top_k {
            sampling.top_k = match top_k {
                // vLLM's clients write -1 for "all".
                -1 => 0,
                _ => usize::try_from(top_k).map_err(|_| {
                    ApiError::invalid_field(
                        "top_k",
                        format!("`top_k` must be 0 or more, or -1 for all, found {top_k}"),
                    )
                })?,
            };
        }
        Ok(sampling)
    }

    fn max_tokens(&self) -> Result<Option<usize>, ApiError> {
        let (name, limit) = match self.max_completion_tokens {
            Some(limit) => ("max_completion_tokens", limit),
            None => match self.max_tokens {
                Some(limit) => ("max_tokens", limit),
                None => return Ok(None),
            },
        };
        match usize::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(Some(limit)),
            _ => Err(ApiError::invalid_field(
                name,
                format!("`{name}` must be at least 1, found {limit}"),
            )),
        }
    }
}

fn stops(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let stops = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    if stops.len() > MAX_STOPS {
        let found = stops.len();
        return Err(ApiError::invalid_field(
            "stop",
            format!("`stop` must have at most {MAX_STOPS} texts, found {found}"),
        ));
    }
    Ok(stops)
}

/// Refuses what would change the answer and cannot; what changes nothing passes.
fn refuse_unsupported(others: &Map<String, Value>) -> Result<(), ApiError> {
    for (name, value) in others {
        let harmless = match name.as_str() {
            "n" => value == 1,
            "frequency_penalty" | "presence_penalty" => value.as_f64() == Some(0.0),
            "repetition_penalty" | "repeat_penalty" => value.as_f64() == Some(1.0),
            "response_format" => value["type"] == "text",
            "modalities" => *value == serde_json::json!(["text"]),
            "logprobs" => *value == false,
            "logit_bias" => value.as_object().is_some_and(Map::is_empty),
            "functions" => value.as_array().is_some_and(Vec::is_empty),
            "function_call" => value == "none" || value == "auto",
            "top_logprobs" | "audio" | "web_search_options" => false,
            _ => true,
        };
        if !harmless && !value.is_null() {
            return Err(ApiError::invalid_field(
                name,
                format!("`{name}` is not supported beyond its default, found {value}"),
            ));
        }
    }
    Ok(())
}
