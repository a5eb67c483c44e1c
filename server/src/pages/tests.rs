use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION, REFERER, RETRY_AFTER};
use nibble_engine::{Answer, Error, Event, Message, ModelInfo, Prompt, Request, Role};

use super::*;
use crate::generator::Generator;
use crate::test_support::browser::{Browser, form, message};
use crate::test_support::scripted::Scripted;

const PIECES: &[&str] = &["# Head\n\n", "one *two* ", "<b>three</b>\n"];

fn quick() -> Browser {
    Browser::scripted(PIECES, Duration::ZERO)
}

/// Sends a first message and names its conversation.
async fn ask(browser: &Browser) -> String {
    let reply = browser.post_form("/api/send", &message("", "what?")).await;
    assert_eq!(reply.status, StatusCode::FOUND);
    reply.location().to_owned()
}

#[tokio::test]
async fn a_form_post_leads_to_a_page_with_the_answer_and_its_figures() {
    let browser = quick();
    let path = ask(&browser).await;
    let page = browser.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "aria-label=\"Question\"",
        "<p dir=\"auto\">what?</p>",
        "<h3>Head</h3>\n<p>one <em>two</em> &lt;b&gt;three&lt;/b&gt;</p>",
        "<dt>Time to first token</dt><dd>250<span class=\"unit\"> ms</span></dd>",
        "<dt>Decode speed</dt><dd>40.0<span class=\"unit\"> tokens/s</span></dd>",
        "<dt>Cost per million tokens</dt><dd>$25.00<",
        "<dt>Total time</dt><dd>1.25<span class=\"unit\"> s</span></dd>",
        "<dt>Total cost</dt><dd>$0.00125<",
        "25.0 ms, ✓ meets the 100 ms bar",
        "<dt>Prefill speed</dt><dd>50.0 tokens/s</dd>",
        "<dt>Prompt tokens</dt><dd>10</dd>",
        "<dt>Output tokens</dt><dd>3</dd>",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
}

#[tokio::test]
async fn settings_stay_with_their_conversation() {
    let browser = quick();
    let page = browser.get(&ask(&browser).await).await;
    for part in [
        "name=\"temperature\" form=\"composer\" value=\"0.5\"",
        "name=\"max_tokens\" form=\"composer\" value=\"100\"",
        "name=\"usd_per_hour\" form=\"composer\" value=\"3.6\"",
        ">be brief</textarea>",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
    assert!(browser.get("/").await.body.contains("value=\"0.2\""));
}

#[tokio::test]
async fn a_page_streams_an_answer_that_runs() {
    let browser = Browser::scripted(&["one ", "two ", "three"], Duration::from_millis(60));
    let path = ask(&browser).await;
    let chunks = browser.chunks(&path).await;
    let first = |part: &str| chunks.iter().position(|chunk| chunk.contains(part));
    let (one, three) = (first(">one "), first(">three"));
    assert!(one.is_some() && one < three, "{chunks:#?}");
    assert!(three <= first("class=\"final\""), "{chunks:#?}");
    let (reading, writing) = (first(">Reading the prompt, "), first(">Writing · "));
    assert!(reading.is_some() && reading < writing, "{chunks:#?}");
    assert_eq!(writing, one, "{chunks:#?}");
    assert!(chunks[0].contains("id=\"composer\""), "{chunks:#?}");
}

#[tokio::test]
async fn readers_who_leave_do_not_end_the_answer() {
    let browser = Browser::scripted(&["one ", "two"], Duration::from_millis(40));
    let path = ask(&browser).await;
    let left = tokio::time::timeout(Duration::from_millis(20), browser.get(&path)).await;
    assert!(left.is_err());
    assert!(browser.get(&path).await.body.contains("<p>one two</p>"));
}

#[tokio::test]
async fn a_page_may_be_compressed_on_its_way_unless_an_answer_streams_into_it() {
    let browser = Browser::scripted(&["one ", "two"], Duration::from_millis(40));
    let path = ask(&browser).await;
    let caching = async |path: &str| browser.get(path).await.headers[CACHE_CONTROL].clone();
    assert_eq!(caching(&path).await, "private, no-cache, no-transform");
    assert_eq!(caching(&path).await, "private, no-cache");
    assert_eq!(caching("/").await, "private, no-cache");
}

#[tokio::test]
async fn stop_keeps_what_is_written_and_says_so() {
    let pieces = vec!["word "; 500];
    let browser = Browser::scripted(&pieces, Duration::from_millis(10));
    let reply = browser.post_json("/api/send", &message("", "what?")).await;
    let run = reply.json()["run"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let stop = browser.post_form("/api/stop", &[("run", &run)]).await;
    assert_eq!(stop.status, StatusCode::FOUND);
    let page = browser.get(stop.location()).await.body;
    assert!(page.contains("Stopped by you."), "{page}");
    assert!(page.contains("<p>word word"), "{page}");
    assert!(page.contains("<dt>Total time</dt>"), "{page}");
}

#[tokio::test]
async fn an_answer_that_was_cut_off_says_so() {
    let browser = Browser::scripted(&["a "; 20], Duration::ZERO);
    let mut fields = message("", "what?");
    fields[3].1 = "10";
    let reply = browser.post_form("/api/send", &fields).await;
    let page = browser.get(reply.location()).await.body;
    assert!(page.contains("Cut off:"), "{page}");
}

#[tokio::test]
async fn a_script_gets_the_turn_as_html() {
    let reply = quick().post_json("/api/send", &message("", "1 < 2")).await;
    assert_eq!(reply.status, StatusCode::OK);
    let json = reply.json();
    assert_eq!(json["outcome"], "started");
    let html = json["html"].as_str().unwrap();
    assert!(html.contains(">1 &lt; 2</p>"), "{html}");
    let run = json["run"].as_str().unwrap();
    assert!(html.contains(&format!("data-run=\"{run}\"")), "{html}");
}

#[tokio::test]
async fn a_value_out_of_range_is_named_and_nothing_typed_is_lost() {
    let browser = quick();
    let mut fields = message("", "my long\n\"question\"");
    fields[2].1 = "1.5";
    let page = browser.post_form("/api/send", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "The temperature must be a number from 0 to 1, found `1.5`.",
        ">my long\n\"question\"</textarea>",
        "value=\"1.5\"",
        ">be brief</textarea>",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
    let json = browser.post_json("/api/send", &fields).await;
    assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json.json()["field"], "temperature");
}

#[tokio::test]
async fn a_refused_message_begins_no_conversation_and_ends_none() {
    let browser = quick();
    let path = ask(&browser).await;
    for _ in 0..600 {
        let refused = browser.post_form("/api/send", &message("", " ")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.headers.get("location").is_none());
    }
    let json = browser.post_json("/api/send", &message("", " ")).await;
    assert_eq!(json.json()["conversation"], "");
    assert_eq!(browser.get(&path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn conversations_that_are_only_begun_anew_end_none_with_questions() {
    let browser = quick();
    let path = ask(&browser).await;
    let long = "x".repeat(8 * 1024);
    let mut fields = message("", "");
    fields[4].1 = &long;
    for _ in 0..600 {
        browser.post_form("/api/reset", &fields).await;
    }
    assert_eq!(browser.get(&path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_message_is_shown_in_its_conversation() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    let refused = browser.post_form("/api/send", &message(id, " ")).await;
    for part in [
        "The message is empty.",
        "<p dir=\"auto\">what?</p>",
        &format!("name=\"conversation\" value=\"{id}\""),
    ] {
        assert!(refused.body.contains(part), "no {part} in {}", refused.body);
    }
    let sent = browser.post_form("/api/send", &message(id, "and?")).await;
    assert_eq!(sent.location(), path);
    let page = browser.get(&path).await.body;
    assert!(!page.contains("The message is empty."), "{page}");
}

#[tokio::test]
async fn a_full_conversation_names_its_limit() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    browser.get(&path).await;
    let question = "x".repeat(32 * 1024);
    for _ in 0..7 {
        let sent = browser
            .post_form("/api/send", &message(id, &question))
            .await;
        assert_eq!(sent.status, StatusCode::FOUND);
        browser.get(&path).await;
    }
    let full = browser
        .post_form("/api/send", &message(id, &question))
        .await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    let reason =
        "This conversation is full: it may hold 256 KiB of text; `Reset chat` begins a new one.";
    assert!(full.body.contains(reason), "{}", full.body);
}

#[tokio::test]
async fn a_conversation_takes_one_question_at_a_time() {
    let browser = Browser::scripted(&["a"; 50], Duration::from_millis(10));
    let first = browser
        .post_json("/api/send", &message("", "one"))
        .await
        .json();
    let id = first["conversation"].as_str().unwrap();
    let second = browser.post_json("/api/send", &message(id, "two")).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    let reason = second.json()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("still being written"), "{reason}");
}

#[tokio::test]
async fn a_message_to_a_conversation_that_is_gone_is_kept() {
    let browser = quick();
    let page = browser
        .post_form("/api/send", &message("00ff", "keep me"))
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains(">keep me</textarea>"), "{}", page.body);
    assert!(
        page.body.contains("is gone from the server"),
        "{}",
        page.body
    );
    for strange in ["\r\nX", "../a b", "é"] {
        let mut fields = message(strange, "keep me");
        fields[2].1 = "1.5";
        let page = browser.post_form("/api/send", &fields).await.body;
        assert!(page.contains(">keep me</textarea>"), "{page}");
        assert!(page.contains("name=\"conversation\" value=\"\""), "{page}");
    }
}

#[tokio::test]
async fn reset_begins_anew_with_the_same_settings() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    let reply = browser
        .post_form("/api/reset", &[("conversation", id)])
        .await;
    assert_ne!(reply.location(), path);
    let page = browser.get(reply.location()).await.body;
    assert!(!page.contains("aria-label=\"Question\""), "{page}");
    assert!(page.contains(">be brief</textarea>"), "{page}");
    let none = browser
        .post_form("/api/reset", &[("conversation", "")])
        .await;
    assert_eq!(none.location(), "/");
}

#[tokio::test]
async fn reset_keeps_what_the_fields_show_if_it_can_be_used() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    let mut fields = message(id, "not sent");
    fields[2].1 = "0.75";
    let page = async |fields: &[(&str, &str)]| {
        let reply = browser.post_form("/api/reset", fields).await;
        browser.get(reply.location()).await.body
    };
    let kept = page(&fields).await;
    assert!(kept.contains("value=\"0.75\""), "{kept}");
    assert!(!kept.contains("not sent"), "{kept}");
    fields[2].1 = "warm";
    let earlier = page(&fields).await;
    assert!(earlier.contains("value=\"0.5\""), "{earlier}");
    fields[0].1 = "";
    fields[2].1 = "0.25";
    let new = page(&fields).await;
    assert!(new.contains("value=\"0.25\""), "{new}");
}

#[tokio::test]
async fn pages_are_titled_by_what_they_show() {
    let browser = quick();
    let reply = browser
        .post_json("/api/send", &message("", "Is 1 < 2?\nSay why."))
        .await;
    assert_eq!(reply.json()["title"], "Is 1 < 2? Say why.");
    let id = reply.json()["conversation"].as_str().unwrap().to_owned();
    browser.get(&format!("/c/{id}")).await;
    let second = browser
        .post_json("/api/send", &message(&id, "And then?"))
        .await;
    assert_eq!(second.json()["title"], "Is 1 < 2? Say why.");
    for (path, title) in [
        ("/", "Nibble"),
        (&format!("/c/{id}"), "Is 1 &lt; 2? Say why. · Nibble"),
        ("/c/none", "Not found · Nibble"),
        ("/nowhere", "Not found · Nibble"),
    ] {
        let page = browser.get(path).await.body;
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.contains(&format!("<title>{title}</title>")), "{page}");
    }
}

#[tokio::test]
async fn what_is_not_there_has_a_page_that_says_so() {
    let browser = quick();
    for (path, words) in [
        ("/c/none", "This conversation is gone"),
        ("/c/%0d%0aX", "This conversation is gone"),
        ("/nowhere", "There is no such page"),
        ("/api/nothing", "There is no such page"),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert!(reply.body.contains(words), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_form_over_the_limit_is_refused() {
    let long = "x".repeat(FORM_BYTES);
    let reply = quick().post_form("/api/send", &message("", &long)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn pages_hold_no_inline_script_or_style() {
    let browser = quick();
    for path in ["/".to_owned(), ask(&browser).await, "/nowhere".to_owned()] {
        let page = browser.get(&path).await.body;
        let scripts: Vec<_> = page.split("<script").skip(1).collect();
        assert_eq!(scripts.len(), 1, "{page}");
        assert!(scripts[0].contains("src=\"/assets/"), "{page}");
        for inline in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.contains(inline), "{inline} in {page}");
        }
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_under_their_version_only() {
    let browser = quick();
    let page = browser.get("/").await.body;
    let start = page.find("/assets/").unwrap();
    let style = page[start..].split('"').next().unwrap().to_owned();
    let folder = style.rsplit_once('/').unwrap().0;
    for (name, content_type) in [
        ("chat.js", "text/javascript; charset=utf-8"),
        ("answer.js", "text/javascript; charset=utf-8"),
        ("scroll.js", "text/javascript; charset=utf-8"),
        ("main.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let reply = browser.get(&format!("{folder}/{name}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}");
        assert_eq!(reply.headers["content-type"], content_type);
        assert!(
            reply.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let other = browser.get(&format!("/assets/0000/{name}")).await;
        assert_eq!(other.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn a_malformed_form_is_refused_and_leads_nowhere() {
    let browser = quick();
    let whole = message("", "what?");
    for (path, fields, why) in [
        ("/api/send", &[][..], "missing field `message`"),
        ("/api/send", &whole[..2], "missing field `temperature`"),
        (
            "/api/send",
            &[whole[1], whole[1]],
            "duplicate field `message`",
        ),
        ("/api/stop", &[], "missing field `run`"),
        (
            "/api/send",
            &[whole, [("message[a]", "b"); 6]].concat(),
            "plain names",
        ),
    ] {
        for accept in ["text/html", "application/json"] {
            let mut request = form(path, fields, accept);
            let elsewhere = "https://elsewhere.example/".parse().unwrap();
            request.headers_mut().insert(REFERER, elsewhere);
            let reply = browser.send(request).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} {fields:?}");
            assert!(reply.headers.get(LOCATION).is_none(), "{:?}", reply.headers);
            let named = format!("the form for `{path}` cannot be read: ");
            assert!(reply.body.starts_with(&named), "{}", reply.body);
            assert!(reply.body.contains(why), "{}", reply.body);
        }
    }
    let mut request = form("/api/send", &whole, "text/html");
    let kind = "application/json".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    assert_eq!(browser.send(request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_form_leads_to_our_own_pages_whatever_the_referer() {
    let browser = quick();
    for (path, fields) in [
        ("/api/send", &message("", "what?")[..]),
        ("/api/reset", &[]),
        ("/api/stop", &[("run", "none-0")]),
    ] {
        let mut request = form(path, fields, "text/html");
        let elsewhere = "https://elsewhere.example/".parse().unwrap();
        request.headers_mut().insert(REFERER, elsewhere);
        let reply = browser.send(request).await;
        assert!(
            reply.location() == "/" || reply.location().starts_with("/c/"),
            "{path}"
        );
    }
}

/// What a test says of a request.
type Tell = fn() -> Result<Answer, Error>;

/// Does what a test says, and remembers what it was asked.
struct Told {
    info: ModelInfo,
    tell: Tell,
    asked: Mutex<Vec<Request>>,
}

impl Told {
    fn new(tell: Tell) -> Arc<Self> {
        let info = Scripted::new(&[], Duration::ZERO).info().clone();
        let asked = Mutex::default();
        Arc::new(Self { info, tell, asked })
    }
}

impl Generator for Told {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.asked.lock().unwrap().push(request);
        (self.tell)()
    }
}

fn failing_midway() -> Result<Answer, Error> {
    let (sender, answer) = Answer::channel();
    sender.send(Event::Text("half of".into()));
    sender.send(Event::Failed(Error::File {
        action: "map",
        path: "/secret/model.gguf".into(),
        reason: std::io::Error::other("gone"),
    }));
    Ok(answer)
}

#[tokio::test]
async fn a_full_queue_keeps_the_message_and_says_so() {
    let browser = Browser::new(Told::new(|| {
        Err(Error::Busy {
            waiting: 64,
            limit: 64,
            wait: Some(Duration::from_secs(17)),
        })
    }));
    let page = browser.post_form("/api/send", &message("", "later")).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers[RETRY_AFTER], "17");
    let page = page.body;
    let reason = "The queue is full: 64 of 64 requests are waiting; try again in about 17 s.";
    assert!(page.contains(reason), "{page}");
    assert!(page.contains(">later</textarea>"), "{page}");
    let json = browser.post_json("/api/send", &message("", "later")).await;
    assert_eq!(json.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(json.headers[RETRY_AFTER], "17");
}

#[tokio::test]
async fn what_the_engine_refuses_is_said_of_the_field_that_it_names() {
    let refusals: [(Tell, _); 2] = [
        (|| Err(refused("messages")), "message"),
        (|| Err(refused("temperature")), "temperature"),
    ];
    for (error, field) in refusals {
        let browser = Browser::new(Told::new(error));
        let json = browser.post_json("/api/send", &message("", "hm")).await;
        assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(json.json()["field"], field);
    }
}

fn refused(field: &'static str) -> Error {
    let reason = "too much of it".into();
    Error::Request { field, reason }
}

#[tokio::test]
async fn an_answer_that_fails_keeps_its_text_and_no_secret_gets_out() {
    let browser = Browser::new(Told::new(failing_midway));
    let page = browser.get(&ask(&browser).await).await.body;
    assert!(page.contains("<p>half of</p>"), "{page}");
    assert!(
        page.contains("This answer failed: the engine could not go on."),
        "{page}"
    );
    assert!(!page.contains("secret"), "{page}");
}

#[tokio::test]
async fn an_answer_without_an_end_has_failed() {
    let browser = Browser::new(Told::new(|| Ok(Answer::channel().1)));
    let page = browser.get(&ask(&browser).await).await.body;
    assert!(
        page.contains("This answer failed: the engine has stopped."),
        "{page}"
    );
}

#[tokio::test]
async fn the_model_sees_the_conversation_but_not_the_greeting() {
    let told = Told::new(failing_midway);
    let browser = Browser::new(told.clone());
    let path = ask(&browser).await;
    browser.get(&path).await;
    let id = path.trim_start_matches("/c/");
    browser
        .post_form("/api/send", &message(id, "and then?"))
        .await;
    let asked = told.asked.lock().unwrap();
    let said = |role, content: &str| Message {
        role,
        content: content.into(),
    };
    let expected = [
        said(Role::System, "be brief"),
        said(Role::User, "what?"),
        said(Role::Assistant, "half of"),
        said(Role::User, "and then?"),
    ];
    assert_eq!(asked[1].prompt, Prompt::Chat(expected.to_vec().into()));
    assert_eq!(asked[1].sampling.temperature, 0.5);
    assert_eq!(asked[1].sampling.top_p, 0.9);
    assert_eq!(asked[1].max_tokens, 100);
    assert_eq!(asked[1].usd_per_hour, 3.6);
}

/// Says on which thread it was asked.
struct Placed {
    info: ModelInfo,
    thread: Mutex<Option<std::thread::ThreadId>>,
}

impl Generator for Placed {
    fn info(&self) -> &ModelInfo {
        self.note();
        &self.info
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        self.note();
        failing_midway()
    }
}

impl Placed {
    fn note(&self) {
        *self.thread.lock().unwrap() = Some(std::thread::current().id());
    }
}

#[tokio::test]
async fn prompts_are_prepared_and_pages_rendered_off_the_thread_that_serves_others() {
    let placed = Arc::new(Placed {
        info: Scripted::new(&[], Duration::ZERO).info().clone(),
        thread: Mutex::default(),
    });
    let browser = Browser::new(placed.clone());
    let asked_elsewhere = || {
        let thread = placed.thread.lock().unwrap().take();
        thread.expect("it was asked") != std::thread::current().id()
    };
    ask(&browser).await;
    assert!(asked_elsewhere());
    browser.get("/").await;
    assert!(asked_elsewhere());
}
