use std::sync::Arc;
use std::time::Duration;

use crate::store::{Database, SqlStore};
use crate::test_support::browser::{Browser, message};
use crate::test_support::postgres;
use crate::test_support::scripted::Scripted;

/// Two servers on one Postgres, as one browser sees them; each writes answers of so many words. Nothing without Postgres.
async fn two(words: usize) -> Option<(Browser, Browser)> {
    let database = Database::Postgres(postgres::database()?);
    let mut browsers = Vec::new();
    for _ in 0..2 {
        let store = SqlStore::open(&database).await.unwrap();
        let words = Scripted::new(&vec!["word "; words], Duration::from_millis(20));
        browsers.push(Browser::with_store(Arc::new(words), store));
    }
    let [one, other] = <[_; 2]>::try_from(browsers).ok()?;
    one.get("/").await;
    let other = one.at(&other);
    Some((one, other))
}

/// Asks; names the conversation and the run.
async fn asked(browser: &Browser, conversation: &str) -> (String, String) {
    let form = message(conversation, "why?");
    let sent = browser.post_json("/api/send", &form).await.json();
    let name = |field: &str| sent[field].as_str().unwrap().to_owned();
    (name("conversation"), name("run"))
}

#[tokio::test]
async fn an_answer_that_another_process_writes_is_followed_to_its_end() {
    let Some((one, other)) = two(100).await else {
        return;
    };
    let (conversation, run) = asked(&one, "").await;
    let (page, events) = (format!("/c/{conversation}"), format!("/runs/{run}/events"));
    let (events, pieces) = tokio::join!(other.get(&events), other.chunks(&page));
    let events = events.body;
    assert!(events.contains("The answer is complete."), "{events}");
    assert!(events.matches("event: text").count() > 2, "{events}");
    assert!(pieces.len() > 3, "{pieces:?}");
    let words = [one.get(&page).await.body, other.get(&page).await.body];
    let words = words.map(|page| page.matches("word ").count());
    assert!(words[0] >= 99, "{words:?}");
    assert_eq!(words[0], words[1]);
}

#[tokio::test]
async fn an_answer_is_stopped_from_another_process() {
    let Some((one, other)) = two(2_000).await else {
        return;
    };
    let (conversation, run) = asked(&one, "").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopped = other.post_form("/api/stop", &[("run", &run)]).await;
    assert_eq!(stopped.location(), format!("/c/{conversation}"));
    let events = format!("/runs/{run}/events");
    let events = tokio::time::timeout(Duration::from_secs(10), one.get(&events)).await;
    let events = events.unwrap().body;
    assert!(events.contains("The answer was stopped."), "{events}");
}

#[tokio::test]
async fn a_question_that_waits_in_another_process_is_withdrawn_from_here() {
    let Some((one, other)) = two(2_000).await else {
        return;
    };
    let (conversation, _) = asked(&one, "").await;
    let (_, waits) = asked(&one, &conversation).await;
    other.post_form("/api/stop", &[("run", &waits)]).await;
    let events = format!("/runs/{waits}/events");
    // Who follows it learns that it is gone.
    let followed = tokio::time::timeout(Duration::from_secs(10), other.get(&events));
    let followed = followed.await.unwrap().body;
    assert!(followed.contains("The answer is gone."), "{followed}");
    for browser in [&one, &other] {
        assert_eq!(browser.get(&events).await.status, 404);
    }
}
