use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

use super::*;
use crate::test_support::browser::{Browser, message};

const ENDINGS: [&str; 3] = ["json", "md", "html"];

/// A conversation with two answers to its question.
async fn begun() -> (Browser, String) {
    let browser = Browser::scripted(
        &["# Head\n\n", "one *two* ", "<b>three</b>"],
        Duration::ZERO,
    );
    let sent = browser
        .post_json("/api/send", &message("", "what is 1/2?"))
        .await
        .json();
    let path = format!("/c/{}", sent["conversation"].as_str().unwrap());
    browser.get(&path).await;
    let mut again = message("", "").to_vec();
    again.push(("answer", sent["run"].as_str().unwrap()));
    browser.post_form("/api/again", &again).await;
    browser.get(&path).await;
    (browser, path)
}

fn messages(file: &Value) -> &Vec<Value> {
    file["chats"][0]["messages"].as_array().unwrap()
}

#[tokio::test]
async fn json_holds_all_branches_with_settings_origin_and_figures() {
    let (browser, path) = begun().await;
    let file = browser.get(&format!("{path}/export.json")).await;
    assert_eq!(file.headers[CONTENT_TYPE], "application/json");
    let json = file.json();
    assert_eq!(json["nibble_chats"], 1);
    let conversation = &json["chats"][0]["conversation"];
    assert_eq!(conversation["title"], "what is 1/2?");
    assert_eq!(conversation["settings"]["system_prompt"], "be brief");
    let messages = messages(&json);
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0]["role"], "question");
    assert_eq!(messages[0]["text"], "what is 1/2?");
    for answer in &messages[1..] {
        assert_eq!(answer["parent"], messages[0]["id"]);
        assert_eq!(answer["text"], "# Head\n\none *two* <b>three</b>");
        assert_eq!(answer["origin"]["model"], "Scripted 1B");
        assert_eq!(answer["end"]["reason"], "complete");
        assert_eq!(answer["end"]["metrics"]["total_s"], 1.25);
    }
    assert_eq!(conversation["tip"], messages[2]["id"]);
}

#[tokio::test]
async fn markdown_is_the_branch_that_is_shown_as_it_was_written() {
    let (browser, path) = begun().await;
    let file = browser.get(&format!("{path}/export.md")).await;
    assert_eq!(file.headers[CONTENT_TYPE], "text/markdown; charset=utf-8");
    let name = file.headers[CONTENT_DISPOSITION].to_str().unwrap();
    assert!(
        name.starts_with("attachment; filename=\"Nibble - what is 1_2_.md\""),
        "{name}"
    );
    assert!(file.body.starts_with("# what is 1/2?\n"), "{}", file.body);
    let turn = "## Question\n\nwhat is 1/2?\n\n## Answer\n\n# Head\n\none *two* <b>three</b>\n\n*first token 250 ms · 1.25 s";
    assert!(file.body.contains(turn), "{}", file.body);
    assert_eq!(file.body.matches("## Answer").count(), 1);
}

#[tokio::test]
async fn html_needs_nothing_beside_it_and_runs_nothing() {
    let (browser, path) = begun().await;
    let file = browser.get(&format!("{path}/export.html")).await;
    assert_eq!(file.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    for part in [
        "<h1 dir=\"auto\">what is 1/2?</h1>",
        "<p dir=\"auto\">one <em>two</em> &lt;b&gt;three&lt;/b&gt;</p>",
        "<dt>Total time</dt><dd>1.25<span class=\"unit\"> s</span></dd>",
        ">be brief</p>",
        "--paper: light-dark(",
        "default-src 'none'",
    ] {
        assert!(file.body.contains(part), "no {part} in {}", file.body);
    }
    for foreign in [
        "<script", "<link", "<form", "<button", "src=", " style=", "url(", "@import",
    ] {
        assert!(!file.body.contains(foreign), "{foreign} in {}", file.body);
    }
}

#[tokio::test]
async fn who_may_not_read_a_conversation_gets_no_file_of_it() {
    let (browser, path) = begun().await;
    let other = browser.other();
    let other_s = other.get("/chats/export.json").await;
    assert_eq!(other_s.json()["chats"].as_array().map(Vec::len), Some(0));
    for ending in ENDINGS {
        for path in [&path, "/c/none", "/c/00000000000000000000000000000000"] {
            let refused = other.get(&format!("{path}/export.{ending}")).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path} {ending}");
            assert!(!refused.body.contains("1/2"), "{}", refused.body);
        }
    }
}

#[tokio::test]
async fn who_reads_what_is_shared_gets_the_branch_that_is_shown() {
    let (browser, path) = begun().await;
    let fields = [("conversation", &path[3..]), ("shared", "true")];
    browser.post_form("/api/share", &fields).await;
    let other = browser.other();
    for ending in ENDINGS {
        let file = other.get(&format!("{path}/export.{ending}")).await;
        assert_eq!(file.status, StatusCode::OK, "{ending}");
    }
    let json = other.get(&format!("{path}/export.json")).await.json();
    assert_eq!(messages(&json).len(), 2, "{json}");
}

#[tokio::test]
async fn all_chats_are_one_file() {
    let (browser, _) = begun().await;
    for n in 0..200 {
        let question = format!("question {n}");
        browser
            .post_form("/api/send", &message("", &question))
            .await;
    }
    let file = browser.get("/chats/export.json").await;
    let json = file.json();
    let chats = json["chats"].as_array().unwrap();
    assert_eq!(chats.len(), 201);
    assert!(chats.iter().all(|chat| {
        chat["messages"]
            .as_array()
            .is_some_and(|all| all.len() >= 2)
    }));
}
