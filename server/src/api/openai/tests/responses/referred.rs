//! Items of responses that are referred to.

use nibble_engine::{Prompt, Turn};

use super::*;
use crate::access::Access;
use crate::keys::Keys;
use crate::models::Models;
use crate::state::AppState;
use crate::test_support::client::{send_to, state};

const ANNA: &str = "sk-0123456789abcdef-anna";
const BEN: &str = "sk-0123456789abcdef-bens";

/// A server whose engine is played by hand.
fn server(keys: Option<Keys>) -> (AppState, Arc<Held>) {
    let held = Arc::new(Held::default());
    let access = Access {
        keys: keys.map(Arc::new),
        ..Access::default()
    };
    (state(Models::only(held.clone())).with(access), held)
}

fn with_key(mut request: Request<Body>, key: &str) -> Request<Body> {
    let value = key.parse().unwrap();
    request.headers_mut().insert("x-api-key", value);
    request
}

/// The items of a response that thinks, says `said` and calls.
async fn items(
    server: &AppState,
    held: &Arc<Held>,
    request: Request<Body>,
    said: &str,
) -> Vec<Value> {
    let response = tokio::spawn({
        let server = server.clone();
        async move { text(send_to(&server, request).await).await }
    });
    let (_, sender) = taken(held).await;
    sender.send(Event::Thought("Hm.".into()));
    sender.send(Event::Text(said.into()));
    sender.send(Event::Called(ToolCall {
        id: "abcdefghi".into(),
        name: "notes__add".into(),
        arguments: Arguments::parse(r#"{"a":1}"#).unwrap(),
    }));
    sender.send(Event::Finished(nibble_engine::Completion {
        finish_reason: nibble_engine::FinishReason::Stop,
        prompt_tokens: 2,
        cached_tokens: 0,
        token_ids: vec![5],
        metrics: nibble_engine::metrics::Metrics::default(),
    }));
    let body = response.await.unwrap();
    // The last event of a stream has the whole response.
    let last = body
        .lines()
        .rev()
        .find(|line| line.contains("\"output\""))
        .unwrap();
    let body: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
    let output = body["response"]["output"]
        .as_array()
        .or(body["output"].as_array());
    output.unwrap().clone()
}

fn reference(item: &Value) -> Value {
    json!({ "type": "item_reference", "id": item["id"] })
}

/// A question of a conversation that goes on behind these items.
fn further(items: &[Value]) -> Value {
    let said = json!({ "role": "user", "content": "Hi" });
    let returned =
        json!({ "type": "function_call_output", "call_id": "abcdefghi", "output": "done" });
    let references = items.iter().map(reference);
    let input: Vec<_> = [said]
        .into_iter()
        .chain(references)
        .chain([returned])
        .collect();
    json!({ "input": input })
}

/// The status and message of a refusal.
async fn refusal(server: &AppState, request: Request<Body>) -> (u16, Value, String) {
    let response = send_to(server, request).await;
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    (status, body["error"]["param"].clone(), message)
}

#[tokio::test]
async fn items_of_an_earlier_response_are_read_as_if_they_had_come_along() {
    let tools = json!([{ "type": "namespace", "name": "notes", "tools": [{ "type": "function", "name": "add" }] }]);
    for stream in [false, true] {
        let (server, held) = server(None);
        let first = respond(json!({ "stream": stream, "tools": tools }));
        let items = items(&server, &held, first, "I add.").await;
        let mut prompts = Vec::new();
        let mut sent = further(&[]);
        let ends = sent["input"].as_array_mut().unwrap();
        ends.splice(1..1, items.iter().cloned());
        for body in [further(&items), sent] {
            let second = post("/v1/responses", body);
            let asked = tokio::spawn({
                let server = server.clone();
                async move { send_to(&server, second).await.status() }
            });
            let (request, sender) = taken(&held).await;
            drop(sender);
            assert_eq!(asked.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
            prompts.push(request.prompt);
        }
        assert_eq!(prompts[0], prompts[1]);
        let Prompt::Chat(conversation) = &prompts[0] else {
            panic!("{prompts:?}");
        };
        let [
            _,
            Turn::Answered {
                thought,
                content,
                calls,
            },
            Turn::Returned { .. },
        ] = &conversation.turns[..]
        else {
            panic!("{:?}", conversation.turns);
        };
        assert_eq!((thought.as_str(), content.as_str()), ("Hm.", "I add."));
        assert_eq!(calls[0].name, "notes__add");
    }
}

#[tokio::test]
async fn what_is_not_kept_is_refused_with_what_to_do_instead() {
    let (server, held) = server(None);
    let unstored = respond(json!({ "store": false }));
    let items = items(&server, &held, unstored, "I add.").await;
    let (status, param, message) = refusal(&server, post("/v1/responses", further(&items))).await;
    assert_eq!((status, param), (400, json!("input[1]")), "{message}");
    let id = items[0]["id"].as_str().unwrap();
    assert!(
        message.contains(id) && message.contains("`store: false`"),
        "{message}"
    );
}

#[tokio::test]
async fn a_key_finds_no_items_of_another() {
    let keys = Keys::new(Some(&format!("anna {ANNA}\nben {BEN}")), None).unwrap();
    let (server, held) = server(Some(keys));
    let items = items(&server, &held, with_key(respond(json!({})), ANNA), "I add.").await;
    let further = post("/v1/responses", further(&items));
    let (status, param, message) = refusal(&server, with_key(further, BEN)).await;
    assert_eq!((status, param), (400, json!("input[1]")), "{message}");
    let own = with_key(post("/v1/responses", self::further(&items)), ANNA);
    let asked = tokio::spawn(async move { send_to(&server, own).await.status() });
    drop(taken(&held).await);
    assert_eq!(asked.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn items_that_are_referred_to_count_like_a_body() {
    let (server, held) = server(None);
    let large = "x".repeat(900 << 10);
    let items = items(&server, &held, respond(json!({})), &large).await;
    let said = [items[1].clone(), items[1].clone(), items[1].clone()];
    let (status, param, message) = refusal(&server, post("/v1/responses", further(&said))).await;
    assert_eq!((status, param), (400, json!("input")), "{message}");
    assert!(
        message.contains("2097152 bytes") && message.contains("`input[3]`"),
        "{message}"
    );
}
