//! The fields of a chat completion that would change the answer and cannot.
//!
//! OpenAI's own, and those of vLLM, SGLang, llama.cpp and Ollama. Clients send many of them at their defaults, which pass;
//! fields that are in no list change nothing and are ignored.

use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// As much of a refused value as an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// What a field may hold without changing the answer; null does so for all of them.
#[derive(Clone, Copy)]
enum Neutral {
    Number(f64),
    Flag(bool),
    /// An empty text, array or object.
    Empty,
    /// One of these texts.
    Texts(&'static [&'static str]),
    Nothing,
}

use Neutral::{Empty, Flag, Nothing, Number, Texts};

/// Names of fields by what they may hold.
const UNSUPPORTED: &[(Neutral, &str)] = &[
    // Answers in a form that is asked for.
    (
        Empty,
        "ebnf format grammar grammar_triggers guided_choice guided_grammar guided_json guided_regex json_schema",
    ),
    (Empty, "regex structural_tag structured_outputs"),
    (Flag(false), "grammar_lazy guided_json_object"),
    // What is sampled from.
    (
        Number(0.0),
        "dry_multiplier dynatemp_range epsilon_cutoff eta_cutoff frequency_penalty mirostat mirostat_mode",
    ),
    (
        Number(0.0),
        "no_repeat_ngram_size penalty_alpha presence_penalty smoothing_factor top_a xtc_probability",
    ),
    (
        Number(1.0),
        "dynatemp_exponent encoder_repetition_penalty repeat_penalty repetition_penalty smoothing_curve",
    ),
    (Number(1.0), "tfs tfs_z typical typical_p"),
    (Number(-1.0), "dry_penalty_last_n top_n_sigma"),
    (Number(0.1), "mirostat_eta xtc_threshold"),
    (Number(1.75), "dry_base"),
    (Number(2.0), "dry_allowed_length"),
    (Number(5.0), "mirostat_tau"),
    (Number(64.0), "repeat_last_n"),
    (Flag(true), "do_sample"),
    (
        Empty,
        "allowed_token_ids bad_words dry_sequence_breakers logit_bias logits_processors lora sampler_order samplers",
    ),
    // How many answers, and where one ends.
    (Number(1.0), "best_of length_penalty n num_beams"),
    (Number(0.0), "min_new_tokens min_tokens"),
    (Number(-1.0), "n_predict"),
    (Nothing, "max_length max_new_tokens"),
    (Empty, "stop_regex stop_token_ids"),
    (
        Flag(false),
        "ban_eos_token early_stopping ignore_eos use_beam_search",
    ),
    // What is read.
    (
        Empty,
        "chat_template documents extra_body functions images options suffix",
    ),
    (Texts(&["none", "auto"]), "function_call"),
    (Number(-1.0), "reasoning_budget truncate_prompt_tokens"),
    (Flag(false), "add_special_tokens continue_final_message"),
    (
        Nothing,
        "enable_thinking reasoning reasoning_effort think thinking thinking_budget web_search_options",
    ),
    // What is shown.
    (Number(0.0), "n_probs top_logprobs"),
    (Flag(false), "echo include_stop_str_in_output logprobs"),
    (Flag(true), "skip_special_tokens"),
    (Nothing, "audio prompt_logprobs"),
    (Texts(&["medium"]), "verbosity"),
];

/// # Errors
/// Status 400 that names the first field that would change the answer and cannot.
pub(super) fn refuse_unsupported(fields: &Map<String, Value>) -> Result<(), ApiError> {
    let refused = fields
        .iter()
        .find(|(name, value)| !is_harmless(name, value));
    let Some((name, value)) = refused else {
        return Ok(());
    };
    let mut found: String = value
        .to_string()
        .chars()
        .take(SHOWN_CHARACTERS + 1)
        .collect();
    if found.chars().count() > SHOWN_CHARACTERS {
        found.pop();
        found.push('…');
    }
    let hint = match name.as_str() {
        "enable_thinking" | "reasoning_effort" | "thinking_budget" => {
            "; a template that reads it gets it by `chat_template_kwargs`"
        }
        _ => "",
    };
    let message = format!("`{name}` is not supported beyond its default, found {found}{hint}");
    Err(ApiError::invalid_field(name, message))
}

fn is_harmless(name: &str, value: &Value) -> bool {
    match name {
        _ if value.is_null() => true,
        "response_format" => value["type"] == "text",
        "modalities" => *value == json!(["text"]),
        _ => {
            let mut lists = UNSUPPORTED.iter();
            let list = lists.find(|(_, names)| names.split(' ').any(|listed| listed == name));
            list.is_none_or(|(neutral, _)| neutral.holds(value))
        }
    }
}

impl Neutral {
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Number(neutral), Value::Number(number)) => number.as_f64() == Some(neutral),
            (Flag(neutral), Value::Bool(flag)) => *flag == neutral,
            (Empty, Value::String(text)) => text.is_empty(),
            (Empty, Value::Array(values)) => values.is_empty(),
            (Empty, Value::Object(map)) => map.is_empty(),
            (Texts(neutral), Value::String(text)) => neutral.contains(&text.as_str()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(name: &str, value: &Value) -> bool {
        refuse_unsupported(&Map::from_iter([(name.to_owned(), value.clone())])).is_ok()
    }

    #[test]
    fn fields_are_taken_at_their_defaults_and_refused_by_name_otherwise() {
        let schema = json!({ "type": "object" });
        for (names, default, others) in [
            (
                "guided_json structured_outputs json_schema format guided_grammar guided_regex grammar guided_choice",
                json!(""),
                [schema.clone(), json!(["a"]), json!("a")],
            ),
            (
                "stop_token_ids bad_words",
                json!([]),
                [json!([2]), json!(["a"]), json!(2)],
            ),
            (
                "logit_bias",
                json!({}),
                [json!({ "5": 1 }), json!([[5, false]]), json!(1)],
            ),
            (
                "min_tokens frequency_penalty presence_penalty mirostat mirostat_mode dry_multiplier xtc_probability \
                 dynatemp_range top_logprobs n_probs no_repeat_ngram_size",
                json!(0),
                [json!(1), json!(0.5), json!(true)],
            ),
            (
                "n best_of repetition_penalty repeat_penalty typical_p num_beams",
                json!(1.0),
                [json!(2), json!(0), json!("1")],
            ),
            (
                "ignore_eos logprobs echo continue_final_message use_beam_search include_stop_str_in_output",
                json!(false),
                [json!(true), json!(1), json!("false")],
            ),
            (
                "skip_special_tokens",
                json!(true),
                [json!(false), json!(0), json!([])],
            ),
            ("mirostat_tau", json!(5.0), [json!(3), json!(0), json!("5")]),
            ("dry_base", json!(1.75), [json!(2), json!(0), json!(false)]),
            (
                "dry_allowed_length",
                json!(2),
                [json!(3), json!(0), json!(2.5)],
            ),
            (
                "prompt_logprobs reasoning_effort enable_thinking audio web_search_options",
                Value::Null,
                [json!(0), json!(false), json!("low")],
            ),
            (
                "response_format",
                json!({ "type": "text" }),
                [schema, json!("json"), json!({ "type": "json_object" })],
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
            "metadata",
            "store",
            "service_tier",
            "cache_prompt",
            "keep_alive",
            "seed_name",
        ] {
            assert!(is_taken(name, &json!({ "a": [1, true, "x"] })), "{name}");
        }
    }

    #[test]
    fn each_field_is_in_one_list() {
        let mut names: Vec<&str> = UNSUPPORTED
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
        let fields = Map::from_iter([("grammar".to_owned(), json!("é".repeat(10_000)))]);
        let message = format!("{:?}", refuse_unsupported(&fields).unwrap_err());
        assert!(
            message.contains("`grammar`") && message.contains("é…"),
            "{message}"
        );
        assert!(message.len() < 500, "{}", message.len());
    }
}
