//! Each field of openai-python 3.54.0's requests is honoured, changes nothing, or is refused by its name; and so is each that
//! the references of vLLM and of llama.cpp's server have.

use std::collections::BTreeSet;

use super::*;
use crate::api::fields::is_listed;
use crate::api::openai::{chat, completions};

/// Those of `chat.completions.create`.
const CHAT: &str = "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens \
    max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key \
    prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store \
    stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options";
/// Those of `completions.create`.
const COMPLETION: &str = "model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop \
    stream stream_options suffix temperature top_p user";

/// Those of vLLM's `ChatCompletionRequest` and `CompletionRequest`.
const VLLM: &str = "messages model prompt frequency_penalty logit_bias logprobs top_logprobs max_tokens max_completion_tokens n \
    presence_penalty response_format seed stop stream stream_options temperature top_p tools tool_choice reasoning_effort \
    thinking_token_budget include_reasoning parallel_tool_calls user use_beam_search top_k min_p repetition_penalty \
    watermarking length_penalty stop_token_ids include_stop_str_in_output ignore_eos min_tokens skip_special_tokens \
    spaces_between_special_tokens truncate_prompt_tokens truncation_side prompt_logprobs logprob_token_ids \
    allowed_token_ids bad_words echo add_generation_prompt continue_final_message add_special_tokens documents \
    chat_template chat_template_kwargs media_io_kwargs mm_processor_kwargs structured_outputs guided_json guided_regex \
    guided_choice guided_grammar guided_whitespace_pattern logits_processors priority request_id session_id \
    return_tokens_as_token_ids return_token_ids routed_experts_prompt_start return_token_offsets return_prompt_text \
    return_mm_kwargs cache_salt kv_transfer_params ec_transfer_params vllm_xargs repetition_detection stream_interval \
    prompt_embeds suffix best_of";
/// Those of llama.cpp's `/completion` and `/v1/chat/completions`.
const LLAMA_CPP: &str = "prompt messages temperature dynatemp_range dynatemp_exponent top_k top_p min_p n_predict n_indent n_keep \
    n_discard stream stop typical_p repeat_penalty repeat_last_n presence_penalty frequency_penalty dry_multiplier dry_base \
    dry_allowed_length dry_penalty_last_n dry_sequence_breakers xtc_probability xtc_threshold top_n_sigma mirostat \
    mirostat_tau mirostat_eta adaptive_target adaptive_decay grammar grammar_lazy grammar_triggers preserved_tokens \
    json_schema seed ignore_eos logit_bias n_probs min_keep t_max_predict_ms t_max_prompt_ms id_slot cache_prompt \
    n_cache_reuse return_tokens return_progress samplers timings_per_token post_sampling_probs response_fields lora \
    multimodal_data image_data input_prefix input_suffix input_extra n_cmpl backend_sampling verbose chat_template_kwargs \
    reasoning_format reasoning_in_content reasoning_budget thinking_budget_tokens thinking_forced_open parse_tool_calls \
    parallel_tool_calls add_generation_prompt response_format speculative.n_min speculative.p_min \
    speculative.type speculative.ngram_size_n speculative.ngram_size_m speculative.ngram_m_hits";

/// A value for each that is no default, and whether it is taken.
fn values() -> Vec<(&'static str, Value, bool)> {
    let schema = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": { "type": "object" } } });
    let tool = json!({ "type": "function", "function": { "name": "f" } });
    vec![
        (
            "messages",
            json!([{ "role": "user", "content": "Hi" }]),
            true,
        ),
        ("prompt", json!("Once"), true),
        ("model", json!("scripted-1b"), true),
        ("audio", json!({ "voice": "a", "format": "wav" }), false),
        ("best_of", json!(1), true),
        ("echo", json!(true), true),
        ("frequency_penalty", json!(0.5), true),
        ("function_call", json!({ "name": "f" }), false),
        ("functions", json!([{ "name": "f" }]), false),
        ("logit_bias", json!({ "5": 1 }), true),
        ("logprobs", json!(true), true),
        ("max_completion_tokens", json!(9), true),
        ("max_tokens", json!(9), true),
        // These change no answer here.
        ("metadata", json!({ "a": "b" }), true),
        ("prompt_cache_key", json!("a"), true),
        ("prompt_cache_options", json!({ "ttl": 1 }), true),
        ("prompt_cache_retention", json!("24h"), true),
        ("safety_identifier", json!("a"), true),
        ("service_tier", json!("flex"), true),
        ("store", json!(true), true),
        ("user", json!("a"), true),
        // What an answer is likely to be makes none of it different.
        (
            "prediction",
            json!({ "type": "content", "content": "a" }),
            true,
        ),
        ("modalities", json!(["text", "audio"]), false),
        ("moderation", json!({ "model": "a" }), false),
        ("n", json!(2), true),
        ("parallel_tool_calls", json!(false), true),
        ("presence_penalty", json!(0.5), true),
        ("reasoning_effort", json!("low"), true),
        ("response_format", schema, true),
        ("seed", json!(1), true),
        ("stop", json!(["a"]), true),
        ("stream", json!(true), true),
        ("stream_options", json!({ "include_usage": true }), true),
        ("suffix", json!("a"), false),
        ("temperature", json!(1.5), true),
        ("tool_choice", json!("none"), true),
        ("tools", json!([tool]), true),
        ("top_logprobs", json!(2), true),
        ("top_p", json!(0.5), true),
        ("verbosity", json!("low"), false),
        ("web_search_options", json!({}), false),
    ]
}

#[tokio::test]
async fn no_field_of_openais_client_is_dropped_in_silence() {
    for (path, base, names) in [
        (
            "/v1/chat/completions",
            question(json!({ "logprobs": true })),
            CHAT,
        ),
        ("/v1/completions", json!({ "prompt": "Once" }), COMPLETION),
    ] {
        for name in names.split_whitespace() {
            let known = values().into_iter().find(|(known, ..)| *known == name);
            let (_, value, is_taken) = known.unwrap_or_else(|| panic!("nobody knows {name}"));
            let mut body = base.clone();
            body[name] = value;
            let response = send(scripted(), post(path, &body)).await;
            let status = response.status().as_u16();
            let told = text(response).await;
            assert_eq!(
                status,
                if is_taken { 200 } else { 400 },
                "{path} {name}: {told}"
            );
            let told: Value = serde_json::from_str(&told).unwrap_or_default();
            if !is_taken {
                let param = told["error"]["param"].as_str().unwrap();
                assert!(param.starts_with(name), "{path} {name}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn names_of_no_tools_and_unknown_fields_of_messages_and_tools_reach_no_model() {
    for role in ["user", "system", "developer", "assistant"] {
        let said = json!({ "role": role, "content": [{ "type": "text", "text": "Hi" }] });
        let plain = json!({
            "messages": [said, { "role": "user", "content": "Well?" }],
            "tools": [{ "type": "function", "function": { "name": "now" } }],
        });
        let mut more = plain.clone();
        for (place, name) in [
            ("/messages/0", "name"),
            ("/messages/0", "unheard"),
            ("/messages/0/content/0", "unheard"),
            ("/tools/0", "unheard"),
            ("/tools/0/function", "unheard"),
        ] {
            more.pointer_mut(place).unwrap()[name] = json!("Ann");
        }
        assert_eq!(asked(more).await.prompt, asked(plain).await.prompt);
    }
}

/// The fields that a path reads, by what the server says of itself.
fn read_at(path: &str, document: &Value) -> BTreeSet<String> {
    let body = &document["paths"][path]["post"]["requestBody"];
    let stages = &body["content"]["application/json"]["schema"]["allOf"];
    let stages = stages.as_array().unwrap().iter();
    let names = stages.flat_map(|stage| {
        let name = stage["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        document["components"]["schemas"][name]["properties"]
            .as_object()
            .unwrap()
            .keys()
    });
    names.cloned().collect()
}

#[tokio::test]
async fn no_field_of_vllms_or_llama_cpps_is_dropped_in_silence() {
    let document = text(send(scripted(), get("/openapi.json")).await).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    for (path, elsewhere) in [
        ("/v1/chat/completions", &chat::OF_COMPLETIONS[..]),
        ("/v1/completions", &completions::OF_CHATS[..]),
    ] {
        let read = read_at(path, &document);
        for name in [VLLM, LLAMA_CPP]
            .iter()
            .flat_map(|names| names.split_whitespace())
        {
            let is_known = read.contains(name) || is_listed(name) || elsewhere.contains(&name);
            assert!(is_known, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn what_only_the_other_form_has_is_refused_by_name() {
    let prompt = ("/v1/chat/completions", question(json!({})));
    let chat = ("/v1/completions", json!({ "prompt": "Once" }));
    let of_completions = chat::OF_COMPLETIONS.map(|name| (&prompt, name));
    let of_chats = completions::OF_CHATS.map(|name| (&chat, name));
    for ((path, body), name) in of_completions.into_iter().chain(of_chats) {
        let mut body = body.clone();
        body[name] = json!(1);
        let (status, param, message) = refused(post(path, &body)).await;
        assert_eq!((status, param), (400, json!(name)), "{message}");
        body[name] = Value::Null;
        assert_eq!(send(scripted(), post(path, &body)).await.status(), 200);
    }
}

#[tokio::test]
async fn options_of_streams_that_nobody_knows_are_refused_by_name() {
    for (path, body) in [
        ("/v1/chat/completions", question(json!({}))),
        ("/v1/completions", json!({ "prompt": "Once" })),
    ] {
        let mut body = body;
        body["stream_options"] = json!({ "include_usage": true, "unheard": 1 });
        let (status, param, message) = refused(post(path, &body)).await;
        assert_eq!(
            (status, param),
            (400, json!("stream_options.unheard")),
            "{message}"
        );
        body["stream_options"] = json!({ "include_obfuscation": false, "unheard": null });
        assert_eq!(send(scripted(), post(path, &body)).await.status(), 200);
    }
}

#[tokio::test]
async fn what_asks_for_what_is_done_anyway_is_taken() {
    let defaults = json!({
        "mirostat": 0, "mirostat_tau": 5, "best_of": 1, "n": 1, "use_beam_search": false, "length_penalty": 1.0, "priority": 3,
        "skip_special_tokens": true, "spaces_between_special_tokens": true, "truncate_prompt_tokens": -1, "bad_words": [],
        "allowed_token_ids": [], "cache_prompt": true, "id_slot": -1, "dry_sequence_breakers": ["\n"], "samplers": [],
        "top_n_sigma": -1, "t_max_predict_ms": 0, "n_probs": 0, "timings_per_token": false, "n_keep": 7,
    });
    let taken = send(scripted(), ask(question(defaults.clone()))).await;
    assert_eq!(taken.status(), 200, "{}", text(taken).await);
    let mut body = defaults;
    body["prompt"] = json!("Once");
    body["add_special_tokens"] = json!(true);
    let taken = send(scripted(), post("/v1/completions", &body)).await;
    assert_eq!(taken.status(), 200, "{}", text(taken).await);
}
