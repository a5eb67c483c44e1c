//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

pub mod generator;
mod openai;
mod router;
#[cfg(test)]
mod scripted;
pub mod state;

pub use router::router;
