//! Answering: requests in, tokens out, and what they took.

pub(crate) mod generate;
pub mod metrics;
pub(crate) mod request;
pub(crate) mod sample;
pub(crate) mod schedule;
