//! Chat completions and models in-process: the wire against snapshots, refusals, failures.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use futures::StreamExt;
use insta::{assert_snapshot, with_settings};
use nibble_engine::{Error, Event, Prompt};
use serde_json::{Value, json};

use crate::generator::Generator;
use crate::test_support::client::{Refusing, get, post, pretty, scripted, send, taken, text};
use crate::test_support::held::Held;
use crate::test_support::scripted::Scripted;

fn ask(body: impl ToString) -> Request<Body> {
    post("/v1/chat/completions", body)
}

/// A question with `fields` beside it.
fn question(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// What the engine was asked for `body`.
async fn asked(body: Value) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(send(generator.clone(), ask(body)));
    let (request, _) = taken(&generator).await;
    // The sender went with the request, so the answer ends at once.
    assert_eq!(
        response.await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    request
}

/// The status, `param` and message that `body` is refused with.
async fn refusal(body: impl ToString) -> (u16, Value, String) {
    let response = send(scripted(), ask(body)).await;
    let status = response.status().as_u16();
    let mut body: Value = serde_json::from_str(&text(response).await).unwrap();
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    (status, body["error"]["param"].take(), message)
}

macro_rules! assert_wire {
    ($text:expr) => {{
        let text = $text;
        with_settings!({filters => [
            ("cmpl-[0-9a-f]{32}", "cmpl-ID"),
            (r#"("created": ?)\d+"#, "${1}TIME"),
        ]}, { assert_snapshot!(text) })
    }};
}

mod answers;
mod completions;
mod constraint;
mod continued;
mod failures;
mod fields;
mod known;
mod learned;
mod limits;
mod messages;
mod models;
mod responses;
mod thoughts;
mod tools;
