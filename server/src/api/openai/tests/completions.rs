//! Completions of text and of tokens.

use super::*;

#[tokio::test]
async fn a_completion_in_one_piece_looks_like_openais() {
    let response = send(scripted(), complete(json!({ "echo": true }))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_wire!(pretty(response).await);
}

#[tokio::test]
async fn a_streamed_completion_ends_with_its_reason_its_usage_and_done() {
    let fields =
        json!({ "echo": true, "stream": true, "stream_options": { "include_usage": true } });
    assert_wire!(text(send(scripted(), complete(fields)).await).await);
}

#[tokio::test]
async fn each_prompt_of_a_list_is_a_choice() {
    for (prompt, first, second) in [
        (json!(["a", "b"]), "aHello!", "bHello!"),
        (json!([[97, 98], [99]]), "abHello!", "cHello!"),
    ] {
        let fields = json!({ "prompt": prompt, "echo": true });
        let body: Value =
            serde_json::from_str(&text(send(scripted(), complete(fields)).await).await).unwrap();
        assert_eq!(body["choices"][0]["text"], first);
        assert_eq!(body["choices"][1]["text"], second);
        assert_eq!(body["choices"][1]["index"], 1);
        assert_eq!(body["choices"][1]["nibble"]["finish_reason"], "stop");
        assert_eq!(body["usage"]["completion_tokens"], 6);
        assert_eq!(body["usage"]["prompt_tokens"], 20);
    }
}

#[tokio::test]
async fn streamed_choices_end_each_for_itself_and_done_comes_once() {
    let fields = json!({ "prompt": ["a", "b"], "stream": true, "stream_options": { "include_usage": true } });
    let wire = text(send(scripted(), complete(fields)).await).await;
    let events = wire.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events: Vec<_> = events.collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let events = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap());
    let events: Vec<Value> = events.collect();
    for choice in 0..2 {
        let own: Vec<_> = events
            .iter()
            .filter(|event| event["choices"][0]["index"] == choice)
            .collect();
        let said: String = own
            .iter()
            .filter_map(|event| event["choices"][0]["text"].as_str())
            .collect();
        assert_eq!(said, "Hello!");
        assert_eq!(own.last().unwrap()["choices"][0]["finish_reason"], "stop");
    }
    assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn a_choice_that_fails_ends_all() {
    let generator = Arc::new(Held::default());
    let fields = json!({ "prompt": ["a", "b"], "stream": true });
    let response = send(generator.clone(), complete(fields)).await;
    let (_, fails) = generator.take().unwrap();
    let (_, goes_on) = generator.take().unwrap();
    fails.send(Event::Failed(Error::Broken));
    let wire = text(response).await;
    assert!(
        wire.contains("\"error\"") && !wire.contains("[DONE]"),
        "{wire}"
    );
    assert!(goes_on.is_abandoned());
}

#[tokio::test]
async fn prompts_reach_the_engine_as_they_are() {
    let fields = json!({
        "prompt": "<|im_start|>", "temperature": 0.5, "top_k": 3, "max_tokens": 7, "stop": "a", "seed": 1,
        "n": 1, "best_of": 1, "suffix": null, "logprobs": null, "user": "someone",
    });
    let request = asked_for(complete(fields)).await;
    assert_eq!(request.prompt, Prompt::Raw("<|im_start|>".into()));
    assert_eq!(
        (
            request.max_tokens,
            request.sampling.top_k,
            request.sampling.seed
        ),
        (7, 3, Some(1))
    );
    assert_eq!(request.stop, ["a"]);
    let tokens = asked_for(complete(json!({ "prompt": [1, 2] }))).await;
    assert_eq!(tokens.prompt, Prompt::Tokens(vec![1, 2]));
}

#[tokio::test]
async fn a_prompt_begins_with_the_models_first_token_unless_that_is_denied() {
    let fields = json!({ "prompt": "ab", "add_special_tokens": false, "echo": true });
    let body = text(send(scripted(), complete(fields.clone())).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["choices"][0]["text"], "abHello!");
    let request = asked_for(complete(fields)).await;
    assert_eq!(request.prompt, Prompt::Tokens(vec![97, 98]));
}

#[tokio::test]
async fn what_a_completion_cannot_do_is_refused_by_name() {
    for (name, value) in [
        ("suffix", json!("the end")),
        ("logprobs", json!(21)),
        ("logprobs", json!("a")),
        ("best_of", json!(2)),
        ("n", json!(9)),
        ("messages", json!([])),
        ("tools", json!([])),
        ("prompt", json!([])),
        ("prompt", json!([1, "a"])),
        ("prompt", json!(vec!["a"; 1025])),
        ("prompt", json!([-1])),
        ("echo", json!("yes")),
        ("max_tokens", json!(0)),
        ("temperature", json!(3)),
    ] {
        let (status, param, message) = refused(complete(json!({ name: value }))).await;
        assert_eq!((status, param), (400, json!(name)), "{message}");
        assert!(message.contains(&format!("`{name}`")), "{message}");
    }
}

#[tokio::test]
async fn prompts_of_many_tokens_are_read() {
    let request = asked_for(complete(json!({ "prompt": vec![7; 100_000] }))).await;
    assert!(matches!(request.prompt, Prompt::Tokens(tokens) if tokens.len() == 100_000));
}
