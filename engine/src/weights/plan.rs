//! Which matrices a model consists of, and what each is packed as.

use super::importance::{Place, Recipe};
use super::{MatrixSource, TensorSource};
use crate::Error;
use crate::config::ModelConfig;
use crate::kernel::Kernel;
use crate::matrix::Packing;

/// The matrices of a model in the order of [`Weights`](super::Weights).
pub(crate) fn plan<'a>(
    source: &'a dyn TensorSource,
    config: &ModelConfig,
    recipe: impl Into<Recipe<'a>>,
    kernel: &'static Kernel,
) -> Result<Packing<'a>, Error> {
    let recipe = recipe.into();
    let rounding = recipe.rounding;
    let mut packing = Packing::new(kernel);
    let mut add = |name: &str, tensor: &str, shape, want| {
        let MatrixSource { format, rows } = source.matrix(tensor, shape, want)?;
        packing.add(name, shape, format, rows);
        Ok::<_, Error>(())
    };
    let (hidden, vocabulary) = (config.hidden, config.vocabulary);
    let q_dim = config.heads * config.head_dim;
    let kv_dim = config.kv_heads * config.head_dim;
    let embedding = rounding.embedding();
    add("token_embd", "token_embd", [vocabulary, hidden], embedding)?;
    let untied = source.has("output");
    // A rounded head needs a copy: the embedding itself costs no time.
    if untied || rounding.int4_head {
        let tensor = if untied { "output" } else { "token_embd" };
        let head = rounding.head(recipe.head_columns(config.layers))?;
        add("output", tensor, [vocabulary, hidden], head)?;
    }
    use Place::{Attention, AttentionOutput, FeedForward, FeedForwardOutput};
    for layer in 0..config.layers {
        for (tensor, shape, place) in [
            ("attn_q", [q_dim, hidden], Attention),
            ("attn_k", [kv_dim, hidden], Attention),
            ("attn_v", [kv_dim, hidden], Attention),
            ("attn_output", [hidden, q_dim], AttentionOutput),
            ("ffn_gate", [config.ffn, hidden], FeedForward),
            ("ffn_up", [config.ffn, hidden], FeedForward),
            ("ffn_down", [hidden, config.ffn], FeedForwardOutput),
        ] {
            let want = rounding.layers(recipe.columns(layer, place));
            let name = format!("blk.{layer}.{tensor}");
            add(&name, &name, shape, want)?;
        }
    }
    Ok(packing)
}
