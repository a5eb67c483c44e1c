//! Answers that are computed again: from what they were told when they were written, and in the pieces that they were written in.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use nibble_engine::{AnswerSender, Error, Event, FinishReason, Prompt, Request, Turn};

use super::memory::Chat;
use crate::store::SqlStore;
use crate::test_support::browser::{Browser, message, store};
use crate::test_support::held::{Held, finished};
use crate::test_support::scripted::Scripted;

/// What its page says of an answer that is computed again.
async fn replayed(browser: &Browser, answer: &str) -> String {
    let begun = browser
        .post_form("/speed/replay", &[("answer", answer)])
        .await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    browser.chunks(&format!("/speed/{answer}")).await.concat()
}

async fn taken(engine: &Held) -> (Request, AnswerSender) {
    for _ in 0..300 {
        if let Some(taken) = engine.take() {
            return taken;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the engine is not asked");
}

/// What there is of the answer that the engine is to go on with.
fn begun(request: &Request) -> Option<&str> {
    let Prompt::Chat(conversation) = &request.prompt else {
        panic!("a chat");
    };
    match conversation.turns.last() {
        Some(Turn::Answered { content, .. }) => Some(content),
        _ => None,
    }
}

/// A question that the engine has got, with its conversation and its answer.
async fn asked(browser: &Browser) -> [String; 2] {
    let sent = browser.post_json("/api/send", &message("", "why?")).await;
    let sent = sent.json();
    ["conversation", "run"].map(|name| sent[name].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_answer_is_told_again_what_it_was_told_wherever_memory_begins_since() {
    let mut chat = Chat::full().await;
    // It was told all turns before it.
    let answer = chat.last_answer().await;
    chat.ask("forget").await;
    chat.page().await;
    assert_eq!(chat.first_told(), 3);
    let page = replayed(&chat.browser, &answer).await;
    assert!(page.contains("Computed again: the same"), "{page}");
    assert_eq!(chat.first_told(), 0);
    let later = chat.last_answer().await;
    replayed(&chat.browser, &later).await;
    assert_eq!(chat.first_told(), 3);
}

#[tokio::test]
async fn an_answer_that_was_gone_on_with_is_computed_again_in_its_pieces() {
    let engine = Arc::new(Held::default());
    let browser = Browser::new(engine.clone());
    let [conversation, answer] = asked(&browser).await;
    let (_, sender) = taken(&engine).await;
    sender.send(Event::Text("one ".to_owned()));
    sender.send(finished(FinishReason::Cancelled, 1));
    let page = browser.get(&format!("/c/{conversation}")).await.body;
    assert!(page.contains(">Continue</button>"), "{page}");
    browser
        .post_form("/api/continue", &[("answer", &answer)])
        .await;
    let (request, sender) = taken(&engine).await;
    assert_eq!(begun(&request), Some("one "));
    // Tokens are drawn from the seed on, as they were at first.
    sender.send(Event::Text("one two".to_owned()));
    sender.send(finished(FinishReason::Stop, 2));
    browser.get(&format!("/c/{conversation}")).await;
    let play = async {
        let (request, sender) = taken(&engine).await;
        assert_eq!(begun(&request), None);
        // Then it was stopped before there was more.
        sender.send(Event::Text("one two three".to_owned()));
        let (request, sender) = taken(&engine).await;
        assert_eq!(begun(&request), Some("one "));
        sender.send(Event::Text("one two".to_owned()));
        sender.send(finished(FinishReason::Stop, 2));
    };
    let (page, ()) = tokio::join!(replayed(&browser, &answer), play);
    assert!(page.contains("Computed again in 2 pieces"), "{page}");
    let play = async {
        let (_, sender) = taken(&engine).await;
        sender.send(Event::Text("one ".to_owned()));
        let (_, sender) = taken(&engine).await;
        sender.send(Event::Text("one too".to_owned()));
        sender.send(finished(FinishReason::Stop, 2));
    };
    let (page, ()) = tokio::join!(replayed(&browser, &answer), play);
    assert!(page.contains("another behind 9 characters"), "{page}");
}

#[tokio::test]
async fn an_answer_in_a_new_chat_is_not_computed_again_without_what_it_was_told() {
    let mut chat = Chat::answering(40).await;
    chat.ask("").await;
    chat.page().await;
    let answer = chat.last_answer().await;
    let fields = [("answer", answer.as_str()), ("when_full", "new-chat")];
    let elsewhere = chat.browser.post_form("/api/continue", &fields).await;
    let page = chat.browser.get(elsewhere.location()).await.body;
    let (_, copy) = page.rsplit_once("data-run=\"").unwrap();
    let page = replayed(&chat.browser, &copy[..32]).await;
    let why = "It could not be computed again: it was told earlier turns of the chat";
    assert!(page.contains(why), "{page}");
    assert!(!page.contains("The text is another"), "{page}");
}

#[tokio::test]
async fn nothing_is_the_same_as_an_answer_of_which_nothing_was_written() {
    let engine = Arc::new(Held::default());
    let browser = Browser::new(engine.clone());
    let [conversation, answer] = asked(&browser).await;
    let (_, sender) = taken(&engine).await;
    sender.send(Event::Failed(Error::Stopped));
    browser.get(&format!("/c/{conversation}")).await;
    let refused = browser
        .post_form("/speed/replay", &[("answer", &answer)])
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let why = "Nothing of it was written";
    assert!(refused.body.contains(why), "{}", refused.body);
    assert!(engine.take().is_none());
}

/// A browser with the answer `one two`, its name, and the store that it is in.
async fn answered() -> (Browser, String, SqlStore) {
    let (store, engine) = (store(), Scripted::new(&["one ", "two"], Duration::ZERO));
    let twin = store.twin();
    let browser = Browser::with_store(Arc::new(engine), store);
    let [conversation, answer] = asked(&browser).await;
    browser.get(&format!("/c/{conversation}")).await;
    (browser, answer, twin)
}

#[tokio::test]
async fn what_is_another_than_when_an_answer_was_made_is_named() {
    let (browser, answer, twin) = answered().await;
    let now_as_then = replayed(&browser, &answer).await;
    assert!(
        !now_as_then.contains("What is another than then"),
        "{now_as_then}"
    );
    let then = async |field: &str, value: &str| {
        twin.execute(&format!(
            "UPDATE messages SET origin = json_set(origin, '$.{field}', '{value}') WHERE role = 'answer'"
        ))
        .await;
    };
    for (field, value) in [
        ("kernel", "neon_i8mm"),
        ("version", "0.0.1"),
        ("fingerprint", "another"),
    ] {
        then(field, value).await;
    }
    let page = replayed(&browser, &answer).await;
    let version = env!("CARGO_PKG_VERSION");
    for said in [
        "Computed again: the same",
        "What is another than then",
        "The model’s files were written anew.",
        "The kernel: neon_i8mm then, scalar now; all kernels give the same bits.",
        &format!("The version of Nibble: 0.0.1 then, {version} now."),
    ] {
        assert!(page.contains(said), "no {said} in {page}");
    }
    assert!(!page.contains("which change no bit"), "{page}");
    // Another model does not compute it again.
    then("model", "Another 2B").await;
    let refused = browser
        .post_form("/speed/replay", &[("answer", &answer)])
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let why = "was made by Another 2B, and Scripted 1B is loaded now";
    assert!(refused.body.contains(why), "{}", refused.body);
}

#[tokio::test]
async fn where_it_was_not_kept_what_an_answer_was_told_a_difference_proves_nothing() {
    let (browser, answer, twin) = answered().await;
    twin.execute("UPDATE messages SET text = 'one too' WHERE role = 'answer'")
        .await;
    let page = replayed(&browser, &answer).await;
    assert!(page.contains("another behind 5 characters"), "{page}");
    assert!(page.contains("settings are as they were"), "{page}");
    twin.execute("UPDATE messages SET origin = json_remove(origin, '$.pieces')")
        .await;
    let page = replayed(&browser, &answer).await;
    assert!(page.contains("another behind 5 characters"), "{page}");
    assert!(page.contains("proves nothing"), "{page}");
    assert!(!page.contains("settings are as they were"), "{page}");
}
