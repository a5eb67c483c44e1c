//! Answers that go on with the last message.

use super::*;

/// A question, and the beginning of its answer, with `fields` beside them.
fn begun(fields: Value) -> Value {
    let messages = json!([
        { "role": "user", "content": "Hi" },
        { "role": "assistant", "content": "Well, " },
    ]);
    let mut body = question(fields);
    body["messages"] = messages;
    body
}

async fn continues_last(fields: Value) -> bool {
    match asked(begun(fields)).await.prompt {
        Prompt::Chat(conversation) => conversation.continues_last,
        prompt => panic!("{prompt:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_has_begun_is_continued_where_that_is_asked_for() {
    for fields in [
        json!({ "continue_final_message": true }),
        json!({ "continue_final_message": true, "add_generation_prompt": false }),
        json!({ "continue_final_message": true, "add_generation_prompt": null }),
    ] {
        assert!(continues_last(fields).await);
    }
    for fields in [
        json!({}),
        json!({ "continue_final_message": null }),
        json!({ "continue_final_message": false }),
        json!({ "continue_final_message": false, "add_generation_prompt": true }),
    ] {
        assert!(!continues_last(fields).await);
    }
}

#[tokio::test]
async fn a_message_that_is_a_prefix_is_continued() {
    let said = |prefix: Value| {
        json!({ "messages": [
            { "role": "user", "content": "Hi", "prefix": true },
            { "role": "assistant", "content": "Hel", "prefix": prefix },
        ] })
    };
    for (prefix, continues) in [
        (json!(true), true),
        (json!(false), false),
        (json!(null), false),
    ] {
        let Prompt::Chat(conversation) = asked(said(prefix)).await.prompt else {
            panic!("a chat");
        };
        assert_eq!(conversation.continues_last, continues);
    }
}

#[tokio::test]
async fn what_an_assistant_called_or_spoke_in_older_forms_is_refused_by_name() {
    for name in ["function_call", "audio"] {
        let said = json!({ "role": "assistant", "content": "", name: { "id": "a" } });
        let (status, param, _) = refusal(json!({ "messages": [said] })).await;
        assert_eq!((status, param), (400, json!(format!("messages[0].{name}"))));
    }
}

#[tokio::test]
async fn the_reply_holds_what_follows_the_last_message() {
    let body = begun(json!({ "continue_final_message": true }));
    let response = send(scripted(), ask(body)).await;
    assert_eq!(response.status(), 200);
    let reply: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "Hello!");
}

#[tokio::test]
async fn the_last_message_is_not_both_continued_and_answered() {
    let both = json!({ "continue_final_message": true, "add_generation_prompt": true });
    let (status, param, message) = refusal(begun(both)).await;
    assert_eq!((status, param), (400, json!("continue_final_message")));
    for name in ["`continue_final_message`", "`add_generation_prompt`"] {
        assert!(message.contains(name), "{message}");
    }
    let (status, param, _) = refusal(begun(json!({ "continue_final_message": "yes" }))).await;
    assert_eq!((status, param), (400, json!("continue_final_message")));
}

#[tokio::test]
async fn only_a_message_of_the_assistant_is_continued() {
    let call = json!([{ "id": "1", "type": "function", "function": { "name": "now", "arguments": "{}" } }]);
    for last in [
        json!({ "role": "user", "content": "Hi" }),
        json!({ "role": "assistant", "content": "Well", "tool_calls": call }),
        json!({ "role": "tool", "content": "noon", "tool_call_id": "1" }),
    ] {
        let mut body = begun(json!({ "continue_final_message": true }));
        body["messages"].as_array_mut().unwrap().push(last);
        let (status, param, message) = refusal(body).await;
        assert_eq!((status, param), (400, json!("messages")), "{message}");
        assert!(message.contains("`assistant`"), "{message}");
    }
}
