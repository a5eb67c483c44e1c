//! What is told beside the text: logprobs, and usage in every chunk.

use super::*;

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

/// Each token with the text that is shown when it has come: one ends within a character, of another the end is held back.
const CUT: [(&[u8], &str); 6] = [
    (b"So", "So"),
    (b" \xf0\x9f", " "),
    (b"\x98\x80", "😀"),
    (b".\n\n", ".\n"),
    (b"a", "\na"),
    (b"b", "b"),
];

#[tokio::test]
async fn tokens_stand_where_they_do_whether_their_text_is_streamed_or_not() {
    for stream in [true, false] {
        let generator = Arc::new(Held::default());
        let fields = json!({ "logprobs": 0, "stream": stream, "stop": "\nObservation:" });
        let response = tokio::spawn(send(generator.clone(), complete(fields)));
        let (_, sender) = taken(&generator).await;
        for (bytes, shown) in CUT {
            let chosen = nibble_engine::Logprob {
                token: 5,
                bytes: bytes.to_vec(),
                logprob: -1.0,
                rank: 1,
            };
            let token = nibble_engine::Learned::Token(nibble_engine::Logprobs {
                chosen,
                likeliest: Vec::new(),
            });
            sender.send(Event::Learned(token));
            sender.send(Event::Text(shown.to_owned()));
        }
        sender.send(Event::Finished(ended()));
        let response = response.await.unwrap();
        let parts = match stream {
            true => parts(response).await,
            false => vec![serde_json::from_str(&text(response).await).unwrap()],
        };
        let places = parts.iter().flat_map(|part| {
            let places = part["choices"][0]["logprobs"]["text_offset"].as_array();
            places.into_iter().flatten().filter_map(Value::as_u64)
        });
        let places: Vec<_> = places.collect();
        assert_eq!(places, [0, 2, 4, 4, 7, 8], "streamed: {stream}");
    }
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
    let (status, param, _) = refused(complete(json!({ "max_tokens": 0 }))).await;
    assert_eq!((status, param), (400, json!("max_tokens")));
}

#[tokio::test]
async fn a_prompt_alone_can_be_echoed() {
    let fields = |stream: bool| {
        let options = stream.then(|| json!({ "include_usage": true }));
        json!({ "echo": true, "max_tokens": 0, "stream": stream, "stream_options": options })
    };
    let whole = text(send(scripted(), complete(fields(false))).await).await;
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(
        (
            &choice["text"],
            &choice["finish_reason"],
            &choice["logprobs"]
        ),
        (&json!("Once"), &json!("length"), &Value::Null)
    );
    let parts = parts(send(scripted(), complete(fields(true))).await).await;
    let texts: Vec<_> = parts
        .iter()
        .map(|part| &part["choices"][0]["text"])
        .collect();
    assert_eq!(texts, [&json!("Once"), &json!(""), &Value::Null]);
    assert!(
        parts
            .iter()
            .all(|part| part["choices"][0]["logprobs"].is_null())
    );
    assert_eq!(parts[1]["choices"][0]["finish_reason"], "length");
    for usage in [&whole["usage"], &parts[2]["usage"]] {
        assert_eq!(
            (&usage["prompt_tokens"], &usage["completion_tokens"]),
            (&json!(10), &json!(0))
        );
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
        assert!(
            events
                .iter()
                .all(|event| event["usage"]["prompt_tokens"] == 10)
        );
    }
}

#[tokio::test]
async fn the_usage_of_the_first_chunk_is_the_prompts() {
    let options = json!({ "include_usage": true, "continuous_usage_stats": true });
    let fields = json!({ "stream": true, "n": 2, "stream_options": options });
    let mut echoing = fields.clone();
    echoing["echo"] = json!(true);
    for request in [ask(question(fields)), complete(echoing)] {
        let generator = Arc::new(Held::default());
        let response = send(generator.clone(), request).await;
        let parts = tokio::spawn(parts(response));
        let (_, second) = generator.take().unwrap();
        let (_, first) = generator.take().unwrap();
        first.send(Event::Prefill { done: 4, total: 7 });
        first.send(Event::Prefill { done: 7, total: 7 });
        second.send(Event::Prefill { done: 7, total: 7 });
        for sender in [first, second] {
            sender.send(Event::Text("So".to_owned()));
            sender.send(Event::Finished(nibble_engine::Completion {
                prompt_tokens: 7,
                cached_tokens: 4,
                ..ended()
            }));
        }
        let parts = parts.await.unwrap();
        for part in &parts {
            let usage = &part["usage"];
            assert_eq!(usage["prompt_tokens"], 7, "{part}");
            assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4, "{part}");
        }
        // Who speaks, or the prompt, comes before the text.
        let begins = |part: &Value| {
            let choice = &part["choices"][0];
            choice["delta"]["role"] == "assistant" || choice["text"] == "Once"
        };
        assert!(parts.iter().take(2).all(begins), "{parts:?}");
        assert_eq!(parts.iter().filter(|part| begins(part)).count(), 2);
    }
}
