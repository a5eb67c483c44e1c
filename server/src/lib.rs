//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

mod assets;
#[cfg(test)]
mod browser;
mod chat;
mod error;
mod events;
pub mod generator;
#[cfg(test)]
mod held;
pub mod hub;
mod metered;
mod openai;
mod pages;
mod preparation;
mod router;
mod runs;
#[cfg(test)]
mod scripted;
mod security;
mod serve;
pub mod state;
mod store;
mod telemetry;

pub use router::router;
pub use serve::serve;
