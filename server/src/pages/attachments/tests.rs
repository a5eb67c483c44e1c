use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use nibble_app::domain::FILE_BYTES;
use nibble_engine::{Prompt, Role, Turn};
use serde_json::{Value, json};

use super::*;
use crate::test_support::browser::{Browser, Reply, message, upload};
use crate::test_support::held::Held;

mod refusals;

const FORM: &str = "text/html";

fn browser() -> Browser {
    Browser::scripted(&["It is."], Duration::ZERO)
}

async fn send(browser: &Browser, text: &str, files: &[(&str, &[u8])]) -> Reply {
    let sent = upload("/api/send", &message("", text), files, FORM);
    browser.send(sent).await
}

/// The page that a message leads to, when its answer has ended.
async fn page(browser: &Browser, sent: &Reply) -> String {
    assert_eq!(sent.status, StatusCode::FOUND, "{}", sent.body);
    browser.get(sent.location()).await;
    browser.get(sent.location()).await.body
}

/// The name that stands after the last of these marks.
fn last_name(page: &str, mark: &str) -> String {
    let rest = page.rsplit(mark).next().unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// What the engine was last told.
fn told(engine: &Held) -> Vec<String> {
    let (request, _) = engine.take().unwrap();
    let Prompt::Chat(conversation) = request.prompt else {
        panic!("it is a chat");
    };
    let said = conversation
        .turns
        .into_iter()
        .filter_map(|turn| match turn {
            Turn::Said(message) if message.role == Role::User => Some(message.content),
            _ => None,
        });
    said.collect()
}

#[tokio::test]
async fn a_form_with_a_file_leads_to_its_answer_without_a_script() {
    let browser = browser();
    let files = [("a&b.txt", &b"one <b>two</b>\r\nthree"[..]), ("", b"")];
    let sent = send(&browser, "what is it?", &files).await;
    let page = page(&browser, &sent).await;
    for part in [
        "<summary><bdi dir=\"auto\">a&amp;b.txt</bdi><small>20 B</small></summary>",
        ">\none &lt;b&gt;two&lt;/b&gt;\nthree</pre>",
        "<p dir=\"auto\">what is it?</p>",
        "It is.",
        "<title>what is it? · Nibble</title>",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert_eq!(
        page.matches("<details class=\"file\">").count(),
        1,
        "{page}"
    );
}

#[tokio::test]
async fn the_model_is_told_files_before_the_question_also_again_edited_and_later() {
    let engine = Arc::new(Held::default());
    let browser = Browser::new(engine.clone());
    let sent = upload(
        "/api/send",
        &message("", "what?"),
        &[("a.md", b"```\nx\n```")],
        "application/json",
    );
    let sent = browser.send(sent).await.json();
    let file = "File `a.md`:\n\n````\n```\nx\n```\n````\n\n";
    assert_eq!(told(&engine), [format!("{file}what?")]);
    let answer = sent["run"].as_str().unwrap();
    let again = [&message("", "")[..], &[("answer", answer)]].concat();
    browser.post_form("/api/again", &again).await;
    assert_eq!(told(&engine), [format!("{file}what?")]);
    let question = last_name(sent["html"].as_str().unwrap(), "data-question=\"");
    for text in ["how?", " "] {
        let edited = [("question", question.as_str()), ("message", text)];
        let edited = browser.post_form("/api/edit", &edited).await;
        assert_eq!(edited.status, StatusCode::FOUND, "{}", edited.body);
        assert_eq!(told(&engine)[0].trim(), format!("{file}{text}").trim());
    }
}

#[tokio::test]
async fn a_file_alone_is_a_message() {
    let browser = browser();
    let sent = send(&browser, "", &[("notes.txt", b"to do")]).await;
    let page = page(&browser, &sent).await;
    assert!(page.contains("<title>notes.txt · Nibble</title>"), "{page}");
    let empty = send(&browser, " ", &[("", b"")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        empty.body.contains("The message is empty."),
        "{}",
        empty.body
    );
}

#[tokio::test]
async fn a_form_with_files_may_come_in_pieces() {
    let whole = upload(
        "/api/send",
        &message("", "what?"),
        &[("a.txt", b"abc")],
        FORM,
    );
    let (mut parts, body) = whole.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let pieces: Vec<_> = bytes
        .chunks(7)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let body = Body::from_stream(stream::iter(pieces));
    let browser = browser();
    let sent = browser.send(Request::from_parts(parts, body)).await;
    let page = page(&browser, &sent).await;
    assert!(page.contains(">\nabc</pre>"), "{page}");
}

#[tokio::test]
async fn other_forms_of_the_page_may_have_files_that_they_do_not_want() {
    let browser = browser();
    let sent = send(&browser, "what?", &[]).await;
    let path = sent.location().to_owned();
    let page = page(&browser, &sent).await;
    let answer = last_name(&page, "data-run=\"");
    let fields = [&message("", "")[..], &[("answer", &*answer)]].concat();
    let again = upload("/api/again", &fields, &[("a", b"\0")], FORM);
    assert_eq!(browser.send(again).await.location(), path);
    let reset = upload("/api/reset", &message("", ""), &[("a", b"\0")], FORM);
    assert_eq!(browser.send(reset).await.location(), "/");
    let starter = [&message("", "mine")[..], &[("starter", "short")]].concat();
    let started = browser
        .send(upload("/api/send", &starter, &[("a", b"\0")], FORM))
        .await;
    assert_eq!(started.status, StatusCode::FOUND);
}

#[tokio::test]
async fn chosen_files_are_counted_or_refused_one_by_one_and_kept_nowhere() {
    let browser = browser();
    let files = [
        ("a.txt", &b"one two three"[..]),
        ("b.png", b"\0"),
        ("c.txt", &vec![b'x'; FILE_BYTES + 1]),
    ];
    let counted = browser
        .send(upload(COUNT, &[], &files, "application/json"))
        .await;
    assert_eq!(counted.status, StatusCode::OK, "{}", counted.body);
    let counted = counted.json();
    // Each byte is a token: of the line with its name, of two fences, of the text and of what is between.
    assert_eq!(counted[0], json!({ "tokens": 38 }));
    let reason = counted[1]["refused"].as_str().unwrap();
    assert!(reason.starts_with("`b.png` is not text"), "{reason}");
    let reason = counted[2]["refused"].as_str().unwrap();
    assert!(reason.contains("129 KiB"), "{reason}");
    assert_eq!(counted.as_array().map(Vec::len), Some(3));
    let none = browser
        .send(upload(COUNT, &[], &[], "application/json"))
        .await;
    assert_eq!(none.json(), Value::Array(Vec::new()));
    let huge = vec![b'x'; BODY_BYTES];
    let huge = browser
        .send(upload(COUNT, &[], &[("a", &huge)], "*/*"))
        .await;
    assert_eq!(huge.status, StatusCode::UNPROCESSABLE_ENTITY);
    let plain = browser.post_json(COUNT, &[("files", "a")]).await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn exports_show_files_and_an_import_has_them_again() {
    let browser = browser();
    let sent = send(&browser, "what?", &[("a.md", b"```\nx\n```\n")]).await;
    let path = sent.location().to_owned();
    page(&browser, &sent).await;
    let export = async |ending: &str| browser.get(&format!("{path}/export.{ending}")).await;
    let markdown = export("md").await.body;
    let file = "## Question\n\nFile `a.md`:\n\n````\n```\nx\n```\n````\n\nwhat?\n";
    assert!(markdown.contains(file), "{markdown}");
    let html = export("html").await.body;
    assert!(html.contains("<bdi dir=\"auto\">a.md</bdi>"), "{html}");
    assert!(html.contains(">\n```\nx\n```\n</pre>"), "{html}");
    let exported = export("json").await.body;
    let other = browser.other();
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"chats.json\"";
    let (parts, _) = upload("/chats/import", &[], &[], FORM).into_parts();
    let body = format!("--edge\r\n{head}\r\n\r\n{exported}\r\n--edge--\r\n");
    let mut request = Request::from_parts(parts, Body::from(body));
    request.headers_mut().remove(CONTENT_LENGTH);
    let imported = other.send(request).await.body;
    assert!(imported.contains("Imported 1 chat"), "{imported}");
    let all = other.get("/chats/export.json").await.json();
    let question = &all["chats"][0]["messages"][0];
    let expected = json!([{ "name": "a.md", "text": "```\nx\n```\n" }]);
    assert_eq!(question["attachments"], expected);
}
