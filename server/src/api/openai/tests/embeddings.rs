//! What texts and tokens come to as vectors.

use super::*;

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
async fn no_more_inputs_are_asked_at_a_time_than_may_wait() {
    let generator = Arc::new(Held::of_queue(2));
    let request = embed(json!({ "input": ["a", "b", "c"] }));
    let response = tokio::spawn(send(generator.clone(), request));
    let (one, sender) = taken(&generator).await;
    let (other, _) = taken(&generator).await;
    let mut asked = [one.prompt, other.prompt].map(|prompt| match prompt {
        Prompt::Raw(text) => text,
        other => panic!("{other:?}"),
    });
    asked.sort_unstable();
    assert_eq!(asked, ["a", "b"]);
    assert!(generator.take().is_none(), "the third has to wait");
    drop(sender);
    let status = response.await.unwrap().status();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
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
        (
            json!({ "input": "ab", "add_special_tokens": true }),
            Prompt::Raw("ab".into()),
            nibble_engine::Pooling::Mean,
        ),
        (
            json!({ "input": "ab", "add_special_tokens": false }),
            Prompt::Tokens(vec![97, 98]),
            nibble_engine::Pooling::Mean,
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
