//! The shape of a Llama model, checked once, so that nothing behind it meets a size that does not fit.

pub(crate) mod gguf;
pub(crate) mod hugging_face;
pub(crate) mod quantization;
mod rope;
mod window;

use std::ops::RangeInclusive;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

pub use self::hugging_face::check_config;
#[cfg(test)]
pub(crate) use self::rope::DynamicRope;
pub(crate) use self::rope::{RopeConfig, frequency};
pub(crate) use self::window::Window;
use crate::compute::block::BLOCK;
use crate::compute::kernel::span::MAX_HEAD_DIM;
use crate::compute::kv::{KvPrecision, KvShape};

/// Keys and values are read in vectors of this many numbers.
const HEAD_DIM_STEP: usize = 8;

/// Far above every published Llama, far below what could overflow a product of them.
const LAYERS: RangeInclusive<usize> = 1..=1024;
const WIDTHS: RangeInclusive<usize> = 1..=1 << 20;
const HEADS: RangeInclusive<usize> = 1..=1024;
const CONTEXTS: RangeInclusive<usize> = 1..=1 << 24;
const VOCABULARIES: RangeInclusive<usize> = 1..=1 << 22;

/// A count of positions, which may be a whole float: the library only computes with it, where sizes of tensors must be
/// integers.
fn positions<'de, D: Deserializer<'de>>(said: D) -> Result<Option<u64>, D::Error> {
    const BEYOND: f64 = (1_u64 << 53) as f64;
    let count = |number: serde_json::Number| {
        let float = number.as_f64().unwrap_or(-1.0);
        let is_whole = float.fract() == 0.0 && (0.0..BEYOND).contains(&float);
        let count = number.as_u64().or(is_whole.then_some(float as u64));
        count.ok_or_else(|| D::Error::custom(format!("expected a whole number, found {number}")))
    };
    let said = Option::<serde_json::Number>::deserialize(said)?;
    said.map(count).transpose()
}

/// The numbers that decide every shape of the forward pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelConfig {
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
    /// Width of the feed-forward network.
    pub(crate) ffn: usize,
    pub(crate) heads: usize,
    /// Divides `heads`: so many query heads share one key and value head.
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) vocabulary: usize,
    /// The longest sequence that the model was trained for, in tokens.
    pub(crate) context: usize,
    pub(crate) rope: RopeConfig,
    pub(crate) rms_norm_epsilon: f32,
    /// None where it would be no shorter than the context.
    pub(crate) window: Option<Window>,
}

impl ModelConfig {
    /// Positions that a query of this layer sees, its own included; none where it sees all before it.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        let window = self.window.as_ref()?;
        window.layers[layer].then_some(window.size)
    }

    /// What a sequence's keys and values are made of.
    pub(crate) fn kv_shape(&self, precision: KvPrecision) -> KvShape {
        KvShape {
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            precision,
            windows: (0..self.layers).map(|layer| self.window(layer)).collect(),
        }
    }

    /// Each that [`ModelConfig::window`] gives for some layer, once.
    pub(crate) fn windows(&self) -> impl Iterator<Item = Option<usize>> {
        let size = self.window.as_ref().map(|window| Some(window.size));
        let all = self.window.as_ref();
        let whole = all.is_none_or(|window| window.layers.contains(&false));
        whole.then_some(None).into_iter().chain(size)
    }

    /// Whether the sizes fit together. The error is the reason alone.
    fn check_widths(&self) -> Result<(), String> {
        let multiple = |what: &str, value: usize, step: usize| {
            if value > 0 && value.is_multiple_of(step) {
                Ok(())
            } else {
                Err(format!(
                    "{what} must be a multiple of {step}, found {value}"
                ))
            }
        };
        let q_dim = self.heads * self.head_dim;
        multiple("the hidden size", self.hidden, BLOCK)?;
        multiple("the width of the feed-forward network", self.ffn, BLOCK)?;
        multiple("the head dimension", self.head_dim, HEAD_DIM_STEP)?;
        if self.head_dim > MAX_HEAD_DIM {
            return Err(format!(
                "the head dimension must be at most {MAX_HEAD_DIM}, found {}",
                self.head_dim
            ));
        }
        multiple("the width of all heads together", q_dim, BLOCK)?;
        multiple(
            "the number of heads, shared by the key and value heads,",
            self.heads,
            self.kv_heads,
        )
    }
}
