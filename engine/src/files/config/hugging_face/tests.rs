use proptest::prelude::*;
use serde_json::{Value, json};

use super::{HfConfig, LayerTensor, RawConfig};

fn sound() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 256,
        "max_position_embeddings": 128,
        "eos_token_id": [2, 3],
        "torch_dtype": "bfloat16",
    })
}

fn check(changes: &Value) -> Result<HfConfig, String> {
    let mut config = sound();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let raw: RawConfig = serde_json::from_value(config).map_err(|why| why.to_string())?;
    raw.check()
}

#[test]
fn what_is_not_said_has_the_librarys_defaults() {
    let HfConfig {
        model,
        tied,
        architecture,
        biases,
        quantization,
        ends,
    } = check(&json!({})).unwrap();
    assert_eq!(quantization, None);
    assert_eq!(
        (model.kv_heads, model.head_dim, model.context),
        (4, 16, 128)
    );
    assert_eq!((model.rope.theta, model.rms_norm_epsilon), (10_000.0, 1e-6));
    let head_norms = architecture.has(LayerTensor::QNorm);
    assert_eq!((tied, biases.len(), head_norms), (false, 0, false));
    assert_eq!(ends, [2, 3]);
}

#[test]
fn of_what_is_said_twice_about_the_rope_the_librarys_choice_counts() {
    let golden = include_str!("../../../../tests/fixtures/rope_given_twice.json");
    let cases: Vec<Value> = serde_json::from_str(golden).unwrap();
    let mut partial = 0;
    for case in &cases {
        let (said, taken) = (&case["said"], &case["taken"]);
        let found = check(said).map(|config| (config.model.rope, config.model.context));
        if taken["partial_rotary_factor"] == 0.5 {
            partial += 1;
            let why = found.unwrap_err();
            assert!(why.contains("`partial_rotary_factor`"), "{said}: {why}");
            continue;
        }
        let once = check(&json!({ "rope_parameters": taken })).unwrap().model;
        assert_eq!(found, Ok((once.rope, once.context)), "{said}");
    }
    assert!(partial > 20 && cases.len() > 2 * partial);
}

#[test]
fn what_is_not_known_about_a_rope_is_refused_by_name() {
    for key in ["rope_scaling", "rope_parameters"] {
        let unknown = json!({ key: { "rope_type": "default", "alpha": 2.0, "finetuned": true } });
        let why = check(&unknown).unwrap_err();
        assert!(
            why.contains("`alpha`") && why.contains("found 2.0"),
            "{why}"
        );
        let by_layer = json!({ key: { "full_attention": { "rope_theta": 1e6 } } });
        let why = check(&by_layer).unwrap_err();
        assert!(why.contains("`full_attention`"), "{why}");
        let notes =
            json!({ key: { "type": "linear", "factor": 2.0, "finetuned": true, "alpha": null } });
        assert_eq!(check(&notes).unwrap().model.context, 256);
    }
}

#[test]
fn other_maths_is_refused_by_name() {
    let scaling = |kind: &str| json!({ "rope_scaling": { "rope_type": kind, "factor": 2.0 } });
    let cases = [
        (
            json!({ "architectures": ["GemmaForCausalLM"] }),
            "GemmaForCausalLM",
        ),
        (json!({ "architectures": null }), "`architectures`"),
        (json!({ "mlp_bias": true }), "`mlp_bias`"),
        (json!({ "hidden_act": "gelu" }), "found `gelu`"),
        (json!({ "partial_rotary_factor": 0.5 }), "found 0.5"),
        (
            json!({ "quantization_config": { "quant_method": "fp8" } }),
            "`fp8`",
        ),
        (
            json!({ "quantization_config": {} }),
            "`quantization_config`",
        ),
        (scaling("longrope"), "found `longrope`"),
        (scaling("llama3"), "`low_freq_factor`"),
        (json!({ "rope_scaling": { "type": "linear" } }), "`factor`"),
        (
            json!({ "rope_scaling": { "type": "linear", "factor": -1.0 } }),
            "found -1",
        ),
        (json!({ "rope_theta": 0.0 }), "`rope_theta`"),
        (json!({ "rms_norm_eps": -1.0 }), "`rms_norm_eps`"),
        (json!({ "hidden_size": 1e3 }), "invalid type"),
        (json!({ "hidden_size": null }), "`hidden_size` is missing"),
        (
            json!({ "hidden_size": 80 }),
            "the hidden size must be a multiple of 32, found 80",
        ),
        (
            json!({ "num_key_value_heads": 3 }),
            "multiple of 3, found 4",
        ),
        (json!({ "head_dim": 12 }), "multiple of 8, found 12"),
        (json!({ "vocab_size": 0 }), "`vocab_size` must be from 1"),
        (json!({ "num_attention_heads": 0 }), "`num_attention_heads`"),
        (
            json!({ "architectures": ["MistralForCausalLM"], "sliding_window": 0 }),
            "`sliding_window`",
        ),
    ];
    for (changes, words) in cases {
        let message = check(&changes).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

/// A configuration of this architecture, changed.
fn of(architecture: &str, changes: Value) -> Value {
    let mut config = changes;
    config["architectures"] = json!([architecture]);
    config
}

#[test]
fn a_window_is_where_the_architecture_and_the_file_say() {
    let windows = |architecture: &str, changes: Value| {
        let model = check(&of(architecture, changes)).unwrap().model;
        [0, 1].map(|layer| model.window(layer))
    };
    let (mistral, qwen) = ("MistralForCausalLM", "Qwen2ForCausalLM");
    let size = json!({ "sliding_window": 32 });
    assert_eq!(windows(mistral, size.clone()), [Some(32); 2]);
    assert_eq!(windows("LlamaForCausalLM", size.clone()), [None; 2]);
    // The library's default is 4096, and null is none.
    let long = |window: Value| {
        let mut config = json!({ "max_position_embeddings": 8192 });
        if window != "absent" {
            config["sliding_window"] = window;
        }
        windows(mistral, config)
    };
    assert_eq!(long(json!("absent")), [Some(4096); 2]);
    assert_eq!(long(json!(null)), [None; 2]);
    assert_eq!(long(json!(8192)), [None; 2]);
    let used = |first: u64| json!({ "sliding_window": 32, "use_sliding_window": true, "max_window_layers": first });
    assert_eq!(windows(qwen, size), [None; 2]);
    assert_eq!(windows(qwen, used(0)), [Some(32); 2]);
    assert_eq!(windows(qwen, used(1)), [None, Some(32)]);
    assert_eq!(windows(qwen, used(28)), [None; 2]);
    let named = json!({
        "sliding_window": 32, "use_sliding_window": true, "max_window_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"],
    });
    assert_eq!(windows("Qwen3ForCausalLM", named), [Some(32), None]);
}

#[test]
fn a_window_that_contradicts_itself_is_refused_by_name() {
    let types = |types: Value| json!({ "layer_types": types, "sliding_window": 32, "use_sliding_window": true });
    let mixed = json!(["sliding_attention", "full_attention"]);
    let mut unused = types(mixed.clone());
    unused["use_sliding_window"] = json!(false);
    for (architecture, changes, words) in [
        (
            "Qwen2ForCausalLM",
            types(json!(["full_attention"])),
            "2 layers, found 1",
        ),
        (
            "Qwen2ForCausalLM",
            types(json!(["chunked_attention", "x"])),
            "`chunked_attention`",
        ),
        ("Qwen2ForCausalLM", unused, "no `sliding_window`"),
        ("MistralForCausalLM", types(mixed), "found `full_attention`"),
    ] {
        let message = check(&of(architecture, changes)).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn a_context_ends_where_the_rotation_does() {
    let context = |changes: Value| check(&changes).unwrap().model.context;
    for kind in ["linear", "dynamic", "yarn"] {
        let scaling = json!({ "rope_type": kind, "factor": 4.0 });
        assert_eq!(context(json!({ "rope_scaling": scaling })), 512);
        // Where newer files keep it.
        let nested = json!({ "rope_type": kind, "factor": 4.0, "rope_theta": 5e5 });
        let found = check(&json!({ "rope_parameters": nested })).unwrap().model;
        assert_eq!((found.context, found.rope.theta), (512, 5e5));
    }
}

proptest! {
    #[test]
    fn any_numbers_are_a_model_or_a_refusal(
        sizes in proptest::array::uniform9(prop_oneof![0u64..200, any::<u64>()]),
        floats in proptest::array::uniform9(any::<f64>()),
        kind in "linear|dynamic|yarn|llama3",
    ) {
        let number = |at: usize| json!(floats[at]);
        let config = json!({
            "architectures": ["Qwen3ForCausalLM"],
            "hidden_size": sizes[0], "intermediate_size": sizes[1], "num_hidden_layers": sizes[2],
            "num_attention_heads": sizes[3], "num_key_value_heads": sizes[4], "head_dim": sizes[5],
            "vocab_size": sizes[6], "max_position_embeddings": sizes[7], "rope_theta": number(0),
            "rope_scaling": {
                "rope_type": kind, "factor": number(1), "low_freq_factor": number(2),
                "high_freq_factor": number(3), "beta_fast": number(4), "beta_slow": number(5),
                "mscale": number(6), "mscale_all_dim": number(7), "attention_factor": number(8),
                "original_max_position_embeddings": sizes[8],
            },
        });
        let _ = check(&config);
        let mut scaled = config.clone();
        for key in ["hidden_size", "num_attention_heads", "vocab_size", "head_dim"] {
            scaled[key] = sound()[key].clone();
        }
        let _ = check(&scaled);
    }
}

#[test]
fn counts_of_positions_may_be_whole_floats_and_sizes_of_tensors_not() {
    let floats = json!({ "max_position_embeddings": 256.0, "sliding_window": 64.0, "architectures": ["MistralForCausalLM"] });
    let model = check(&floats).unwrap().model;
    assert_eq!((model.context, model.window.unwrap().size), (256, 64));
    let scaled = json!({ "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64.0,
    } });
    assert!(check(&scaled).is_ok());
    for (key, value) in [
        ("max_position_embeddings", json!(256.5)),
        ("max_position_embeddings", json!(-256.0)),
        ("max_position_embeddings", json!(1e300)),
        ("sliding_window", json!("64")),
        ("hidden_size", json!(64.0)),
        ("vocab_size", json!(256.0)),
    ] {
        assert!(check(&json!({ key: value })).is_err(), "{key}: {value}");
    }
}
