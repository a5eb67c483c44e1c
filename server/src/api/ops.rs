//! What supervisors, monitoring systems and tools around a model ask: health, metrics, tokens, the chat template.

pub(super) mod apply_template;
pub(super) mod health;
pub(super) mod metrics;
pub(super) mod tokenize;
pub(super) mod tokenizer_info;

#[cfg(test)]
mod tests;
