//! Forms that are refused, and what becomes of what was typed.

use super::*;

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
    assert_eq!(full.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reason = "This chat has more text than the 256 KiB that the model can be told.";
    assert!(full.body.contains(reason), "{}", full.body);
    assert!(full.body.contains("Go on without the oldest turns"));
    let mut fields = message(id, &question).to_vec();
    fields.push(("when_full", "forget"));
    let sent = browser.post_form("/api/send", &fields).await;
    assert_eq!(sent.location(), path);
    let page = browser.get(&path).await.body;
    let line = page.find("The model no longer sees").unwrap();
    assert!(page.find(">what?</p>").unwrap() < line, "{page}");
}

#[tokio::test]
async fn a_form_over_the_limit_is_refused() {
    let long = "x".repeat(FORM_BYTES);
    let reply = quick().post_form("/api/send", &message("", &long)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_price_that_cannot_be_used_is_complained_about_at_its_field_too() {
    let browser = quick();
    let mut fields = message("", "what?");
    fields[5].1 = "free";
    let page = browser.post_form("/api/send", &fields).await.body;
    let reason = "$ per hour must be a number from 0 to 10,000, found `free`.";
    assert_eq!(page.matches(reason).count(), 2, "{page}");
    assert!(page.contains("id=\"more-settings\" open"), "{page}");
    assert!(page.contains(">Open settings</button>"), "{page}");
}

#[tokio::test]
async fn a_malformed_form_is_refused_and_leads_nowhere() {
    let browser = quick();
    let whole = message("", "what?");
    for (path, fields, why) in [
        (
            "/api/send",
            &[whole[1], whole[1]][..],
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
async fn a_field_that_is_missing_is_as_good_as_empty_and_named() {
    let browser = quick();
    let whole = message("", "what?");
    for (fields, field) in [(&[][..], "temperature"), (&whole[..4], "usd_per_hour")] {
        let refused = browser.post_json("/api/send", fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.json()["field"], field);
    }
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
