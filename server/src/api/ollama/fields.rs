//! What chats and completions say alike: the model, its options, whether it thinks, and whether to stream.

use nibble_engine::{Constraint, Conversation, Language, Prompt, Request, Thinking};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{AnswerForm, Place};
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::constraint::only;
use crate::api::effort;
use crate::api::fields::refuse_unknown;
use crate::api::reply::Asked;
use crate::api::sampling::{SamplingFields, limit};
use crate::api::stages::{Stages, stage};
use crate::error::ApiError;

/// How a model lies in memory and is computed, which is said when this server starts.
const OF_THE_MACHINE: [&str; 12] = [
    "f16_kv",
    "low_vram",
    "main_gpu",
    "num_batch",
    "num_gpu",
    "num_keep",
    "num_thread",
    "numa",
    "penalize_newline",
    "use_mlock",
    "use_mmap",
    "vocab_only",
];

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaAnswerFields)]
#[serde(expecting = "an object")]
pub(super) struct AnswerFields {
    model: Option<String>,
    stream: Option<bool>,
    think: Option<Think>,
    #[schema(value_type = Option<Value>)]
    keep_alive: Option<Value>,
    #[schema(value_type = Option<Options>)]
    options: Option<Map<String, Value>>,
    format: Option<Value>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(AnswerFields);

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaThink)]
#[serde(untagged, expecting = "expected true, false or how much")]
enum Think {
    Whether(bool),
    Effort(String),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = OllamaOptions)]
#[serde(expecting = "an object")]
struct Options {
    num_predict: Option<Integer>,
    /// How long the context is, is said when the server starts; a prompt that is too long for it is refused with both numbers.
    num_ctx: Option<Integer>,
    #[serde(flatten)]
    #[schema(value_type = SamplingFields)]
    others: Map<String, Value>,
}

stage!(Options);

/// Refuses options that would change an embedding.
///
/// # Errors
/// Status 400 that names the first.
pub(super) fn refuse_options(options: Option<Map<String, Value>>) -> Result<(), ApiError> {
    // How an answer would be chosen changes none.
    Options::read(options).map(drop)
}

impl AnswerFields {
    pub(super) fn stream(&self) -> bool {
        self.stream != Some(false)
    }

    /// Where there is nothing to answer, Ollama loads the model, or unloads it. A model that is a server's only one stays,
    /// whatever is said.
    ///
    /// # Errors
    /// Status 404 for another model.
    pub(super) fn nothing(
        mut self,
        place: Place,
        asker: &Asker,
    ) -> Result<Asked<AnswerForm>, ApiError> {
        asker.check_model(self.model.as_deref())?;
        refuse_options(self.options.take())?;
        let ends_now = |keep: &Value| match keep {
            Value::Number(keep) => keep.as_f64() == Some(0.0),
            // Durations such as "0s".
            Value::String(keep) => {
                let digits = keep.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                digits.parse::<f64>() == Ok(0.0)
            }
            _ => false,
        };
        let nothing = match self.keep_alive.as_ref().is_some_and(ends_now) {
            true => "unload",
            false => "load",
        };
        Ok(Asked {
            requests: Vec::new(),
            more: None,
            stream: self.stream(),
            form: AnswerForm {
                model: asker.info().id.clone(),
                place,
                nothing: Some(nothing),
            },
        })
    }

    /// The request for an answer to `prompt`.
    ///
    /// # Errors
    /// Status 400 that names the field, 404 for another model.
    pub(super) fn request(
        mut self,
        mut prompt: Prompt,
        asker: &Asker,
    ) -> Result<Request, ApiError> {
        asker.check_model(self.model.as_deref())?;
        let (options, sampling) = Options::read(self.options.take())?;
        let mut none = Conversation::default();
        let conversation = match &mut prompt {
            Prompt::Chat(conversation) => conversation,
            Prompt::Raw(_) | Prompt::Tokens(_) => &mut none,
        };
        let thinking = match self.think {
            None => Thinking::default(),
            Some(Think::Effort(word)) => effort::thinking(Some(word), &mut conversation.variables)?,
            Some(Think::Whether(enabled)) => Thinking {
                enabled: Some(enabled),
                budget: None,
            },
        };
        Ok(Request {
            max_tokens: asker.most_tokens(options.max_tokens()?),
            thinking,
            constraint: constraint(self.format)?,
            ..sampling.request(prompt, asker)?
        })
    }
}

/// What an answer must be: `json`, or a schema.
fn constraint(format: Option<Value>) -> Result<Option<Constraint>, ApiError> {
    let language = match format {
        Some(Value::String(name)) if name == "json" => Some(Language::JsonObject),
        Some(schema @ Value::Object(_)) => Some(Language::JsonSchema(schema)),
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if name.is_empty() => None,
        Some(other) => {
            let message = format!("`format` must be `json` or a JSON schema, found {other}");
            return Err(ApiError::invalid_field("format", message));
        }
    };
    only([("format", language)])
}

impl Options {
    fn read(options: Option<Map<String, Value>>) -> Result<(Self, SamplingFields), ApiError> {
        let (read, others) = <(Self, SamplingFields)>::of(options.unwrap_or_default())?;
        refuse_unknown(&others, &OF_THE_MACHINE)?;
        read.0.check_context()?;
        Ok(read)
    }

    /// -1 is without end, and -2 to the end of the context, which comes to the same.
    fn max_tokens(&self) -> Result<Option<usize>, ApiError> {
        match self.num_predict {
            Some(Integer(-2)) => Ok(Some(usize::MAX)),
            tokens => limit("num_predict", tokens),
        }
    }

    fn check_context(&self) -> Result<(), ApiError> {
        match self.num_ctx {
            Some(Integer(wanted)) if wanted < 1 => {
                let message = format!("`num_ctx` must be at least 1, found {wanted}");
                Err(ApiError::invalid_field("num_ctx", message))
            }
            _ => Ok(()),
        }
    }
}
