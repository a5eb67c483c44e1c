//! The endpoints as the document names them, in the order of the route table.

use serde_json::Value;

use super::Schemas;
use super::answers;
use crate::api::{anthropic, ollama, openai, ops};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";

/// What describes a shape.
type Shape = fn(&mut Schemas) -> Value;

/// One endpoint.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// Its body, where it has one.
    pub(super) reads: Option<Shape>,
    /// Its answer; nothing where it only refuses.
    pub(super) answers: Option<Shape>,
    /// The media type of the answer, and of one that is streamed.
    pub(super) kind: &'static str,
    pub(super) stream: Option<&'static str>,
    pub(super) errors: Shape,
}

impl Operation {
    const fn get(path: &'static str, summary: &'static str, answers: Shape) -> Self {
        Self {
            path,
            method: "get",
            tag: "ops",
            summary,
            reads: None,
            answers: Some(answers),
            kind: JSON,
            stream: None,
            errors: answers::error,
        }
    }

    const fn post(path: &'static str, summary: &'static str, reads: Shape, answers: Shape) -> Self {
        Self {
            method: "post",
            reads: Some(reads),
            ..Self::get(path, summary, answers)
        }
    }

    /// What this server does not do.
    const fn refused(path: &'static str) -> Self {
        Self {
            method: "post",
            answers: None,
            ..Self::get(path, "Refused: this server runs one model", answers::error).of_ollama()
        }
    }

    const fn streamed(self, kind: &'static str) -> Self {
        Self {
            stream: Some(kind),
            ..self
        }
    }

    const fn of_openai(self) -> Self {
        Self {
            tag: "openai",
            ..self
        }
    }

    const fn of_anthropic(self) -> Self {
        Self {
            tag: "anthropic",
            errors: answers::anthropic_error,
            ..self
        }
    }

    const fn of_ollama(self) -> Self {
        Self {
            tag: "ollama",
            errors: answers::ollama_error,
            ..self
        }
    }

    const fn in_text(self) -> Self {
        Self {
            kind: "text/plain",
            ..self
        }
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::post(
        "/v1/chat/completions",
        "The answer to a conversation",
        openai::chat::schema,
        answers::chat_completion,
    )
    .streamed(EVENTS)
    .of_openai(),
    Operation::post(
        "/v1/completions",
        "What goes on behind a text",
        openai::completions::schema,
        answers::completion,
    )
    .streamed(EVENTS)
    .of_openai(),
    Operation::post(
        "/v1/embeddings",
        "What texts or tokens come to",
        openai::embeddings::schema,
        answers::embeddings,
    )
    .of_openai(),
    Operation::post(
        "/v1/responses",
        "The answer to items, whose own may be referred to for a while",
        openai::responses::schema,
        answers::response,
    )
    .streamed(EVENTS)
    .of_openai(),
    Operation::get(
        "/v1/models",
        "The model, under each of its names",
        answers::models,
    )
    .of_openai(),
    Operation::get(
        "/v1/models/{id}",
        "The model, under one of its names",
        answers::model,
    )
    .of_openai(),
    Operation::post(
        "/v1/messages",
        "The answer to messages",
        anthropic::messages::schema,
        answers::message,
    )
    .streamed(EVENTS)
    .of_anthropic(),
    Operation::post(
        "/v1/messages/count_tokens",
        "How many tokens messages have",
        anthropic::messages::count_schema,
        answers::token_count,
    )
    .of_anthropic(),
    Operation::post(
        "/api/chat",
        "The answer to messages; a stream unless `stream` is false",
        ollama::chat::schema,
        answers::ollama_chat,
    )
    .streamed(LINES)
    .of_ollama(),
    Operation::post(
        "/api/generate",
        "The answer to a text; a stream unless `stream` is false",
        ollama::generate::schema,
        answers::ollama_generated,
    )
    .streamed(LINES)
    .of_ollama(),
    Operation::get(
        "/api/tags",
        "The model, under each of its names",
        answers::ollama_models,
    )
    .of_ollama(),
    Operation::get(
        "/api/ps",
        "The model, which is always loaded",
        answers::ollama_models,
    )
    .of_ollama(),
    Operation::post(
        "/api/show",
        "What there is to say of the model",
        ollama::models::schema,
        answers::ollama_shown,
    )
    .of_ollama(),
    Operation::get(
        "/api/version",
        "The version of Ollama whose API this is, and of this server",
        answers::version,
    )
    .of_ollama(),
    Operation::refused("/api/pull"),
    Operation::refused("/api/push"),
    Operation::refused("/api/create"),
    Operation::refused("/api/copy"),
    Operation::refused("/api/blobs/{id}"),
    Operation::post(
        "/api/embed",
        "What texts come to",
        ollama::embed::schema,
        answers::ollama_embeddings,
    )
    .of_ollama(),
    Operation::post(
        "/api/embeddings",
        "What a text comes to, for older clients",
        ollama::embed::schema,
        answers::ollama_embedding,
    )
    .of_ollama(),
    Operation::post(
        "/tokenize",
        "The tokens of a text or of messages",
        ops::tokenize::schema,
        answers::tokens,
    ),
    Operation::post(
        "/detokenize",
        "The text of tokens",
        ops::tokenize::tokens_schema,
        answers::spelt,
    ),
    Operation::get(
        "/tokenizer_info",
        "The tokens that begin a text and end one",
        answers::tokenizer_info,
    ),
    Operation::post(
        "/apply-template",
        "What the chat template makes of a conversation",
        ops::apply_template::schema,
        answers::prompt,
    ),
    Operation::get("/health", "Whether answers can be had", answers::health),
    Operation::get(
        "/health/ready",
        "Whether answers can be had",
        answers::health,
    ),
    Operation::get("/health/live", "Whether the program runs", answers::alive),
    Operation::get(
        "/metrics",
        "Figures in Prometheus' text form",
        answers::text,
    )
    .in_text(),
    Operation::get("/openapi.json", "This document", answers::object),
];
