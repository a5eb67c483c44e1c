//! Answering: requests in, tokens out, and what they took.

pub(crate) mod generation;
pub(crate) mod load;
pub mod metrics;
pub(crate) mod policy;
pub(crate) mod prefix;
pub(crate) mod request;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod waiting;
