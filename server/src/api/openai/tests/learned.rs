//! What is told beside the text: logprobs, several answers to one question, usage in every chunk, embeddings.

use nibble_engine::Speculation;

use super::*;

fn complete(fields: Value) -> Request<Body> {
    let mut body = json!({ "prompt": "Once" });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    post("/v1/completions", body)
}

async fn asked_for(request: Request<Body>) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(send(generator.clone(), request));
    let (request, _) = taken(&generator).await;
    response.await.unwrap();
    request
}

async fn refused(request: Request<Body>) -> (u16, Value, String) {
    let response = send(scripted(), request).await;
    let status = response.status().as_u16();
    let mut body: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    (status, body["error"]["param"].take(), message)
}

#[tokio::test]
async fn logprobs_of_a_chat_look_like_openais() {
    let fields = json!({ "logprobs": true, "top_logprobs": 2, "prompt_logprobs": 1 });
    let whole = pretty(send(scripted(), ask(question(fields))).await).await;
    let fields = json!({ "logprobs": true, "stream": true });
    let streamed = text(send(scripted(), ask(question(fields))).await).await;
    assert_wire!(format!("{whole}\n{streamed}"));
}

#[tokio::test]
async fn logprobs_of_a_completion_and_of_its_echo_look_like_openais() {
    let fields = json!({ "logprobs": 1, "echo": true, "prompt_logprobs": 0 });
    let whole = pretty(send(scripted(), complete(fields)).await).await;
    let fields = json!({ "logprobs": 1, "echo": true, "stream": true });
    let streamed = text(send(scripted(), complete(fields)).await).await;
    assert_wire!(format!("{whole}\n{streamed}"));
}

/// The parts of a streamed completion.
async fn parts(response: axum::response::Response) -> Vec<Value> {
    let wire = text(response).await;
    let events = wire.lines().filter_map(|line| line.strip_prefix("data: {"));
    let events = events.map(|event| serde_json::from_str(&format!("{{{event}")).unwrap());
    events.collect()
}

#[tokio::test]
async fn each_choice_of_a_stream_begins_with_the_echo_of_its_prompt() {
    for fields in [json!({}), json!({ "logprobs": 1 })] {
        let mut fields = fields;
        fields["prompt"] = json!(["Once", "Twice"]);
        for (name, value) in [
            ("n", json!(2)),
            ("echo", json!(true)),
            ("stream", json!(true)),
        ] {
            fields[name] = value;
        }
        let parts = parts(send(scripted(), complete(fields.clone())).await).await;
        for choice in 0..4 {
            let own = parts.iter().map(|part| &part["choices"][0]);
            let own: Vec<_> = own.filter(|own| own["index"] == choice).collect();
            let prompt = ["Once", "Twice"][choice / 2];
            assert_eq!(own[0]["text"], prompt, "{fields}");
            let texts = own.iter().filter_map(|own| own["text"].as_str());
            assert_eq!(texts.collect::<String>(), format!("{prompt}Hello!"));
            assert_eq!(own.last().unwrap()["finish_reason"], "stop");
            let places = own.iter().flat_map(|own| {
                let places = own["logprobs"]["text_offset"].as_array();
                places.into_iter().flatten().filter_map(Value::as_u64)
            });
            let places: Vec<_> = places.collect();
            assert!(places.is_sorted(), "{places:?}");
            assert_eq!(places.is_empty(), fields["logprobs"].is_null());
        }
    }
}

fn ended() -> nibble_engine::Completion {
    nibble_engine::Completion {
        finish_reason: nibble_engine::FinishReason::Stop,
        prompt_tokens: 2,
        cached_tokens: 0,
        token_ids: vec![5],
        metrics: nibble_engine::metrics::Metrics::default(),
    }
}

#[tokio::test]
async fn an_answer_that_is_there_before_its_echo_waits_for_it() {
    let generator = Arc::new(Held::default());
    let fields = json!({ "n": 2, "echo": true, "logprobs": 0, "stream": true });
    let response = send(generator.clone(), complete(fields)).await;
    let (_, second) = generator.take().unwrap();
    let (_, first) = generator.take().unwrap();
    let likely = |token, bytes: &[u8]| nibble_engine::Logprob {
        token,
        bytes: bytes.to_vec(),
        logprob: -1.0,
        rank: 1,
    };
    let told = |bytes| nibble_engine::Logprobs {
        chosen: likely(5, bytes),
        likeliest: Vec::new(),
    };
    let parts = tokio::spawn(parts(response));
    for piece in ["So", " it"] {
        let token = nibble_engine::Learned::Token(told(piece.as_bytes()));
        second.send(Event::Learned(token));
        second.send(Event::Text(piece.to_owned()));
    }
    second.send(Event::Finished(ended()));
    drop(second);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    first.send(Event::Learned(nibble_engine::Learned::Prompt(
        nibble_engine::PromptLogprobs {
            first: 1,
            first_bytes: b"On".to_vec(),
            rest: vec![told(b"ce")],
        },
    )));
    first.send(Event::Text("And".to_owned()));
    first.send(Event::Finished(ended()));
    let parts = parts.await.unwrap();
    let of = |choice: u64| {
        let parts = parts.iter().map(|part| &part["choices"][0]);
        let own = parts.filter(move |own| own["index"] == choice);
        let own: Vec<_> = own.map(|own| own["text"].as_str().unwrap()).collect();
        own
    };
    assert_eq!(of(0), ["Once", "And", ""]);
    assert_eq!(of(1), ["Once", "So it", ""]);
    let second: Vec<_> = parts
        .iter()
        .filter(|part| part["choices"][0]["index"] == 1)
        .collect();
    assert_eq!(
        second[1]["choices"][0]["logprobs"]["text_offset"],
        json!([4, 6])
    );
}

#[tokio::test]
async fn tokens_are_told_by_their_ids_where_that_is_asked_for() {
    let by_id = json!(true);
    let fields = json!({ "logprobs": 1, "return_tokens_as_token_ids": by_id });
    let body = text(send(scripted(), complete(fields)).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let told = &body["choices"][0]["logprobs"];
    assert_eq!(told["tokens"][0], "token_id:0");
    assert_eq!(told["top_logprobs"][0]["token_id:900"], -0.3);
    let fields = json!({ "logprobs": true, "return_tokens_as_token_ids": by_id });
    let body = text(send(scripted(), ask(question(fields))).await).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let told = &body["choices"][0]["logprobs"]["content"];
    assert_eq!(told[1]["token"], "token_id:1");
}

#[tokio::test]
async fn a_prompt_alone_can_be_scored() {
    let fields = json!({ "logprobs": 1, "echo": true, "max_tokens": 0 });
    let response = send(scripted(), complete(fields)).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(
        (&choice["text"], &choice["finish_reason"]),
        (&json!("Once"), &json!("length"))
    );
    assert_eq!(choice["logprobs"]["token_logprobs"], json!([null, -1.1]));
    assert_eq!(
        choice["logprobs"]["top_logprobs"][1],
        json!({ " or": -0.3, "Once": -1.1 })
    );
    let (status, param, _) = refused(complete(json!({ "max_tokens": 0, "echo": true }))).await;
    assert_eq!((status, param), (400, json!("max_tokens")));
}

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

#[tokio::test]
async fn usage_comes_with_every_chunk_where_that_is_asked_for() {
    let options = json!({ "include_usage": true, "continuous_usage_stats": true });
    let fields = json!({ "stream": true, "stream_options": options });
    for request in [ask(question(fields.clone())), complete(fields)] {
        let wire = text(send(scripted(), request).await).await;
        let events = wire.lines().filter_map(|line| line.strip_prefix("data: {"));
        let events = events.map(|event| serde_json::from_str(&format!("{{{event}")).unwrap());
        let events: Vec<Value> = events.collect();
        let counts = events
            .iter()
            .map(|event| event["usage"]["completion_tokens"].as_u64());
        let counts: Vec<_> = counts.map(Option::unwrap).collect();
        assert!(counts.ends_with(&[1, 2, 3, 3, 3]), "{counts:?}");
        assert_eq!(events.last().unwrap()["usage"]["prompt_tokens"], 10);
    }
}

#[tokio::test]
async fn an_answer_without_a_limit_ends_at_the_servers() {
    let generator = Arc::new(Held::default());
    let context = generator.info().context;
    for (fields, expected) in [
        (json!({}), 1500),
        (json!({ "max_tokens": 100_000 }), context),
        (json!({ "max_tokens": -1 }), context),
        (json!({ "max_tokens": 5 }), 5),
    ] {
        assert_eq!(asked(question(fields)).await.max_tokens, expected);
    }
}

#[tokio::test]
async fn the_choice_is_steered_in_everybodys_words() {
    let steering = |fields: Value| async { asked(question(fields)).await.steering };
    let found = steering(json!({
        "logit_bias": { "5": -100, "7": 1.5 }, "presence_penalty": 0.5, "frequency_penalty": -1,
        "repetition_penalty": 1.25, "min_tokens": 3, "ignore_eos": true, "stop_token_ids": [2],
    }))
    .await;
    assert_snapshot!(format!("{found:#?}"));
    let found = steering(json!({ "logit_bias": [[5, false], [7, 1]], "min_new_tokens": 1 })).await;
    assert_eq!(found.logit_bias, [(5, f32::NEG_INFINITY), (7, 1.0)]);
    assert_eq!(found.min_tokens, 1);
    let found = asked(question(json!({
        "allowed_token_ids": [5, 7], "bad_words": ["no"], "include_stop_str_in_output": true,
        "skip_special_tokens": false, "thinking_token_budget": 9, "n_predict": 4,
    })))
    .await;
    assert_eq!(found.steering.allowed_token_ids, [5, 7]);
    assert_eq!(found.steering.bad_words, ["no"]);
    assert!(found.revealed.stop && found.revealed.control_tokens);
    assert_eq!((found.thinking.budget, found.max_tokens), (Some(9), 4));
    for (fields, penalty, window) in [
        (json!({ "repeat_penalty": 1.1 }), 1.1, Some(64)),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": 9 }),
            1.1,
            Some(9),
        ),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": -1 }),
            1.1,
            None,
        ),
        (
            json!({ "repeat_penalty": 1.1, "repeat_last_n": 0 }),
            1.0,
            Some(0),
        ),
        (json!({ "repetition_penalty": 1.1 }), 1.1, None),
        (
            json!({ "repeat_last_n": 64, "repeat_penalty": 1 }),
            1.0,
            None,
        ),
    ] {
        let found = steering(fields.clone()).await;
        let found = (found.repetition_penalty, found.repetition_window);
        assert_eq!(found, (penalty, window), "{fields}");
    }
}

#[tokio::test]
async fn how_far_to_guess_is_said_in_a_word_or_a_number() {
    for (fields, expected) in [
        (json!({}), None),
        (json!({ "speculate": "auto" }), Some(Speculation::Auto)),
        (json!({ "speculate": "off" }), Some(Speculation::Off)),
        (json!({ "speculate": 4 }), Some(Speculation::Fixed(4))),
        (
            json!({ "speculative.n_max": 0 }),
            Some(Speculation::Fixed(0)),
        ),
    ] {
        assert_eq!(asked(question(fields)).await.speculation, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_by_name() {
    for (name, value) in [
        ("top_logprobs", json!(3)),
        ("prompt_logprobs", json!(21)),
        ("prompt_logprobs", json!(-1)),
        ("n", json!(0)),
        ("n", json!(9)),
        ("best_of", json!(2)),
        ("logit_bias", json!({ "a": 1 })),
        ("logit_bias", json!({ "5": "a" })),
        ("logit_bias", json!({ "5": 101 })),
        ("logit_bias", json!([5])),
        ("logit_bias", json!("a")),
        ("presence_penalty", json!(2.5)),
        ("frequency_penalty", json!(-3)),
        ("repetition_penalty", json!(0)),
        ("repeat_last_n", json!(-2)),
        ("min_tokens", json!(-1)),
        ("min_tokens", json!(100_000)),
        ("speculate", json!(17)),
        ("speculate", json!("on")),
        ("stop_token_ids", json!(vec![1; 129])),
        ("stop_token_ids", json!(["a"])),
        ("logprobs", json!(5)),
    ] {
        let (status, param, message) = refused(ask(question(json!({ name: value })))).await;
        let param = param.as_str().unwrap_or_default();
        assert_eq!(status, 400, "{message}");
        assert!(
            param.starts_with(name) && message.contains(&format!("`{name}")),
            "{message}"
        );
    }
    for (fields, param) in [
        (
            json!({ "logprobs": true, "top_logprobs": 21 }),
            "top_logprobs",
        ),
        (
            json!({ "prompt_logprobs": 1, "stream": true }),
            "prompt_logprobs",
        ),
        (
            json!({ "repeat_penalty": 1.1, "repetition_penalty": 1.1 }),
            "repeat_penalty",
        ),
    ] {
        assert_eq!(refused(ask(question(fields))).await.1, param);
    }
    for (fields, param) in [
        (json!({ "logprobs": 21 }), "logprobs"),
        (json!({ "logprobs": -1 }), "logprobs"),
        (
            json!({ "logprobs": 4, "echo": true, "prompt": vec!["a"; 13] }),
            "logprobs",
        ),
        (json!({ "prompt": vec!["a"; 9], "n": 2 }), "n"),
    ] {
        assert_eq!(refused(complete(fields)).await.1, param);
    }
}

#[tokio::test]
async fn prompts_of_many_tokens_are_read() {
    let request = asked_for(complete(json!({ "prompt": vec![7; 100_000] }))).await;
    assert!(matches!(request.prompt, Prompt::Tokens(tokens) if tokens.len() == 100_000));
}

fn embed(fields: Value) -> Request<Body> {
    let mut body = json!({ "input": "Once" });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    post("/v1/embeddings", body)
}

#[tokio::test]
async fn embeddings_look_like_openais_and_have_the_length_1() {
    let floats = pretty(send(scripted(), embed(json!({ "input": ["a", "b"] }))).await).await;
    let fields = json!({ "dimensions": 2, "encoding_format": "base64", "user": "someone" });
    let bytes = pretty(send(scripted(), embed(fields)).await).await;
    assert_wire!(format!("{floats}\n{bytes}"));
}

#[tokio::test]
async fn more_inputs_than_have_a_place_come_in_order() {
    let inputs: Vec<_> = (0..40).map(|token| vec![token]).collect();
    let response = send(scripted(), embed(json!({ "input": inputs }))).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let data = body["data"].as_array().unwrap();
    assert_eq!(data.len(), 40);
    assert!((0..).zip(data).all(|(index, item)| item["index"] == index));
    assert_eq!(body["usage"]["prompt_tokens"], 400);
}

#[tokio::test]
async fn inputs_reach_the_engine_as_they_are() {
    for (fields, prompt, pooling) in [
        (
            json!({}),
            Prompt::Raw("Once".into()),
            nibble_engine::Pooling::Mean,
        ),
        (
            json!({ "input": [1, 2], "pooling": "last" }),
            Prompt::Tokens(vec![1, 2]),
            nibble_engine::Pooling::Last,
        ),
    ] {
        let request = asked_for(embed(fields)).await;
        assert_eq!(request.prompt, prompt);
        assert_eq!(request.wanted.embedding, Some(pooling));
        assert_eq!(request.max_tokens, 0);
    }
}

#[tokio::test]
async fn what_no_embedding_can_be_is_refused_by_name() {
    for (name, value) in [
        ("input", json!([])),
        ("input", json!(vec!["a"; 2049])),
        ("input", json!([1, "a"])),
        ("dimensions", json!(0)),
        ("dimensions", json!(4)),
        ("encoding_format", json!("int8")),
        ("pooling", json!("cls")),
        ("temperature", json!(1)),
    ] {
        let (status, param, message) = refused(embed(json!({ name: value }))).await;
        assert_eq!((status, param), (400, json!(name)), "{message}");
    }
    let long = Refusing::with(|| Error::TooLong {
        field: "prompt",
        tokens: 9,
        is_exact: true,
        context: 8,
    });
    let response = send(long, embed(json!({}))).await;
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["error"]["param"], "input");
    assert_eq!(body["error"]["code"], "context_length_exceeded");
}
