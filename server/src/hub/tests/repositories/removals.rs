//! A shelf whose models are named by whoever asks the page: fetches that are ended early, and models that are had back.

use std::slice;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::hub::{Cancel, HubName, Shelf};

fn name() -> HubName {
    HubName::parse("owner/name").unwrap()
}

/// A shelf with the model on it.
fn filled(hub: &StandIn, cache: &TempDir) -> Shelf {
    let shelf = Shelf::of(cache.path(), &hub.endpoint);
    shelf.fetch(&name(), &(), &Cancel::default()).unwrap();
    shelf
}

/// Cancels at the first bytes of the weights, which come last.
struct Impatient(Cancel);

impl Progress for Impatient {
    fn start(&self, _: &Told, _: Option<u64>) {}

    fn advance(&self, bytes_so_far: u64) {
        if bytes_so_far > config().to_string().len() as u64 + 2 {
            self.0.cancel();
        }
    }

    fn finish(&self) {}
}

#[test]
fn a_fetch_that_is_cancelled_ends_and_the_next_one_goes_on_from_there() {
    let (hub, cache) = (hub(), cache());
    // The rest would come only with another try.
    hub.happens("model.safetensors", Mishap::BreaksOffAfter(7));
    let shelf = Shelf::of(cache.path(), &hub.endpoint);
    let cancel = Cancel::default();
    let error = shelf
        .fetch(&name(), &Impatient(cancel.clone()), &cancel)
        .unwrap_err();
    assert!(error.to_string().contains("it was cancelled"), "{error}");
    assert_eq!(shelf.find(&name()), None);
    hub.seen();
    let path = shelf.fetch(&name(), &(), &Cancel::default()).unwrap();
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), WEIGHTS);
    assert_eq!(began(&hub.seen()), [7]);
}

#[test]
fn a_token_that_is_set_while_the_server_runs_is_found() {
    static TOKEN: Mutex<Option<&str>> = Mutex::new(None);
    let (hub, cache) = (hub(), cache());
    hub.needs_token("secret");
    let found = || TOKEN.lock().unwrap().map(str::to_owned);
    let shelf = Shelf::of(cache.path(), &hub.endpoint).by_token(found);
    let fetch = || shelf.fetch(&name(), &(), &Cancel::default());
    assert!(fetch().is_err());
    *TOKEN.lock().unwrap() = Some("secret");
    fetch().unwrap();
}

#[test]
fn who_waits_for_another_that_fetches_can_be_told_to_end() {
    let (hub, cache) = (hub(), cache());
    let _turn = crate::hub::cache::take_free_turn(cache.path()).unwrap();
    let shelf = Shelf::of(cache.path(), &hub.endpoint);
    let cancel = Cancel::default();
    cancel.cancel();
    let error = shelf.fetch(&name(), &(), &cancel).unwrap_err();
    assert!(error.to_string().contains("it was cancelled"), "{error}");
    assert!(hub.seen().is_empty());
}

#[test]
fn nothing_that_is_named_is_a_path() {
    let cache = cache();
    fs::write(cache.path().join("own.gguf"), "GGUF").unwrap();
    let own = cache.path().join("own.gguf").display().to_string();
    for text in [
        "",
        "src",
        "src/",
        "..",
        "../x",
        "a/..",
        "../../etc/passwd",
        "/etc/passwd",
        "./a/b",
        "~/a",
        "a/b/c",
        "a/b:../x",
        "a/b@../x",
        "a\\b",
        "a/b\0",
        "own.gguf",
        &own,
        &"a/".repeat(300),
    ] {
        let parsed = HubName::parse(text);
        assert!(matches!(parsed, Err(Error::Usage(_))), "{text}: {parsed:?}");
    }
    // Cargo runs tests in the crate's folder, where this is.
    let named = HubName::parse("src/hub").unwrap();
    let shelf = Shelf::of(cache.path(), "http://127.0.0.1:9");
    assert_eq!(shelf.find(&named), None);
    assert!(shelf.remove(&named, false).is_err());
    assert!(Path::new("src/hub").exists());
}

#[test]
fn what_is_removed_can_be_had_back_whole() {
    let (hub, cache) = (hub(), cache());
    let shelf = filled(&hub, &cache);
    let path = shelf.find(&name()).unwrap();
    assert!(shelf.has(&name(), &path.join("config.json")));
    assert!(!shelf.has(&name(), cache.path()));
    let removed = shelf.remove(&name(), true).unwrap();
    assert_eq!((shelf.find(&name()), path.exists()), (None, false));
    assert!(shelf.contents().models.is_empty());
    assert!(names(&cache.path().join("hub")).is_empty());
    assert_eq!(shelf.removed(), slice::from_ref(&removed));
    assert!(removed.was_served && removed.bytes > WEIGHTS.len() as u64);
    assert_eq!(shelf.restore(&removed.id).unwrap(), removed);
    assert_eq!(shelf.find(&name()), Some(path.clone()));
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), WEIGHTS);
    assert!(shelf.removed().is_empty());
    assert!(shelf.restore(&removed.id).is_err());
}

#[test]
fn what_is_here_again_is_not_replaced_by_what_was_removed() {
    let (hub, cache) = (hub(), cache());
    let shelf = filled(&hub, &cache);
    let removed = shelf.remove(&name(), false).unwrap();
    shelf.fetch(&name(), &(), &Cancel::default()).unwrap();
    let error = shelf.restore(&removed.id).unwrap_err();
    assert!(error.to_string().contains("on this disk again"), "{error}");
    assert_eq!(shelf.removed().len(), 1);
    shelf.discard(&removed.id).unwrap();
    assert!(shelf.removed().is_empty() && shelf.find(&name()).is_some());
}

#[test]
fn while_models_are_fetched_none_is_removed() {
    let (hub, cache) = (hub(), cache());
    let shelf = filled(&hub, &cache);
    let turn = crate::hub::cache::take_free_turn(cache.path()).unwrap();
    let error = shelf.remove(&name(), false).unwrap_err();
    assert!(error.to_string().contains("being fetched"), "{error}");
    assert!(shelf.find(&name()).is_some());
    drop(turn);
    shelf.remove(&name(), false).unwrap();
}

#[test]
fn a_record_leads_nowhere_else_and_goes_after_an_hour() {
    let cache = cache();
    let outside = tempfile::tempdir().unwrap();
    let shelf = Shelf::of(cache.path(), "http://127.0.0.1:9");
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let record = |id: &str, age: u64, place: &str| {
        let folder = cache.path().join("removed").join(id);
        fs::create_dir_all(folder.join("0")).unwrap();
        let record = json!({
            "name": "a/b", "bytes": 1, "was_served": false, "at": now.as_secs() - age, "places": [place],
        });
        fs::write(folder.join("nibble.json"), record.to_string()).unwrap();
        folder
    };
    let absolute = outside.path().join("x").display().to_string();
    let (bad, worse, old, young) = (
        "0".repeat(32),
        "1".repeat(32),
        "2".repeat(32),
        "3".repeat(32),
    );
    record(&bad, 1, "../x");
    record(&worse, 1, &absolute);
    let old_folder = record(&old, 2 * 60 * 60, "hub/a/b");
    let young_folder = record(&young, Duration::from_secs(60).as_secs(), "hub/a/c");
    for id in [&*bad, &*worse, "..", "../removed", "", &"g".repeat(32)] {
        assert!(shelf.restore(id).is_err(), "{id}");
        assert!(shelf.discard(id).is_err(), "{id}");
    }
    assert!(!outside.path().join("x").exists() && cache.path().exists());
    let kept: Vec<_> = shelf
        .removed()
        .into_iter()
        .map(|removed| removed.id)
        .collect();
    assert_eq!(kept, [young]);
    let gone = cache.path().join("removed").join("gone");
    fs::create_dir_all(gone.join("left")).unwrap();
    shelf.discard_old();
    assert!(!old_folder.exists() && young_folder.exists());
    assert!(!gone.exists(), "with what was left of an earlier time");
}
