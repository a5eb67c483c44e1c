//! How it works, and the models.

use super::*;

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
async fn limits_are_measured_once_and_drawn() {
    let browser = quick();
    let page = browser.get("/about").await.body;
    assert!(!page.contains("Measured on"), "{page}");
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
