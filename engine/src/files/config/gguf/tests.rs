use super::{GgufConfig, ModelConfig};
use crate::files::checkpoint::Written;

/// A model of one layer whose numbers a test can replace.
fn written(changes: &[(&str, u32)]) -> Written {
    Written::model("llama", changes)
}

fn read(file: &Written) -> Result<ModelConfig, String> {
    let config = GgufConfig::read(&file.open().unwrap());
    let config = config.map_err(|error| error.to_string())?;
    Ok(config.model)
}

#[test]
fn a_sound_file_gives_its_numbers_and_the_format_its_defaults() {
    let config = read(&written(&[])).unwrap();
    assert_eq!((config.layers, config.hidden, config.ffn), (1, 64, 96));
    assert_eq!((config.heads, config.kv_heads, config.head_dim), (4, 2, 16));
    assert_eq!((config.vocabulary, config.context), (10, 128));
    assert_eq!(config.rope.theta, 10_000.0);
    assert_eq!(config.rope.factors, None);
}

#[test]
fn sizes_that_do_not_fit_are_refused_by_name() {
    let cases: [(&str, u32, &[&str]); 12] = [
        ("llama.block_count", 0, &["from 1 to 1024, found 0"]),
        ("llama.block_count", u32::MAX, &["found 4294967295"]),
        (
            "llama.embedding_length",
            32,
            &["token_embd.weight", "= 32", "found 64"],
        ),
        (
            "llama.feed_forward_length",
            100,
            &["multiple of 32, found 100"],
        ),
        ("llama.attention.head_count", 0, &["from 1", "found 0"]),
        (
            "llama.attention.head_count",
            5,
            &["multiple of 8, found 12"],
        ),
        (
            "llama.attention.head_count_kv",
            3,
            &["multiple of 3, found 4"],
        ),
        (
            "llama.rope.dimension_count",
            8,
            &["head dimension 16, found 8"],
        ),
        ("llama.attention.value_length", 8, &["value_length"]),
        (
            "llama.attention.key_length",
            12,
            &["multiple of 8, found 12"],
        ),
        (
            "llama.attention.key_length",
            264,
            &["at most 256, found 264"],
        ),
        ("llama.expert_count", 8, &["expert_count", "found 8"]),
    ];
    for (key, number, words) in cases {
        let message = read(&written(&[(key, number)])).unwrap_err();
        for word in words {
            assert!(message.contains(word), "no `{word}` in: {message}");
        }
    }
}

#[test]
fn other_architectures_and_other_maths_are_refused() {
    let cases = [
        (
            Written::model("qwen2moe", &[]),
            "must be one of `llama`, `qwen2`, `qwen3`, found `qwen2moe`",
        ),
        (
            Written::default().text("general.architecture", "qwen3"),
            "`qwen3.block_count`",
        ),
        (Written::default(), "general.architecture"),
        (
            written(&[]).float("llama.rope.freq_base", f32::NAN),
            "found NaN",
        ),
        (
            written(&[]).zeros("blk.0.ffn_up.bias", &[8], 0, 32),
            "`blk.0.ffn_up.bias`",
        ),
        (
            written(&[]).zeros("blk.1.attn_q.weight", &[8], 0, 32),
            "of 1 layers",
        ),
        (
            written(&[]).texts("tokenizer.ggml.tokens", &["a"]),
            "10 entries",
        ),
    ];
    for (file, words) in cases {
        let message = read(&file).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn a_window_is_that_of_all_layers_unless_the_context_is_no_longer() {
    let window = |size| {
        let file = written(&[("llama.attention.sliding_window", size)]);
        read(&file).map(|config| config.window(0))
    };
    assert_eq!(window(100), Ok(Some(100)));
    assert_eq!(window(128), Ok(None));
    assert!(
        window(0)
            .unwrap_err()
            .contains("`llama.attention.sliding_window`")
    );
}

#[test]
fn every_architecture_has_its_own_keys_and_tensors_and_no_others() {
    let weight = |architecture, name: &str| {
        read(&Written::model(architecture, &[]).zeros(name, &[16], 0, 64)).map(|_| ())
    };
    let refused = [
        ("llama", "blk.0.attn_q_norm.weight"),
        ("qwen2", "blk.0.attn_q_norm.weight"),
        ("qwen2", "blk.0.attn_output.bias"),
        ("qwen2", "output.bias"),
        ("qwen2", "rope_freqs.weight"),
        ("qwen3", "blk.0.attn_q.bias"),
        ("qwen3", "rope_freqs.weight"),
    ];
    for (architecture, name) in refused {
        let message = weight(architecture, name).unwrap_err();
        let words = format!("`{name}` is not part of a `{architecture}` model of 1 layers");
        assert!(message.contains(&words), "no `{words}` in: {message}");
    }
    let taken = [
        ("llama", "blk.0.attn_output.bias"),
        ("qwen2", "blk.0.attn_q.bias"),
        ("qwen3", "blk.0.attn_k_norm.weight"),
    ];
    for (architecture, name) in taken {
        assert_eq!(weight(architecture, name), Ok(()));
    }
    let wide = [("qwen3.attention.key_length", 32)];
    let config = read(&Written::model("qwen3", &wide)).unwrap();
    assert_eq!((config.hidden, config.heads, config.head_dim), (64, 4, 32));
}

#[test]
fn a_window_of_layers_that_nobody_names_is_refused() {
    let window = |size| {
        let window = [("qwen2.attention.sliding_window", size)];
        read(&Written::model("qwen2", &window)).map(|config| config.window)
    };
    assert_eq!(window(128), Ok(None));
    let message = window(100).unwrap_err();
    let words =
        "`qwen2.attention.sliding_window` must be absent or no shorter than the context of 128";
    assert!(message.contains(words), "{message}");
}
