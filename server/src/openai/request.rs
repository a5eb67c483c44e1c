//! What a client may ask of `POST /v1/chat/completions`, read into an engine request; the engine checks the ranges of what
//! both know.
//!
//! Without a field of its own a request takes the sampling that the model's authors advise, and may fill the
//! context. `max_completion_tokens` outranks `max_tokens`. `model` may be absent; a name other than that of the
//! loaded model is refused, as Ollama and vLLM do, since an answer by another model than the one asked for misleads.
//! Integers may be written as `16.0`, and -1 is no limit and no seed, as in llama.cpp.

use nibble_engine::{Caller, Conversation, MAX_STOPS, ModelInfo, Prompt, Request, Sampling};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::fields::refuse_unsupported;
use super::message::{WireMessage, turns};
use super::shape::Shape;
use super::tools::{WireTool, offered};
use crate::error::ApiError;

/// What a template is given of the request itself.
const RESERVED_VARIABLES: [&str; 6] = [
    "messages",
    "tools",
    "documents",
    "bos_token",
    "eos_token",
    "add_generation_prompt",
];

/// Of `chat_template_kwargs`, which are a few words.
const MAX_VARIABLES_BYTES: usize = 16 << 10;

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
    top_k: Option<Integer>,
    min_p: Option<f32>,
    seed: Option<Integer>,
    max_tokens: Option<Integer>,
    max_completion_tokens: Option<Integer>,
    stop: Option<Stop>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    chat_template_kwargs: Option<Map<String, Value>>,
    add_generation_prompt: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A whole number, also one that is written as a float.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
struct Integer(i128);

impl TryFrom<Number> for Integer {
    type Error = String;

    fn try_from(number: Number) -> Result<Self, String> {
        let float = number.as_f64().unwrap_or(f64::NAN);
        let integer = number.as_i128();
        // A cast of a float that is too large gives the largest, which no field takes.
        let whole = (float.fract() == 0.0).then_some(float as i128);
        let found = integer.or(whole).map(Self);
        found.ok_or_else(|| format!("expected a whole number, found {number}"))
    }
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
        caller: Caller,
    ) -> Result<Self, ApiError> {
        let mut shape = Shape::default();
        shape.add(body);
        shape.check("body")?;
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
            variables: variables(wire.chat_template_kwargs.take(), wire.add_generation_prompt)?,
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
            caller,
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
            seed: self.seed(advised.seed)?,
            ..advised
        };
        if let Some(Integer(top_k)) = self.top_k {
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

    /// Nothing where one is to be drawn. A seed is 64 bits, whether they are read with a sign or without.
    fn seed(&self, advised: Option<u64>) -> Result<Option<u64>, ApiError> {
        let Some(Integer(seed)) = self.seed else {
            return Ok(advised);
        };
        if seed == -1 {
            return Ok(None);
        }
        let signed = || i64::try_from(seed).map(i64::cast_unsigned);
        u64::try_from(seed)
            .or_else(|_| signed())
            .map(Some)
            .map_err(|_| {
                ApiError::invalid_field("seed", format!("`seed` must have 64 bits, found {seed}"))
            })
    }

    /// Nothing where the context is the limit.
    fn max_tokens(&self) -> Result<Option<usize>, ApiError> {
        let (name, limit) = match (self.max_completion_tokens, self.max_tokens) {
            (Some(limit), _) => ("max_completion_tokens", limit.0),
            (None, Some(limit)) => ("max_tokens", limit.0),
            (None, None) => return Ok(None),
        };
        match usize::try_from(limit) {
            Ok(limit) if limit > 0 => Ok(Some(limit)),
            _ if limit == -1 => Ok(None),
            _ => Err(ApiError::invalid_field(
                name,
                format!("`{name}` must be at least 1, or -1 for no limit, found {limit}"),
            )),
        }
    }
}

/// What the template is told beside the conversation.
fn variables(
    given: Option<Map<String, Value>>,
    add_generation_prompt: Option<bool>,
) -> Result<Map<String, Value>, ApiError> {
    let mut variables = given.unwrap_or_default();
    let mut reserved = RESERVED_VARIABLES.into_iter();
    if let Some(name) = reserved.find(|name| variables.contains_key(*name)) {
        let field = format!("chat_template_kwargs.{name}");
        let message = format!("`{field}` is not the caller's to set: it comes from the request");
        return Err(ApiError::invalid_field(field, message));
    }
    let bytes = serde_json::to_string(&variables).map_or(0, |json| json.len());
    if bytes > MAX_VARIABLES_BYTES {
        let field = "chat_template_kwargs";
        let message = format!("`{field}` may have {MAX_VARIABLES_BYTES} bytes, found {bytes}");
        return Err(ApiError::invalid_field(field, message));
    }
    if let Some(add) = add_generation_prompt {
        variables.insert("add_generation_prompt".into(), add.into());
    }
    Ok(variables)
}

/// Empty texts would end every answer; llama.cpp leaves them out too.
fn stops(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let mut stops = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    stops.retain(|text| !text.is_empty());
    if stops.len() > MAX_STOPS {
        let found = stops.len();
        return Err(ApiError::invalid_field(
            "stop",
            format!("`stop` must have at most {MAX_STOPS} texts, found {found}"),
        ));
    }
    Ok(stops)
}
