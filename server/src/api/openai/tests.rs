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
use crate::models::Models;
use crate::test_support::blocked::Blocked;
use crate::test_support::client::{
    Refusing, get, post, pretty, scripted, send, send_to, state, taken, text,
};
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

/// A prompt with `fields` beside it.
fn complete(fields: Value) -> Request<Body> {
    let mut body = json!({ "prompt": "Once" });
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    post("/v1/completions", body)
}

/// What the engine was asked for `body`.
async fn asked(body: Value) -> nibble_engine::Request {
    asked_for(ask(body)).await
}

/// What the engine was asked for by a request.
async fn asked_for(request: Request<Body>) -> nibble_engine::Request {
    let generator = Arc::new(Held::default());
    let response = tokio::spawn(send(generator.clone(), request));
    let (request, sender) = taken(&generator).await;
    // So the answer ends at once.
    drop(sender);
    let status = response.await.unwrap().status();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    request
}

/// The status, `param` and message that `body` is refused with.
async fn refusal(body: impl ToString) -> (u16, Value, String) {
    refused(ask(body)).await
}

/// The same of a request.
async fn refused(request: Request<Body>) -> (u16, Value, String) {
    let response = send(scripted(), request).await;
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
mod choices;
mod completions;
mod constraint;
mod continued;
mod embeddings;
mod failures;
mod fields;
mod known;
mod learned;
mod limits;
mod lists;
mod messages;
mod models;
mod responses;
mod steering;
mod thoughts;
mod tools;
