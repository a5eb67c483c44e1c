//! The list of models.

use super::*;
use crate::access::Access;
use crate::test_support::browser::Browser;

#[tokio::test]
async fn the_list_of_models_names_the_one_that_is_loaded() {
    assert_wire!(pretty(send(scripted(), get("/v1/models")).await).await);
    let one = send(scripted(), get("/v1/models/scripted-1b")).await;
    assert!(pretty(one).await.contains("\"id\": \"scripted-1b\""));
}

#[tokio::test]
async fn a_draft_model_is_told_of_the_model_that_it_guesses_for() {
    let drafted = Arc::new(Scripted::new(&[], Duration::ZERO).drafted_by("Small"));
    let list = text(send(drafted.clone(), get("/v1/models")).await).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let expected = json!({ "name": "Small", "weight_bytes": 80_000_000 });
    assert_eq!(list["data"][0]["nibble"]["draft"], expected);
    let body = json!({ "model": "scripted-1b" });
    let shown = text(send(drafted, post("/api/show", body)).await).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["model_info"]["nibble.draft_model"], "Small");
}

#[tokio::test]
async fn paths_are_there_without_v1_and_with_a_slash_at_their_end() {
    for path in ["/v1/models", "/v1/models/", "/models", "/models/"] {
        let list = send(scripted(), get(path)).await;
        assert!(pretty(list).await.contains("\"context_length\": 2048"));
    }
    for path in ["/models/scripted-1b", "/v1/models/scripted-1b/"] {
        assert_eq!(send(scripted(), get(path)).await.status(), 200, "{path}");
    }
    for path in [
        "/chat/completions",
        "/chat/completions/",
        "/v1/chat/completions/",
    ] {
        let response = send(scripted(), post(path, question(json!({})))).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(crate::api::owns(path), "{path}");
    }
    for path in ["/", "/chats", "/messages/1", "/modelsx", "/models", "/v10"] {
        assert_eq!(crate::api::owns(path), path == "/models", "{path}");
    }
}

#[tokio::test]
async fn other_names_that_the_model_goes_by_are_listed_and_taken() {
    let server = Browser::with_access(Access {
        served_names: vec!["gpt-3.5-turbo".into(), "a/b".into(), "scripted-1b".into()],
        ..Access::default()
    });
    let list = server.get("/v1/models").await.json();
    let names: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(names, ["scripted-1b", "gpt-3.5-turbo", "a/b"]);
    let one = server.get("/v1/models/a/b").await.json();
    assert_eq!(one["id"], "a/b");
    let tags = server.get("/api/tags").await.json();
    assert_eq!(tags["models"][1]["name"], "gpt-3.5-turbo:latest");
    for (name, status) in [
        ("gpt-3.5-turbo", 200),
        ("a/b", 200),
        ("gpt-3.5-turbo:latest", 200),
        ("scripted-1b:latest", 200),
        ("scripted-1b:q4", 404),
        ("gpt-4o", 404),
        ("GPT-3.5-turbo", 404),
    ] {
        for path in [
            "/v1/chat/completions",
            "/v1/responses",
            "/v1/messages",
            "/api/chat",
            "/tokenize",
        ] {
            let mut body = question(json!({ "model": name }));
            let fields = body.as_object_mut().unwrap();
            match path {
                "/v1/responses" => {
                    fields.remove("messages");
                    fields.insert("input".into(), "Hi".into());
                }
                "/tokenize" => {
                    fields.remove("messages");
                    fields.insert("content".into(), "Hi".into());
                }
                "/api/chat" => {
                    fields.insert("stream".into(), false.into());
                }
                _ => {}
            }
            let mut request = post(path, body);
            let host = "localhost".parse().unwrap();
            request.headers_mut().insert(header::HOST, host);
            let reply = server.send(request).await;
            assert_eq!(reply.status, status, "{path} {name}: {}", reply.body);
        }
    }
}
