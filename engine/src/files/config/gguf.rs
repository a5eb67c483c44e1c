//! The keys of a GGUF file, turned into a [`ModelConfig`].
//!
//! A key or a tensor that would change the maths in a way that is not computed here is refused by its name.

mod architecture;
mod keys;
mod rope;

#[cfg(test)]
mod tests;

use self::architecture::Architecture;
use self::keys::{Keys, within};
use super::{CONTEXTS, HEADS, LAYERS, ModelConfig, VOCABULARIES, WIDTHS, Window};
use crate::Error;
use crate::files::checkpoint::Gguf;

/// The matrices and norms of one layer, without `blk.N.` and `.weight`.
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

/// A file's model and how its tensors are stored.
#[derive(Debug)]
pub(crate) struct GgufConfig {
    pub(crate) model: ModelConfig,
    pub(crate) architecture: Architecture,
}

impl GgufConfig {
    /// Reads and checks the keys, and that the tensors are those of such a model and no others.
    pub(crate) fn read(gguf: &Gguf) -> Result<Self, Error> {
        let architecture = Architecture::of(gguf)?;
        let keys = Keys { gguf, architecture };
        refuse_experts(keys)?;
        let layers = keys.size("block_count", LAYERS)?;
        check_tensor_names(keys, layers)?;

        let hidden = keys.size("embedding_length", WIDTHS)?;
        let heads = keys.size("attention.head_count", HEADS)?;
        let head_dim = keys.size_or("attention.key_length", WIDTHS, hidden / heads)?;
        let context = keys.size("context_length", CONTEXTS)?;
        let model = ModelConfig {
            layers,
            hidden,
            ffn: keys.size("feed_forward_length", WIDTHS)?,
            heads,
            kv_heads: keys.size_or("attention.head_count_kv", HEADS, heads)?,
            head_dim,
            vocabulary: vocabulary(keys, hidden)?,
            context,
            rope: rope::read(keys, head_dim, context)?,
            rms_norm_epsilon: keys.required_positive("attention.layer_norm_rms_epsilon")? as f32,
            window: window(keys, layers, context)?,
        };
        model.check_widths().map_err(|why| gguf.error(why))?;
        check_head_dim(keys, head_dim)?;
        Ok(Self {
            model,
            architecture,
        })
    }
}

fn refuse_experts(keys: Keys<'_>) -> Result<(), Error> {
    let gguf = keys.gguf;
    let name = keys.name("expert_count");
    let experts = gguf.integer(&name)?.unwrap_or(0);
    if experts > 0 {
        return Err(gguf.error(format!("`{name}` must be absent or 0, found {experts}")));
    }
    Ok(())
}

/// The rows of the embedding, which every file has; the token list is left out by some.
fn vocabulary(keys: Keys<'_>, hidden: usize) -> Result<usize, Error> {
    let gguf = keys.gguf;
    let embedding = gguf.tensor("token_embd.weight")?;
    let &[rows, cols] = embedding.shape.as_slice() else {
        return Err(gguf.error(format!(
            "`token_embd.weight` must have 2 dimensions, found {:?}",
            embedding.shape
        )));
    };
    if cols != hidden {
        return Err(gguf.error(format!(
            "the rows of `token_embd.weight` must have `{}` = {hidden} numbers, found {cols}",
            keys.name("embedding_length")
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
fn window(keys: Keys<'_>, layers: usize, context: usize) -> Result<Option<Window>, Error> {
    let key = "attention.sliding_window";
    // One that is no shorter than the context hides nothing.
    let size = keys.size_or(key, CONTEXTS, context)?;
    if size >= context {
        return Ok(None);
    }
    if !keys.architecture.windows_every_layer() {
        return Err(keys.gguf.error(format!(
            "`{}` must be absent or no shorter than the context of {context}, as such a file does not say which layers \
             it is for, found {size}",
            keys.name(key)
        )));
    }
    let layers = vec![true; layers];
    Ok(Some(Window { size, layers }))
}

fn check_head_dim(keys: Keys<'_>, head_dim: usize) -> Result<(), Error> {
    for key in ["attention.value_length", "rope.dimension_count"] {
        let found = keys.size_or(key, WIDTHS, head_dim)?;
        if found != head_dim {
            return Err(keys.gguf.error(format!(
                "`{}` must equal the head dimension {head_dim}, found {found}",
                keys.name(key)
            )));
        }
    }
    Ok(())
}

/// A tensor that the forward pass does not know, such as a bias, means other maths: better refused than ignored.
fn check_tensor_names(keys: Keys<'_>, layers: usize) -> Result<(), Error> {
    let Keys { gguf, architecture } = keys;
    let biases = [architecture.biases(), architecture.optional_biases()];
    let known = |name: &str| {
        if architecture.other_tensors().contains(&name) {
            return true;
        }
        let layer = name.strip_prefix("blk.");
        let Some((layer, tensor)) = layer.and_then(|layer| layer.split_once('.')) else {
            return false;
        };
        layer.parse().is_ok_and(|layer: usize| layer < layers)
            && match tensor.split_once('.') {
                Some((tensor, "weight")) => {
                    LAYER_TENSORS.contains(&tensor) || architecture.head_norms().contains(&tensor)
                }
                Some((tensor, "bias")) => biases.iter().any(|biases| biases.contains(&tensor)),
                _ => false,
            }
    };
    match gguf.tensors().find(|tensor| !known(tensor.name)) {
        None => Ok(()),
        Some(tensor) => Err(gguf.error(format!(
            "the tensor `{}` is not part of a `{}` model of {layers} layers as this engine computes it",
            tensor.name,
            architecture.name()
        ))),
    }
}
