//! `config.json` as the `transformers` library writes it, turned into a [`ModelConfig`].
//!
//! Keys that only matter in training are not looked at. A key that would change the maths in a way that is not computed
//! here is refused by its name.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::quantization::{Quantization, RawQuantization};
use super::window::{RawWindow, Window};
use super::{
    CONTEXTS, HEADS, LAYERS, ModelConfig, RopeConfig, VOCABULARIES, WIDTHS, positions, rope,
};
use crate::Error;
use crate::architecture::{Architecture, Dialect, LayerTensor, Windows};

/// A folder's model and how its tensors are named.
#[derive(Debug)]
pub(crate) struct HfConfig {
    pub(crate) model: ModelConfig,
    pub(crate) architecture: &'static Architecture,
    /// Whether the output head is the embedding.
    pub(crate) tied: bool,
    /// Projections of the attention that have a bias.
    pub(crate) biases: &'static [LayerTensor],
    /// How matrices are quantised that are.
    pub(crate) quantization: Option<Quantization>,
    /// Tokens that end an answer.
    pub(crate) ends: Vec<u32>,
}

/// The keys as they stand in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawConfig {
    architectures: Option<Vec<String>>,
    hidden_size: Option<u64>,
    intermediate_size: Option<u64>,
    num_hidden_layers: Option<u64>,
    num_attention_heads: Option<u64>,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    vocab_size: Option<u64>,
    #[serde(deserialize_with = "positions")]
    max_position_embeddings: Option<u64>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<rope::RawScaling>,
    /// Where later versions keep `rope_theta` and `rope_scaling`.
    rope_parameters: Option<rope::RawScaling>,
    #[serde(deserialize_with = "positions")]
    original_max_position_embeddings: Option<u64>,
    partial_rotary_factor: Option<f64>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    hidden_act: Option<String>,
    /// The library makes a difference between one that is not said and none.
    #[serde(default = "default_window", deserialize_with = "positions")]
    sliding_window: Option<u64>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<u64>,
    layer_types: Option<Vec<String>>,
    quantization_config: Option<RawQuantization>,
    eos_token_id: Ids,
}

fn default_window() -> Option<u64> {
    Some(4096)
}

/// One token or several. What can be none is left out, as it ends no answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct Ids(Vec<u32>);

impl Ids {
    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl From<serde_json::Value> for Ids {
    fn from(said: serde_json::Value) -> Self {
        let values = match said {
            serde_json::Value::Null => Vec::new(),
            serde_json::Value::Array(values) => values,
            one => vec![one],
        };
        let id = |value: &serde_json::Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            if id.is_none() {
                tracing::warn!("`eos_token_id`: {value} is no token, and left out");
            }
            id
        };
        Self(values.iter().filter_map(id).collect())
    }
}

/// Whether a folder with this `config.json` can be loaded, as far as that file tells: its weights may still be to come.
///
/// # Errors
/// [`Error::Model`] with the key that is wrong or not supported.
pub fn check_config(json: &[u8]) -> Result<(), Error> {
    let unusable = |reason| Error::Model {
        path: "config.json".into(),
        reason,
    };
    let config: RawConfig =
        serde_json::from_slice(json).map_err(|error| unusable(error.to_string()))?;
    config.check().map(drop).map_err(unusable)
}

impl RawConfig {
    /// The checked configuration. The error is the reason alone.
    pub(crate) fn check(self) -> Result<HfConfig, String> {
        let architecture = self.architecture()?;
        self.refuse_other_maths()?;
        let quantization = self.quantization_config.as_ref();
        let quantization = quantization.map(RawQuantization::check).transpose()?;
        let size = |key, value: Option<u64>, range: std::ops::RangeInclusive<usize>| {
            let value = value.ok_or_else(|| format!("the key `{key}` is missing"))?;
            let fits = usize::try_from(value).ok().filter(|n| range.contains(n));
            fits.ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                format!("`{key}` must be from {low} to {high}, found {value}")
            })
        };
        let hidden = size("hidden_size", self.hidden_size, WIDTHS)?;
        let heads = size("num_attention_heads", self.num_attention_heads, HEADS)?;
        let kv_heads = self.num_key_value_heads.or(self.num_attention_heads);
        let head_dim = self.head_dim.unwrap_or((hidden / heads) as u64);
        let head_dim = size("head_dim", Some(head_dim), WIDTHS)?;
        let trained = "max_position_embeddings";
        let trained = size(trained, self.max_position_embeddings, CONTEXTS)?;
        let (rope, context) = self.rope(head_dim, trained)?;
        let epsilon = self.rms_norm_eps.unwrap_or(1e-6) as f32;
        if !(epsilon.is_normal() && epsilon > 0.0) {
            return Err(format!("`rms_norm_eps` must be positive, found {epsilon}"));
        }
        let layers = size("num_hidden_layers", self.num_hidden_layers, LAYERS)?;
        let window = self.window(architecture.windows, layers)?;
        let model = ModelConfig {
            layers,
            hidden,
            ffn: size("intermediate_size", self.intermediate_size, WIDTHS)?,
            heads,
            kv_heads: size("num_key_value_heads", kv_heads, HEADS)?,
            head_dim,
            vocabulary: size("vocab_size", self.vocab_size, VOCABULARIES)?,
            context,
            rope,
            rms_norm_epsilon: epsilon,
            window: window.filter(|window| window.size < context),
        };
        model.check_widths()?;
        Ok(HfConfig {
            model,
            architecture,
            tied: self.tie_word_embeddings.unwrap_or(false),
            biases: match self.attention_bias {
                Some(true) => &Architecture::ATTENTION_BIASES,
                _ => architecture.biases,
            },
            quantization,
            ends: self.eos_token_id.0,
        })
    }

    fn architecture(&self) -> Result<&'static Architecture, String> {
        let named = self.architectures.as_deref().unwrap_or_default();
        let found = match named {
            [name] => Architecture::named(Dialect::HuggingFace, name),
            _ => None,
        };
        found.ok_or_else(|| {
            let known = Architecture::all_names(Dialect::HuggingFace).join(", ");
            format!("`architectures` must be one of {known}, found {named:?}")
        })
    }

    fn refuse_other_maths(&self) -> Result<(), String> {
        if self.mlp_bias == Some(true) {
            return Err("`mlp_bias` must be absent or false, found true".into());
        }
        match self.hidden_act.as_deref() {
            None | Some("silu") => {}
            Some(other) => return Err(format!("`hidden_act` must be `silu`, found `{other}`")),
        }
        let scaling = self.rope_scaling();
        let rotated = scaling.and_then(|scaling| scaling.partial_rotary_factor);
        match rotated.or(self.partial_rotary_factor) {
            None | Some(1.0) => Ok(()),
            Some(other) => Err(format!(
                "`partial_rotary_factor` must be absent or 1, found {other}"
            )),
        }
    }

    /// The one that the library takes where both are there.
    fn rope_scaling(&self) -> Option<&rope::RawScaling> {
        let said = self.rope_scaling.as_ref().filter(|said| !said.is_empty());
        said.or(self.rope_parameters.as_ref())
    }

    fn window(&self, rule: Windows, layers: usize) -> Result<Option<Window>, String> {
        let keys = RawWindow {
            sliding_window: self.sliding_window,
            use_sliding_window: self.use_sliding_window == Some(true),
            max_window_layers: self.max_window_layers.unwrap_or(28),
            layer_types: self.layer_types.as_deref(),
        };
        keys.check(rule, layers)
    }

    /// The rotation, and the longest context that it serves. What is said at the top and inside counts as the library
    /// has it: the base inside, the original context at the top.
    fn rope(&self, head_dim: usize, trained: usize) -> Result<(RopeConfig, usize), String> {
        let scaling = self.rope_scaling();
        let theta = scaling.and_then(|scaling| scaling.rope_theta);
        let theta = theta.or(self.rope_theta).unwrap_or(10_000.0) as f32;
        if !(theta.is_normal() && theta > 0.0) {
            return Err(format!("`rope_theta` must be positive, found {theta}"));
        }
        let plain = RopeConfig::plain(theta);
        match scaling {
            None => Ok((plain, trained)),
            Some(scaling) => {
                let original = self.original_max_position_embeddings;
                scaling.apply(plain, head_dim, trained, original)
            }
        }
    }
}
