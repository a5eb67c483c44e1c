use serde_json::{Value, json};

use super::*;

fn check(config: &Value) -> Result<Quantization, String> {
    let raw: RawQuantization = serde_json::from_value(config.clone()).unwrap();
    raw.check()
}

fn with(mut config: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn gptq(changes: Value) -> Value {
    let config = json!({
        "quant_method": "gptq", "bits": 4, "group_size": 128, "sym": true, "desc_act": false,
        "lm_head": false, "dynamic": null, "pack_dtype": "int32",
    });
    with(config, &changes)
}

fn awq(changes: Value) -> Value {
    let config = json!({
        "quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": true,
        "modules_to_not_convert": null,
    });
    with(config, &changes)
}

fn packed(changes: Value, weights: Value) -> Value {
    let weights = with(
        json!({ "num_bits": 4, "type": "int", "symmetric": true, "strategy": "group", "group_size": 128 }),
        &weights,
    );
    let config = json!({
        "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
        "kv_cache_scheme": null, "quantization_status": "compressed",
        "config_groups": { "group_0": {
            "targets": ["Linear"], "weights": weights,
            "input_activations": null, "output_activations": null,
        } },
    });
    with(config, &changes)
}

#[test]
fn the_usual_settings_of_each_method_are_read() {
    let old = PackingOrder::Gptq {
        zeros_less_one: true,
    };
    let new = PackingOrder::Gptq {
        zeros_less_one: false,
    };
    let symmetric = |symmetric| PackingOrder::PackQuantized { symmetric };
    for (config, packing, group) in [
        (gptq(json!({})), old, Some(128)),
        (gptq(json!({ "group_size": -1, "dynamic": {} })), old, None),
        (gptq(json!({ "checkpoint_format": "gptq" })), old, Some(128)),
        (
            gptq(json!({ "checkpoint_format": "gptq_v2", "group_size": 32 })),
            new,
            Some(32),
        ),
        (gptq(json!({ "format": "gptq_v2" })), new, Some(128)),
        (
            awq(json!({ "version": "GEMM" })),
            PackingOrder::Awq,
            Some(128),
        ),
        (
            awq(json!({ "group_size": 64 })),
            PackingOrder::Awq,
            Some(64),
        ),
        (packed(json!({}), json!({})), symmetric(true), Some(128)),
        (
            packed(json!({}), json!({ "symmetric": false, "group_size": 32 })),
            symmetric(false),
            Some(32),
        ),
        (
            packed(
                json!({}),
                json!({ "strategy": "channel", "group_size": null }),
            ),
            symmetric(true),
            None,
        ),
    ] {
        assert_eq!(
            check(&config),
            Ok(Quantization { packing, group }),
            "{config}"
        );
    }
}

#[test]
fn every_other_setting_is_refused_by_its_key_and_value() {
    let two = json!({ "config_groups": { "a": {}, "b": {} } });
    let activations = json!({ "config_groups": { "a": {
        "weights": { "num_bits": 4, "strategy": "channel" }, "input_activations": { "num_bits": 8 },
    } } });
    for (config, words) in [
        (json!({}), "`unknown`"),
        (json!({ "quant_method": "bitsandbytes" }), "`bitsandbytes`"),
        (
            gptq(json!({ "bits": 3 })),
            "`gptq` `bits` must be 4, found 3",
        ),
        (gptq(json!({ "bits": 8 })), "`bits` must be 4, found 8"),
        (gptq(json!({ "bits": null })), "`bits` is missing"),
        (gptq(json!({ "group_size": 16 })), "found 16"),
        (gptq(json!({ "group_size": 0 })), "found 0"),
        (gptq(json!({ "group_size": -2 })), "found -2"),
        (
            gptq(json!({ "group_size": null })),
            "`group_size` is missing",
        ),
        (
            gptq(json!({ "checkpoint_format": "marlin" })),
            "found `marlin`",
        ),
        (
            gptq(json!({ "is_marlin_format": true })),
            "`is_marlin_format`",
        ),
        (gptq(json!({ "pack_dtype": "int64" })), "found `int64`"),
        (
            gptq(json!({ "dynamic": { "x": { "bits": 8 } } })),
            "`dynamic`",
        ),
        (awq(json!({ "bits": 8 })), "`awq` `bits` must be 4, found 8"),
        (awq(json!({ "version": "gemv_fast" })), "found `gemv_fast`"),
        (awq(json!({ "zero_point": false })), "`zero_point`"),
        (
            packed(json!({ "format": "int-quantized" }), json!({})),
            "found `int-quantized`",
        ),
        (packed(json!({ "format": null }), json!({})), "found `none`"),
        (
            packed(json!({ "kv_cache_scheme": { "num_bits": 8 } }), json!({})),
            "`kv_cache_scheme`",
        ),
        (
            packed(json!({ "sparsity_config": { "format": "x" } }), json!({})),
            "`sparsity_config`",
        ),
        (
            packed(json!({ "transform_config": { "r1": 1 } }), json!({})),
            "`transform_config`",
        ),
        (packed(two, json!({})), "found 2"),
        (packed(activations, json!({})), "`input_activations`"),
        (
            packed(json!({}), json!({ "num_bits": 8 })),
            "`num_bits` must be 4, found 8",
        ),
        (
            packed(json!({}), json!({ "type": "float" })),
            "found `float`",
        ),
        (
            packed(json!({}), json!({ "strategy": "tensor" })),
            "found `tensor`",
        ),
        (packed(json!({}), json!({ "group_size": 48 })), "found 48"),
    ] {
        let message = check(&config).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}
