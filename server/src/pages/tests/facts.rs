//! How it works, and the models.

use nibble_app::chat::Facts;

use super::*;
use crate::test_support::browser::{settings, store};

#[tokio::test]
async fn how_it_works_has_the_machine_the_model_and_the_last_answers_numbers() {
    let browser = Browser::scripted(&["word "; 20], Duration::ZERO);
    let before = browser.get("/about").await;
    assert_eq!(before.status, StatusCode::OK);
    assert!(
        before.body.contains("Ask something, and"),
        "{}",
        before.body
    );
    let path = ask(&browser).await;
    browser.get(&path).await;
    let page = browser.get("/about").await.body;
    for part in [
        "<th scope=\"row\">Kernel</th><td>scalar",
        "<th scope=\"row\">Threads</th>",
        "<th scope=\"row\">Kernels that it runs</th><td>scalar",
        "<th scope=\"row\">Model</th><td>Scripted 1B</td>",
        "of 20 tokens",
        "(20 − 1) / 475 ms = 40.0 tokens/s",
        "$3.60 / 3600 × 1.25 s = $0.00125",
        "action=\"/about/measure\"",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let other = browser.other().get("/about").await.body;
    assert!(other.contains("Ask something, and"), "{other}");
    let chinese = browser.other();
    let chosen = [("language", "zh-CN")];
    chinese.post_form("/language?next=%2F", &chosen).await;
    let page = chinese.get("/about").await.body;
    assert!(page.contains("<h1>工作原理</h1>"), "{page}");
}

#[tokio::test]
async fn a_draft_model_is_named_beside_the_model() {
    let drafted = Scripted::new(PIECES, Duration::ZERO).drafted_by("Small");
    let browser = Browser::new(Arc::new(drafted));
    for (path, part) in [
        ("/about", "<th scope=\"row\">Draft model</th><td>Small</td>"),
        ("/", "<dt>Draft model</dt><dd>Small</dd>"),
        ("/metrics", "draft_model=\"Small\""),
    ] {
        let page = browser.get(path).await.body;
        assert!(page.contains(part), "no {part} in {page}");
        let without = quick().get(path).await.body;
        assert!(!without.contains(part), "{without}");
    }
}

#[tokio::test]
async fn limits_are_measured_once_and_drawn() {
    let browser = quick();
    let page = browser.get("/about").await.body;
    assert!(!page.contains("Measured on"), "{page}");
    let speed = browser.get("/speed").await.body;
    assert!(!speed.contains("id=\"roofline\""), "{speed}");
    for _ in 0..2 {
        let measured = browser.post_form("/about/measure", &[]).await;
        assert_eq!(measured.status, StatusCode::SEE_OTHER, "{}", measured.body);
        assert_eq!(measured.headers[LOCATION], "/about#roofline");
    }
    // Who loads again what came of a form is led to the same.
    let again = browser.get("/about/measure").await;
    assert_eq!(again.headers[LOCATION], "/about#roofline");
    let page = browser.get("/about").await.body;
    assert!(page.contains("Measured on"), "{page}");
    assert!(
        page.contains("<th scope=\"row\">Reading memory</th>"),
        "{page}"
    );
    let speed = browser.get("/speed").await.body;
    assert!(speed.contains("<h2 id=\"roofline\">"), "{speed}");
    assert!(speed.contains("Measured on"), "{speed}");
}

#[tokio::test]
async fn a_server_that_has_nothing_to_do_measures_its_limits_by_itself() {
    let generator = Arc::new(Scripted::new(&["word "; 20], Duration::from_millis(50)));
    let state = AppState::new(generator, settings(), store(), None);
    let browser = Browser::at_server(state.clone());
    ask(&browser).await;
    let quiet = Duration::from_millis(1);
    state.chat.measure_limits_when_idle(quiet, f64::MAX).await;
    // The answer went first.
    assert!(state.model.is_idle());
    for path in ["/about", "/speed"] {
        let page = browser.get(path).await.body;
        assert!(page.contains("Measured on"), "{path}: {page}");
    }
    // What is known is not measured anew.
    let machine = state.chat.known_machine().await;
    state.chat.measure_limits_when_idle(quiet, f64::MAX).await;
    let again = state.chat.known_machine().await;
    assert!(machine.measured.is_some());
    assert_eq!(machine.measured, again.measured);
}

#[tokio::test]
async fn models_are_listed_with_what_they_need() {
    let page = quick().get("/about/models").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "<p>Scripted 1B · ",
        "<th scope=\"row\">llama3.2:1b</th>",
        "<td>HuggingFaceTB/SmolLM2-135M-Instruct</td>",
        "Apache-2.0",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
}
