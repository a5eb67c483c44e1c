//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

mod assets;
#[cfg(test)]
mod browser;
mod chat;
mod events;
pub mod generator;
mod openai;
mod pages;
mod router;
mod runs;
#[cfg(test)]
mod scripted;
mod security;
pub mod state;
mod store;

pub use router::router;
