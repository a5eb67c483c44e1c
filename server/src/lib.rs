//! The axum program around the engine: the page, an OpenAI-compatible API, conversations and metrics.

#![forbid(unsafe_code)]

pub mod access;
mod api;
mod assets;
mod attachments;
mod bodies;
mod caller;
mod chat;
mod compare;
mod cookies;
mod error;
mod events;
mod figures;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod generator;
mod hex;
pub mod hub;
mod interchange;
pub mod keys;
pub mod lanes;
mod language;
pub mod machine;
pub mod management;
mod metered;
pub mod models;
pub mod offers;
mod on_behalf;
pub mod origins;
mod pages;
pub mod permitted;
mod preparation;
mod reader;
mod request_id;
mod response_items;
mod router;
mod runs;
mod security;
mod serve;
mod served;
pub mod sign_in;
pub mod state;
pub mod store;
mod telemetry;
#[cfg(test)]
mod test_support;
pub mod traces;
mod visitor;

pub use router::router;
pub use serve::serve;
