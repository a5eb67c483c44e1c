//! Messages in all the forms that clients send.

use super::*;

#[tokio::test]
async fn an_assistant_that_said_nothing_said_an_empty_text() {
    for said in [
        json!({ "role": "assistant", "content": null }),
        json!({ "role": "assistant" }),
        json!({ "role": "assistant", "content": null, "tool_calls": [] }),
    ] {
        let messages = json!([{ "role": "user", "content": "Hi" }, said, { "role": "user", "content": "Well?" }]);
        let Prompt::Chat(conversation) = asked(json!({ "messages": messages })).await.prompt else {
            panic!("a chat");
        };
        let silent = nibble_engine::Message {
            role: nibble_engine::Role::Assistant,
            content: String::new(),
        };
        assert_eq!(conversation.turns[1], nibble_engine::Turn::Said(silent));
    }
    for role in ["user", "system"] {
        let body = json!({ "messages": [{ "role": role, "content": null }] });
        assert_eq!(refusal(body).await.0, 400, "{role}");
    }
}

#[tokio::test]
async fn messages_that_the_model_cannot_read_are_refused_by_place() {
    let mut refusals = String::new();
    for message in [
        json!({ "role": "robot", "content": "beep" }),
        json!({ "role": "user" }),
        json!({ "role": "user", "content": 7 }),
        json!({ "content": "who?" }),
        json!({ "role": "user", "content": [{ "type": "text", "text": "see" }, { "type": "image_url", "image_url": {} }] }),
    ] {
        let (status, param, message) = refusal(json!({ "messages": [message] })).await;
        assert_eq!(status, 400);
        refusals += &format!("{param}: {message}\n");
    }
    assert_snapshot!(refusals);
}

#[tokio::test]
async fn the_number_and_the_bytes_of_messages_are_bounded() {
    let messages = |number| vec![json!({ "role": "user", "content": "" }); number];
    let (status, param, message) = refusal(json!({ "messages": messages(2049) })).await;
    assert_eq!((status, param), (400, json!("messages")));
    assert_eq!(
        message,
        "`messages` must have at most 2048 messages, found 2049"
    );
    let most = send(scripted(), ask(json!({ "messages": messages(2048) }))).await;
    assert_eq!(most.status(), 200);
    let long = json!({ "role": "user", "content": "x".repeat(2 << 20) });
    let (status, _, message) = refusal(json!({ "messages": [long] })).await;
    assert_eq!(
        (status, message.as_str()),
        (413, "the body may have at most 2 MiB")
    );
}
