//! What a model thinks, on the wire.

use nibble_engine::metrics::Metrics;
use nibble_engine::{Completion, FinishReason, Prompt, Thinking, Turn};

use super::*;

fn thinking() -> Arc<dyn Generator> {
    Arc::new(Scripted::thinking(&["Let me", " see."], &["Hel", "lo"]))
}

#[tokio::test]
async fn what_the_model_thought_comes_beside_what_it_says() {
    let response = send(thinking(), ask(question(json!({})))).await;
    assert_wire!(pretty(response).await);
}

#[tokio::test]
async fn a_streamed_thought_comes_before_the_text() {
    let fields = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let response = send(thinking(), ask(question(fields))).await;
    assert_wire!(text(response).await);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_in_its_thought_has_no_text() {
    let response = send(thinking(), ask(question(json!({ "max_tokens": 2 })))).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["content"], "");
    assert_eq!(choice["message"]["reasoning_content"], "Let me see.");
    assert_eq!(choice["finish_reason"], "length");
    let details = &body["usage"]["completion_tokens_details"];
    assert_eq!(details["reasoning_tokens"], 2);
}

#[tokio::test]
async fn reasons_that_clients_do_not_know_are_told_apart_in_our_own_field() {
    for (reason, openais, ours) in [
        (FinishReason::Stop, "stop", "stop"),
        (FinishReason::Length, "length", "length"),
        (FinishReason::Context, "length", "context"),
        (FinishReason::Repetition, "length", "repetition"),
    ] {
        let generator = Arc::new(Held::default());
        let response = tokio::spawn(send(generator.clone(), ask(question(json!({})))));
        let (_, sender) = taken(&generator).await;
        sender.send(Event::Finished(Completion {
            finish_reason: reason,
            prompt_tokens: 1,
            cached_tokens: 0,
            token_ids: vec![1],
            metrics: Metrics::default(),
        }));
        let body = text(response.await.unwrap()).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["choices"][0]["finish_reason"], openais);
        assert_eq!(body["nibble"]["finish_reason"], ours);
    }
}

#[tokio::test]
async fn an_effort_is_a_switch_a_budget_and_a_word_for_the_template() {
    for (effort, enabled, budget) in [
        (json!(null), None, None),
        (json!("none"), Some(false), None),
        (json!("minimal"), Some(true), Some(128)),
        (json!("low"), Some(true), Some(512)),
        (json!("medium"), Some(true), Some(2048)),
        (json!("high"), Some(true), Some(8192)),
    ] {
        let request = asked(question(json!({ "reasoning_effort": effort }))).await;
        assert_eq!(request.thinking, Thinking { enabled, budget }, "{effort}");
        let Prompt::Chat(conversation) = request.prompt else {
            panic!("a chat");
        };
        let told = conversation.variables.get("reasoning_effort");
        assert_eq!(told.unwrap_or(&Value::Null), &effort);
    }
    let own = json!({ "reasoning_effort": "low", "chat_template_kwargs": { "reasoning_effort": "deep" } });
    let Prompt::Chat(conversation) = asked(question(own)).await.prompt else {
        panic!("a chat");
    };
    assert_eq!(conversation.variables["reasoning_effort"], "deep");
}

#[tokio::test]
async fn another_effort_is_refused_by_name() {
    let (status, param, message) = refusal(question(json!({ "reasoning_effort": "deep" }))).await;
    assert_eq!((status, param), (400, json!("reasoning_effort")));
    assert_eq!(
        message,
        "`reasoning_effort` must be one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`, found `deep`"
    );
    let (status, ..) = refusal(question(json!({ "reasoning_effort": 5 }))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_an_assistant_thought_goes_into_the_history_apart_from_what_it_said() {
    let call = json!({ "id": "1", "function": { "name": "now", "arguments": "{}" } });
    let body = json!({ "messages": [
        { "role": "user", "content": "Hi", "reasoning_content": "of nobody" },
        { "role": "assistant", "content": "Hello", "reasoning_content": "be kind" },
        { "role": "assistant", "content": null, "reasoning_content": "look", "tool_calls": [call] },
        { "role": "assistant", "content": "Noon", "reasoning_content": "" },
        { "role": "assistant", "content": "Yes", "reasoning_content": null },
        { "role": "assistant", "content": null, "refusal": "No.", "reasoning": "never" },
    ] });
    let Prompt::Chat(conversation) = asked(body).await.prompt else {
        panic!("a chat");
    };
    let turns = conversation.turns.iter().map(|turn| match turn {
        Turn::Said(message) => (None, message.content.as_str(), 0),
        Turn::Answered {
            thought,
            content,
            calls,
        } => (Some(thought.as_str()), content.as_str(), calls.len()),
        Turn::Returned { .. } => panic!("{turn:?}"),
    });
    assert_eq!(
        turns.collect::<Vec<_>>(),
        [
            (None, "Hi", 0),
            (Some("be kind"), "Hello", 0),
            (Some("look"), "", 1),
            (None, "Noon", 0),
            (None, "Yes", 0),
            (Some("never"), "No.", 0),
        ]
    );
}
