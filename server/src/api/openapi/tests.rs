//! The document against the route table, against what is read, and against what is answered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use nibble_engine::{Arguments, ToolCall};

use super::*;
use crate::api::ENDPOINTS;
use crate::test_support::browser::Browser;
use crate::test_support::scripted::Scripted;

mod validity;

use validity::fault;

/// Beside what axum calls it, a path as the document has it.
fn in_the_document(path: &str) -> String {
    path.replace("{*id}", "{id}")
}

fn operation(path: &str, method: &str) -> &'static Value {
    &DOCUMENT["paths"][path][method]
}

async fn sent(server: &Browser, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8080")
        .header(header::CONTENT_TYPE, "application/json");
    let reply = server
        .send(request.body(Body::from(body.to_vec())).unwrap())
        .await;
    let body = serde_json::from_str(&reply.body).unwrap_or(Value::String(reply.body));
    (reply.status.as_u16(), body)
}

fn server() -> Browser {
    Browser::scripted(&["Hel", "lo"], Duration::ZERO)
}

#[test]
fn the_document_has_every_route_of_the_table_and_no_other() {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let documented: BTreeSet<_> = paths.keys().cloned().collect();
    let routed: BTreeSet<_> = ENDPOINTS
        .iter()
        .map(|(path, _)| in_the_document(path))
        .collect();
    assert_eq!(documented, routed);
}

#[tokio::test]
async fn each_path_answers_to_the_methods_of_the_document() {
    let server = server();
    for (path, _) in ENDPOINTS {
        let documented = in_the_document(path);
        let methods = DOCUMENT["paths"][&documented].as_object().unwrap();
        let path = path.replace("{*id}", "scripted-1b");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let (status, _) = sent(&server, method.as_str(), &path, b"").await;
            let is_there = methods.contains_key(&method.as_str().to_lowercase());
            // What is refused is so by whatever method.
            let answers = status != 405 && status != 501;
            let refuses = status == 501 && methods.contains_key("post");
            assert_eq!(
                is_there || refuses,
                answers || refuses,
                "{method} {path}: {status}"
            );
        }
    }
}

#[test]
fn every_shape_that_is_referred_to_is_there() {
    let text = DOCUMENT.to_string();
    let names = text.split("\"#/components/schemas/").skip(1);
    let mut count = 0;
    for name in names.map(|rest| rest.split('"').next().unwrap()) {
        assert!(
            DOCUMENT["components"]["schemas"][name].is_object(),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 40, "{count}");
}

/// The bodies that fuzzing begins with, by what they are of.
const BODIES: [(&str, &[&str]); 6] = [
    ("chat_completion", &["/v1/chat/completions"]),
    ("completion", &["/v1/completions"]),
    ("embedding", &["/v1/embeddings"]),
    ("response", &["/v1/responses"]),
    ("anthropic_message", &["/v1/messages"]),
    ("ollama_request", &["/api/chat", "/api/generate"]),
];

#[tokio::test]
async fn a_body_that_is_read_is_of_the_shape_that_the_document_has() {
    let server = server();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut read = 0;
    for (folder, paths) in BODIES {
        for body in fs::read_dir(corpus.join(folder)).unwrap() {
            let body = fs::read(body.unwrap().path()).unwrap();
            let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
                continue;
            };
            if let Some(fields) = value.as_object_mut() {
                fields.remove("model");
                fields.remove("stream");
            }
            let body = value.to_string();
            for path in paths {
                let schema = &operation(path, "post")["requestBody"]["content"]["application/json"]
                    ["schema"];
                let (status, answer) = sent(&server, "POST", path, body.as_bytes()).await;
                if status == 200 {
                    assert_eq!(fault(&DOCUMENT, schema, &value), None, "{path} {value}");
                    read += 1;
                } else {
                    assert_eq!(status / 100, 4, "{path}: {answer}");
                }
            }
        }
    }
    assert!(read >= 11, "{read} bodies were read");
}

#[test]
fn what_no_type_reads_is_of_no_shape() {
    for (path, body) in [
        ("/v1/chat/completions", json!({})),
        ("/v1/chat/completions", json!({ "messages": "Hi" })),
        (
            "/v1/chat/completions",
            json!({ "messages": [{ "content": "Hi" }] }),
        ),
        (
            "/v1/chat/completions",
            json!({ "messages": [], "temperature": "hot" }),
        ),
        (
            "/v1/chat/completions",
            json!({ "messages": [], "max_tokens": 1.5 }),
        ),
        ("/v1/responses", json!({ "input": 3 })),
        (
            "/v1/messages",
            json!({ "messages": [{ "role": "user", "content": [{}] }] }),
        ),
        ("/api/generate", json!({ "prompt": "Hi", "options": [] })),
        ("/detokenize", json!({ "tokens": ["a"] })),
    ] {
        let schema =
            &operation(path, "post")["requestBody"]["content"]["application/json"]["schema"];
        assert!(fault(&DOCUMENT, schema, &body).is_some(), "{path} {body}");
    }
}

#[tokio::test]
async fn answers_and_errors_are_as_the_document_says() {
    let arguments = Arguments::parse(r#"{"city": "Rom"}"#).unwrap();
    let call = ToolCall {
        id: "call_1".into(),
        name: "weather".into(),
        arguments,
    };
    let talking = server();
    let calling = Browser::new(std::sync::Arc::new(Scripted::calling(
        &["I look"],
        vec![call],
    )));
    let messages = json!([{ "role": "user", "content": "Hi" }]);
    let asked = [
        ("/v1/chat/completions", json!({ "messages": messages })),
        ("/v1/completions", json!({ "prompt": "Hi" })),
        ("/v1/responses", json!({ "input": "Hi" })),
        (
            "/v1/messages",
            json!({ "messages": messages, "max_tokens": 5 }),
        ),
        ("/v1/messages/count_tokens", json!({ "messages": messages })),
        (
            "/api/chat",
            json!({ "messages": messages, "stream": false }),
        ),
        ("/api/generate", json!({ "prompt": "Hi", "stream": false })),
        ("/api/show", json!({ "model": "scripted-1b" })),
        ("/tokenize", json!({ "prompt": "Hi" })),
        ("/detokenize", json!({ "tokens": [72, 105] })),
        ("/apply-template", json!({ "messages": messages })),
    ];
    let got = OPERATIONS
        .iter()
        .filter(|operation| operation.method == "get");
    let got = got.map(|operation| (operation.path, Value::Null));
    for server in [&talking, &calling] {
        for (path, body) in asked.iter().cloned().chain(got.clone()) {
            let method = if body.is_null() { "get" } else { "post" };
            let real = path.replace("{id}", "scripted-1b");
            let method_name = method.to_uppercase();
            let (status, answer) =
                sent(server, &method_name, &real, body.to_string().as_bytes()).await;
            assert_eq!(status, 200, "{path}: {answer}");
            let content = operation(path, method)["responses"]["200"]["content"]
                .as_object()
                .unwrap();
            let schema = &content.values().next().unwrap()["schema"];
            assert_eq!(fault(&DOCUMENT, schema, &answer), None, "{path} {answer}");
        }
    }
    for operation in OPERATIONS
        .iter()
        .filter(|operation| operation.method == "post")
    {
        let (status, answer) = sent(&talking, "POST", operation.path, b"{ broken").await;
        assert!(
            status == 400 || status == 501,
            "{}: {status}",
            operation.path
        );
        let refused = &DOCUMENT["paths"][operation.path]["post"]["responses"]["default"];
        let schema = &refused["content"]["application/json"]["schema"];
        assert_eq!(
            fault(&DOCUMENT, schema, &answer),
            None,
            "{} {answer}",
            operation.path
        );
    }
}
