//! Answering: requests in, tokens out, and what they took.

pub(crate) mod clock;
pub(crate) mod constrained;
pub(crate) mod conversation_key;
pub(crate) mod events;
pub(crate) mod generation;
pub(crate) mod load;
pub(crate) mod logprobs;
pub(crate) mod output;
pub(crate) mod pace;
pub(crate) mod pending;
pub(crate) mod policy;
pub(crate) mod prefix;
pub(crate) mod repetition;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod sample;
pub(crate) mod schedule;
pub(crate) mod siblings;
pub(crate) mod speculation;
pub(crate) mod steer;
pub(crate) mod waiting;
