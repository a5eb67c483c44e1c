//! What else goes on beside a comparison: models that are fetched, and models that are asked.

use nibble_app::FETCH_MODEL;
use nibble_engine::LoadOptions;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;
use crate::hub::Shelf;
use crate::hub::tests::repositories::hub;
use crate::hub::tests::stand_in::{Mishap, StandIn};
use crate::management::Management;
use crate::models::KeepAlive;
use crate::offers::EngineOffers;

/// A server that compares, beside a hub that falls silent in the middle of a model, and with a folder for models.
struct Place {
    state: AppState,
    browser: Browser,
    _hub: StandIn,
    _home: TempDir,
}

impl Place {
    fn new(pause: Duration) -> Self {
        let (hub, home) = (hub(), TempDir::new().unwrap());
        hub.happens("model.safetensors", Mishap::StallsAfter(7));
        let shelf = Shelf::of(home.path(), &hub.endpoint);
        let offers = EngineOffers::new(LoadOptions::default(), KeepAlive::Always);
        let management = Management::new(Permitted::Anyone, shelf, offers);
        let state = two_models(pause).managing(Some(management));
        Self {
            browser: Browser::at_server(state.clone()),
            state,
            _hub: hub,
            _home: home,
        }
    }

    async fn fetch(&self) {
        let name = [("name", "owner/name")];
        let begun = self.browser.post_form(FETCH_MODEL, &name).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    }

    /// How many rounds of each lane were measured.
    async fn rounds(&self, path: &str) -> Vec<usize> {
        let json = self.browser.get(&format!("{path}/export.json")).await;
        let json = json.json();
        let lanes = json["lanes"].as_array().into_iter().flatten();
        let rounds = lanes.map(|lane| lane["rounds"].as_array().map_or(0, Vec::len));
        rounds.collect()
    }
}

#[tokio::test]
async fn neither_lanes_nor_the_machine_are_measured_while_a_model_is_fetched() {
    let place = Place::new(Duration::from_millis(1));
    place.fetch().await;
    let refused = place.browser.post_form("/about/measure", &[]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = "or a model is being fetched, beside which nothing can be measured";
    assert!(refused.body.contains(told), "{}", refused.body);
    let path = begun(&place.browser, ["scalar", "avx2"]).await;
    // Beside nothing it would have ended.
    sleep(Duration::from_millis(500)).await;
    assert_eq!(place.rounds(&path).await, [0]);
    place.state.chat.stop_fetching();
    place.browser.chunks(&path).await;
    assert_eq!(place.rounds(&path).await, [3, 3]);
}

#[tokio::test]
async fn a_fetch_that_begins_meanwhile_ends_the_round_which_is_measured_again() {
    // A round of 0.6 s, before which a lane warms up.
    let place = Place::new(Duration::from_millis(30));
    let path = begun(&place.browser, ["scalar", "avx2"]).await;
    sleep(Duration::from_millis(400)).await;
    place.fetch().await;
    sleep(Duration::from_millis(100)).await;
    place.state.chat.stop_fetching();
    let page = place.browser.chunks(&path).await.concat();
    assert!(page.contains("given up for a chat or a fetch"), "{page}");
    assert_eq!(place.rounds(&path).await, [3, 3]);
}

/// Waits until so many bytes are free for a model.
async fn until_free(state: &AppState, bytes: u64) {
    let free = async {
        while state.model.free() != Some(bytes) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(60);
    timeout(patience, free).await.expect("so many are free");
}

#[tokio::test]
async fn the_memory_of_a_lane_is_no_models_until_the_lane_has_ended() {
    // Each takes 100 bytes, and so does a lane of it.
    let offers = ["One", "Two"].map(|name| offer(name, None));
    let models = Models::new(offers.into(), Box::new(|| None), Some(150), None);
    let lanes = Arc::new(Words(Duration::from_millis(30)));
    let state = state(models).comparing(lanes, Permitted::Anyone);
    let browser = Browser::at_server(state.clone());
    let path = begun(&browser, ["scalar", "avx2"]).await;
    until_free(&state, 50).await;
    let refused = state.model.lease(None).await.err().expect("a lane has it");
    let is_for_now = matches!(refused, Error::Occupied { available: 50, .. });
    assert!(is_for_now, "{refused}");
    browser.post_form("/compare/stop", &name(&path)).await;
    browser.chunks(&path).await;
    until_free(&state, 150).await;
    assert!(state.model.lease(None).await.is_ok());
}
