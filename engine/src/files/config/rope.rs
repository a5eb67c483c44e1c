//! How checkpoints stretch the rotary position embedding beyond the context that they were first trained on.
//!
//! `linear`, `llama3` and `yarn` (Peng et al., 2023) come down to a divisor for each frequency; `dynamic` changes the
//! base with the length of the sequence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{CONTEXTS, positions};

/// The rotation of one model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RopeConfig {
    pub(crate) theta: f32,
    /// Divisors of the `head_dim / 2` frequencies.
    pub(crate) factors: Option<Vec<f64>>,
    /// What rotated queries and keys are multiplied by.
    pub(crate) magnitude: f64,
    pub(crate) dynamic: Option<DynamicRope>,
}

impl RopeConfig {
    /// Without stretching.
    pub(crate) fn plain(theta: f32) -> Self {
        Self {
            theta,
            factors: None,
            magnitude: 1.0,
            dynamic: None,
        }
    }

    /// All frequencies divided by one factor.
    pub(super) fn linear(self, factor: f64, head_dim: usize) -> Self {
        let factors = Some(vec![factor; head_dim / 2]);
        Self { factors, ..self }
    }
}

/// Beyond `trained` tokens the base grows with the sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DynamicRope {
    pub(crate) factor: f64,
    pub(crate) trained: usize,
}

/// A stretching in which frequencies that turn often within the original context are left, and those that turn less than
/// once are divided by the factor. Its numbers are positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yarn {
    pub(super) factor: f64,
    /// Tokens of the context that the model was first trained on.
    pub(super) original: usize,
    /// Turns from which on a frequency is left.
    pub(super) beta_fast: f64,
    /// Turns up to which a frequency is divided.
    pub(super) beta_slow: f64,
    /// Whether the frequencies between these begin and end at whole pairs.
    pub(super) truncate: bool,
    pub(super) magnitude: f64,
}

impl Yarn {
    /// With the numbers of the paper.
    pub(super) fn new(factor: f64, original: usize) -> Self {
        Self {
            factor,
            original,
            beta_fast: 32.0,
            beta_slow: 1.0,
            truncate: true,
            magnitude: Self::magnitude(factor, 1.0),
        }
    }

    /// What makes up for the attention that a longer context spreads over more keys; `mscale` weighs it.
    fn magnitude(factor: f64, mscale: f64) -> f64 {
        match factor > 1.0 {
            true => 0.1 * mscale * factor.ln() + 1.0,
            false => 1.0,
        }
    }

    /// The stretched rotation.
    pub(super) fn stretch(self, plain: RopeConfig, head_dim: usize) -> Result<RopeConfig, String> {
        // The pair, as a fraction, that turns so often.
        let pair_of = |turns: f64| {
            let waves = self.original as f64 / (turns * std::f64::consts::TAU);
            head_dim as f64 * waves.ln() / (2.0 * f64::from(plain.theta).ln())
        };
        let (mut low, mut high) = (pair_of(self.beta_fast), pair_of(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let last = head_dim as f64 - 1.0;
        (low, high) = (low.max(0.0), high.min(last));
        if low == high {
            high += 0.001;
        }
        let divisor = |pair: usize| {
            let stretched = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
            1.0 / (stretched / self.factor + (1.0 - stretched))
        };
        let divisors: Vec<f64> = (0..head_dim / 2).map(divisor).collect();
        match divisors.iter().find(|divisor| !divisor.is_normal()) {
            // Between pairs in the wrong order each program finds other divisors.
            _ if low > high => Err(format!(
                "`yarn` must leave what turns more often than it divides, found {} and {} turns in {} tokens",
                self.beta_fast, self.beta_slow, self.original
            )),
            Some(found) => Err(format!("`yarn` gives the divisor {found}")),
            None => Ok(RopeConfig {
                factors: Some(divisors),
                magnitude: self.magnitude,
                ..plain
            }),
        }
    }
}

/// What some writers note in `rope_scaling`, and nobody computes with.
const NOTES: [&str; 1] = ["finetuned"];

/// `rope_scaling` as it stands in a `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct RawScaling {
    rope_type: Option<String>,
    #[serde(rename = "type")]
    old_rope_type: Option<String>,
    pub(super) rope_theta: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    #[serde(deserialize_with = "positions")]
    original_max_position_embeddings: Option<u64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl RawScaling {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The stretched rotation, and the longest context that it serves. An `original` context that is said elsewhere
    /// counts before the one that is said here.
    pub(super) fn apply(
        &self,
        plain: RopeConfig,
        head_dim: usize,
        trained: usize,
        original: Option<u64>,
    ) -> Result<(RopeConfig, usize), String> {
        self.refuse_unknown()?;
        let original = original.or(self.original_max_position_embeddings);
        let kind = self.rope_type.as_deref().or(self.old_rope_type.as_deref());
        let stretched = |tokens: usize| {
            let factor = self.positive("factor", self.factor)?;
            let context = (tokens as f64 * factor).floor() as usize;
            Ok::<_, String>((factor, context.clamp(tokens, *CONTEXTS.end())))
        };
        match kind {
            None | Some("default") => Ok((plain, trained)),
            Some("linear") => {
                let (factor, context) = stretched(trained)?;
                Ok((plain.linear(factor, head_dim), context))
            }
            Some("dynamic") => {
                let (factor, context) = stretched(trained)?;
                let dynamic = Some(DynamicRope { factor, trained });
                Ok((RopeConfig { dynamic, ..plain }, context))
            }
            Some("llama3") => {
                let factors =
                    Some(self.llama3(plain.theta, head_dim, context_of(original, trained)?)?);
                Ok((RopeConfig { factors, ..plain }, trained))
            }
            Some("yarn") => {
                let original = context_of(original, trained)?;
                let (factor, context) = stretched(original)?;
                let yarn = self.yarn(factor, original)?;
                Ok((yarn.stretch(plain, head_dim)?, context))
            }
            Some(other) => Err(format!(
                "the `rope_type` of `rope_scaling` must be `default`, `linear`, `dynamic`, `llama3` or `yarn`, found \
                 `{other}`"
            )),
        }
    }

    fn positive(&self, key: &str, value: Option<f64>) -> Result<f64, String> {
        match value {
            Some(value) if value.is_normal() && value > 0.0 && value < 1e9 => Ok(value),
            Some(value) => Err(format!(
                "`{key}` of `rope_scaling` must be positive, found {value}"
            )),
            None => Err(format!("`{key}` of `rope_scaling` is missing")),
        }
    }

    /// A key that is not known may change the maths; `full_attention` and the like are of rotations that differ by layer.
    fn refuse_unknown(&self) -> Result<(), String> {
        let mut other = self.other.iter();
        let unknown =
            other.find(|(key, value)| !NOTES.contains(&key.as_str()) && **value != Value::Null);
        match unknown {
            None => Ok(()),
            Some((key, value)) => Err(format!(
                "`{key}` of `rope_scaling` or `rope_parameters` must be absent here, found {value}"
            )),
        }
    }

    /// Long waves are stretched, short ones are left, those between are a mixture.
    fn llama3(&self, theta: f32, head_dim: usize, original: usize) -> Result<Vec<f64>, String> {
        let factor = self.positive("factor", self.factor)?;
        let low = self.positive("low_freq_factor", self.low_freq_factor)?;
        let high = self.positive("high_freq_factor", self.high_freq_factor)?;
        if low >= high {
            return Err(format!(
                "`low_freq_factor` of `rope_scaling` must be below `high_freq_factor` = {high}, found {low}"
            ));
        }
        let divisor = |pair| {
            let wave = std::f64::consts::TAU / frequency(theta, head_dim, pair);
            let waves = original as f64 / wave;
            let kept = ((waves - low) / (high - low)).clamp(0.0, 1.0);
            1.0 / ((1.0 - kept) / factor + kept)
        };
        Ok((0..head_dim / 2).map(divisor).collect())
    }

    fn yarn(&self, factor: f64, original: usize) -> Result<Yarn, String> {
        let usual = Yarn::new(factor, original);
        let or = |key, given: Option<f64>, usual| self.positive(key, given.or(Some(usual)));
        Ok(Yarn {
            beta_fast: or("beta_fast", self.beta_fast, usual.beta_fast)?,
            beta_slow: or("beta_slow", self.beta_slow, usual.beta_slow)?,
            truncate: self.truncate != Some(false),
            magnitude: self.yarn_magnitude(factor)?,
            ..usual
        })
    }

    fn yarn_magnitude(&self, factor: f64) -> Result<f64, String> {
        let scale = |mscale| Yarn::magnitude(factor, mscale);
        let given = match (self.attention_factor, self.mscale, self.mscale_all_dim) {
            (Some(factor), ..) => factor,
            (None, Some(mscale), Some(all)) if mscale != 0.0 && all != 0.0 => {
                scale(mscale) / scale(all)
            }
            _ => scale(1.0),
        };
        self.positive("attention_factor", Some(given))
    }
}

/// The context that a model was first trained on.
fn context_of(original: Option<u64>, default: usize) -> Result<usize, String> {
    let Some(original) = original else {
        return Ok(default);
    };
    let fits = usize::try_from(original).ok();
    fits.filter(|tokens| CONTEXTS.contains(tokens))
        .ok_or_else(|| {
            format!("`original_max_position_embeddings` must be a context, found {original}")
        })
}

/// Radians that a pair turns per position, without stretching.
pub(crate) fn frequency(theta: f32, head_dim: usize, pair: usize) -> f64 {
    f64::from(theta).powf(-2.0 * pair as f64 / head_dim as f64)
}
