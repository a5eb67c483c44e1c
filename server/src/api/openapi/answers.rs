//! What endpoints answer, as far as clients count on it; there may be more. Tests hold it to what they do answer.

use serde_json::{Map, Value, json};

use super::Schemas;

/// An object that has all of these.
fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let names = fields.each_ref().map(|(name, _)| *name);
    let properties: Map<_, _> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": names.as_slice() })
}

fn words() -> Value {
    json!({ "type": "string" })
}

fn words_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(super) fn object(_: &mut Schemas) -> Value {
    json!({ "type": "object" })
}

pub(super) fn text(_: &mut Schemas) -> Value {
    words()
}

pub(super) fn error(schemas: &mut Schemas) -> Value {
    let told = record([
        ("message", words()),
        ("type", words()),
        ("param", words_or_null()),
        ("code", words_or_null()),
    ]);
    schemas.named("Error", record([("error", told)]))
}

pub(super) fn anthropic_error(schemas: &mut Schemas) -> Value {
    let told = record([("type", words()), ("message", words())]);
    let error = record([("type", one_of(&["error"])), ("error", told)]);
    schemas.named("AnthropicError", error)
}

pub(super) fn ollama_error(schemas: &mut Schemas) -> Value {
    schemas.named("OllamaError", record([("error", words())]))
}

fn usage(schemas: &mut Schemas) -> Value {
    let usage = record([
        ("prompt_tokens", count()),
        ("completion_tokens", count()),
        ("total_tokens", count()),
        (
            "prompt_tokens_details",
            record([("cached_tokens", count())]),
        ),
        (
            "completion_tokens_details",
            record([
                ("reasoning_tokens", count()),
                ("accepted_prediction_tokens", count()),
                ("rejected_prediction_tokens", count()),
            ]),
        ),
    ]);
    schemas.named("Usage", usage)
}

fn called() -> Value {
    let function = record([("name", words()), ("arguments", words())]);
    record([
        ("id", words()),
        ("type", one_of(&["function"])),
        ("function", function),
    ])
}

pub(super) fn chat_completion(schemas: &mut Schemas) -> Value {
    let mut message = record([
        ("role", one_of(&["assistant"])),
        ("content", words_or_null()),
    ]);
    message["properties"]["reasoning_content"] = words();
    message["properties"]["tool_calls"] = list(called());
    let choice = record([
        ("index", count()),
        ("message", message),
        ("finish_reason", one_of(&["stop", "length", "tool_calls"])),
    ]);
    let completion = record([
        ("id", words()),
        ("object", one_of(&["chat.completion"])),
        ("created", count()),
        ("model", words()),
        ("choices", list(choice)),
        ("usage", usage(schemas)),
    ]);
    schemas.named("ChatCompletion", completion)
}

pub(super) fn completion(schemas: &mut Schemas) -> Value {
    let choice = record([
        ("index", count()),
        ("text", words()),
        ("finish_reason", one_of(&["stop", "length"])),
    ]);
    let completion = record([
        ("id", words()),
        ("object", one_of(&["text_completion"])),
        ("created", count()),
        ("model", words()),
        ("choices", list(choice)),
        ("usage", usage(schemas)),
    ]);
    schemas.named("Completion", completion)
}

fn vector() -> Value {
    list(json!({ "type": "number" }))
}

pub(super) fn embeddings(schemas: &mut Schemas) -> Value {
    // Numbers, or their bytes in base64.
    let item = record([
        ("object", one_of(&["embedding"])),
        ("index", count()),
        ("embedding", json!({ "anyOf": [vector(), words()] })),
    ]);
    let usage = record([("prompt_tokens", count()), ("total_tokens", count())]);
    let embeddings = record([
        ("object", one_of(&["list"])),
        ("data", list(item)),
        ("model", words()),
        ("usage", usage),
    ]);
    schemas.named("Embeddings", embeddings)
}

pub(super) fn ollama_embeddings(_: &mut Schemas) -> Value {
    record([
        ("model", words()),
        ("embeddings", list(vector())),
        ("prompt_eval_count", count()),
    ])
}

pub(super) fn ollama_embedding(_: &mut Schemas) -> Value {
    record([("embedding", vector())])
}

pub(super) fn response(schemas: &mut Schemas) -> Value {
    let kinds = one_of(&["message", "reasoning", "function_call"]);
    let item = record([("id", words()), ("type", kinds), ("status", words())]);
    let usage = record([
        ("input_tokens", count()),
        ("output_tokens", count()),
        ("total_tokens", count()),
    ]);
    let response = record([
        ("id", words()),
        ("object", one_of(&["response"])),
        ("created_at", count()),
        ("status", one_of(&["completed", "incomplete"])),
        ("model", words()),
        ("output", list(item)),
        ("usage", usage),
    ]);
    schemas.named("Response", response)
}

pub(super) fn model(schemas: &mut Schemas) -> Value {
    let model = record([
        ("id", words()),
        ("object", one_of(&["model"])),
        ("created", count()),
        ("owned_by", words()),
        ("max_model_len", count()),
        ("context_length", count()),
    ]);
    schemas.named("Model", model)
}

pub(super) fn models(schemas: &mut Schemas) -> Value {
    record([
        ("object", one_of(&["list"])),
        ("data", list(model(schemas))),
    ])
}

pub(super) fn message(schemas: &mut Schemas) -> Value {
    let block = record([("type", one_of(&["text", "thinking", "tool_use"]))]);
    let usage = record([("input_tokens", count()), ("output_tokens", count())]);
    let reasons = ["end_turn", "max_tokens", "stop_sequence", "tool_use"];
    let message = record([
        ("id", words()),
        ("type", one_of(&["message"])),
        ("role", one_of(&["assistant"])),
        ("model", words()),
        ("content", list(block)),
        ("stop_reason", one_of(&reasons)),
        ("stop_sequence", words_or_null()),
        ("usage", usage),
    ]);
    schemas.named("Message", message)
}

pub(super) fn token_count(_: &mut Schemas) -> Value {
    record([("input_tokens", count())])
}

/// The end of an answer, with what it said in one of two places.
fn ollama_answer(place: (&'static str, Value)) -> Value {
    record([
        ("model", words()),
        ("created_at", words()),
        place,
        ("done", json!({ "type": "boolean" })),
        ("done_reason", one_of(&["stop", "length"])),
        ("total_duration", count()),
        ("load_duration", count()),
        ("prompt_eval_count", count()),
        ("prompt_eval_duration", count()),
        ("eval_count", count()),
        ("eval_duration", count()),
    ])
}

pub(super) fn ollama_chat(_: &mut Schemas) -> Value {
    let message = record([("role", one_of(&["assistant"])), ("content", words())]);
    ollama_answer(("message", message))
}

pub(super) fn ollama_generated(_: &mut Schemas) -> Value {
    ollama_answer(("response", words()))
}

pub(super) fn ollama_models(_: &mut Schemas) -> Value {
    let model = record([
        ("name", words()),
        ("model", words()),
        ("size", count()),
        ("digest", words()),
        ("details", json!({ "type": "object" })),
    ]);
    record([("models", list(model))])
}

pub(super) fn ollama_shown(_: &mut Schemas) -> Value {
    record([
        ("parameters", words()),
        ("modified_at", words()),
        ("details", json!({ "type": "object" })),
        ("model_info", json!({ "type": "object" })),
        ("capabilities", list(words())),
    ])
}

pub(super) fn version(_: &mut Schemas) -> Value {
    record([("version", words()), ("nibble_version", words())])
}

pub(super) fn tokens(_: &mut Schemas) -> Value {
    record([("tokens", list(count())), ("count", count())])
}

pub(super) fn tokenizer_info(_: &mut Schemas) -> Value {
    record([
        ("bos_token", words_or_null()),
        ("eos_token", words_or_null()),
        ("model_max_length", count()),
    ])
}

pub(super) fn spelt(_: &mut Schemas) -> Value {
    record([("prompt", words()), ("content", words())])
}

pub(super) fn prompt(_: &mut Schemas) -> Value {
    record([("prompt", words())])
}

pub(super) fn health(_: &mut Schemas) -> Value {
    record([("model", words()), ("status", one_of(&["ok"]))])
}

pub(super) fn alive(_: &mut Schemas) -> Value {
    record([("status", one_of(&["ok"]))])
}
