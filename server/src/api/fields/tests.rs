//! Which fields pass, and at which values.

use serde_json::{Map, Value, json};

use super::*;

fn is_taken(name: &str, value: &Value) -> bool {
    refuse_unsupported(&Map::from_iter([(name.to_owned(), value.clone())])).is_ok()
}

#[test]
fn fields_are_taken_at_their_defaults_and_refused_by_name_otherwise() {
    let schema = json!({ "type": "object" });
    for (names, default, others) in [
        (
            "format grammar_triggers structural_tag",
            json!(""),
            [schema, json!(["a"]), json!("a")],
        ),
        (
            "kv_transfer_params prompt_embeds cache_salt samplers",
            json!([]),
            [json!([2]), json!(["a"]), json!(2)],
        ),
        (
            "mirostat mirostat_mode dry_multiplier xtc_probability \
             dynatemp_range top_logprobs n_probs no_repeat_ngram_size",
            json!(0),
            [json!(1), json!(0.5), json!(true)],
        ),
        (
            "n best_of typical_p num_beams",
            json!(1.0),
            [json!(2), json!(0), json!("1")],
        ),
        (
            "logprobs echo add_special_tokens use_beam_search timings_per_token return_progress",
            json!(false),
            [json!(true), json!(1), json!("false")],
        ),
        (
            "parse_tool_calls include_reasoning",
            json!(true),
            [json!(false), json!(0), json!([])],
        ),
        (
            "t_max_predict_ms top_n_sigma truncate_prompt_tokens",
            json!(-1),
            [json!(3), json!(0.5), json!("5")],
        ),
        (
            "prompt_logprobs thinking_budget enable_thinking audio web_search_options",
            Value::Null,
            [json!(0), json!(false), json!("low")],
        ),
        (
            "modalities",
            json!(["text"]),
            [json!(["audio"]), json!([]), json!("text")],
        ),
        (
            "function_call",
            json!("none"),
            [json!({ "name": "f" }), json!("f"), json!(true)],
        ),
        (
            "verbosity",
            json!("medium"),
            [json!("low"), json!("high"), json!(1)],
        ),
    ] {
        for name in names.split_whitespace() {
            assert!(
                is_taken(name, &default) && is_taken(name, &Value::Null),
                "{name}"
            );
            for other in &others {
                assert!(!is_taken(name, other), "{name}: {other}");
            }
        }
    }
}

#[test]
fn fields_that_change_nothing_are_ignored() {
    for name in [
        "user",
        "service_tier",
        "cache_prompt",
        "id_slot",
        "priority",
        "mirostat_tau",
        "dry_sequence_breakers",
        "nobody_knows_it",
    ] {
        assert!(is_taken(name, &json!({ "a": [1, true, "x"] })), "{name}");
    }
}

#[test]
fn each_field_is_in_one_list() {
    let mut names: Vec<&str> = TABLE
        .iter()
        .flat_map(|(_, names)| names.split(' '))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_refusal_shows_the_beginning_of_a_long_value() {
    let fields = Map::from_iter([("format".to_owned(), json!("é".repeat(10_000)))]);
    let message = format!("{:?}", refuse_unsupported(&fields).unwrap_err());
    assert!(
        message.contains("`format`") && message.contains("é…"),
        "{message}"
    );
    assert!(message.len() < 500, "{}", message.len());
}
