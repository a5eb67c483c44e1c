//! What libFuzzer's program, `fuzz/target.rs`, feeds with bytes: bodies of requests, files of chats, and what models answer. An input may
//! be refused; it must not panic, hang, or take memory out of proportion.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use futures::executor::block_on;
use nibble_app::domain::{Answer, Id, Origin};
use nibble_app::language::Language;
use nibble_app::{LiveText, answer_html};
use nibble_engine::{Error, ModelInfo, ModelShape, Request, Sampling, StepWork};

use crate::api::Clients;
use crate::generator::Generator;
use crate::{api, interchange, pages};

/// What reads one kind of input.
pub type Target = fn(&[u8]);

/// The kinds of input by the names of their folders in `fuzz/corpus`, and what reads them.
pub const TARGETS: [(&str, Target); 10] = [
    ("anthropic_message", anthropic_message),
    ("chat_completion", chat_completion),
    ("chats", chats),
    ("completion", chat_completion),
    ("embedding", chat_completion),
    ("form", form),
    ("markdown", markdown),
    ("ollama_request", ollama_request),
    ("response", chat_completion),
    ("tokens", tokens),
];

/// A generator that answers nothing.
struct Silent(ModelInfo);

impl Generator for Silent {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn submit(&self, _: Request) -> Result<nibble_engine::Answer, Error> {
        Err(Error::Stopped)
    }
}

static MODEL: LazyLock<Arc<dyn Generator>> = LazyLock::new(|| {
    let info = ModelInfo {
        name: "Fuzzed".into(),
        id: "fuzzed".into(),
        family: String::new(),
        parameters: 0,
        shape: ModelShape::default(),
        work: StepWork::default(),
        licence: String::new(),
        weight_bytes: 0,
        context: 2048,
        vocabulary: 0,
        quantization: String::new(),
        kv: String::new(),
        kernel: String::new(),
        threads: 1,
        decode_threads: 1,
        draft: None,
        fingerprint: String::new(),
        thinks: false,
        sampling: Sampling::default(),
    };
    Arc::new(Silent(info))
});

/// The body of a completion, of a chat or of text, of a response, or of embeddings, up to what the engine checks.
fn chat_completion(body: &[u8]) {
    api::read(Clients::OpenAi, body, &MODEL);
}

/// The body of a message, or of messages to count.
fn anthropic_message(body: &[u8]) {
    api::read(Clients::Anthropic, body, &MODEL);
}

/// The body of a chat, of a text to go on with, or of embeddings.
fn ollama_request(body: &[u8]) {
    api::read(Clients::Ollama, body, &MODEL);
}

/// The body of a text or a conversation to make tokens of, of tokens to spell, or of a conversation to lay out.
fn tokens(body: &[u8]) {
    api::read(Clients::Ops, body, &MODEL);
}

/// A file of chats, ours or another program's.
fn chats(file: &[u8]) {
    interchange::read_any(file);
}

/// The form of a message, and whatever its fields are as settings.
fn form(body: &[u8]) {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, kind);
    block_on(pages::read(&headers, &Bytes::copy_from_slice(body)));
}

/// The text of an answer, whole and as it grows.
fn markdown(text: &[u8]) {
    let text = String::from_utf8_lossy(text).into_owned();
    let middle = text.floor_char_boundary(text.len() / 2);
    let mut live = LiveText::new(Language::English);
    for piece in [&text[..middle], &text[middle..]] {
        live.push(piece);
        live.settle();
        let _ = live.tail_html();
    }
    let answer = Answer {
        id: Id(0),
        thought: String::new(),
        text,
        end: None,
        siblings: Vec::new(),
        is_told_alone: false,
        origin: Origin::default(),
    };
    let _ = answer_html(Language::English, &answer, true);
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
