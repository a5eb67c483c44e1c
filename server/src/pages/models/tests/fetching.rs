//! Models that are fetched: listed and asked without a restart, cancelled, refused, and followed as events.

use super::*;

#[tokio::test]
async fn a_model_that_is_fetched_is_listed_chosen_and_asked_without_a_restart() {
    let place = Place::new(Permitted::Loopback);
    let before = place.page().await;
    assert!(
        before.contains("aria-label=\"Fetch llama3.2:1b\""),
        "{before}"
    );
    assert_eq!(place.served().await, ["first"]);
    place.fetch().await;
    assert!(place.folder().exists());
    assert_eq!(place.served().await, ["first", "name"]);
    let page = place.page().await;
    for part in [
        "<th scope=\"row\">owner/name</th>",
        "href=\"/?model=name\"",
        "aria-label=\"Remove owner/name\"",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let chat = place.browser.get("/?model=name").await.body;
    let chosen = "<option value=\"name\" selected>name (not loaded)</option>";
    assert!(chat.contains(chosen), "{chat}");
    let mut fields = crate::test_support::browser::message("", "who?").to_vec();
    fields.push(("model", "name"));
    let sent = place.browser.post_form("/api/send", &fields).await;
    let answer = place.browser.get(sent.location()).await.body;
    assert!(answer.contains("I am name"), "{answer}");
    place.hub.seen();
    place.fetch().await;
    assert!(
        place.hub.seen().is_empty(),
        "what is here is not fetched again"
    );
    let figures = place.browser.get("/metrics").await.body;
    assert!(figures.contains("model=\"name\""), "{figures}");
}

#[tokio::test]
async fn one_model_is_fetched_at_a_time_and_cancelling_ends_it_at_once() {
    let place = Place::new(Permitted::Loopback);
    place
        .hub
        .happens("model.safetensors", Mishap::StallsAfter(7));
    let begun = place.post(FETCH_MODEL, &MODEL).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER);
    let page = place.page_with("owner/name from http://").await;
    for part in [
        "<meta http-equiv=\"refresh\" content=\"3;url=/about/models\">",
        "data-events=\"/about/models/events\"",
        "Fetching owner/name",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let second = place.post(FETCH_MODEL, &[("name", "smollm2:360m")]).await;
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
    let why = "`owner/name` is being fetched, and one model is fetched at a time.";
    assert!(second.body.contains(why), "{}", second.body);
    let removal = place.post(REMOVE_MODEL, &MODEL).await;
    assert_eq!(removal.status, StatusCode::CONFLICT, "{}", removal.body);
    let (_, rest) = page.split_once("name=\"fetch\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap();
    place.post(CANCEL_FETCH, &[("fetch", "1")]).await;
    assert!(
        place.page().await.contains("Fetching owner/name"),
        "it is another"
    );
    place.post(CANCEL_FETCH, &[("fetch", id)]).await;
    let page = place.page().await;
    assert!(
        page.contains("Fetching owner/name was cancelled."),
        "{page}"
    );
    assert!(
        page.contains("aria-label=\"Go on with owner/name\""),
        "{page}"
    );
    assert!(!page.contains("http-equiv=\"refresh\""), "{page}");
    assert_eq!(place.served().await, ["first"]);
}

#[tokio::test]
async fn what_the_hub_says_and_names_that_are_none_are_told() {
    let place = Place::new(Permitted::Loopback);
    place.hub.needs_token("secret");
    place.post(FETCH_MODEL, &MODEL).await;
    let page = place.page_with("owner/name was not fetched").await;
    assert!(page.contains("accept its licence"), "{page}");
    place.hub.seen();
    let outside = place.home.path().join("own.gguf");
    std::fs::write(&outside, "GGUF").unwrap();
    let outside = outside.to_str().unwrap();
    for name in [
        "",
        "../x",
        "a/..",
        "a/b:../x",
        "/etc/passwd",
        "src",
        outside,
    ] {
        for path in [FETCH_MODEL, REMOVE_MODEL] {
            let refused = place.post(path, &[("name", name)]).await;
            let status = refused.status;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {name}");
            assert!(refused.body.contains("role=\"alert\""), "{}", refused.body);
        }
    }
    for path in [RESTORE_MODEL, DISCARD_MODEL] {
        let refused = place.post(path, &[("model", "../hub")]).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
    }
    let refused = place.post(FETCH_MODEL, &[("name", "<b>/x")]).await.body;
    for part in [
        "value=\"&lt;b&gt;/x\"",
        "aria-invalid=\"true\"",
        "aria-describedby=\"refused\"",
        "id=\"refused\"",
    ] {
        assert!(refused.contains(part), "no {part} in {refused}");
    }
    // The field is not to blame for what a button wanted.
    let removal = place.post(REMOVE_MODEL, &[("name", "no/model")]).await.body;
    assert!(removal.contains("id=\"refused\""), "{removal}");
    assert!(!removal.contains("aria-invalid=\"true\""), "{removal}");
    assert!(!removal.contains("value=\"no/model\""), "{removal}");
    assert!(place.hub.seen().is_empty() && Path::new(outside).exists());
}

#[tokio::test]
async fn what_the_program_says_of_a_fetch_is_in_the_language_of_its_reader() {
    let place = Place::new(Permitted::Loopback);
    place
        .hub
        .happens("model.safetensors", Mishap::StallsAfter(7));
    place.post(FETCH_MODEL, &MODEL).await;
    place.page_with("owner/name from http://").await;
    let request = get(MODELS).header(ACCEPT_LANGUAGE, "zh-CN");
    let page = place
        .browser
        .send(here(request.body(Body::empty()).unwrap()));
    let page = page.await.body;
    let what = format!("从 {} 获取 owner/name", place.hub.endpoint);
    assert!(page.contains(&what), "{page}");
}

#[tokio::test]
async fn the_end_of_the_program_ends_a_fetch() {
    let (hub, home) = (hub(), TempDir::new().unwrap());
    hub.happens("model.safetensors", Mishap::StallsAfter(7));
    let state = server(&hub, &home, Permitted::Anyone, None);
    let browser = Browser::at_server(state.clone());
    state.chat.all_fetched().await;
    browser.post_form(FETCH_MODEL, &MODEL).await;
    assert!(state.chat.all_fetched().now_or_never().is_none());
    state.chat.stop_fetching();
    let page = browser.get(MODELS).await.body;
    assert!(
        page.contains("Fetching owner/name was cancelled."),
        "{page}"
    );
    let followed = browser.get(FETCH_EVENTS).await.body;
    assert!(followed.contains("event: ended"), "{followed}");
}

#[tokio::test]
async fn a_fetch_is_followed_as_events_to_its_end() {
    let place = Place::new(Permitted::Loopback);
    let none = place.browser.get(FETCH_EVENTS).await.body;
    assert!(none.contains("event: ended"), "{none}");
    place
        .hub
        .happens("model.safetensors", Mishap::StallsAfter(7));
    place.post(FETCH_MODEL, &MODEL).await;
    let page = place.page_with("owner/name from http://").await;
    let request = get(FETCH_EVENTS).body(Body::empty()).unwrap();
    let response = place.browser.response(request).await;
    let mut events = response.into_body().into_data_stream();
    let first = events.next().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(
        first.contains("event: progress") && first.contains("<progress"),
        "{first}"
    );
    let (_, rest) = page.split_once("name=\"fetch\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap();
    place.post(CANCEL_FETCH, &[("fetch", id)]).await;
    let rest: Vec<_> = events.collect().await;
    let rest: Vec<u8> = rest.into_iter().flat_map(|piece| piece.unwrap()).collect();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.contains("event: ended"), "{rest}");
}
