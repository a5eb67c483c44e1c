//! What an answer must be, in the words of several servers, and calls that are demanded.

use std::path::Path;

use nibble_engine::{Constraint, Engine, Language, LoadOptions, ToolChoice};

use super::*;

fn schema() -> Value {
    json!({ "type": "object", "properties": { "a": { "enum": [1, 2] } }, "required": ["a"], "additionalProperties": false })
}

async fn constraint(fields: Value) -> Option<Constraint> {
    asked(question(fields)).await.constraint
}

/// Fields of a request, which of them is meant, and what it comes to.
fn forms() -> Vec<(Value, &'static str, Language)> {
    let object = Language::JsonObject;
    let by_schema = || Language::JsonSchema(schema());
    let lark = "start: \"a\"";
    let gbnf = "root ::= \"a\"";
    vec![
        (
            json!({ "response_format": { "type": "json_object" } }),
            "response_format",
            object.clone(),
        ),
        (
            json!({ "response_format": { "type": "json_object", "schema": schema() } }),
            "response_format",
            by_schema(),
        ),
        (
            json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "n", "strict": true, "schema": schema() } } }),
            "response_format",
            by_schema(),
        ),
        (
            json!({ "response_format": { "type": "json_schema", "schema": schema() } }),
            "response_format",
            by_schema(),
        ),
        (
            json!({ "guided_json": schema() }),
            "guided_json",
            by_schema(),
        ),
        (
            json!({ "guided_json": schema().to_string() }),
            "guided_json",
            by_schema(),
        ),
        (
            json!({ "guided_json_object": true }),
            "guided_json_object",
            object.clone(),
        ),
        (
            json!({ "guided_regex": "a+" }),
            "guided_regex",
            Language::Regex("a+".into()),
        ),
        (
            json!({ "guided_choice": [] }),
            "guided_choice",
            Language::Choice(Vec::new()),
        ),
        (
            json!({ "guided_choice": ["a", "b"] }),
            "guided_choice",
            Language::Choice(vec!["a".into(), "b".into()]),
        ),
        (
            json!({ "guided_grammar": lark }),
            "guided_grammar",
            Language::Lark(lark.into()),
        ),
        (
            json!({ "guided_grammar": gbnf }),
            "guided_grammar",
            Language::Gbnf(gbnf.into()),
        ),
        (
            json!({ "json_schema": schema() }),
            "json_schema",
            by_schema(),
        ),
        (
            json!({ "grammar": gbnf }),
            "grammar",
            Language::Gbnf(gbnf.into()),
        ),
        (
            json!({ "regex": "a+" }),
            "regex",
            Language::Regex("a+".into()),
        ),
        (json!({ "ebnf": gbnf }), "ebnf", Language::Gbnf(gbnf.into())),
    ]
}

/// The same of `structured_outputs`.
fn structured() -> Vec<(Value, Language)> {
    let gbnf = "root ::= \"a\"";
    vec![
        (
            json!({ "structured_outputs": { "json": schema() } }),
            Language::JsonSchema(schema()),
        ),
        (
            json!({ "structured_outputs": { "json_object": true } }),
            Language::JsonObject,
        ),
        (
            json!({ "structured_outputs": { "regex": "a+" } }),
            Language::Regex("a+".into()),
        ),
        (
            json!({ "structured_outputs": { "choice": ["a"], "json": null } }),
            Language::Choice(vec!["a".into()]),
        ),
        (
            json!({ "structured_outputs": { "grammar": gbnf } }),
            Language::Gbnf(gbnf.into()),
        ),
    ]
}

#[tokio::test]
async fn each_form_says_what_an_answer_must_be() {
    let structured = structured().into_iter();
    let structured = structured.map(|(fields, language)| (fields, "structured_outputs", language));
    for (fields, field, language) in forms().into_iter().chain(structured) {
        let expected = Constraint { field, language };
        assert_eq!(constraint(fields.clone()).await, Some(expected), "{fields}");
    }
}

#[tokio::test]
async fn what_says_nothing_asks_for_nothing() {
    for fields in [
        json!({ "response_format": null }),
        json!({ "response_format": { "type": "text" } }),
        json!({ "guided_json": "", "grammar": "", "guided_regex": "" }),
        json!({ "structured_outputs": { "regex": "", "grammar": "" } }),
        json!({ "structured_outputs": {}, "guided_json_object": false, "json_schema": null }),
    ] {
        assert_eq!(constraint(fields.clone()).await, None, "{fields}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    for (fields, param, words) in [
        (
            json!({ "response_format": { "type": "json_schema" } }),
            "response_format",
            "must have its `schema`",
        ),
        (
            json!({ "response_format": { "type": "xml" } }),
            "response_format",
            "found \"xml\"",
        ),
        (
            json!({ "response_format": "json" }),
            "response_format",
            "found null",
        ),
        (json!({ "guided_json": "{" }), "guided_json", "is no JSON"),
        (
            json!({ "guided_choice": "a" }),
            "guided_choice",
            "expected a sequence",
        ),
        (
            json!({ "structured_outputs": { "structural_tag": "x" } }),
            "structured_outputs",
            "`structured_outputs.structural_tag` is not supported",
        ),
        (
            json!({ "structured_outputs": { "json": {}, "regex": "a" } }),
            "structured_outputs",
            "must have one of",
        ),
        (
            json!({ "guided_regex": "a", "response_format": { "type": "json_object" } }),
            "guided_regex",
            "only one of `response_format` and `guided_regex`",
        ),
        (
            json!({ "grammar": "root ::= \"a\"", "json_schema": {} }),
            "grammar",
            "only one of `json_schema` and `grammar`",
        ),
    ] {
        let (status, found, message) = refusal(question(fields.clone())).await;
        assert_eq!((status, found), (400, json!(param)), "{fields}: {message}");
        assert!(message.contains(words), "{fields}: {message}");
    }
}

#[tokio::test]
async fn completions_and_responses_know_their_fields() {
    let asked = |path: &'static str, body: Value| async move {
        let generator = Arc::new(Held::default());
        let response = tokio::spawn(send(generator.clone(), post(path, body)));
        let (request, _) = taken(&generator).await;
        response.await.unwrap();
        request.constraint
    };
    let completion = json!({ "prompt": "a", "guided_regex": "a+" });
    let found = asked("/v1/completions", completion).await.unwrap();
    assert_eq!(found.language, Language::Regex("a+".into()));
    let format = json!({ "format": { "type": "json_schema", "name": "n", "schema": schema() } });
    let found = asked("/v1/responses", json!({ "input": "a", "text": format }))
        .await
        .unwrap();
    assert_eq!(
        (found.field, found.language),
        ("text.format", Language::JsonSchema(schema()))
    );
    let messages = json!([{ "role": "user", "content": "a" }]);
    let format = json!({ "type": "json_schema", "schema": schema() });
    let body =
        json!({ "max_tokens": 9, "messages": messages, "output_config": { "format": format } });
    let found = asked("/v1/messages", body).await.unwrap();
    assert_eq!(
        (found.field, found.language),
        ("output_config.format", Language::JsonSchema(schema()))
    );
    for (format, expected) in [
        (json!("json"), Language::JsonObject),
        (schema(), Language::JsonSchema(schema())),
    ] {
        let body = json!({ "messages": messages, "format": format });
        let found = asked("/api/chat", body).await.unwrap();
        assert_eq!((found.field, found.language), ("format", expected));
    }
}

#[tokio::test]
async fn a_choice_among_tools_reaches_the_engine() {
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name } });
    let named = json!({ "type": "function", "function": { "name": "b" } });
    for (choice, expected) in [
        (json!("auto"), ToolChoice::Free),
        (json!("required"), ToolChoice::Required),
        (named, ToolChoice::Named("b".into())),
    ] {
        let fields = json!({ "tools": [tool("a"), tool("b")], "tool_choice": choice });
        let Prompt::Chat(conversation) = asked(question(fields)).await.prompt else {
            panic!("a chat");
        };
        assert_eq!(conversation.tool_choice, expected);
        assert_eq!(conversation.tools.len(), 2);
    }
}

fn engine(name: &str) -> Arc<dyn Generator> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/fixtures");
    let engine = Engine::load(&LoadOptions {
        model: folder.join(format!("{name}.gguf")),
        threads: Some(1),
        ..LoadOptions::default()
    });
    Arc::new(engine.unwrap())
}

#[tokio::test]
async fn an_engine_answers_in_the_form_and_refuses_what_it_cannot_keep_to() {
    let engine = engine("tiny");
    let fields = json!({ "response_format": { "type": "json_schema", "json_schema": { "schema": schema() } }, "max_tokens": 60 });
    let body = json!({ "prompt": "the dog", "guided_json": schema(), "max_tokens": 60 });
    let response = send(engine.clone(), post("/v1/completions", body)).await;
    let answer: Value = serde_json::from_str(&text(response).await).unwrap();
    let written = answer["choices"][0]["text"].as_str().unwrap();
    let written: Value = serde_json::from_str(written).expect(written);
    assert!(
        [json!({ "a": 1 }), json!({ "a": 2 })].contains(&written),
        "{written}"
    );
    let mut refused = fields;
    refused["response_format"]["json_schema"]["schema"]["not"] = json!({});
    let response = send(engine, ask(question(refused))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = text(response).await;
    assert!(
        body.contains("`response_format` is not supported at `/not`"),
        "{body}"
    );
}

#[tokio::test]
async fn a_call_that_is_demanded_is_one_on_the_wire() {
    let tool =
        json!({ "type": "function", "function": { "name": "pick", "parameters": schema() } });
    let fields =
        json!({ "tools": [tool], "tool_choice": "required", "parallel_tool_calls": false });
    let response = send(engine("caller_qwen"), ask(question(fields))).await;
    let answer: Value = serde_json::from_str(&text(response).await).unwrap();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "pick");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["a"] == 1 || arguments["a"] == 2, "{arguments}");
}

#[tokio::test]
async fn a_form_beside_tools_is_taken() {
    let tool = json!({ "type": "function", "function": { "name": "pick", "strict": true, "parameters": schema() } });
    let form = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema() } });
    let engine = engine("caller_qwen");
    for choice in ["auto", "required"] {
        let fields = json!({
            "tools": [tool], "tool_choice": choice, "parallel_tool_calls": false, "response_format": form,
        });
        let response = send(engine.clone(), ask(question(fields))).await;
        assert_eq!(response.status(), StatusCode::OK, "{choice}");
        let answer: Value = serde_json::from_str(&text(response).await).unwrap();
        let choice = &answer["choices"][0];
        match choice["finish_reason"].as_str() {
            Some("tool_calls") => {
                let call = &choice["message"]["tool_calls"][0]["function"];
                assert_eq!(call["name"], "pick");
            }
            Some("stop") => {
                let content = choice["message"]["content"].as_str().unwrap();
                let written: Value = serde_json::from_str(content).expect(content);
                assert!(written["a"] == 1 || written["a"] == 2, "{written}");
            }
            other => assert_eq!(other, Some("length"), "{answer}"),
        }
    }
}
