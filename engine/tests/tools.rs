//! Calls of tools from the conversation to the events, with models that always call, as three families write it.

use futures::executor::block_on_stream;
use nibble_engine::{
    Conversation, Engine, Event, FinishReason, Message, Prompt, Request, Role, Sampling, Thinking,
    ToolCall, Turn,
};
use serde_json::{Map, Value, json};

#[path = "support/fixture.rs"]
mod fixture;

use fixture::engine;

fn weather() -> Value {
    json!({ "type": "function", "function": { "name": "weather", "description": "", "parameters": {} } })
}

fn now() -> Value {
    json!({ "type": "function", "function": { "name": "now", "description": "", "parameters": {} } })
}

fn offering(tools: Vec<Value>) -> Conversation {
    let content = "Weather?".to_owned();
    let role = Role::User;
    Conversation {
        turns: vec![Turn::Said(Message { role, content })],
        tools,
        ..Conversation::default()
    }
}

fn request(conversation: Conversation) -> Request {
    Request {
        prompt: Prompt::Chat(conversation),
        sampling: Sampling::default(),
        max_tokens: 100,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 1.0,
        caller: nibble_engine::Caller::default(),
        ..Request::default()
    }
}

/// The text, the calls, why the answer ended, and its number of tokens.
fn ask(engine: &Engine, request: Request) -> (String, Vec<ToolCall>, FinishReason, usize) {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for event in block_on_stream(engine.submit(request).expect("the request is accepted")) {
        match event {
            Event::Queued { .. } => {}
            Event::Prefill { .. } => {}
            Event::Learned(learned) => panic!("{learned:?}"),
            Event::Thought(piece) => panic!("{piece}"),
            Event::Text(piece) => text += &piece,
            Event::Called(call) => calls.push(call),
            Event::Finished(end) => return (text, calls, end.finish_reason, end.token_ids.len()),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the answer had no end");
}

fn zurich() -> Map<String, Value> {
    Map::from_iter([("where".to_owned(), "Zürich".into())])
}

#[test]
fn every_family_is_understood_also_where_its_marks_are_control_tokens() {
    for (name, before, names) in [
        ("caller_qwen.gguf", "Let me see.", &["weather", "now"][..]),
        ("caller_mistral.gguf", "", &["weather", "now"]),
        ("caller_llama.gguf", "", &["weather"]),
    ] {
        let engine = engine(name);
        let conversation = offering(vec![weather(), now()]);
        let (text, calls, reason, _) = ask(&engine, request(conversation.clone()));
        assert_eq!(
            (text.as_str(), reason),
            (before, FinishReason::Stop),
            "{name}"
        );
        let called: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(called, names, "{name}");
        assert_eq!(calls[0].arguments.object(), &zurich(), "{name}");

        // What was called and returned can be laid out for the next answer.
        let returned = calls.iter().map(|call| Turn::Returned {
            content: "fine".into(),
            call_id: Some(call.id.clone()),
            name: None,
        });
        let mut round = conversation;
        let content = text;
        round.turns.push(Turn::Answered {
            thought: String::new(),
            content,
            calls: calls.clone(),
        });
        round.turns.extend(returned);
        engine.submit(request(round)).expect("it is laid out");
    }
}

#[test]
fn without_tools_an_answer_is_text_and_control_tokens_are_not_shown() {
    for (name, expected) in [
        ("caller_qwen.gguf", "Let me see.\n<tool_call>\n"),
        ("caller_mistral.gguf", "[{\"name\": \"weather\""),
        ("caller_llama.gguf", "{\"name\": \"weather\""),
    ] {
        let engine = engine(name);
        let (text, calls, ..) = ask(&engine, request(offering(Vec::new())));
        assert!(text.starts_with(expected) && calls.is_empty(), "{text}");
    }
    let (text, calls, ..) = ask(
        &engine("caller_mistral.gguf"),
        request(offering(vec![now()])),
    );
    assert!(
        text.starts_with("[TOOL_CALLS][{") && calls.is_empty(),
        "{text}"
    );
}

#[test]
fn a_single_call_a_stop_text_and_the_limit_end_an_answer_and_lose_nothing() {
    let engine = engine("caller_qwen.gguf");
    let offered = || offering(vec![weather(), now()]);
    let single = Conversation {
        single_call: true,
        ..offered()
    };
    let (_, calls, reason, tokens) = ask(&engine, request(single));
    assert_eq!((calls.len(), reason, tokens), (1, FinishReason::Stop, 11));

    let stopped = Request {
        stop: vec!["rich".into()],
        ..request(offered())
    };
    let (text, calls, reason, _) = ask(&engine, stopped);
    let cut = "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"where\": \"Zü";
    assert_eq!(
        (text.as_str(), calls.len(), reason),
        (cut, 0, FinishReason::Stop)
    );

    let limited = Request {
        max_tokens: 6,
        ..request(offered())
    };
    let (text, calls, reason, _) = ask(&engine, limited);
    let cut = "Let me see.\n<tool_call>\n{\"name\": \"";
    assert_eq!(
        (text.as_str(), calls.len(), reason),
        (cut, 0, FinishReason::Length)
    );
}

#[test]
fn a_template_that_reads_no_tools_has_them_told_in_words() {
    let engine = engine("tiny.gguf");
    let conversation = offering(vec![now()]);
    let laid_out = engine.laid_out(&conversation, Thinking::default()).unwrap();
    assert!(
        laid_out.contains("<tools>") && laid_out.contains("\"now\""),
        "{laid_out}"
    );
}
