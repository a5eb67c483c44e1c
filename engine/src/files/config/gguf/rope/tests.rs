use serde_json::{Value, json};

use super::super::GgufConfig;
use super::*;
use crate::files::checkpoint::Written;
use crate::files::config::rope::RawScaling;

/// A file with heads of 16 and a context of 128 tokens.
fn read(keys: impl FnOnce(Written) -> Written) -> Result<RopeConfig, String> {
    let file = keys(Written::model("qwen2", &[])).open().unwrap();
    let config = GgufConfig::read(&file).map_err(|error| error.to_string())?;
    Ok(config.model.rope)
}

fn scaled(kind: &str, numbers: &[(&str, f32)]) -> Result<RopeConfig, String> {
    read(|file| {
        let file = file.text("qwen2.rope.scaling.type", kind);
        let numbers = numbers.iter();
        numbers.fold(file, |file, (key, number)| {
            file.float(&format!("qwen2.rope.scaling.{key}"), *number)
        })
    })
}

/// What a `config.json` with these keys means.
fn of_folder(scaling: Value) -> RopeConfig {
    let scaling: RawScaling = serde_json::from_value(scaling).unwrap();
    let plain = RopeConfig::plain(10_000.0);
    scaling.apply(plain, 16, 128, None).unwrap().0
}

#[test]
fn a_factor_is_that_of_linear_under_both_its_keys() {
    let expected = Ok(of_folder(json!({ "type": "linear", "factor": 4.0 })));
    assert_eq!(scaled("linear", &[("factor", 4.0)]), expected);
    let old = |file: Written| file.float("qwen2.rope.scale_linear", 4.0);
    assert_eq!(read(old), expected);
    // llama.cpp looks at the older key where there is no other.
    let both = |file: Written| file.float("qwen2.rope.scale_linear", 2.0);
    let both = |file| both(file).float("qwen2.rope.scaling.factor", 4.0);
    assert_eq!(read(both), expected);
    let plain = Ok(RopeConfig::plain(10_000.0));
    assert_eq!(scaled("none", &[("factor", 1.0)]), plain);
    assert_eq!(
        read(|file| file.float("qwen2.rope.scale_linear", 1.0)),
        plain
    );
}

#[test]
fn yarn_is_that_of_a_folder() {
    let found = scaled("yarn", &[("factor", 4.0)]);
    let expected = json!({ "type": "yarn", "factor": 4.0 });
    assert_eq!(found, Ok(of_folder(expected)));

    let original = "qwen2.rope.scaling.original_context_length";
    let keys = |file: Written| {
        file.integer(original, 64)
            .text("qwen2.rope.scaling.type", "yarn")
            .float("qwen2.rope.scaling.factor", 4.0)
            .float("qwen2.rope.scaling.yarn_beta_fast", 8.0)
            .float("qwen2.rope.scaling.yarn_beta_slow", 2.0)
            .float("qwen2.rope.scaling.yarn_ext_factor", 1.0)
    };
    let expected = json!({
        "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 8.0, "beta_slow": 2.0,
    });
    let expected = of_folder(expected);
    assert_eq!(read(keys).as_ref(), Ok(&expected));
    assert_eq!(expected.magnitude, 0.1 * 4f64.ln() + 1.0);
    let times = |file| keys(file).float("qwen2.rope.scaling.attn_factor", 0.5);
    assert_eq!(read(times).unwrap().magnitude, 0.5 * expected.magnitude);
    let instead = |file| keys(file).float("qwen2.rope.scaling.yarn_attn_factor", 0.5);
    assert_eq!(read(instead).unwrap().magnitude, 0.5);
}

/// A type, numbers below `rope.scaling`, and words of the message.
type Refused<'a> = (&'a str, &'a [(&'a str, f32)], &'a str);

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let cases: [Refused<'_>; 13] = [
        ("longrope", &[], "`linear` or `yarn`, found `longrope`"),
        ("yarn", &[], "`qwen2.rope.scaling.factor` is missing"),
        ("linear", &[], "`qwen2.rope.scaling.factor` is missing"),
        ("none", &[("factor", 4.0)], "found 4"),
        ("linear", &[("factor", 0.0)], "must be positive"),
        ("linear", &[("factor", f32::INFINITY)], "found inf"),
        (
            "linear",
            &[("factor", 4.0), ("attn_factor", 1.5)],
            "`qwen2.rope.scaling.attn_factor` must be absent here, found 1.5",
        ),
        (
            "linear",
            &[("factor", 4.0), ("yarn_beta_fast", 32.0)],
            "`qwen2.rope.scaling.yarn_beta_fast` must be absent here",
        ),
        (
            "yarn",
            &[("factor", 4.0), ("yarn_log_multiplier", 0.5)],
            "`qwen2.rope.scaling.yarn_log_multiplier` must be absent or 0 here, found 0.5",
        ),
        (
            "yarn",
            &[("factor", 4.0), ("yarn_ext_factor", 0.5)],
            "`qwen2.rope.scaling.yarn_ext_factor` must be absent or 1 here, found 0.5",
        ),
        ("none", &[("alpha", 1000.0)], "`qwen2.rope.scaling.alpha`"),
        (
            "yarn",
            &[
                ("factor", 4.0),
                ("attn_factor", 2.0),
                ("yarn_attn_factor", 3.0),
            ],
            "must not both be there, found 2 and 3",
        ),
        (
            "yarn",
            &[
                ("factor", 4.0),
                ("yarn_beta_fast", 1.0),
                ("yarn_beta_slow", 8.0),
            ],
            "found 1 and 8 turns in 128 tokens",
        ),
    ];
    for (kind, numbers, words) in cases {
        let message = scaled(kind, numbers).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn divisors_are_read_where_a_file_has_them_and_nothing_else_stretches() {
    let with = |factors: &[f32], stretched: bool| {
        let bytes: Vec<_> = factors
            .iter()
            .flat_map(|factor| factor.to_le_bytes())
            .collect();
        let shape = [factors.len() as u64];
        let file = Written::model("llama", &[]).tensor("rope_freqs.weight", &shape, 0, &bytes);
        let file = match stretched {
            true => file.float("llama.rope.scale_linear", 4.0),
            false => file,
        };
        let config = GgufConfig::read(&file.open().unwrap());
        let config = config.map_err(|error| error.to_string())?;
        Ok::<_, String>(config.model.rope.factors)
    };
    assert_eq!(with(&[2.0; 8], false), Ok(Some(vec![2.0; 8])));
    for (factors, stretched, words) in [
        (&[0.0; 8][..], false, "positive numbers, found 0"),
        (&[2.0; 9], false, "shape [8], found [9]"),
        (&[2.0; 8], true, "`rope_freqs.weight` must be absent"),
    ] {
        let message = with(factors, stretched).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}
