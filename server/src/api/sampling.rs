//! The fields that say how tokens are chosen and which texts end an answer: the same in every form.
//!
//! What is left out is as the model's authors advise. The engine knows the ranges.

use nibble_engine::{Prompt, Request, Revealed, Sampling, Speculation, Steering};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asker::Asker;
use super::biases;
use super::body::Integer;
use super::stages::stage;
use crate::error::ApiError;

/// Of how many tokens llama.cpp's `repeat_penalty` takes note unless it is told.
const REPEAT_LAST_N: usize = 64;

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
pub(super) struct SamplingFields {
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<Integer>,
    min_p: Option<f32>,
    seed: Option<Integer>,
    logit_bias: Option<Value>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    repetition_penalty: Option<f32>,
    /// llama.cpp's name, of the last [`REPEAT_LAST_N`] tokens.
    repeat_penalty: Option<f32>,
    repeat_last_n: Option<Integer>,
    #[serde(alias = "min_new_tokens")]
    min_tokens: Option<Integer>,
    ignore_eos: Option<bool>,
    stop_token_ids: Option<Vec<u32>>,
    /// `auto`, `off`, or how many tokens are guessed at a time; llama.cpp's name is `speculative.n_max`.
    #[serde(alias = "speculative.n_max")]
    speculate: Option<Value>,
    allowed_token_ids: Option<Vec<u32>>,
    bad_words: Option<Vec<String>>,
    include_stop_str_in_output: Option<bool>,
    skip_special_tokens: Option<bool>,
    #[serde(alias = "stop_sequences")]
    stop: Option<Stop>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(SamplingFields);

#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Stop {
    One(String),
    Many(Vec<String>),
}

impl SamplingFields {
    /// The request for an answer to `prompt` that is chosen and ends as these fields say, and as late as the asker's limit
    /// says where no other is named.
    ///
    /// # Errors
    /// Status 400 that names the field.
    pub(super) fn request(mut self, prompt: Prompt, asker: &Asker) -> Result<Request, ApiError> {
        Ok(Request {
            prompt,
            sampling: self.sampling(asker.info().sampling)?,
            steering: self.steering()?,
            speculation: self.speculation()?,
            revealed: self.revealed(),
            stop: self.stops(),
            max_tokens: asker.most_tokens(None),
            usd_per_hour: asker.usd_per_hour,
            caller: asker.caller,
            ..Request::default()
        })
    }

    /// # Errors
    /// Status 400 that names a number which no engine could be given.
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

    /// What changes the choice beyond that, and the end.
    ///
    /// # Errors
    /// Status 400 that names the field.
    fn steering(&self) -> Result<Steering, ApiError> {
        let penalties = (self.repetition_penalty, self.repeat_penalty);
        let last = self.repeat_last_n()?;
        let (penalty, window) = match penalties {
            (Some(_), Some(_)) => {
                let message = "`repeat_penalty` and `repetition_penalty` say the same: name one";
                return Err(ApiError::invalid_field("repeat_penalty", message));
            }
            (penalty, None) => (penalty.unwrap_or(1.0), last.unwrap_or_default()),
            (None, Some(penalty)) => (penalty, last.unwrap_or(Some(REPEAT_LAST_N))),
        };
        Ok(Steering {
            logit_bias: biases::read(self.logit_bias.as_ref())?,
            presence_penalty: self.presence_penalty.unwrap_or_default(),
            frequency_penalty: self.frequency_penalty.unwrap_or_default(),
            // Of no token there is nothing to penalise.
            repetition_penalty: if window == Some(0) { 1.0 } else { penalty },
            repetition_window: window.filter(|_| penalty != 1.0),
            min_tokens: whole("min_tokens", self.min_tokens)?.unwrap_or_default(),
            ignore_eos: self.ignore_eos == Some(true),
            stop_token_ids: self.stop_token_ids.clone().unwrap_or_default(),
            allowed_token_ids: self.allowed_token_ids.clone().unwrap_or_default(),
            bad_words: self.bad_words.clone().unwrap_or_default(),
        })
    }

    /// Whether tokens are guessed ahead, where that is said.
    ///
    /// # Errors
    /// Status 400 that names the field.
    fn speculation(&self) -> Result<Option<Speculation>, ApiError> {
        let Some(found) = &self.speculate else {
            return Ok(None);
        };
        let text = found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned);
        text.parse()
            .map(Some)
            .map_err(|reason| ApiError::invalid_field("speculate", format!("`speculate` {reason}")))
    }

    /// What is shown that is left out otherwise.
    fn revealed(&self) -> Revealed {
        Revealed {
            stop: self.include_stop_str_in_output == Some(true),
            control_tokens: self.skip_special_tokens == Some(false),
        }
    }

    /// How many of the last tokens count, where that is said; -1 is all of them, which is no number.
    fn repeat_last_n(&self) -> Result<Option<Option<usize>>, ApiError> {
        match self.repeat_last_n {
            Some(Integer(-1)) => Ok(Some(None)),
            last => Ok(whole("repeat_last_n", last)?.map(Some)),
        }
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

    /// Empty texts would end every answer; llama.cpp leaves them out too.
    fn stops(&mut self) -> Vec<String> {
        let mut stops = match self.stop.take() {
            None => Vec::new(),
            Some(Stop::One(text)) => vec![text],
            Some(Stop::Many(texts)) => texts,
        };
        stops.retain(|text| !text.is_empty());
        stops
    }
}

/// What a field called `name` gives that is 0 or more.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn whole(name: &str, found: Option<Integer>) -> Result<Option<usize>, ApiError> {
    let Some(Integer(found)) = found else {
        return Ok(None);
    };
    usize::try_from(found).map(Some).map_err(|_| {
        ApiError::invalid_field(name, format!("`{name}` must be 0 or more, found {found}"))
    })
}

/// A limit of tokens that a field called `name` gives; -1 is the context's.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn limit(name: &str, limit: Option<Integer>) -> Result<Option<usize>, ApiError> {
    let Some(Integer(limit)) = limit else {
        return Ok(None);
    };
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(Some(limit)),
        _ if limit == -1 => Ok(Some(usize::MAX)),
        _ => Err(ApiError::invalid_field(
            name,
            format!("`{name}` must be at least 1, or -1 for no limit, found {limit}"),
        )),
    }
}
