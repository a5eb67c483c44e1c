//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

mod assets;
mod bodies;
mod caller;
mod chat;
mod error;
mod events;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod generator;
mod hex;
pub mod hub;
mod metered;
mod openai;
mod ops;
mod pages;
mod preparation;
mod router;
mod runs;
mod security;
mod serve;
pub mod state;
mod store;
mod telemetry;
#[cfg(test)]
mod test_support;
pub mod traces;

pub use router::router;
pub use serve::serve;
