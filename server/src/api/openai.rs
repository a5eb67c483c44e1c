//! The OpenAI-compatible API: completions of chats and of text, responses, and the list of models.
//!
//! Fields that change nothing here are ignored, as OpenAI's clients send many; fields that would change the answer and are not
//! supported are refused by name, and of responses all that are not known. Beyond OpenAI's own fields every answer carries `nibble`, the figures of
//! [`nibble_engine::metrics::Metrics`] and the engine's own reason for its end; thoughts are `reasoning_content`.

mod answer_fields;
pub(super) mod chat;
pub(super) mod completions;
pub(super) mod conversation;
pub(super) mod embeddings;
mod ending;
mod logprobs;
mod message;
pub(super) mod models;
pub(super) mod responses;
#[cfg(test)]
mod tests;

/// The requests of a body, read as one of each form.
#[cfg(any(test, fuzzing))]
pub(super) fn read(body: &[u8], asker: &super::asker::Asker) -> Vec<nibble_engine::Request> {
    let chat = chat::read(body, asker).map(|asked| asked.requests);
    let completion = completions::read(body, asker).map(|asked| asked.requests);
    let response = responses::read(body, asker).map(|asked| asked.requests);
    let embeddings = embeddings::read(body, asker).map(|asked| asked.inputs.requests(asker));
    let all = [chat, completion, response, embeddings].into_iter();
    all.flatten().flatten().collect()
}
