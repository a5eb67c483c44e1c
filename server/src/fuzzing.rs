//! What libFuzzer's program, `fuzz/target.rs`, feeds with bytes: bodies of requests. An input may be refused; it must not
//! panic, hang, or take memory out of proportion.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use futures::executor::block_on;
use nibble_engine::{ModelInfo, Sampling};

use crate::{openai, pages};

/// What reads one kind of input.
pub type Target = fn(&[u8]);

/// The kinds of bodies by the names of their folders in `fuzz/corpus`, and what reads them.
pub const TARGETS: [(&str, Target); 2] = [("chat_completion", chat_completion), ("form", form)];

static MODEL: LazyLock<ModelInfo> = LazyLock::new(|| ModelInfo {
    name: "Fuzzed".into(),
    id: "fuzzed".into(),
    parameters: 0,
    weight_bytes: 0,
    context: 2048,
    vocabulary: 0,
    quantization: String::new(),
    kernel: String::new(),
    threads: 1,
    sampling: Sampling::default(),
});

/// The body of a chat completion, up to what the engine checks.
fn chat_completion(body: &[u8]) {
    openai::read(body, &MODEL);
}

/// The form of a message, and whatever its fields are as settings.
fn form(body: &[u8]) {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, kind);
    block_on(pages::read(&headers, &Bytes::copy_from_slice(body)));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn no_body_that_is_kept_does_harm() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let folders = fs::read_dir(&corpus).expect("it is there").count();
        assert_eq!(folders, super::TARGETS.len(), "folders of {corpus:?}");
        for (name, read) in super::TARGETS {
            for input in fs::read_dir(corpus.join(name)).expect("it is there") {
                let input = input.expect("it is readable").path();
                read(&fs::read(&input).unwrap_or_else(|why| panic!("{input:?}: {why}")));
            }
        }
    }
}
