//! Llama inference on the CPU at four bits a weight.
//!
//! [`Engine::load`] reads a GGUF file, or a folder in the layout of the Hugging Face hub, and starts the thread that owns
//! the model. A [`Request`] goes in through [`Engine::submit`], bounded by a queue; its [`Event`]s come out of an
//! [`Answer`], which is a stream and whose dropping cancels the work. Every answer ends with a [`Completion`] that says
//! what it took and what it cost.
//!
//! The crate knows models, tokens, kernels and timings. It knows nothing of HTTP or HTML and has no async runtime.

mod activations;
mod attention;
mod calibration;
mod calls;
mod capacity;
mod checkpoint;
mod config;
mod conversation;
mod error;
mod generate;
mod int4;
mod kernel;
mod kv;
mod matrix;
mod memory;
mod model;
mod packed;
mod prompt;
mod request;
mod rope;
mod sample;
mod schedule;
mod source;
mod stop;
mod threads;
mod tokenizer;
mod weights;

pub mod bench;
pub mod cgroup;
pub mod comparison;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hub;
pub mod metrics;
pub mod perplexity;

pub use calibration::Calibration;
pub use conversation::{Conversation, ToolCall, Turn};
pub use error::Error;
pub use int4::{Group, Int4};
pub use packed::{KeptWeights, PackedCache, pack};
pub use request::{
    Answer, AnswerSender, Completion, Event, FinishReason, MAX_STOPS, Message, ModelInfo, Prompt,
    Request, Role, Sampling, Stopper,
};
pub use schedule::{DEFAULT_CONTEXT, DEFAULT_QUEUE, Engine, LoadOptions};
pub use weights::{Quantize, Rounding};

/// Whether the tests run on an emulated CPU, where those that repeat themselves do so less often.
#[cfg(test)]
fn emulated() -> bool {
    std::env::var_os("NIBBLE_EMULATED").is_some()
}
