//! The keys of a GGUF file, turned into a [`ModelConfig`].
//!
//! A key or a tensor that would change the maths in a way that is not computed here is refused by its name.

mod keys;
mod rope;

#[cfg(test)]
mod tests;

use self::keys::{Keys, within};
use super::{CONTEXTS, HEADS, LAYERS, ModelConfig, VOCABULARIES, WIDTHS, Window};
use crate::Error;
use crate::architecture::{Architecture, Dialect, ModelTensor, Windows};
use crate::files::checkpoint::Gguf;

/// Divisors of the frequencies, beside the layers.
const ROPE_FACTORS: &str = "rope_freqs.weight";

/// A file's model and how its tensors are stored.
#[derive(Debug)]
pub(crate) struct GgufConfig {
    pub(crate) model: ModelConfig,
    pub(crate) architecture: &'static Architecture,
}

impl GgufConfig {
    /// Reads and checks the keys, and that the tensors are those of such a model and no others.
    pub(crate) fn read(gguf: &Gguf) -> Result<Self, Error> {
        let architecture = architecture(gguf)?;
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

fn architecture(gguf: &Gguf) -> Result<&'static Architecture, Error> {
    let name = gguf.required_text("general.architecture")?;
    Architecture::named(Dialect::Gguf, name).ok_or_else(|| {
        let known = Architecture::all_names(Dialect::Gguf).join("`, `");
        gguf.error(format!(
            "`general.architecture` must be one of `{known}`, found `{name}`"
        ))
    })
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
    let Keys { gguf, architecture } = keys;
    let name = architecture.tensor_name(Dialect::Gguf, ModelTensor::Embedding);
    let name = format!("{name}.weight");
    let embedding = gguf.tensor(&name)?;
    let &[rows, cols] = embedding.shape.as_slice() else {
        return Err(gguf.error(format!(
            "`{name}` must have 2 dimensions, found {:?}",
            embedding.shape
        )));
    };
    if cols != hidden {
        return Err(gguf.error(format!(
            "the rows of `{name}` must have `{}` = {hidden} numbers, found {cols}",
            keys.name("embedding_length")
        )));
    }
    let tokens = gguf.array_len("tokenizer.ggml.tokens");
    if tokens.is_some_and(|tokens| tokens != rows) {
        return Err(gguf.error(format!(
            "`tokenizer.ggml.tokens` must have the {rows} entries of `{name}`, found {}",
            tokens.unwrap_or(0)
        )));
    }
    within(gguf, &format!("rows of {name}"), rows as u64, VOCABULARIES)
}

/// The window of all layers, where a file has one.
fn window(keys: Keys<'_>, layers: usize, context: usize) -> Result<Option<Window>, Error> {
    let key = "attention.sliding_window";
    // One that is no shorter than the context hides nothing.
    let size = keys.size_or(key, CONTEXTS, context)?;
    if size >= context {
        return Ok(None);
    }
    match keys.architecture.windows {
        // One in a file named `llama` is Mistral's.
        Windows::NoLayer | Windows::EveryLayer => {
            let layers = vec![true; layers];
            Ok(Some(Window { size, layers }))
        }
        Windows::NamedLayers => Err(keys.gguf.error(format!(
            "`{}` must be absent or no shorter than the context of {context}, as such a file does not say which layers \
             it is for, found {size}",
            keys.name(key)
        ))),
    }
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
    let known = |name: &str| {
        let Some((stem, kind)) = name.rsplit_once('.') else {
            return false;
        };
        match (architecture.tensor(Dialect::Gguf, stem, layers), kind) {
            (Some(_), "weight") => true,
            (Some(ModelTensor::Layer(_, tensor)), "bias") => {
                let biases = [architecture.biases, architecture.optional_biases];
                biases.iter().any(|biases| biases.contains(&tensor))
            }
            _ => name == ROPE_FACTORS && architecture.rope_factors,
        }
    };
    match gguf.tensors().find(|tensor| !known(tensor.name)) {
        None => Ok(()),
        Some(tensor) => Err(gguf.error(format!(
            "the tensor `{}` is not part of a `{}` model of {layers} layers as this engine computes it",
            tensor.name,
            architecture.name.gguf
        ))),
    }
}
