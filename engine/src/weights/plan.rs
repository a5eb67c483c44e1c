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
    let mut packing = Packing::new(kernel);
    plan_vocabulary(&mut packing, source, config, recipe)?;
    let hidden = config.hidden;
    let q_dim = config.heads * config.head_dim;
    let kv_dim = config.kv_heads * config.head_dim;
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
            let want = recipe.rounding.layers(recipe.columns(layer, place));
            let name = format!("blk.{layer}.{tensor}");
            let MatrixSource { format, rows } = source.matrix(&name, shape, want)?;
            packing.add(&name, shape, format, rows);
        }
    }
    Ok(packing)
}

/// Embedding and head: one matrix where they are tied and held alike, else two.
fn plan_vocabulary<'a>(
    packing: &mut Packing<'a>,
    source: &'a dyn TensorSource,
    config: &ModelConfig,
    recipe: Recipe<'a>,
) -> Result<(), Error> {
    let shape = [config.vocabulary, config.hidden];
    let tied = !source.has("output");
    let embedding = source.matrix("token_embd", shape, recipe.rounding.embedding()?)?;
    let head = recipe.rounding.head(recipe.head_columns(config.layers))?;
    let head = source.matrix(if tied { "token_embd" } else { "output" }, shape, head)?;
    if tied && head.format == embedding.format {
        // Where both are rounded, the head knows what its columns count.
        packing.add("token_embd", shape, head.format, head.rows);
    } else {
        packing.add("token_embd", shape, embedding.format, embedding.rows);
        packing.add("output", shape, head.format, head.rows);
    }
    Ok(())
}
