//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

pub mod generator;
