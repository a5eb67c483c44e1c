//! Models that are removed and had back, and those that stay.

use super::*;

#[tokio::test]
async fn a_removed_model_is_not_served_and_undo_brings_all_of_it_back() {
    let place = Place::new(Permitted::Loopback);
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
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    place.fetch().await;
    assert_eq!(place.served().await, ["first", "name"]);
}

#[tokio::test]
async fn a_model_that_is_in_memory_or_the_first_stays() {
    let place = Place::new(Permitted::Loopback);
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
        Permitted::Loopback,
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

#[tokio::test]
async fn what_was_removed_long_ago_is_deleted_where_nobody_may_remove() {
    let (hub, home) = (hub(), TempDir::new().unwrap());
    let folder = home.path().join("removed").join("0".repeat(32));
    std::fs::create_dir_all(&folder).unwrap();
    let record = r#"{"name":"a/b","bytes":1,"was_served":false,"at":0,"places":[]}"#;
    std::fs::write(folder.join("nibble.json"), record).unwrap();
    let _server = server(&hub, &home, Permitted::Nobody, None);
    let start = Instant::now();
    while folder.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "it stays");
        sleep(Duration::from_millis(20)).await;
    }
}
