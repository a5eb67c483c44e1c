//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

mod error;
pub mod generator;
#[cfg(test)]
mod held;
mod openai;
mod router;
#[cfg(test)]
mod scripted;
mod serve;
pub mod state;

pub use router::router;
pub use serve::serve;
