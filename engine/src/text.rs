//! Text: conversations, chat templates and tokens, and what answers are read for.

pub(crate) mod calls;
pub(crate) mod constraint;
pub(crate) mod conversation;
pub(crate) mod prompt;
pub(crate) mod rendered;
pub(crate) mod stop;
pub(crate) mod thoughts;
pub(crate) mod tokenizer;
