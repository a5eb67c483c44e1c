//! Who may have another model answer, and what becomes of what others ask.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{HOST, ORIGIN};
use nibble_app::chat::Leave;
use nibble_app::language::Language;

use super::*;
use crate::permitted::Permitted;
use crate::test_support::browser::{ORIGIN_HERE, Reply, by_proxy, get, here, settings, store};
use crate::test_support::scripted::two_models;

const HTML: &str = "text/html,application/xhtml+xml";
const CHOICE: &str = "<select id=\"model\"";

/// A browser at a server of two models, the second of which is not in memory, and how often that was loaded.
struct Place {
    browser: Browser,
    loads: Arc<AtomicUsize>,
}

impl Place {
    fn new(switchers: Permitted) -> Self {
        let (models, loads) = two_models();
        let state = AppState::of(models, settings(), store(), None).switching(switchers);
        Self {
            browser: Browser::at_server(state),
            loads,
        }
    }

    async fn page(&self, path: &str, change: impl Fn(&mut Request<Body>)) -> String {
        let mut page = here(get(path).body(Body::empty()).unwrap());
        change(&mut page);
        self.browser.send(page).await.body
    }

    async fn post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        change: impl Fn(&mut Request<Body>),
    ) -> Reply {
        let mut post = here(form(path, fields, HTML));
        change(&mut post);
        self.browser.send(post).await
    }

    /// Asks for a model in a conversation, or in a new one.
    async fn ask(&self, chat: &str, model: &str, change: impl Fn(&mut Request<Body>)) -> Reply {
        let mut fields = message(chat.trim_start_matches("/c/"), "who?").to_vec();
        fields.push(("model", model));
        fields.retain(|(_, value)| !value.is_empty());
        self.post("/api/send", &fields, change).await
    }
}

fn nothing(_: &mut Request<Body>) {}

#[tokio::test]
async fn who_may_not_switch_is_offered_no_model_and_refused_with_the_reason() {
    for (switchers, here_may, proxied_may) in [
        (Permitted::Loopback, true, false),
        (Permitted::Password, false, false),
        (Permitted::Anyone, true, true),
        (Permitted::Nobody, false, false),
    ] {
        for (change, may) in [
            (nothing as fn(&mut Request<Body>), here_may),
            (by_proxy, proxied_may),
        ] {
            let place = Place::new(switchers);
            for path in ["/", "/?model=two"] {
                let page = place.page(path, change).await;
                assert_eq!(page.contains(CHOICE), may, "{switchers:?} {page}");
                let told = page.contains("hich model answers");
                let is_refused = !may && path != "/";
                assert_eq!(told, is_refused, "{switchers:?} {path} {page}");
            }
            let page = place.page("/about/models", change).await;
            assert_eq!(page.contains("href=\"/?model=two\""), may, "{page}");
            let asked = place.ask("", "two", change).await;
            let status = match may {
                true => StatusCode::FOUND,
                false => StatusCode::FORBIDDEN,
            };
            assert_eq!(asked.status, status, "{switchers:?}: {}", asked.body);
            if !may {
                assert!(asked.body.contains("hich model answers"), "{}", asked.body);
                assert_eq!(place.loads.load(Ordering::SeqCst), 0);
            }
        }
    }
    let t = Language::English;
    assert_eq!(Leave::Granted.switch_refusal(t), None);
}

#[tokio::test]
async fn a_conversation_keeps_its_model_for_who_may_not_switch() {
    let place = Place::new(Permitted::Loopback);
    let chat = place.ask("", "two", nothing).await.location().to_owned();
    let page = place.page(&chat, nothing).await;
    assert!(page.contains("I am Two"), "{page}");
    let asked = place.ask(&chat, "", by_proxy).await;
    assert_eq!(asked.location(), chat);
    let page = place.page(&chat, by_proxy).await;
    assert_eq!(page.matches("I am Two").count(), 2, "{page}");
    let asked = place.ask(&chat, "one", by_proxy).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    // What the browser had last is of no use to who may not.
    let page = place.page("/", by_proxy).await;
    assert!(page.contains("<strong>One</strong>"), "{page}");
    let asked = place.ask("", "", by_proxy).await;
    let page = place.page(asked.location(), by_proxy).await;
    assert!(page.contains("I am One"), "{page}");
}

#[tokio::test]
async fn an_answer_by_another_model_is_gone_on_with_and_computed_again_by_who_may_switch() {
    let place = Place::new(Permitted::Loopback);
    let chat = place.ask("", "two", nothing).await.location().to_owned();
    let page = place.page(&chat, nothing).await;
    let answer = page.split("/speed/").nth(1).expect("a link to its speed");
    let answer = answer[..32].to_owned();
    place.ask(&chat, "one", nothing).await;
    place.page(&chat, nothing).await;
    let named = [("answer", answer.as_str())];
    for path in ["/api/continue", "/speed/replay"] {
        let refused = place.post(path, &named, by_proxy).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    let begun = place.post("/speed/replay", &named, nothing).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
}

#[tokio::test]
async fn a_file_of_chats_chooses_no_model_for_who_may_not() {
    let place = Place::new(Permitted::Loopback);
    let chat = place.ask("", "two", nothing).await.location().to_owned();
    place.page(&chat, nothing).await;
    let file = place.page(&format!("{chat}/export.json"), nothing).await;
    assert!(file.contains(r#""model":"two""#), "{file}");
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"chats.json\"\r\n\
                Content-Type: application/json";
    let body = format!("--edge\r\n{head}\r\n\r\n{file}\r\n--edge--\r\n");
    let request = Request::post(IMPORT)
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(CONTENT_TYPE, "multipart/form-data; boundary=edge");
    let mut request = here(request.body(body.into()).unwrap());
    by_proxy(&mut request);
    let imported = place.browser.send(request).await;
    assert_eq!(imported.status, StatusCode::OK, "{}", imported.body);
    let list = place.page("/chats", by_proxy).await;
    let mut chats = list.split("href=\"/c/").skip(1);
    let copy = chats.find_map(|rest| {
        let path = format!("/c/{}", rest.get(..32)?);
        (path != chat).then_some(path)
    });
    let copy = copy.expect("the imported chat");
    place.ask(&copy, "", by_proxy).await;
    let page = place.page(&copy, by_proxy).await;
    assert!(page.contains("I am One"), "{page}");
}
