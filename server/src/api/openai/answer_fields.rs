//! What every kind of completion says of its answer: by which model, how long, whole or streamed.
//!
//! `n_predict` outranks `max_completion_tokens`, and that `max_tokens`; without any an answer ends at the server's `--default-max-tokens`.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::logprobs::Spelling;
use crate::api::asker::Asker;
use crate::api::body::Integer;
use crate::api::choices;
use crate::api::sampling::{limit, whole};
use crate::api::stages::stage;
use crate::error::ApiError;

/// Whether parts of a stream are filled up, so that who watches the wire cannot tell how long they are. It changes no answer.
const OBFUSCATION: &str = "include_obfuscation";

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
pub(super) struct AnswerFields {
    model: Option<String>,
    max_tokens: Option<Integer>,
    max_completion_tokens: Option<Integer>,
    /// llama.cpp's name, which outranks the others there.
    n_predict: Option<Integer>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<Integer>,
    best_of: Option<Integer>,
    prompt_logprobs: Option<Integer>,
    return_tokens_as_token_ids: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(AnswerFields);

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

impl AnswerFields {
    /// # Errors
    /// Status 404 for another model, and status 400 that names an option of streams that nobody knows.
    pub(super) fn check(&self, asker: &Asker) -> Result<(), ApiError> {
        asker.check_model(self.model.as_deref())?;
        let options = self.stream_options.iter();
        let mut others = options.flat_map(|options| &options.others);
        match others.find(|(name, value)| *name != OBFUSCATION && !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => {
                let field = format!("stream_options.{name}");
                let message = format!("`{field}` is not supported here");
                Err(ApiError::invalid_field(field, message))
            }
        }
    }

    /// How many answers are wanted.
    ///
    /// # Errors
    /// Status 400 that names the field.
    pub(super) fn choices(&self) -> Result<usize, ApiError> {
        choices::count(self.n, self.best_of)
    }

    /// How many of the likeliest tokens are told beside each of the prompt, where that is wanted.
    ///
    /// # Errors
    /// Status 400 that names the field, also where parts of a stream would have to hold it.
    pub(super) fn prompt_logprobs(&self) -> Result<Option<usize>, ApiError> {
        let most = whole("prompt_logprobs", self.prompt_logprobs)?;
        if most.is_some() && self.stream() {
            let message = "`prompt_logprobs` are told of answers that are not streamed";
            return Err(ApiError::invalid_field("prompt_logprobs", message));
        }
        Ok(most)
    }

    /// Nothing where no limit is named.
    ///
    /// # Errors
    /// Status 400 that names the field.
    pub(super) fn max_tokens(&self) -> Result<Option<usize>, ApiError> {
        match (self.n_predict, self.max_completion_tokens) {
            (Some(_), _) => limit("n_predict", self.n_predict),
            (None, Some(_)) => limit("max_completion_tokens", self.max_completion_tokens),
            (None, None) => limit("max_tokens", self.max_tokens),
        }
    }

    /// How the tokens of logprobs are written.
    pub(super) fn spelling(&self) -> Spelling {
        match self.return_tokens_as_token_ids {
            Some(true) => Spelling::Id,
            _ => Spelling::Text,
        }
    }

    /// The same, and 0 where something is told of the prompt.
    ///
    /// # Errors
    /// Status 400 that names the field.
    pub(super) fn max_tokens_or_none(&self, tells_prompt: bool) -> Result<Option<usize>, ApiError> {
        let limit = self.n_predict.or(self.max_completion_tokens);
        match limit.or(self.max_tokens) {
            Some(Integer(0)) if tells_prompt => Ok(Some(0)),
            _ => self.max_tokens(),
        }
    }

    pub(super) fn stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(super) fn include_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|options| options.include_usage) == Some(true)
    }

    /// Whether each part of a stream tells the usage so far.
    pub(super) fn continuous_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        let continuous = options.and_then(|options| options.continuous_usage_stats);
        self.include_usage() && continuous == Some(true)
    }
}
