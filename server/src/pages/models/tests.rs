//! The page of models as a browser has it, beside a hub of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE};
use axum::http::{HeaderValue, Request, StatusCode};
use futures::{FutureExt, StreamExt};
use nibble_app::FETCH_EVENTS;
use nibble_engine::Error;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::*;
use crate::generator::Generator;
use crate::hub::Shelf;
use crate::hub::tests::repositories::hub;
use crate::hub::tests::stand_in::{Mishap, StandIn};
use crate::management::Management;
use crate::models::{Models, Offer};
use crate::offers::Offers;
use crate::permitted::Permitted;
use crate::sign_in::{SIGN_IN, SignIn};
use crate::state::AppState;
use crate::test_support::browser::{Browser, Reply, form, get, here, settings, store};
use crate::test_support::scripted::{Scripted, offer};

mod fetching;
mod leave;
mod removing;

const HTML: &str = "text/html,application/xhtml+xml";
const MODEL: [(&str, &str); 1] = [("name", "owner/name")];

/// Models that say their names, which are those of their files.
struct Scripts;

impl Offers for Scripts {
    fn offer(&self, file: &Path, _: Option<u64>) -> Result<Offer, Error> {
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
    fn new(managers: Permitted) -> Self {
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
fn server(hub: &StandIn, home: &TempDir, managers: Permitted, first: Option<PathBuf>) -> AppState {
    let generator: Arc<dyn Generator> =
        Arc::new(Scripted::new(&["I am first"], Duration::ZERO).named("First"));
    let offer = offer("First", first);
    let models = Models::new(vec![offer], Box::new(|| None), Some(1000), Some(generator));
    let shelf = Shelf::of(home.path(), &hub.endpoint);
    let management = Management::new(managers, shelf, Scripts);
    let state = AppState::of(models, settings(), store(), None).switching(Permitted::Anyone);
    state.managing(Some(management))
}

#[tokio::test]
async fn the_short_address_leads_readers_to_the_page_and_is_the_apis_for_programs() {
    let place = Place::new(Permitted::Loopback);
    for path in ["/models", "/models/"] {
        let by_reader = get(path).header(ACCEPT, HTML).body(Body::empty()).unwrap();
        let led = place.browser.send(by_reader).await;
        assert_eq!(led.status, StatusCode::SEE_OTHER);
        assert_eq!(led.location(), MODELS);
        let listed = place.browser.get(path).await.json();
        assert_eq!(listed["data"][0]["id"], "first");
    }
}

#[tokio::test]
async fn a_model_of_the_hub_is_told_with_what_its_files_say() {
    let place = Place::new(Permitted::Loopback);
    place.fetch().await;
    let page = place.page().await;
    let (_, row) = page
        .split_once("<th scope=\"row\">owner/name</th>")
        .expect("its row");
    let row = row.split("</tr>").next().unwrap();
    for told in [
        "bits a weight</td>",
        "<td>100 B</td>",
        "<td>MIT</td>",
        "<td>owner/name</td>",
    ] {
        assert!(row.contains(told), "no {told} in {row}");
    }
}
