//! Several answers to one question.

use super::*;

#[tokio::test]
async fn several_answers_are_choices_whose_prompt_counts_once() {
    let response = send(scripted(), ask(question(json!({ "n": 2 })))).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["message"]["content"], "Hello!");
        assert_eq!(choice["nibble"]["finish_reason"], "stop");
    }
    assert_eq!(body["usage"]["prompt_tokens"], 10);
    assert_eq!(body["usage"]["completion_tokens"], 6);
    assert_eq!(body["usage"]["total_tokens"], 16);
    let fields = json!({ "prompt": ["a", "b"], "n": 2, "best_of": 2, "echo": true });
    let response = send(scripted(), complete(fields)).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let texts = body["choices"].as_array().unwrap().iter();
    let texts: Vec<_> = texts
        .map(|choice| choice["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["aHello!", "aHello!", "bHello!", "bHello!"]);
    assert_eq!(body["usage"]["prompt_tokens"], 20);
}

#[tokio::test]
async fn streamed_choices_carry_their_index_and_done_comes_once() {
    let fields = json!({ "n": 3, "stream": true, "stream_options": { "include_usage": true } });
    let wire = text(send(scripted(), ask(question(fields))).await).await;
    let events = wire.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events: Vec<_> = events.collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let events = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap());
    let events: Vec<Value> = events.collect();
    for index in 0..3 {
        let own = events.iter().map(|event| &event["choices"][0]);
        let own: Vec<_> = own.filter(|choice| choice["index"] == index).collect();
        assert_eq!(own[0]["delta"]["role"], "assistant");
        let said = own
            .iter()
            .filter_map(|choice| choice["delta"]["content"].as_str());
        assert_eq!(said.collect::<String>(), "Hello!");
        assert_eq!(own.last().unwrap()["finish_reason"], "stop");
    }
    let usage = &events.last().unwrap()["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"]),
        (&json!(10), &json!(9))
    );
}

#[tokio::test]
async fn seeds_of_several_answers_count_up() {
    let generator = Arc::new(Held::default());
    let body = question(json!({ "n": 3, "seed": u64::MAX, "prompt_logprobs": 0 }));
    let response = tokio::spawn(send(generator.clone(), ask(body)));
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(taken(&generator).await.0);
    }
    response.await.unwrap();
    requests.sort_by_key(|request| request.sampling.seed != Some(u64::MAX));
    let first = &requests[0];
    assert!(first.wanted.prompt_logprobs.is_some());
    let mut seeds: Vec<_> = requests
        .iter()
        .map(|request| request.sampling.seed)
        .collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [Some(0), Some(1), Some(u64::MAX)]);
    for other in &requests[1..] {
        assert_eq!(other.siblings, first.siblings);
        assert_eq!(other.wanted.prompt_logprobs, None);
    }
}
