//! The keys of a GGUF file, turned into a [`ModelConfig`].
//!
//! A key or a tensor that would change the maths in a way that is not computed here is refused by its name.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::{
    BIASES, CONTEXTS, HEADS, LAYERS, ModelConfig, RopeConfig, VOCABULARIES, WIDTHS, Window,
};
use crate::Error;
use crate::checkpoint::Gguf;

/// The tensors of one layer, without `blk.N.` and `.weight`.
const LAYER_TENSORS: [&str; 9] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
];
const OTHER_TENSORS: [&str; 4] = [
    "token_embd.weight",
    "output_norm.weight",
    "output.weight",
    "rope_freqs.weight",
];

impl ModelConfig {
    /// Reads and checks the configuration.
    pub(crate) fn from_gguf(gguf: &Gguf) -> Result<Self, Error> {
        let architecture = gguf.required_text("general.architecture")?;
        if architecture != "llama" {
            return Err(gguf.error(format!(
                "`general.architecture` must be `llama`, found `{architecture}`"
            )));
        }
        refuse_other_maths(gguf)?;

        let hidden = size(gguf, "llama.embedding_length", WIDTHS)?;
        let heads = size(gguf, "llama.attention.head_count", HEADS)?;
        let kv_heads = size_or(gguf, "llama.attention.head_count_kv", HEADS, heads)?;
        let head_dim = size_or(gguf, "llama.attention.key_length", WIDTHS, hidden / heads)?;
        let config = Self {
            layers: size(gguf, "llama.block_count", LAYERS)?,
            hidden,
            ffn: size(gguf, "llama.feed_forward_length", WIDTHS)?,
            heads,
            kv_heads,
            head_dim,
            vocabulary: vocabulary(gguf, hidden)?,
            context: size(gguf, "llama.context_length", CONTEXTS)?,
            rope: RopeConfig {
                factors: rope_factors(gguf, head_dim)?,
                ..RopeConfig::plain(positive(gguf, "llama.rope.freq_base", Some(10_000.0))?)
            },
            rms_norm_epsilon: positive(gguf, "llama.attention.layer_norm_rms_epsilon", None)?,
            window: None,
        };
        let window = window(gguf, &config)?;
        let config = Self { window, ..config };
        config.check_widths().map_err(|why| gguf.error(why))?;
        config.check_head_dim(gguf)?;
        config.check_tensor_names(gguf)?;
        Ok(config)
    }

    fn check_head_dim(&self, gguf: &Gguf) -> Result<(), Error> {
        for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
            let found = size_or(gguf, key, WIDTHS, self.head_dim)?;
            if found != self.head_dim {
                return Err(gguf.error(format!(
                    "`{key}` must equal the head dimension {}, found {found}",
                    self.head_dim
                )));
            }
        }
        Ok(())
    }

    /// A tensor that the forward pass does not know, such as a bias, means other maths: better refused than ignored.
    fn check_tensor_names(&self, gguf: &Gguf) -> Result<(), Error> {
        let known = |name: &str| {
            if OTHER_TENSORS.contains(&name) {
                return true;
            }
            let layer = name.strip_prefix("blk.");
            let Some((layer, tensor)) = layer.and_then(|layer| layer.split_once('.')) else {
                return false;
            };
            layer.parse().is_ok_and(|layer: usize| layer < self.layers)
                && match tensor.split_once('.') {
                    Some((tensor, "weight")) => LAYER_TENSORS.contains(&tensor),
                    Some((tensor, "bias")) => BIASES.contains(&tensor),
                    _ => false,
                }
        };
        match gguf.tensors().find(|tensor| !known(tensor.name)) {
            None => Ok(()),
            Some(tensor) => Err(gguf.error(format!(
                "the tensor `{}` is not part of a Llama model of {} layers as this engine computes it",
                tensor.name, self.layers
            ))),
        }
    }
}

/// Keys by which a file asks for what this engine does not compute.
fn refuse_other_maths(gguf: &Gguf) -> Result<(), Error> {
    let experts = gguf.integer("llama.expert_count")?.unwrap_or(0);
    if experts > 0 {
        return Err(gguf.error(format!(
            "`llama.expert_count` must be absent or 0, found {experts}"
        )));
    }
    match gguf.text("llama.rope.scaling.type")? {
        None | Some("none") => {}
        Some(other) => {
            return Err(gguf.error(format!(
                "`llama.rope.scaling.type` must be absent or `none`, found `{other}`"
            )));
        }
    }
    // Without a type some programs take the factor as that of `linear`.
    for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
        if let Some(factor) = gguf.float(key)?.filter(|factor| *factor != 1.0) {
            return Err(gguf.error(format!("`{key}` must be absent or 1, found {factor}")));
        }
    }
    Ok(())
}

fn size(gguf: &Gguf, key: &str, range: RangeInclusive<usize>) -> Result<usize, Error> {
    within(gguf, key, gguf.required_integer(key)?, range)
}

fn size_or(
    gguf: &Gguf,
    key: &str,
    range: RangeInclusive<usize>,
    default: usize,
) -> Result<usize, Error> {
    match gguf.integer(key)? {
        Some(found) => within(gguf, key, found, range),
        None => Ok(default),
    }
}

fn within(
    gguf: &Gguf,
    key: &str,
    found: u64,
    range: RangeInclusive<usize>,
) -> Result<usize, Error> {
    usize::try_from(found)
        .ok()
        .filter(|found| range.contains(found))
        .ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            gguf.error(format!(
                "`{key}` must be from {low} to {high}, found {found}"
            ))
        })
}

fn positive(gguf: &Gguf, key: &str, default: Option<f64>) -> Result<f32, Error> {
    let found = match (gguf.float(key)?, default) {
        (Some(found), _) => found,
        (None, Some(default)) => default,
        (None, None) => gguf.required_float(key)?,
    };
    let narrow = found as f32;
    if narrow.is_normal() && narrow > 0.0 {
        Ok(narrow)
    } else {
        Err(gguf.error(format!(
            "`{key}` must be positive and finite, found {found}"
        )))
    }
}

/// The rows of the embedding, which every file has; the token list is left out by some.
fn vocabulary(gguf: &Gguf, hidden: usize) -> Result<usize, Error> {
    let embedding = gguf.tensor("token_embd.weight")?;
    let &[rows, cols] = embedding.shape.as_slice() else {
        return Err(gguf.error(format!(
            "`token_embd.weight` must have 2 dimensions, found {:?}",
            embedding.shape
        )));
    };
    if cols != hidden {
        return Err(gguf.error(format!(
            "the rows of `token_embd.weight` must have `llama.embedding_length` = {hidden} numbers, found {cols}"
        )));
    }
    let tokens = gguf.array_len("tokenizer.ggml.tokens");
    if tokens.is_some_and(|tokens| tokens != rows) {
        return Err(gguf.error(format!(
            "`tokenizer.ggml.tokens` must have the {rows} entries of `token_embd.weight`, found {}",
            tokens.unwrap_or(0)
        )));
    }
    within(gguf, "rows of token_embd.weight", rows as u64, VOCABULARIES)
}

/// The window of all layers, where a file has one.
fn window(gguf: &Gguf, config: &ModelConfig) -> Result<Option<Window>, Error> {
    let key = "llama.attention.sliding_window";
    let Some(found) = gguf.integer(key)? else {
        return Ok(None);
    };
    let layers = vec![true; config.layers];
    let size = within(gguf, key, found, CONTEXTS)?;
    Ok(Some(Window { size, layers }).filter(|window| window.size < config.context))
}

fn rope_factors(gguf: &Gguf, head_dim: usize) -> Result<Option<Vec<f64>>, Error> {
    let Some(tensor) = gguf.find_tensor("rope_freqs.weight") else {
        return Ok(None);
    };
    if tensor.shape != [head_dim / 2] {
        return Err(gguf.error(format!(
            "`rope_freqs.weight` must have the shape [{}], found {:?}",
            head_dim / 2,
            tensor.shape
        )));
    }
    let factors = tensor.to_f32();
    match factors
        .iter()
        .find(|factor| !(factor.is_normal() && **factor > 0.0))
    {
        None => Ok(Some(factors.into_iter().map(f64::from).collect())),
        Some(factor) => Err(gguf.error(format!(
            "`rope_freqs.weight` must hold positive numbers, found {factor}"
        ))),
    }
}
