use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use futures::future::join_all;

use crate::runs::READERS;
use crate::test_support::browser::{Browser, get, message};

const PIECES: &[&str] = &["one\n\n", "two\n\n", "thr", "ee\n"];

struct Sent {
    event: String,
    id: Option<String>,
    data: serde_json::Value,
}

fn parsed(body: &str) -> Vec<Sent> {
    let blocks = body.split("\n\n").filter(|block| block.contains("data:"));
    let field = |block: &str, name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    blocks
        .map(|block| Sent {
            event: field(block, "event:").unwrap(),
            id: field(block, "id:"),
            data: serde_json::from_str(&field(block, "data:").unwrap()).unwrap(),
        })
        .collect()
}

async fn begun(pause: Duration) -> (Browser, String) {
    let browser = Browser::scripted(PIECES, pause);
    let reply = browser.post_json("/api/send", &message("", "what?")).await;
    let run = reply.json()["run"].as_str().unwrap().to_owned();
    (browser, format!("/runs/{run}/events"))
}

async fn from(browser: &Browser, path: &str, id: &str) -> Vec<Sent> {
    let request = get(path).header("last-event-id", id);
    parsed(
        &browser
            .send(request.body(Body::empty()).unwrap())
            .await
            .body,
    )
}

/// What a page shows after events, settled blocks and tail.
fn shown(events: &[Sent]) -> (String, String) {
    let (mut blocks, mut tail) = (String::new(), String::new());
    for text in events.iter().filter(|sent| sent.event == "text") {
        if text.data["at"] == 0 {
            blocks.clear();
        }
        blocks.push_str(text.data["html"].as_str().unwrap());
        text.data["tail"].as_str().unwrap().clone_into(&mut tail);
    }
    (blocks, tail)
}

#[tokio::test]
async fn an_answer_comes_in_steps_and_ends_with_its_figures() {
    let (browser, path) = begun(Duration::from_millis(80)).await;
    let reply = browser.get(&path).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    assert_eq!(reply.headers["x-accel-buffering"], "no");
    assert_eq!(reply.headers["cache-control"], "no-cache");
    let events = parsed(&reply.body);
    assert_eq!(events[0].event, "status");
    assert!(events.iter().filter(|sent| sent.event == "text").count() > 2);
    let done = events.last().unwrap();
    assert_eq!(done.event, "done");
    assert_eq!(done.data["status"], "The answer is complete.");
    let html = done.data["html"].as_str().unwrap();
    assert!(
        html.contains(
            "<p dir=\"auto\">one</p>\n<p dir=\"auto\">two</p>\n<p dir=\"auto\">three</p>"
        ),
        "{html}"
    );
    assert!(html.contains("Time to first token"), "{html}");
}

#[tokio::test]
async fn a_growing_answer_tells_how_fast_it_comes() {
    let browser = Browser::scripted(&["word "; 60], Duration::from_millis(20));
    let reply = browser.post_json("/api/send", &message("", "what?")).await;
    let run = reply.json()["run"].as_str().unwrap().to_owned();
    let events = parsed(&browser.get(&format!("/runs/{run}/events")).await.body);
    let figures: Vec<_> = events
        .iter()
        .filter_map(|sent| sent.data["figures"].as_array())
        .collect();
    assert!(figures.len() > 2, "{figures:?}");
    let text = |figure: &serde_json::Value| figure.as_str().unwrap().to_owned();
    assert!(
        text(&figures[0][0]).starts_with("first token "),
        "{figures:?}"
    );
    let last: Vec<_> = figures.last().unwrap().iter().map(text).collect();
    assert!(last[0].ends_with(" tokens/s"), "{last:?}");
    assert!(last[1].ends_with("× reading"), "{last:?}");
}

#[tokio::test]
async fn a_lost_connection_takes_up_again_without_gaps_or_doubles() {
    let (browser, path) = begun(Duration::from_millis(300)).await;
    tokio::time::sleep(Duration::from_millis(750)).await;
    // Two paragraphs are written, and the first is settled.
    let (whole, rest) = tokio::join!(from(&browser, &path, "0"), from(&browser, &path, "5"));
    let (blocks, tail) = shown(&whole);
    assert_eq!(blocks, "<p dir=\"auto\">one</p>\n<p dir=\"auto\">two</p>\n");
    assert_eq!(tail, "<p dir=\"auto\">three</p>\n");
    let first = rest.iter().find(|sent| sent.event == "text").unwrap();
    assert_eq!(first.data["at"], 5);
    assert_eq!(shown(&rest), ("<p dir=\"auto\">two</p>\n".into(), tail));
    let ids: Vec<_> = whole.iter().filter_map(|sent| sent.id.as_deref()).collect();
    assert_eq!((ids.first(), ids.last()), (Some(&"5"), Some(&"10")));
}

#[tokio::test]
async fn an_id_that_was_never_given_begins_anew() {
    for id in ["999999", "-1", "x", "18446744073709551615"] {
        let (browser, path) = begun(Duration::from_millis(40)).await;
        let events = from(&browser, &path, id).await;
        let first = events.iter().find(|sent| sent.event == "text").unwrap();
        assert_eq!(first.data["at"], 0, "{id}");
    }
}

#[tokio::test]
async fn an_answer_that_has_ended_is_told_at_once() {
    let (browser, path) = begun(Duration::ZERO).await;
    browser.get(&path).await;
    let events = parsed(&browser.get(&path).await.body);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event, "done");
}

#[tokio::test]
async fn a_run_that_never_was_is_not_found() {
    let (browser, _) = begun(Duration::ZERO).await;
    for run in ["x", "x-0", "-", "%F0%9F%98%80-1"] {
        let reply = browser.get(&format!("/runs/{run}/events")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{run}");
    }
}

#[tokio::test]
async fn an_answer_has_so_many_readers_and_refuses_others_for_a_while() {
    let (browser, path) = begun(Duration::from_millis(200)).await;
    let replies = join_all((0..READERS + 2).map(|_| browser.get(&path))).await;
    let (followed, refused): (Vec<_>, Vec<_>) = replies
        .iter()
        .partition(|reply| reply.status == StatusCode::OK);
    assert_eq!((followed.len(), refused.len()), (READERS, 2));
    assert!(
        followed
            .iter()
            .all(|reply| reply.body.contains("event: done"))
    );
    assert_eq!(refused[0].status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused[0].headers["retry-after"], "5");
}
