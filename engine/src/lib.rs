//! Llama inference on the CPU at four bits a weight.
//!
//! [`Engine::load`] reads a GGUF file, or a folder in the layout of the Hugging Face hub, and starts the thread that owns
//! the model. A [`Request`] goes in through [`Engine::submit`], bounded by a queue; its [`Event`]s come out of an
//! [`Answer`], which is a stream and whose dropping cancels the work. Every answer ends with a [`Completion`] that says
//! what it took and what it cost.
//!
//! The crate knows models, tokens, kernels and timings. It knows nothing of HTTP or HTML and has no async runtime.

mod answer;
mod architecture;
mod completion;
mod compute;
mod engine;
mod error;
mod files;
mod load;
mod machine;
mod measure;
mod model;
mod sampling;
mod text;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub use answer::conversation_key::ConversationKey;
pub use answer::events::{Answer, AnswerSender, Event, Learned, Stopper};
pub use answer::load::{KV_BLOCK, Load};
pub use answer::logprobs::{Logprob, Logprobs, MAX_LOGPROBS, PromptLogprobs};
pub use answer::pace::{Pace, StepPace, TokenPace};
pub use answer::policy::Caller;
pub use answer::prefix::disk::PrefixFolder;
pub use answer::request::{
    DraftInfo, MAX_MESSAGES, MAX_STOP_BYTES, MAX_STOPS, ModelInfo, Prompt, Request, Revealed,
    Thinking, Wanted,
};
pub use answer::rows::Pooling;
pub use answer::siblings::Siblings;
pub use completion::{Completion, FinishReason, metrics};
pub use compute::int4::{GroupSize, Int4};
pub use compute::kv::KvPrecision;
pub use engine::{Engine, Foresight};
pub use error::Error;
pub use files::config::check_config;
pub use load::{DEFAULT_CONTEXT, DEFAULT_QUEUE, LoadOptions, LoadPlan, longest_context, pack};
pub use machine::{cgroup, heap, survey};
pub use measure::{bench, comparison, perplexity};
pub use model::calibration::Calibration;
pub use model::capacity::available_memory;
pub use model::decode_threads::DecodeThreads;
pub use model::packed::{CachedWeights, PackedCache, cached_weights};
pub use model::weights::{Quantize, Rounding};
pub use model::work::{AttentionWork, MatrixWork, ModelShape, StepWork, Work};
pub use sampling::{
    MAX_ALLOWED_TOKENS, MAX_BAD_WORDS, MAX_BIASES, MAX_DRAFT, MAX_STOP_TOKENS, Sampling,
    Speculation, Steering,
};
pub use text::constraint::{Constraint, Language, MAX_CONSTRAINT_BYTES};
pub use text::conversation::{Arguments, Conversation, Message, Role, ToolCall, ToolChoice, Turn};
pub use text::tokenizer::Reading;

#[cfg(test)]
#[path = "../tests/support/default_model.rs"]
mod support;

/// Whether the tests run on an emulated CPU, where those that repeat themselves do so less often.
#[cfg(test)]
fn emulated() -> bool {
    std::env::var_os("NIBBLE_EMULATED").is_some()
}
