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
    (Empty, "format grammar_triggers structural_tag"),
    (Flag(false), "grammar_lazy"),
    (Nothing, "guided_whitespace_pattern"),
    // What is sampled from.
    (
        Number(0.0),
        "dry_multiplier dynatemp_range epsilon_cutoff eta_cutoff mirostat mirostat_mode",
    ),
    (
        Number(0.0),
        "no_repeat_ngram_size penalty_alpha smoothing_factor top_a xtc_probability",
    ),
    (
        Number(1.0),
        "dynatemp_exponent encoder_repetition_penalty smoothing_curve",
    ),
    (Number(1.0), "tfs tfs_z typical typical_p"),
    (Number(-1.0), "dry_penalty_last_n top_n_sigma"),
    (Number(0.1), "mirostat_eta xtc_threshold"),
    (Number(1.75), "dry_base"),
    (Number(2.0), "dry_allowed_length"),
    (Number(5.0), "mirostat_tau"),
    (Flag(true), "do_sample"),
    (
        Empty,
        "allowed_token_ids bad_words dry_sequence_breakers logits_processors lora sampler_order samplers",
    ),
    // How many answers, and where one ends.
    (Number(1.0), "best_of length_penalty n num_beams"),
    (Number(-1.0), "n_predict"),
    (Nothing, "max_length max_new_tokens"),
    (Empty, "stop_regex"),
    (Flag(false), "ban_eos_token early_stopping use_beam_search"),
    // What is read.
    (
        Empty,
        "chat_template documents extra_body functions images options suffix",
    ),
    (Texts(&["none", "auto"]), "function_call"),
    (Number(-1.0), "reasoning_budget truncate_prompt_tokens"),
    (Flag(false), "add_special_tokens"),
    (
        Nothing,
        "enable_thinking reasoning think thinking thinking_budget web_search_options",
    ),
    // What is shown.
    (Number(0.0), "n_probs top_logprobs"),
    (
        Flag(false),
        "echo include_stop_str_in_output logprobs return_token_ids return_tokens_as_token_ids",
    ),
    (Flag(true), "skip_special_tokens"),
    (Nothing, "audio moderation prompt_logprobs"),
    (Texts(&["medium"]), "verbosity"),
];

/// # Errors
/// Status 400 that names the first of `names` that is there; `hint` says what to do instead.
pub(super) fn refuse_all(
    fields: &Map<String, Value>,
    names: &[&str],
    hint: &str,
) -> Result<(), ApiError> {
    let there = |name: &&&str| fields.get(**name).is_some_and(|value| !value.is_null());
    match names.iter().find(there) {
        None => Ok(()),
        Some(name) => {
            let message = format!("`{name}` is not supported here: {hint}");
            Err(ApiError::invalid_field(*name, message))
        }
    }
}

/// Refuses every field but those that change nothing, by what they hold or at all.
///
/// # Errors
/// Status 400 that names the first.
pub(super) fn refuse_unknown(
    fields: &Map<String, Value>,
    harmless: &[&str],
) -> Result<(), ApiError> {
    refuse_unsupported(fields)?;
    let mut others = fields.iter().filter(|(_, value)| !value.is_null());
    match others.find(|(name, _)| !harmless.contains(&name.as_str()) && list_of(name).is_none()) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("`{name}` is not supported here");
            Err(ApiError::invalid_field(name, message))
        }
    }
}

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
        "enable_thinking" | "reasoning" | "think" | "thinking" | "thinking_budget" => {
            "; `reasoning_effort` says how much to think, and `chat_template_kwargs` go to the template"
        }
        _ => "",
    };
    let message = format!("`{name}` is not supported beyond its default, found {found}{hint}");
    Err(ApiError::invalid_field(name, message))
}

fn is_harmless(name: &str, value: &Value) -> bool {
    match name {
        _ if value.is_null() => true,
        "modalities" => *value == json!(["text"]),
        _ => list_of(name).is_none_or(|neutral| neutral.holds(value)),
    }
}

/// What a field of these lists may hold.
fn list_of(name: &str) -> Option<Neutral> {
    let mut lists = UNSUPPORTED.iter();
    let list = lists.find(|(_, names)| names.split(' ').any(|listed| listed == name));
    list.map(|(neutral, _)| *neutral)
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
mod tests;
