use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION, REFERER, RETRY_AFTER};
use nibble_engine::{Answer, Error, Event, Message, ModelInfo, Prompt, Request, Role};

use super::*;

mod assets;
mod branches;
mod engine;
mod facts;
mod forms;
mod language;
mod outlook;
mod presets;
mod switching;

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
    let browser = Browser::scripted(&[PIECES, &[""; 17]].concat(), Duration::ZERO);
    let path = ask(&browser).await;
    let page = browser.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "aria-label=\"Question\"",
        "<p dir=\"auto\">what?</p>",
        "<h3 dir=\"auto\">Head</h3>\n<p dir=\"auto\">one <em>two</em> &lt;b&gt;three&lt;/b&gt;</p>",
        "<dt>Time to first token</dt><dd>250<span class=\"unit\"> ms</span></dd>",
        "<dt>Decode speed</dt><dd>40.0<span class=\"unit\"> tokens/s</span></dd>",
        "<dt>Cost per million tokens</dt><dd>$62.50<",
        "<dt>Decoding alone, per million tokens</dt><dd><a href=\"/about#formulas\">$25.00<",
        "<dt>Total time</dt><dd>1.25<span class=\"unit\"> s</span></dd>",
        "<dt>Total cost</dt><dd>$0.00125<",
        "<dt>First token</dt><dd>✓ meets the 1 s bar<",
        "25.0 ms, ✓ meets the 100 ms bar",
        "<dt>Price</dt><dd>$3.6 an hour, your own<",
        "<dt>Prompt tokens</dt><dd>10</dd>",
        "<dt>Output tokens</dt><dd>20</dd>",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
    // Ten tokens of prompt are too few to tell a speed by.
    assert!(!page.body.contains("Prefill speed"), "{}", page.body);
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
    let next = browser.get("/").await.body;
    assert!(next.contains("value=\"0.5\""), "{next}");
    let other = browser.other().get("/").await.body;
    assert!(other.contains("value=\"0.2\""), "{other}");
}

#[tokio::test]
async fn a_page_streams_an_answer_that_runs() {
    // Long enough for the page to be there before the first of them on a machine that is busy.
    let pause = Duration::from_millis(400);
    let browser = Browser::scripted(&["one ", "two ", "three"], pause);
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
    assert!(
        browser
            .get(&path)
            .await
            .body
            .contains("<p dir=\"auto\">one two</p>")
    );
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
    assert!(page.contains("<p dir=\"auto\">word word"), "{page}");
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
async fn a_question_that_comes_while_an_answer_is_written_is_answered_next() {
    let browser = Browser::scripted(&["a"; 20], Duration::from_millis(10));
    let first = browser
        .post_json("/api/send", &message("", "one"))
        .await
        .json();
    let id = first["conversation"].as_str().unwrap();
    let second = browser.post_json("/api/send", &message(id, "two")).await;
    assert_eq!(second.status, StatusCode::OK);
    let third = browser.post_json("/api/send", &message(id, "three")).await;
    let withdrawn = third.json()["run"].as_str().unwrap().to_owned();
    let stopped = browser.post_form("/api/stop", &[("run", &withdrawn)]).await;
    assert_eq!(stopped.location(), format!("/c/{id}"));
    let events = format!("/runs/{}/events", second.json()["run"].as_str().unwrap());
    let events = browser.get(&events).await.body;
    assert!(events.contains(r#""phase":"behind""#), "{events}");
    let page = browser.get(&format!("/c/{id}")).await.body;
    assert_eq!(page.matches("aria-label=\"Question\"").count(), 2, "{page}");
    assert_eq!(page.matches(">aaaaaaaaaaaaaaaaaaaa<").count(), 2, "{page}");
}

#[tokio::test]
async fn nobody_sees_or_stops_what_another_browser_began() {
    let browser = Browser::scripted(&["secret "; 50], Duration::from_millis(10));
    let sent = browser
        .post_json("/api/send", &message("", "mine"))
        .await
        .json();
    let (id, run) = (
        sent["conversation"].as_str().unwrap(),
        sent["run"].as_str().unwrap(),
    );
    let other = browser.other();
    let page = other.get(&format!("/c/{id}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(
        !page.body.contains("mine") && !page.body.contains("secret"),
        "{}",
        page.body
    );
    let events = other.get(&format!("/runs/{run}/events")).await;
    assert_eq!(events.status, StatusCode::NOT_FOUND);
    other.post_form("/api/stop", &[("run", run)]).await;
    let asked = other.post_json("/api/send", &message(id, "and?")).await;
    assert_eq!(asked.status, StatusCode::NOT_FOUND);
    let page = browser.get(&format!("/c/{id}")).await.body;
    assert_eq!(page.matches("aria-label=\"Question\"").count(), 1, "{page}");
    assert!(!page.contains("Stopped by you"), "{page}");
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
        page.body.contains("is gone, or is not yours"),
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
    let mut fields = message(id, "a draft");
    fields[2].1 = "0.75";
    let page = async |fields: &[(&str, &str)]| {
        let reply = browser.post_form("/api/reset", fields).await;
        browser.get(reply.location()).await.body
    };
    let kept = page(&fields).await;
    assert!(kept.contains("value=\"0.75\""), "{kept}");
    assert!(!kept.contains("a draft"), "{kept}");
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
        ("/c/none", "There is no such conversation"),
        ("/c/%0d%0aX", "There is no such conversation"),
        ("/nowhere", "There is no such page"),
        ("/api/nothing", "There is no such page"),
    ] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert!(reply.body.contains(words), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_starter_asks_its_question_by_a_form() {
    let browser = quick();
    let fields = [&message("", "")[..], &[("starter", "short")]].concat();
    let reply = browser.post_form("/api/send", &fields).await;
    assert_eq!(reply.status, StatusCode::FOUND);
    let page = browser.get(reply.location()).await.body;
    assert!(page.contains("Why is the sky blue?"), "{page}");
    assert!(!page.contains("class=\"starters\""), "{page}");
}
