//! The fields of a request that no stage reads: one table says which of them change no answer, and which would and cannot.
//!
//! OpenAI's own, and those of vLLM, SGLang, llama.cpp and Ollama; with those that are read it has all that their references
//! name. Clients send many of them at their defaults, which pass.
//!
//! What no list knows is ignored in OpenAI's chats and completions, as vLLM and llama.cpp do, and refused in the forms that are
//! read with [`refuse_unknown`]. OpenAI refuses it too, but behind one form stand many servers here: clients and the proxies
//! between add fields of their own, most of which say nothing about the answer, and nobody can tell them from those that do.

use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// As much of a refused value as an error shows.
const SHOWN_CHARACTERS: usize = 80;

/// What a field may hold without changing the answer; null does so for all of them.
#[derive(Clone, Copy)]
enum Neutral {
    Anything,
    /// One of these numbers.
    Numbers(&'static [f64]),
    Flag(bool),
    /// An empty text, array or object.
    Empty,
    /// One of these texts.
    Texts(&'static [&'static str]),
    Nothing,
}

use Neutral::{Anything, Empty, Flag, Nothing, Numbers, Texts};

/// Names of fields by what they may hold.
const TABLE: &[(Neutral, &str)] = &[
    // Who asks, what is kept of it elsewhere, and what it is likely to be.
    (
        Anything,
        "user metadata store service_tier safety_identifier prediction prompt_cache_key prompt_cache_options \
         prompt_cache_retention request_id session_id",
    ),
    // When, where and by which means it is computed, and into how many events it is cut.
    (
        Anything,
        "priority cache_prompt id_slot n_cache_reuse backend_sampling stream_interval keep_alive \
         speculative.n_min speculative.p_min speculative.type speculative.ngram_size_n speculative.ngram_size_m \
         speculative.ngram_m_hits",
    ),
    // What becomes of a context that is full: here the answer ends.
    (Anything, "n_keep n_discard"),
    // How a sampler works that must be off, how what is not taken would be read, and what only other endpoints tell.
    (
        Anything,
        "mirostat_tau mirostat_eta dry_base dry_allowed_length dry_penalty_last_n dry_sequence_breakers xtc_threshold \
         dynatemp_exponent smoothing_curve adaptive_decay penalize_nl",
    ),
    (
        Anything,
        "media_io_kwargs mm_processor_kwargs truncation_side spaces_between_special_tokens return_token_offsets \
         return_mm_kwargs routed_experts_prompt_start",
    ),
    // Answers in a form that is asked for.
    (
        Empty,
        "format grammar_triggers preserved_tokens structural_tag response_fields",
    ),
    (Flag(false), "grammar_lazy"),
    (Nothing, "guided_whitespace_pattern"),
    // What is sampled from.
    (
        Numbers(&[0.0]),
        "dry_multiplier dynatemp_range epsilon_cutoff eta_cutoff mirostat mirostat_mode",
    ),
    (
        Numbers(&[0.0]),
        "no_repeat_ngram_size penalty_alpha smoothing_factor top_a xtc_probability",
    ),
    (Numbers(&[0.0, 1.0]), "min_keep"),
    (
        Numbers(&[1.0]),
        "encoder_repetition_penalty tfs tfs_z typical typical_p",
    ),
    (Numbers(&[-1.0]), "adaptive_target"),
    (Numbers(&[-1.0, 0.0]), "top_n_sigma"),
    (Flag(true), "do_sample"),
    (Flag(false), "watermarking"),
    (
        Empty,
        "logits_processors lora sampler_order samplers vllm_xargs",
    ),
    // How many answers, and where one ends.
    (Numbers(&[1.0]), "best_of length_penalty n n_cmpl num_beams"),
    (Numbers(&[-1.0, 0.0]), "t_max_predict_ms t_max_prompt_ms"),
    (Numbers(&[0.0]), "n_indent"),
    (Nothing, "max_length max_new_tokens repetition_detection"),
    (Empty, "stop_regex"),
    (Flag(false), "ban_eos_token early_stopping use_beam_search"),
    // What is read.
    (
        Empty,
        "cache_salt chat_template documents ec_transfer_params extra_body functions image_data images input_extra \
         input_prefix input_suffix kv_transfer_params multimodal_data options prompt_embeds suffix",
    ),
    (Texts(&["none", "auto"]), "function_call"),
    (
        Numbers(&[-1.0]),
        "reasoning_budget thinking_budget_tokens truncate_prompt_tokens",
    ),
    (Flag(false), "add_special_tokens"),
    (
        Nothing,
        "enable_thinking reasoning reasoning_budget_message think thinking thinking_budget web_search_options",
    ),
    // What is shown.
    (Numbers(&[0.0]), "n_probs top_logprobs"),
    (
        Flag(false),
        "echo logprobs post_sampling_probs reasoning_in_content return_progress return_prompt_text return_token_ids \
         return_tokens return_tokens_as_token_ids thinking_forced_open timings_per_token verbose",
    ),
    (Flag(true), "include_reasoning parse_tool_calls"),
    (Empty, "logprob_token_ids"),
    (Nothing, "audio moderation prompt_logprobs"),
    (Texts(&["auto", "deepseek"]), "reasoning_format"),
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
            "; `reasoning_effort` and `thinking_token_budget` say how much to think, and `chat_template_kwargs` go to the template"
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
    let mut lists = TABLE.iter();
    let list = lists.find(|(_, names)| names.split(' ').any(|listed| listed == name));
    list.map(|(neutral, _)| *neutral)
}

/// Whether the table has a field.
#[cfg(test)]
pub(super) fn is_listed(name: &str) -> bool {
    list_of(name).is_some()
}

impl Neutral {
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Anything, _) => true,
            (Numbers(neutral), Value::Number(number)) => number
                .as_f64()
                .is_some_and(|number| neutral.contains(&number)),
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
