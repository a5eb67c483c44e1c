use serde_json::json;

use super::{question, refusal};

#[tokio::test]
async fn a_body_of_too_much_is_refused_before_anything_is_built_of_it() {
    let hi = json!([{ "role": "user", "content": "Hi" }]);
    let call =
        |arguments: &str| json!({ "id": "1", "function": { "name": "f", "arguments": arguments } });
    let nulls = |count: usize| format!("[{}null]", "null,".repeat(count));
    let called = vec![call(&format!("{{\"a\":{}}}", nulls(40_000))); 2];
    for (body, param, reason) in [
        (
            format!("{{\"messages\":{hi},\"user\":{}}}", nulls(70_000)),
            "body",
            "may have 65536 keys and values, found 70010",
        ),
        (
            format!(
                "{{\"messages\":{hi},\"user\":{}{}}}",
                "[".repeat(100),
                "]".repeat(100)
            ),
            "body",
            "may be nested 64 deep, found 101",
        ),
        (
            json!({ "messages": [{ "role": "assistant", "tool_calls": called }] }).to_string(),
            "messages[0].tool_calls[1].function.arguments",
            "found 80006",
        ),
        (
            json!({ "messages": hi, "chat_template_kwargs": { "a": "x".repeat(20_000) } })
                .to_string(),
            "chat_template_kwargs",
            "may have 16384 bytes, found 20008",
        ),
    ] {
        let (status, found, message) = refusal(body).await;
        assert_eq!((status, found), (400, param.into()), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn an_error_repeats_only_the_beginning_of_what_was_sent() {
    let long = "é".repeat(100_000);
    for body in [
        json!({ "messages": [{ "role": long, "content": "Hi" }] }),
        question(json!({ "model": long })),
        question(json!({ "temperature": long })),
        question(json!({ "tool_choice": long })),
        json!({ "messages": [{ "role": "user", "content": [{ "type": long }] }] }),
    ] {
        let (_, _, message) = refusal(body).await;
        assert!(
            message.contains("éé") && message.ends_with('…'),
            "{message}"
        );
        assert!(message.chars().count() <= 1001, "{message}");
    }
}
