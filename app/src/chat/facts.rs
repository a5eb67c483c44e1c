//! What the pages need of a program that knows its machine and the models on it.

use async_trait::async_trait;

use super::managing::{Fetching, Leave, ModelRemoved};
use crate::complaint::Complaint;
use crate::doctor::Machine;
use crate::visitor::Visitor;

/// A model on this disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelHere {
    /// What a person types to mean it.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of its packed weights.
    pub packed_bytes: u64,
    /// Whether all of it has come.
    pub is_whole: bool,
    /// By which name it is asked; nothing where it is not served.
    pub served: Option<String>,
    /// Its weights, where its files tell.
    pub parameters: Option<u64>,
    /// The memory that it needs here, likewise.
    pub memory_bytes: Option<u64>,
    /// Its licence; empty where nothing is known of it.
    pub licence: String,
    /// Where it comes from, likewise.
    pub repository: String,
    /// Median of how fast its last answers were decoded here, in tokens a second, where there were some.
    pub tokens_per_second: Option<f64>,
}

/// A model that has a short name and can be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelKnown {
    /// Its short name.
    pub name: String,
    /// Where it comes from.
    pub repository: String,
    /// Roughly how many weights it has.
    pub parameters: u64,
    /// Roughly what is fetched.
    pub download_bytes: u64,
    /// Roughly the memory that it needs.
    pub memory_bytes: u64,
    /// The licence of its authors.
    pub licence: String,
    /// Whether its licence is to be accepted first.
    pub gated: bool,
    /// Whether it is on this disk.
    pub is_here: bool,
}

/// Models here and elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    /// Those on this disk.
    pub here: Vec<ModelHere>,
    /// Whether these are not known, as the disk cannot be read.
    pub is_unreadable: bool,
    /// Those that have short names.
    pub known: Vec<ModelKnown>,
    /// Bytes of memory that are left, where that is known.
    pub memory: Option<u64>,
    /// Whether the visitor may change what is here.
    pub leave: Leave,
    /// The model that is being fetched, or was last.
    pub fetching: Option<Fetching>,
    /// Models that were removed and can be had back.
    pub removed: Vec<ModelRemoved>,
}

/// What the last answers of a model came to, whoever asked: those that were computed alone, and decoding without
/// guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkDone {
    /// Steps of one token.
    pub decode: Option<Done>,
    /// Steps that read prompts.
    pub prefill: Option<Done>,
}

/// Steps of some answers: sums over all of them, and how fast the middle one was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// Answers.
    pub answers: usize,
    /// Tokens that they computed.
    pub tokens: u64,
    /// Bytes of weights that they read.
    pub weight_bytes: u64,
    /// Bytes of keys and values that they read.
    pub kv_bytes: u64,
    /// Multiply-accumulates.
    pub multiplies: u64,
    /// Tokens a second, the median of the answers.
    pub tokens_per_second: f64,
}

impl Done {
    /// Bytes that were read for a token.
    #[must_use]
    pub fn bytes_per_token(&self) -> f64 {
        (self.weight_bytes + self.kv_bytes) as f64 / self.tokens.max(1) as f64
    }

    /// Multiply-accumulates for a token.
    #[must_use]
    pub fn multiplies_per_token(&self) -> f64 {
        self.multiplies as f64 / self.tokens.max(1) as f64
    }

    /// Multiply-accumulates for each byte.
    #[must_use]
    pub fn intensity(&self) -> f64 {
        self.multiplies_per_token() / self.bytes_per_token().max(1.0)
    }

    /// Multiply-accumulates a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.multiplies_per_token() * self.tokens_per_second
    }
}

/// What a program knows of where it runs.
#[async_trait]
pub trait Facts: Send + Sync {
    /// The machine, as it was found a moment ago.
    async fn machine(&self) -> Machine;

    /// The machine, as it was found last, or without how busy it is: nothing is waited for.
    async fn known_machine(&self) -> Machine;

    /// How far answers of a model went of what the machine can do: of this name in requests, or else of the first.
    async fn work_done(&self, model: &str) -> WorkDone;

    /// The models, for a visitor.
    async fn models(&self, visitor: Visitor) -> Models;
}

/// Why the machine's limits are not measured, for the page to tell.
#[derive(Clone, Debug)]
pub struct MeasureRefused(pub Complaint);
