//! What an answer must be: JSON by a schema, a text of a regular expression or of a grammar, one of some choices.
//!
//! A [`Constraint`] is plain data. [`grammars`] compiles it for the tokens of one model, where what is not supported or too
//! large is refused: nothing is left out in silence. [`follower`] then says of each step which tokens may come next. Grammars
//! are matched by the `llguidance` crate.

mod bounds;
mod calls;
mod either;
mod environment;
pub(crate) mod follower;
mod gbnf;
pub(crate) mod grammars;
mod lark;
mod schema;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// What the answer to a request must be. A thought before the answer is free, and so is what an answer goes on with.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// What errors call it: the field that a caller gave it in.
    pub field: &'static str,
    /// The texts that are allowed.
    pub language: Language,
}

/// A set of texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Language {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema allows. Keys come in the order of the schema.
    JsonSchema(Value),
    /// What a regular expression matches as a whole, in the syntax of Rust's `regex` crate.
    Regex(String),
    /// The texts of a grammar in Lark's syntax, as `llguidance` reads it, from its rule `start`.
    Lark(String),
    /// The texts of a grammar in llama.cpp's syntax, from its rule `root`.
    Gbnf(String),
    /// One of these texts.
    Choice(Vec<String>),
}

/// The most bytes of a constraint.
pub const MAX_CONSTRAINT_BYTES: usize = 128 << 10;
