use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use nibble_app::domain::{Id, Transcript};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;
use crate::interchange::VERSION;
use crate::interchange::tests::trees::transcript;
use crate::interchange::tests::{CHATGPT, OPEN_WEBUI};
use crate::test_support::browser::{Browser, ORIGIN_HERE, Reply};

fn browser() -> Browser {
    Browser::scripted(&["hi"], Duration::ZERO)
}

async fn import(browser: &Browser, file: &str) -> Reply {
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"chats.json\"\r\n\
                Content-Type: application/json";
    let form = format!("--edge\r\n{head}\r\n\r\n{file}\r\n--edge--\r\n");
    let request = Request::post(IMPORT)
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(CONTENT_TYPE, "multipart/form-data; boundary=edge");
    browser.send(request.body(form.into()).unwrap()).await
}

/// The conversations of a file, in whose messages names stand for their order.
fn renamed(file: &str) -> Vec<Transcript> {
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let mut transcripts: Vec<Transcript> = serde_json::from_value(file["chats"].clone()).unwrap();
    for Transcript {
        conversation,
        messages,
    } in &mut transcripts
    {
        let names: Vec<_> = messages.iter().map(|message| message.id).collect();
        let place = |id: Id| Id(names.iter().position(|name| *name == id).unwrap() as u128);
        for message in messages {
            message.id = place(message.id);
            message.parent = message.parent.map(place);
        }
        conversation.tip = conversation.tip.map(place);
        conversation.id = Id(0);
    }
    transcripts.sort_by_key(|transcript| transcript.conversation.created);
    transcripts
}

#[tokio::test]
async fn what_is_exported_and_imported_is_the_same_but_for_names() {
    let mut runner = TestRunner::deterministic();
    let trees = proptest::collection::vec(transcript(), 12).new_tree(&mut runner);
    let file = json!({ "nibble_chats": VERSION, "chats": trees.unwrap().current() }).to_string();
    let (one, two) = (browser(), browser());
    let page = import(&one, &file).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(page.body.contains("Imported 12 chats."), "{}", page.body);
    let first = one.get("/chats/export.json").await.body;
    import(&two, &first).await;
    let second = two.get("/chats/export.json").await.body;
    assert_eq!(renamed(&file), renamed(&first));
    assert_eq!(renamed(&first), renamed(&second));
}

#[tokio::test]
async fn imported_chats_are_listed_and_read_and_gone_on_with() {
    let browser = browser();
    for file in [OPEN_WEBUI, CHATGPT] {
        let page = import(&browser, file).await;
        assert!(page.body.contains("Imported 2 chats."), "{}", page.body);
    }
    let list = browser.get("/chats?q=scatter").await.body;
    let rest = list.split("<li><a href=\"").nth(1).unwrap();
    let path = rest.split('"').next().unwrap();
    let page = browser.get(path).await.body;
    for part in [
        "Why is the sky blue?",
        "Short waves scatter most.",
        "2 of 2",
        ">Be brief.<",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let other = browser.other().get(path).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_question_that_nobody_asked_takes_no_place() {
    let browser = browser();
    import(&browser, CHATGPT).await;
    let list = browser.get("/chats?q=Hello").await.body;
    let rest = list.split("<li><a href=\"").nth(1).unwrap();
    let path = rest.split('"').next().unwrap();
    let page = browser.get(path).await.body;
    let question = page.split("aria-label=\"Question\"").nth(1).unwrap();
    let tag = question.split('>').next().unwrap();
    assert!(tag.contains(" hidden "), "{tag}");
    let file = browser.get(&format!("{path}/export.md")).await.body;
    assert!(!file.contains("## Question"), "{file}");
}

#[tokio::test]
async fn what_is_left_out_is_told_with_its_title_and_reason() {
    let browser = browser();
    let file = json!([
        serde_json::from_str::<serde_json::Value>(CHATGPT).unwrap()[0],
        { "title": "<i>Torn</i>", "mapping": 3 },
    ]);
    let page = import(&browser, &file.to_string()).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "Imported 1 chat, left out 1:",
        "&lt;i&gt;Torn&lt;/i&gt;</code>",
        "it cannot be read: invalid type: integer `3`",
        "Without 3 messages of tools",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
}

#[tokio::test]
async fn what_is_no_such_file_is_refused_on_the_page() {
    let browser = browser();
    for (file, reason) in [
        ("", "The file is no JSON of conversations"),
        ("PK\u{3}\u{4}", "The file is a ZIP archive"),
    ] {
        let page = import(&browser, file).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains(reason), "no {reason} in {}", page.body);
    }
    let large = import(&browser, &"x".repeat(FILE_BYTES)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let reason = "The file is too large: it may have at most 64 MiB.";
    assert!(large.body.contains(reason), "{}", large.body);
    let form = browser.post_form(IMPORT, &[("file", "none")]).await;
    assert_eq!(form.status, StatusCode::BAD_REQUEST);
    assert!(form.body.contains("No file arrived whole"), "{}", form.body);
    assert!(
        browser
            .get("/chats")
            .await
            .body
            .contains("There are no chats yet.")
    );
}
