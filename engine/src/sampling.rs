//! How the next token is to be chosen: what a request says and what a model's files advise. Plain data; choosing is
//! `answer/sample`.

mod speculation;
mod steering;

use serde::{Deserialize, Serialize};

use crate::Error;

pub use self::speculation::{MAX_DRAFT, Speculation};
pub use self::steering::{
    MAX_ALLOWED_TOKENS, MAX_BAD_WORDS, MAX_BIASES, MAX_STOP_TOKENS, Steering,
};

/// How the next token is chosen. Temperature 0 is greedy and ignores the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divides the logits, 0 to 2.
    pub temperature: f32,
    /// Keep only the k most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the most likely tokens whose probabilities reach this sum, above 0 to 1.
    pub top_p: f32,
    /// Keep tokens at least this share as likely as the likeliest, 0 to 1.
    pub min_p: f32,
    /// Same seed, same model, same kernel, same prompt: same tokens. Without one a seed is drawn.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: None,
        }
    }
}

impl Sampling {
    /// Refuses values outside the ranges documented on the fields.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, its range and the value.
    pub fn check(&self) -> Result<(), Error> {
        let within = |name, value: f32, low: f32, high: f32| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                let reason = format!("`{name}` must be from {low} to {high}, found {value}");
                Err(Error::request(name, reason))
            }
        };
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, f32::MIN_POSITIVE, 1.0).map_err(|_| {
            let found = self.top_p;
            Error::request(
                "top_p",
                format!("`top_p` must be above 0 and at most 1, found {found}"),
            )
        })?;
        within("min_p", self.min_p, 0.0, 1.0)
    }

    /// What the authors of a model advise: its name is all that a GGUF file says of that.
    pub(crate) fn advised_for(name: &str) -> Self {
        let name = name.to_lowercase();
        let (temperature, top_p) = if name.contains("smollm2") {
            (0.2, 0.9)
        } else {
            (0.6, 0.9)
        };
        Self {
            temperature,
            top_p,
            ..Self::default()
        }
    }
}
