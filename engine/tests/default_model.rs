//! The default model: exact greedy answers, and text that streams whole.

use futures::executor::block_on_stream;
use nibble_engine::{
    Completion, Conversation, Engine, Event, FinishReason, LoadOptions, Message, Prompt, Request,
    Role, Sampling, Thinking,
};

#[path = "support/default_model.rs"]
mod support;

/// Whether this runs on an emulated CPU, where a token takes a second.
fn emulated() -> bool {
    std::env::var_os("NIBBLE_EMULATED").is_some()
}

fn engine() -> Engine {
    let model = support::default_model();
    Engine::load(&LoadOptions {
        model,
        threads: Some(2),
        ..LoadOptions::default()
    })
    .expect("the model loads")
}

fn ask(
    engine: &Engine,
    content: &str,
    sampling: Sampling,
    max_tokens: usize,
) -> (Vec<String>, Completion) {
    let message = Message {
        role: Role::User,
        content: content.into(),
    };
    ask_all(engine, vec![message].into(), sampling, max_tokens)
}

fn ask_all(
    engine: &Engine,
    conversation: Conversation,
    sampling: Sampling,
    max_tokens: usize,
) -> (Vec<String>, Completion) {
    let request = Request {
        prompt: Prompt::Chat(conversation),
        sampling,
        max_tokens,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 0.94256,
        caller: nibble_engine::Caller::default(),
        ..Request::default()
    };
    let mut pieces = Vec::new();
    for event in block_on_stream(engine.submit(request).expect("the request is accepted")) {
        match event {
            Event::Queued { .. } => {}
            Event::Text(piece) => pieces.push(piece),
            Event::Finished(completion) => return (pieces, completion),
            Event::Prefill { .. } | Event::Thought(_) | Event::Called(_) | Event::Learned(_) => {}
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the answer had no end");
}

#[test]
fn greedy_answers_are_always_the_same_text() {
    let engine = engine();
    for (question, expected) in [
        ("What is gravity?", include_str!("fixtures/gravity.txt")),
        (
            "Write a Rust function that adds two numbers.",
            include_str!("fixtures/rust.txt"),
        ),
        (
            "Give me three tips for a good night's sleep.",
            include_str!("fixtures/sleep.txt"),
        ),
    ] {
        let max_tokens = if emulated() { 6 } else { 64 };
        let (pieces, completion) = ask(&engine, question, Sampling::default(), max_tokens);
        let (found, expected) = (pieces.concat(), expected.trim_end_matches('\n'));
        if emulated() {
            assert_eq!(completion.token_ids.len(), max_tokens);
            assert!(
                found.len() > max_tokens && expected.starts_with(&found),
                "{question} {found}"
            );
        } else {
            assert_eq!(found, expected, "{question}");
            assert!(completion.token_ids.len() <= max_tokens);
        }
    }
}

#[test]
fn an_answer_goes_on_behind_each_of_its_tokens() {
    let engine = engine();
    let tokens = if emulated() { 3 } else { 24 };
    let question = "What is gravity?";
    let (pieces, whole) = ask(&engine, question, Sampling::default(), tokens);
    assert_eq!(pieces.len(), tokens);
    for cut in 1..tokens {
        let (said, expected) = pieces.split_at(cut);
        let messages = [
            (Role::User, question.to_owned()),
            (Role::Assistant, said.concat()),
        ];
        let messages = messages.map(|(role, content)| Message { role, content });
        let conversation = Conversation {
            continues_last: true,
            ..messages.to_vec().into()
        };
        let (rest, end) = ask_all(&engine, conversation, Sampling::default(), tokens - cut);
        assert_eq!(rest, expected, "behind {said:?}");
        assert_eq!(end.prompt_tokens, whole.prompt_tokens + cut);
        assert_eq!(end.cached_tokens, end.prompt_tokens - 1);
    }
}

#[test]
fn streamed_pieces_never_hold_broken_characters() {
    let engine = engine();
    let hot = Sampling {
        temperature: 0.8,
        seed: Some(3),
        ..Sampling::default()
    };
    let (pieces, _) = ask(
        &engine,
        "Repeat: 😀👍🏽🎉 你好，世界 😀👍🏽🎉 你好，世界",
        hot,
        if emulated() { 12 } else { 60 },
    );
    let text = pieces.concat();
    assert!(!text.contains('\u{fffd}'), "{text}");
    assert!(
        text.chars().any(|c| u32::from(c) > 0x2000),
        "nothing to see in {text:?}"
    );
}

#[test]
fn the_default_model_ends_its_turn() {
    let (pieces, completion) = ask(&engine(), "What is 2+2?", Sampling::default(), 200);
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    assert!(!pieces.concat().contains("<|im_end|>"));
}
