//! What a message comes to before it is sent, and which model it goes to.

use std::sync::atomic::Ordering;

use super::*;
use crate::models::{KeepAlive, Models, Offer};
use crate::test_support::client;
use crate::test_support::scripted::two_models;

const CHECK: &str = "/api/check";

fn words(reply: &crate::test_support::browser::Reply) -> String {
    reply.json()["words"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_message_is_foreseen_for_scripts_and_without_them_and_not_sent() {
    let browser = quick();
    // Six of ten tokens are to be computed, at 20 ms each, and a hundred written at 25 ms.
    let told = "Prompt: 10 tokens, 4 cached · first token after about 120 ms · about 2.60 s for 100 tokens · $0.00260";
    let checked = browser.post_json(CHECK, &message("", "what?")).await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.body);
    assert_eq!(words(&checked), told);
    let page = browser.post_form(CHECK, &message("", "what?")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&format!(">{told}</p>")), "{}", page.body);
    assert!(page.body.contains(">what?</textarea>"), "{}", page.body);
    assert!(
        !page.body.contains("aria-label=\"Question\""),
        "{}",
        page.body
    );
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    browser.get(&path).await;
    // An answer of three tokens was written meanwhile.
    let next = browser.post_json(CHECK, &message(id, "and?")).await;
    assert!(words(&next).contains("for 3 tokens"), "{}", words(&next));
    // How long somebody's answers are is told to nobody else, and to nobody of a chat that is deleted.
    let other = browser.other();
    let theirs = other.post_json(CHECK, &message("", "what?")).await;
    assert!(
        words(&theirs).contains("for 100 tokens"),
        "{}",
        words(&theirs)
    );
    let mut with_files = message("", "").to_vec();
    with_files.push(("more", "2040"));
    let long = browser.post_json(CHECK, &with_files).await;
    assert!(
        words(&long).contains("2,050 tokens, and the model can read 2,048"),
        "{}",
        words(&long)
    );
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_foreseen_either() {
    let browser = quick();
    let empty = browser.post_json(CHECK, &message("", "")).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    let other = browser.other();
    let theirs = other.post_json(CHECK, &message(id, "what?")).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{}", theirs.body);
}

#[tokio::test]
async fn estimates_are_kept_with_answers_and_charted() {
    let browser = quick();
    let path = ask(&browser).await;
    browser.get(&path).await;
    let speed = browser.get("/speed").await.body;
    assert!(speed.contains("Estimates within 25 %"), "{speed}");
    // All ten tokens were computed, at 20 ms each: 0.2 s of 0.25 s.
    assert!(speed.contains("<td>100 of 100</td>"), "{speed}");
}

#[tokio::test]
async fn what_is_judged_is_the_estimate_that_was_told_before_sending() {
    let browser = quick();
    let expected = async |path: &str| {
        browser.get(path).await;
        let file = browser.get(&format!("{path}/export.json")).await.json();
        file.to_string()
    };
    let told = browser.post_json(CHECK, &message("", "what?")).await;
    assert!(words(&told).contains("about 120 ms"), "{}", words(&told));
    let file = expected(&ask(&browser).await).await;
    assert!(file.contains("\"first_s\":0.12,"), "{file}");
    // Nothing was told of this one, which is foreseen when its prompt is read: all ten tokens are computed.
    let file = expected(&ask(&browser).await).await;
    assert!(file.contains("\"first_s\":0.2,"), "{file}");
}

#[tokio::test]
async fn the_time_for_which_a_model_is_loaded_is_kept_with_the_answer_that_waited() {
    let offer = Offer {
        info: Scripted::new(&[], Duration::ZERO).info().clone(),
        file: None,
        bytes: 1,
        kv_blocks: 0,
        keep: KeepAlive::Always,
        load: Box::new(|| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(Arc::new(Scripted::new(&["hi"], Duration::ZERO)) as Arc<dyn Generator>)
        }),
    };
    let models = Models::new(vec![offer], Box::new(|| None), None, None);
    let browser = Browser::at_server(client::state(models));
    let loading_s = async || {
        let path = ask(&browser).await;
        browser.get(&path).await;
        let file = browser.get(&format!("{path}/export.json")).await;
        let file = file.json().to_string();
        let (_, loading) = file.split_once("\"loading_s\":").expect("a figure");
        let loading = loading.split([',', '}']).next().unwrap();
        loading.parse::<f64>().unwrap()
    };
    assert!(loading_s().await > 0.0);
    assert_eq!(loading_s().await, 0.0);
}

#[tokio::test]
async fn a_conversation_is_answered_by_the_model_of_its_settings() {
    let (models, loads) = two_models();
    let browser = Browser::at_server(client::state(models));
    let page = browser.get("/").await.body;
    assert!(
        page.contains("<option value=\"one\" selected>One</option>"),
        "{page}"
    );
    assert!(
        page.contains("<option value=\"two\">Two (not loaded)</option>"),
        "{page}"
    );
    let mut fields = message("", "who?").to_vec();
    fields.push(("model", "two"));
    let out = browser.post_json(CHECK, &fields).await;
    assert!(words(&out).contains("not in memory"), "{}", words(&out));
    let checked = browser.post_form(CHECK, &fields).await.body;
    assert!(
        checked.contains("<option value=\"two\" selected>"),
        "{checked}"
    );
    assert_eq!(
        loads.load(Ordering::SeqCst),
        0,
        "asking for an estimate loads nothing"
    );
    let posted = browser.post_form("/api/send", &fields).await;
    assert_eq!(posted.status, StatusCode::FOUND, "{}", posted.body);
    let page = browser.get(posted.location()).await.body;
    assert!(page.contains("I am Two"), "{page}");
    assert!(
        page.contains("<option value=\"two\" selected>Two</option>"),
        "{page}"
    );
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    let id = posted.location().trim_start_matches("/c/").to_owned();
    let mut back = message(&id, "and now?").to_vec();
    back.push(("model", "one"));
    let posted = browser.post_form("/api/send", &back).await;
    let page = browser.get(posted.location()).await.body;
    assert!(page.contains("I am One"), "{page}");
    let speed = browser.get("/speed?model=Two").await.body;
    assert!(speed.contains("<option value=\"Two\" selected>"), "{speed}");
}

#[tokio::test]
async fn the_page_of_how_it_works_tells_of_the_model_that_is_chosen() {
    let (models, loads) = two_models();
    let browser = Browser::at_server(client::state(models));
    for (path, name) in [
        ("/about", "One"),
        ("/about?model=two", "Two"),
        ("/about?model=none", "One"),
    ] {
        let page = browser.get(path).await.body;
        let told = format!("<th scope=\"row\">Model</th><td>{name}</td>");
        assert!(page.contains(&told), "{path}: {page}");
        let chosen = format!("selected>{name}</option>");
        assert!(page.contains(&chosen), "{path}: {page}");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 0, "reading loads nothing");
}
