//! What supervisors, monitoring systems and tools around a model ask: health, metrics, tokens, the chat template.

pub(super) mod apply_template;
pub(super) mod health;
pub(super) mod metrics;
pub(super) mod tokenize;
pub(super) mod tokenizer_info;

#[cfg(test)]
mod tests;

/// Reads a body as one of each form.
#[cfg(any(test, fuzzing))]
pub(super) fn read(body: &[u8], asker: &super::asker::Asker) {
    let _ = tokenize::read(body, asker);
    let _ = tokenize::read_tokens(body, asker);
    let _ = apply_template::read(body, asker);
}
