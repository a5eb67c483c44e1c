use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nibble_engine::{AnswerSender, Error, Event, FinishReason, Request};
use tokio::task::JoinSet;

use crate::models::Models;
use crate::state::AppState;
use crate::store::Store;
use crate::test_support::blocked::Blocked;
use crate::test_support::browser::{Browser, message, settings, store};
use crate::test_support::held::{Held, finished, late};

/// The next request that the engine gets; nothing when it gets none for a while.
async fn taken(engine: &Held) -> Option<(Request, AnswerSender)> {
    for _ in 0..30 {
        if let Some(taken) = engine.take() {
            return Some(taken);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

#[tokio::test]
async fn the_time_of_a_question_counts_from_when_the_answer_before_it_has_ended() {
    let engine = Arc::new(Held::default());
    let browser = Browser::new(engine.clone());
    let before = Instant::now();
    let sent = browser.post_json("/api/send", &message("", "one")).await;
    let sent = sent.json();
    let conversation = sent["conversation"].as_str().unwrap();
    let (first, sender) = taken(&engine).await.unwrap();
    assert!(first.accepted.unwrap() >= before);
    browser
        .post_json("/api/send", &message(conversation, "two"))
        .await;
    let ended = Instant::now();
    drop(sender);
    let (second, _sender) = taken(&engine).await.unwrap();
    assert!(second.accepted.unwrap() >= ended);
}

#[tokio::test]
async fn who_waits_for_a_withdrawn_question_waits_for_what_that_waited_for() {
    let engine = Arc::new(Held::default());
    let browser = Browser::new(engine.clone());
    let mut conversation = String::new();
    let mut runs = Vec::new();
    for question in ["one", "two", "three"] {
        let sent = browser
            .post_json("/api/send", &message(&conversation, question))
            .await
            .json();
        sent["conversation"]
            .as_str()
            .unwrap()
            .clone_into(&mut conversation);
        runs.push(sent["run"].as_str().unwrap().to_owned());
    }
    let first = taken(&engine).await.unwrap();
    browser.post_json("/api/stop", &[("run", &runs[1])]).await;
    assert!(taken(&engine).await.is_none());
    drop(first);
    assert!(taken(&engine).await.is_some());
}

/// A server whose next prompts are not prepared until the test goes on, and its state.
fn blocked() -> (Sender<()>, Arc<Blocked>, AppState, Browser) {
    let (go_on, blocked) = Blocked::new();
    let models = Models::only(blocked.clone());
    let state = AppState::of(models, settings(), store(), None);
    let browser = Browser::at_server(state.clone());
    (go_on, blocked, state, browser)
}

/// Others who are prepared until the test goes on.
fn all_turns(state: &AppState) -> JoinSet<Result<(), Error>> {
    let other = || {
        let model = state.model.clone();
        async move { model.submit(Request::default()).await.map(drop) }
    };
    (0..2).map(|_| other()).collect()
}

/// Goes on when so many wait to be prepared.
async fn wait(state: &AppState, waiting: usize) {
    while state.model.load().waiting != waiting {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_question_that_is_withdrawn_before_it_is_prepared_gives_its_place_up() {
    let (go_on, blocked, state, browser) = blocked();
    go_on.send(()).unwrap();
    let first = browser.post_json("/api/send", &message("", "one")).await;
    let conversation = first.json()["conversation"].as_str().unwrap().to_owned();
    let second = message(&conversation, "two");
    let second = browser.post_json("/api/send", &second).await;
    let run = second.json()["run"].as_str().unwrap().to_owned();
    let others = all_turns(&state);
    // The first answer ends, and the second's turn to be prepared does not come.
    drop(taken(&blocked.held).await.unwrap());
    wait(&state, 1).await;
    browser.post_json("/api/stop", &[("run", &run)]).await;
    wait(&state, 0).await;
    drop(go_on);
    assert!(others.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn an_answer_that_is_stopped_before_it_goes_on_stays_as_it_was() {
    let (go_on, blocked, state, browser) = blocked();
    go_on.send(()).unwrap();
    let sent = browser.post_json("/api/send", &message("", "one")).await;
    let sent = sent.json();
    let path = format!("/c/{}", sent["conversation"].as_str().unwrap());
    let run = sent["run"].as_str().unwrap();
    let (_, sender) = taken(&blocked.held).await.unwrap();
    sender.send(Event::Text("so far".into()));
    sender.send(finished(FinishReason::Length, 2));
    browser.get(&format!("/runs/{run}/events")).await;
    let others = all_turns(&state);
    let fields = [("answer", run)];
    let stopped = async {
        wait(&state, 1).await;
        browser.post_json("/api/stop", &[("run", run)]).await;
        drop(go_on);
    };
    tokio::join!(browser.post_form("/api/continue", &fields), stopped);
    while !taken(&blocked.held).await.unwrap().1.is_stopped() {}
    let page = browser.get(&path).await.body;
    assert!(page.contains("so far") && page.contains("one"), "{page}");
    assert!(others.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_question_whose_sender_leaves_before_it_is_prepared_gives_its_place_up_after_a_while() {
    let (go_on, _, state, browser) = blocked();
    // It is known from now on.
    browser.get("/chats").await;
    let others = all_turns(&state);
    let fields = message("", "one");
    let asked = browser.post_json("/api/send", &fields);
    tokio::select! {
        _ = asked => panic!("it is answered before its turn comes"),
        () = wait(&state, 1) => {}
    }
    // A page that is loaded anew finds it.
    let chats = browser.get("/chats").await.body;
    assert!(chats.contains("href=\"/c/"), "{chats}");
    assert_eq!(state.model.load().waiting, 1);
    tokio::time::pause();
    wait(&state, 0).await;
    drop(go_on);
    assert!(others.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_sender_left_meanwhile_is_answered_or_was_never_asked() {
    let browser = Browser::scripted(&["a"], Duration::ZERO);
    let fields = message("", "one");
    let began = Instant::now();
    browser.post_json("/api/send", &fields).await;
    let whole = began.elapsed();
    for wait in 0..60 {
        let sent = browser.post_json("/api/send", &fields);
        let _ = tokio::time::timeout(whole * wait / 40, sent).await;
    }
    let list = browser.get("/chats").await.body;
    let names = list.split("href=\"/c/").skip(1);
    let names: BTreeSet<_> = names.map(|rest| &rest[..32]).collect();
    assert!(names.len() > 20, "{} chats {list}", names.len());
    for name in names {
        let address = format!("/c/{name}");
        let page = tokio::time::timeout(Duration::from_secs(10), browser.get(&address));
        let page = page.await.expect("the answer ends").body;
        assert!(page.contains("class=\"final\""), "{page}");
    }
}

#[tokio::test]
async fn an_answer_whose_time_ran_out_shows_what_it_took() {
    let engine = Arc::new(Held::default());
    let store = store();
    let written = store.twin();
    let browser = Browser::with_store(engine.clone(), store);
    let sent = browser.post_json("/api/send", &message("", "one")).await;
    let sent = sent.json();
    let run = sent["run"].as_str().unwrap();
    let (_, sender) = taken(&engine).await.unwrap();
    sender.send(Event::Text("so far".into()));
    sender.send(late(7));
    browser.get(&format!("/runs/{run}/events")).await;
    let path = format!("/c/{}", sent["conversation"].as_str().unwrap());
    let page = browser.get(&path).await.body;
    assert!(
        page.contains("so far") && page.contains("--max-time"),
        "{page}"
    );
    let mut end = None;
    while end.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        end = written
            .answer(run.parse().unwrap())
            .await
            .unwrap()
            .unwrap()
            .end;
    }
    let metrics = end.unwrap().metrics.unwrap();
    assert_eq!((metrics.prompt_tokens, metrics.output_tokens), (10, 7));
}
