use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::ACCEPT;
use axum::http::{HeaderValue, Request, StatusCode};
use futures::StreamExt;
use nibble_app::FETCH_EVENTS;
use nibble_engine::Error;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::*;
use crate::generator::Generator;
use crate::hub::Shelf;
use crate::hub::tests::repositories::hub;
use crate::hub::tests::stand_in::{Mishap, StandIn};
use crate::management::{Management, Managers};
use crate::models::{Models, Offer};
use crate::offers::Offers;
use crate::sign_in::{SIGN_IN, SignIn};
use crate::state::AppState;
use crate::test_support::browser::{Browser, Reply, form, get, settings, store};
use crate::test_support::scripted::{Scripted, offer};

const HTML: &str = "text/html,application/xhtml+xml";
const MODEL: [(&str, &str); 1] = [("name", "owner/name")];

/// Models that say their names, which are those of their files.
struct Scripts;

impl Offers for Scripts {
    fn offer(&self, file: &Path) -> Result<Offer, Error> {
        let name = file.file_name().unwrap().to_str().unwrap();
        Ok(offer(name, Some(file.to_owned())))
    }
}

/// A server beside a hub, with a folder for models.
struct Place {
    hub: StandIn,
    home: TempDir,
    browser: Browser,
}

impl Place {
    fn new(managers: Managers) -> Self {
        let (hub, home) = (hub(), TempDir::new().unwrap());
        let browser = Browser::at_server(server(&hub, &home, managers, None));
        Self { hub, home, browser }
    }

    /// As from the machine itself.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.browser.send(here(form(path, fields, HTML))).await
    }

    async fn page(&self) -> String {
        let request = get(MODELS).body(Body::empty()).unwrap();
        self.browser.send(here(request)).await.body
    }

    /// The page, as soon as it has these words.
    async fn page_with(&self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let page = self.page().await;
            if page.contains(words) {
                return page;
            }
            let is_late = start.elapsed() > Duration::from_secs(60);
            assert!(!is_late, "never `{words}` in {page}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn fetch(&self) {
        let begun = self.post(FETCH_MODEL, &MODEL).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
        assert_eq!(begun.location(), MODELS);
        self.page_with("owner/name is here and can be asked.").await;
    }

    async fn served(&self) -> Vec<String> {
        let listed = self.browser.get("/v1/models").await.json();
        let models = listed["data"].as_array().unwrap().iter();
        models
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("hub/owner/name")
    }

    /// By which the last removal is undone.
    async fn removed(&self) -> String {
        let page = self.page().await;
        let (_, rest) = page
            .split_once("name=\"model\" value=\"")
            .expect("a removed model");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A server whose first model comes from this file.
fn server(hub: &StandIn, home: &TempDir, managers: Managers, first: Option<PathBuf>) -> AppState {
    let generator: Arc<dyn Generator> =
        Arc::new(Scripted::new(&["I am first"], Duration::ZERO).named("First"));
    let offer = offer("First", first);
    let models = Models::beginning_with(offer, generator, Box::new(|| None), Some(1000));
    let shelf = Shelf::of(home.path(), &hub.endpoint);
    let management = Management::new(managers, shelf, Scripts);
    AppState::of(models, settings(), store(), None).managing(Some(management))
}

/// Over a connection from the machine itself.
fn here(mut request: Request<Body>) -> Request<Body> {
    let peer = SocketAddr::from(([127, 0, 0, 1], 9));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[tokio::test]
async fn a_model_that_is_fetched_is_listed_chosen_and_asked_without_a_restart() {
    let place = Place::new(Managers::Loopback);
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
    let place = Place::new(Managers::Loopback);
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
    assert!(removal.status.is_client_error(), "{}", removal.body);
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
    let place = Place::new(Managers::Loopback);
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
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let refused = place.post(FETCH_MODEL, &[("name", "<b>/x")]).await;
    assert!(
        refused.body.contains("value=\"&lt;b&gt;/x\""),
        "{}",
        refused.body
    );
    assert!(place.hub.seen().is_empty() && Path::new(outside).exists());
}

#[tokio::test]
async fn a_removed_model_is_not_served_and_undo_brings_all_of_it_back() {
    let place = Place::new(Managers::Loopback);
    place.fetch().await;
    let removed = place.post(REMOVE_MODEL, &MODEL).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER, "{}", removed.body);
    assert!(!place.folder().exists());
    assert_eq!(place.served().await, ["first"]);
    let figures = place.browser.get("/metrics").await.body;
    assert!(!figures.contains("\"name\""), "{figures}");
    let page = place.page().await;
    assert!(page.contains("owner/name was removed."), "{page}");
    let id = place.removed().await;
    let restored = place.post(RESTORE_MODEL, &[("model", &id)]).await;
    assert_eq!(restored.status, StatusCode::SEE_OTHER, "{}", restored.body);
    assert!(place.folder().join("model.safetensors").exists());
    assert_eq!(place.served().await, ["first", "name"]);
    place.post(REMOVE_MODEL, &MODEL).await;
    let id = place.removed().await;
    place.post(DISCARD_MODEL, &[("model", &id)]).await;
    assert!(!place.page().await.contains("was removed"));
    let late = place.post(RESTORE_MODEL, &[("model", &id)]).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    place.fetch().await;
    assert_eq!(place.served().await, ["first", "name"]);
}

#[tokio::test]
async fn a_model_that_is_in_memory_or_the_first_stays() {
    let place = Place::new(Managers::Loopback);
    place.fetch().await;
    let mut fields = crate::test_support::browser::message("", "who?").to_vec();
    fields.push(("model", "name"));
    let sent = place.browser.post_form("/api/send", &fields).await;
    place.browser.get(sent.location()).await;
    let refused = place.post(REMOVE_MODEL, &MODEL).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.body.contains("`name` is in memory"),
        "{}",
        refused.body
    );
    let first = Browser::at_server(server(
        &place.hub,
        &place.home,
        Managers::Loopback,
        Some(place.folder()),
    ));
    let request = here(form(REMOVE_MODEL, &MODEL, HTML));
    let refused = first.send(request).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let why = "`First` answers those who name no model";
    assert!(refused.body.contains(why), "{}", refused.body);
    assert!(place.folder().exists());
    assert_eq!(place.served().await, ["first", "name"]);
}

/// Whether a browser at a page has buttons, and the status of what it posts.
async fn may(place: &Place, change: impl Fn(&mut Request<Body>)) -> (bool, StatusCode) {
    let mut page = here(get(MODELS).body(Body::empty()).unwrap());
    change(&mut page);
    let page = place.browser.send(page).await.body;
    let mut post = here(form(FETCH_MODEL, &[("name", "no name")], HTML));
    change(&mut post);
    let posted = place.browser.send(post).await;
    (page.contains("aria-label=\"Fetch "), posted.status)
}

#[tokio::test]
async fn who_may_not_sees_no_buttons_one_sentence_and_is_refused() {
    const NO: (bool, StatusCode) = (false, StatusCode::FORBIDDEN);
    const YES: (bool, StatusCode) = (true, StatusCode::UNPROCESSABLE_ENTITY);
    let here = |_: &mut Request<Body>| {};
    let elsewhere = |request: &mut Request<Body>| {
        let peer = SocketAddr::from(([192, 0, 2, 1], 9));
        request.extensions_mut().insert(ConnectInfo(peer));
    };
    let by_proxy = |request: &mut Request<Body>| {
        let client = HeaderValue::from_static("127.0.0.1");
        request.headers_mut().insert("x-forwarded-for", client);
    };
    for (managers, [by_here, by_elsewhere, by_proxied]) in [
        (Managers::Loopback, [YES, NO, NO]),
        (Managers::Password, [NO, NO, NO]),
        (Managers::Anyone, [YES, YES, YES]),
        (Managers::Nobody, [NO, NO, NO]),
    ] {
        let place = Place::new(managers);
        assert_eq!(may(&place, here).await, by_here, "{managers:?}");
        assert_eq!(may(&place, elsewhere).await, by_elsewhere, "{managers:?}");
        assert_eq!(may(&place, by_proxy).await, by_proxied, "{managers:?}");
        assert!(place.hub.seen().is_empty());
    }
    let place = Place::new(Managers::Loopback);
    let page = place.browser.get(MODELS).await.body;
    let why = "on the server’s own machine, or have signed in.";
    assert!(
        page.contains(why) && page.contains("nibble --model NAME"),
        "{page}"
    );
    for path in [
        FETCH_MODEL,
        CANCEL_FETCH,
        REMOVE_MODEL,
        RESTORE_MODEL,
        DISCARD_MODEL,
    ] {
        let refused = place.browser.post_form(path, &MODEL).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(place.browser.get(path).await.location(), MODELS);
    }
    let mut foreign = self::here(form(FETCH_MODEL, &MODEL, HTML));
    let origin = HeaderValue::from_static("https://evil.example");
    foreign.headers_mut().insert("origin", origin);
    assert_eq!(
        place.browser.send(foreign).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn who_has_signed_in_may_from_everywhere() {
    let (hub, home) = (hub(), TempDir::new().unwrap());
    let state = server(&hub, &home, Managers::Password, None);
    let sign_in = SignIn::new("correct horse").unwrap();
    let browser = Browser::at_server(state.behind(Some(sign_in)));
    let refused = browser.post_form(FETCH_MODEL, &MODEL).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    browser
        .post_form(SIGN_IN, &[("password", "correct horse")])
        .await;
    let page = browser.get(MODELS).await.body;
    assert!(page.contains("aria-label=\"Fetch llama3.2:1b\""), "{page}");
    let begun = browser.post_form(FETCH_MODEL, &MODEL).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
}

#[tokio::test]
async fn a_fetch_is_followed_as_events_to_its_end() {
    let place = Place::new(Managers::Loopback);
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

#[tokio::test]
async fn the_short_address_leads_readers_to_the_page_and_is_the_apis_for_programs() {
    let place = Place::new(Managers::Loopback);
    for path in ["/models", "/models/"] {
        let by_reader = get(path).header(ACCEPT, HTML).body(Body::empty()).unwrap();
        let led = place.browser.send(by_reader).await;
        assert_eq!(led.status, StatusCode::SEE_OTHER);
        assert_eq!(led.location(), MODELS);
        let listed = place.browser.get(path).await.json();
        assert_eq!(listed["data"][0]["id"], "first");
    }
}
