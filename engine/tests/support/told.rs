//! Answers of the tiny checkpoint with all that is told beside them.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;

use futures::executor::block_on_stream;
use nibble_engine::{
    Answer, Completion, Engine, Event, Learned, LoadOptions, Logprobs, Prompt, PromptLogprobs,
    Request, Steering, Wanted,
};

pub(crate) fn options() -> LoadOptions {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    LoadOptions {
        model,
        threads: Some(2),
        ..LoadOptions::default()
    }
}

pub(crate) fn engine() -> Engine {
    Engine::load(&options()).expect("the model loads")
}

pub(crate) fn tokens(seed: u32, len: usize) -> Prompt {
    Prompt::Tokens(
        (0..len as u32)
            .map(|i| (i * 31 + seed * 17) % 256)
            .collect(),
    )
}

/// A prompt with 10 tokens behind it, and everything told.
pub(crate) fn told(prompt: Prompt) -> Request {
    Request {
        prompt,
        max_tokens: 10,
        // Its end must not come by chance.
        steering: Steering {
            min_tokens: 10,
            ..Steering::default()
        },
        wanted: Wanted {
            logprobs: Some(3),
            ..Wanted::default()
        },
        ..Request::default()
    }
}

pub(crate) struct Told {
    pub(crate) tokens: Vec<Logprobs>,
    pub(crate) prompt: Option<PromptLogprobs>,
    pub(crate) embedding: Option<Vec<f32>>,
    pub(crate) counts: Vec<usize>,
    pub(crate) text: String,
    pub(crate) end: Completion,
}

pub(crate) fn read(answer: Answer) -> Told {
    let (mut tokens, mut counts, mut text) = (Vec::new(), Vec::new(), String::new());
    let (mut prompt, mut embedding) = (None, None);
    for event in block_on_stream(answer) {
        match event {
            Event::Learned(Learned::Token(token)) => tokens.push(token),
            Event::Learned(Learned::Prompt(read)) => prompt = Some(read),
            Event::Learned(Learned::Embedding(states)) => embedding = Some(states),
            Event::Learned(Learned::PutOut(count)) => counts.push(count),
            Event::Text(piece) => text += &piece,
            Event::Finished(end) => {
                return Told {
                    tokens,
                    prompt,
                    embedding,
                    counts,
                    text,
                    end,
                };
            }
            Event::Queued { .. } | Event::Prefill { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("the answer had no end");
}

pub(crate) fn ask(engine: &Engine, request: Request) -> Told {
    read(engine.submit(request).expect("the request is accepted"))
}

pub(crate) fn refusal(engine: &Engine, request: Request) -> String {
    let refused = engine.submit(request);
    refused.expect_err("the request is refused").to_string()
}
