//! Folders written for tests, with the weights of `tests/fixtures/folder_logits.py`.

pub(crate) mod gguf;
pub(crate) mod quantized;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{INDEX, SINGLE};

/// How a folder's weights are stored; their values have few enough digits for all of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) dtype: Dtype,
    pub(crate) shards: usize,
}

impl Layout {
    pub(crate) const SINGLE_BF16: Self = Self {
        dtype: Dtype::BF16,
        shards: 1,
    };
}

/// The `config.json` of a model of one small layer.
pub(crate) fn config(vocabulary: usize) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": vocabulary,
        "max_position_embeddings": 64,
    })
}

/// A folder with `config.json` and every weight that it implies.
pub(crate) fn folder(config: &Value, layout: Layout) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let tensors: Vec<_> = tensors(config)
        .into_iter()
        .map(|(name, shape)| {
            let bytes = bytes(&weights(&name, &shape), layout.dtype);
            (name, shape, bytes)
        })
        .collect();
    let mut map = HashMap::new();
    for shard in 0..layout.shards {
        let file = match layout.shards {
            1 => SINGLE.to_owned(),
            shards => format!("model-{:05}-of-{shards:05}.safetensors", shard + 1),
        };
        let held: Vec<_> = tensors.iter().skip(shard).step_by(layout.shards).collect();
        map.extend(held.iter().map(|(name, ..)| (name.clone(), file.clone())));
        let views = held.iter().map(|(name, shape, bytes)| {
            (
                name.clone(),
                TensorView::new(layout.dtype, shape.clone(), bytes).unwrap(),
            )
        });
        safetensors::serialize_to_file(views, None, &folder.path().join(file)).unwrap();
    }
    if layout.shards > 1 {
        write_json(
            folder.path(),
            INDEX,
            &json!({ "metadata": {}, "weight_map": map }),
        );
    }
    folder
}

/// Tensors by name: shape, type and bytes.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Dtype, Vec<u8>)>;

/// Changes the tensors of a folder that has one file of weights.
pub(crate) fn change_tensors(folder: &Path, change: impl FnOnce(&mut Tensors)) {
    let path = folder.join(SINGLE);
    let file = fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&file).unwrap();
    let tensors = read.iter().map(|(name, view)| {
        let tensor = (
            view.shape().to_owned(),
            view.dtype(),
            view.data().to_owned(),
        );
        (name.to_owned(), tensor)
    });
    let mut tensors: Tensors = tensors.collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (shape, dtype, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name.clone(), view.unwrap())
    });
    safetensors::serialize_to_file(views, None, &path).unwrap();
}

pub(crate) fn write_json(folder: &Path, file: &str, value: &Value) {
    fs::write(folder.join(file), value.to_string()).unwrap();
}

/// Names and shapes of a model's tensors.
fn tensors(config: &Value) -> Vec<(String, Vec<usize>)> {
    let number = |key: &str| config[key].as_u64().map(|number| number as usize);
    let hidden = number("hidden_size").unwrap();
    let heads = number("num_attention_heads").unwrap();
    let head_dim = number("head_dim").unwrap_or(hidden / heads);
    let kv_dim = number("num_key_value_heads").unwrap() * head_dim;
    let q_dim = heads * head_dim;
    let ffn = number("intermediate_size").unwrap();
    let vocabulary = number("vocab_size").unwrap();
    let architecture = config["architectures"][0].as_str().unwrap();
    let all_biases = config["attention_bias"] == true;

    let mut tensors = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            vec![vocabulary, hidden],
        ),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    if config["tie_word_embeddings"] != true {
        tensors.push(("lm_head.weight".to_owned(), vec![vocabulary, hidden]));
    }
    for layer in 0..number("num_hidden_layers").unwrap() {
        let mut add =
            |name: &str, shape| tensors.push((format!("model.layers.{layer}.{name}"), shape));
        for (name, rows, cols, qwen_2_bias) in [
            ("self_attn.q_proj", q_dim, hidden, true),
            ("self_attn.k_proj", kv_dim, hidden, true),
            ("self_attn.v_proj", kv_dim, hidden, true),
            ("self_attn.o_proj", hidden, q_dim, false),
            ("mlp.gate_proj", ffn, hidden, false),
            ("mlp.up_proj", ffn, hidden, false),
            ("mlp.down_proj", hidden, ffn, false),
        ] {
            add(&format!("{name}.weight"), vec![rows, cols]);
            let qwen_2 = architecture == "Qwen2ForCausalLM" && qwen_2_bias;
            if qwen_2 || all_biases && name.starts_with("self_attn") {
                add(&format!("{name}.bias"), vec![rows]);
            }
        }
        for name in ["input_layernorm", "post_attention_layernorm"] {
            add(&format!("{name}.weight"), vec![hidden]);
        }
        if architecture == "Qwen3ForCausalLM" {
            add("self_attn.q_norm.weight", vec![head_dim]);
            add("self_attn.k_norm.weight", vec![head_dim]);
        }
    }
    tensors
}

/// The weights of a tensor, which follow from its name.
fn weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let number = |place: usize| {
        let z = seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let small = |place| (number(place) >> 60) as f32 - 8.0;
    let level = |place| match place % 32 {
        0 => 127.0,
        _ => (number(place) % 255) as f32 - 127.0,
    };
    let weight = |place: usize| match (name, shape.len(), place % 32) {
        ("model.embed_tokens.weight", ..) => level(place) / 64.0,
        ("lm_head.weight", ..) => level(place) / 512.0,
        (_, 1, _) if name.ends_with(".bias") => small(place) / 16.0,
        (_, 1, _) => 1.0 + small(place) / 64.0,
        (.., 0) => -8.0 / 32.0,
        (.., 1) => 7.0 / 32.0,
        _ => small(place) / 32.0,
    };
    (0..shape.iter().product()).map(weight).collect()
}

fn bytes(weights: &[f32], dtype: Dtype) -> Vec<u8> {
    let weights = weights.iter();
    match dtype {
        Dtype::BF16 => weights
            .flat_map(|&w| bf16::from_f32(w).to_le_bytes())
            .collect(),
        Dtype::F16 => weights
            .flat_map(|&w| f16::from_f32(w).to_le_bytes())
            .collect(),
        _ => weights.flat_map(|w| w.to_le_bytes()).collect(),
    }
}
