//! The weights of a written folder as a GGUF file, as a converter would store them.

use half::f16;
use safetensors::tensor::Dtype;
use serde_json::Value;

use super::{bytes, tensors, weights};
use crate::files::checkpoint::{TensorType, Written};

/// How the projections of the layers are stored; the embedding and the head are BF16, vectors F32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Projections {
    Bf16,
    /// Exactly, as their levels and scales are those of this type.
    Q4_0,
    /// Made up of blocks of this type, of the bits that their numbers happen to have.
    Random(TensorType),
    /// The same numbers in BF16.
    RandomAsBf16(TensorType),
}

/// GGUF's numbers of types.
const F32: u32 = 0;
const Q4_0: u32 = 2;
const BF16: u32 = 30;

/// Keys of sizes and those of a `config.json`.
const SIZES: [(&str, &str); 9] = [
    ("block_count", "num_hidden_layers"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.value_length", "head_dim"),
    ("attention.sliding_window", "sliding_window"),
    ("rope.dimension_count", "head_dim"),
];

/// Keys of a stretched rope and those of `rope_scaling`.
const SCALING: [(&str, &str); 4] = [
    ("factor", "factor"),
    ("yarn_attn_factor", "attention_factor"),
    ("yarn_beta_fast", "beta_fast"),
    ("yarn_beta_slow", "beta_slow"),
];

/// Parts of names.
const NAMES: [(&str, &str); 14] = [
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("model.layers", "blk"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.", "attn_"),
    ("attn_q_proj", "attn_q"),
    ("attn_k_proj", "attn_k"),
    ("attn_v_proj", "attn_v"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// The file of a model with this `config.json`.
pub(crate) fn gguf(config: &Value, projections: Projections) -> Written {
    let architecture = architecture(config);
    let key = |key: &str| format!("{architecture}.{key}");
    let float = |key: &str| config[key].as_f64().unwrap() as f32;
    let mut file = Written::default()
        .text("general.architecture", architecture)
        .float(&key("rope.freq_base"), float("rope_theta"))
        .float(
            &key("attention.layer_norm_rms_epsilon"),
            float("rms_norm_eps"),
        );
    for (ours, theirs) in SIZES {
        if let Some(number) = config[theirs].as_u64() {
            file = file.integer(&key(ours), number as u32);
        }
    }
    file = rope(file, config, architecture);
    let size = |key: &str| config[key].as_u64().map(|size| size as usize);
    let head_dim = size("hidden_size").unwrap() / size("num_attention_heads").unwrap();
    let head_dim = size("head_dim").unwrap_or(head_dim);
    for (theirs, shape) in tensors(config) {
        let name = NAMES.iter().fold(theirs.clone(), |name, (theirs, ours)| {
            name.replace(theirs, ours)
        });
        let mut weights = weights(&theirs, &shape);
        let rotated = ["q_proj", "k_proj"]
            .iter()
            .any(|part| theirs.contains(part));
        if architecture == "llama" && rotated {
            weights = interleaved(&weights, head_dim, weights.len() / shape[0]);
        }
        let (kind, bytes) = match projections {
            _ if shape.len() == 1 => (F32, bytes(&weights, Dtype::F32)),
            Projections::Q4_0 if name.starts_with("blk") => (Q4_0, q4_0(&weights)),
            Projections::Random(kind) if name.starts_with("blk") => {
                (number(kind), random(&weights, kind))
            }
            Projections::RandomAsBf16(kind) if name.starts_with("blk") => {
                let numbers = kind.dequantize(&random(&weights, kind));
                (BF16, bytes(&numbers, Dtype::BF16))
            }
            _ => (BF16, bytes(&weights, Dtype::BF16)),
        };
        let shape: Vec<_> = shape.iter().map(|length| *length as u64).collect();
        file = file.tensor(&name, &shape, kind, &bytes);
    }
    file
}

/// The context, and how the rope is stretched to it.
fn rope(mut file: Written, config: &Value, architecture: &str) -> Written {
    let context = config["max_position_embeddings"].as_u64().unwrap() as u32;
    let scaling = &config["rope_scaling"];
    let factor = scaling["factor"].as_f64().unwrap_or(1.0);
    file = file.integer(
        &format!("{architecture}.context_length"),
        context * factor as u32,
    );
    let key = |key: &str| format!("{architecture}.rope.scaling.{key}");
    let kind = scaling["rope_type"].as_str().or(scaling["type"].as_str());
    let Some(kind) = kind else {
        return file;
    };
    file = file
        .text(&key("type"), kind)
        .integer(&key("original_context_length"), context);
    for (ours, theirs) in SCALING {
        if let Some(number) = scaling[theirs].as_f64() {
            file = file.float(&key(ours), number as f32);
        }
    }
    file
}

fn architecture(config: &Value) -> &'static str {
    match config["architectures"][0].as_str().unwrap() {
        "LlamaForCausalLM" | "MistralForCausalLM" => "llama",
        "Qwen2ForCausalLM" => "qwen2",
        "Qwen3ForCausalLM" => "qwen3",
        other => panic!("no GGUF file is written of {other}"),
    }
}

/// The rows of heads with the two halves of each alternating.
fn interleaved(weights: &[f32], head_dim: usize, cols: usize) -> Vec<f32> {
    let heads = weights.chunks_exact(head_dim * cols);
    let rows = heads.flat_map(|head| {
        let (first, second) = head.split_at(head.len() / 2);
        let pairs = first.chunks_exact(cols).zip(second.chunks_exact(cols));
        pairs.flat_map(|(first, second)| [first, second])
    });
    rows.flatten().copied().collect()
}

/// GGUF's number of a type.
fn number(kind: TensorType) -> u32 {
    let known = TensorType::NUMBERS.iter();
    let mut known = known.filter(|(_, other)| *other == kind);
    known.next().unwrap().0
}

/// Blocks of one or two bits with a scale of 1/16, whose quants are the lowest bits of as many weights' levels.
fn random(weights: &[f32], kind: TensorType) -> Vec<u8> {
    let scale = f16::from_f32(1.0 / 16.0).to_le_bytes();
    let bits = match kind {
        TensorType::Q1_0 => 1,
        TensorType::Q2_0 => 2,
        _ => panic!("no random blocks are written of {kind:?}"),
    };
    let blocks = weights.chunks_exact(kind.block_len());
    let blocks = blocks.flat_map(|block| {
        let levels = block.chunks_exact(8 / bits).map(move |weights| {
            let levels = weights.iter().map(|weight| (weight * 32.0 + 8.0) as u8);
            let levels = levels.map(|level| level & ((1 << bits) - 1));
            levels.rev().fold(0, |byte: u8, level| byte << bits | level)
        });
        scale.into_iter().chain(levels)
    });
    blocks.collect()
}

/// Weights that are 32nds from -8 to 7.
fn q4_0(weights: &[f32]) -> Vec<u8> {
    let blocks = weights.as_chunks::<32>().0.iter();
    let blocks = blocks.flat_map(|block| {
        let level = |weight: f32| (weight * 32.0 + 8.0) as u8;
        let pairs = (0..16).map(move |i| level(block[i]) | level(block[i + 16]) << 4);
        let scale = f16::from_f32(1.0 / 32.0).to_le_bytes();
        scale.into_iter().chain(pairs)
    });
    blocks.collect()
}
