//! Files that come in pieces, or not as they were promised.

use super::*;

#[test]
fn a_hub_that_limits_or_stumbles_is_asked_again_when_it_says() {
    let (hub, cache) = (hub(), cache());
    hub.happens("/api/", Mishap::Status(429, "Retry-After: 1"));
    hub.happens("/api/", Mishap::Status(503, ""));
    hub.happens("model.safetensors", Mishap::Status(502, ""));
    let started = std::time::Instant::now();
    get(&hub, &cache).unwrap();
    assert!(started.elapsed().as_millis() >= 1000);
}

#[test]
fn a_connection_that_breaks_off_goes_on_where_it_was() {
    let (hub, cache) = (hub(), cache());
    for bytes in [7, 2] {
        hub.happens("model.safetensors", Mishap::BreaksOffAfter(bytes));
    }
    let folder = get(&hub, &cache).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), WEIGHTS);
    assert_eq!(began(&hub.seen()), [0, 7, 9]);
}

#[test]
fn what_an_ended_process_left_is_gone_on_with() {
    let (hub, cache) = (hub(), cache());
    for _ in 0..3 {
        hub.happens("model.safetensors", Mishap::BreaksOffAfter(3));
    }
    let message = get(&hub, &cache).unwrap_err();
    for words in ["ended after 9 of 24 bytes", "3 tries", "goes on from here"] {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    let cached = contents(cache.path());
    assert_eq!(cached.models[0].path, None);
    assert!(cached.models[0].total_bytes > Some(24));
    hub.seen();
    get(&hub, &cache).unwrap();
    let seen = hub.seen();
    assert_eq!(began(&seen), [9]);
    assert!(
        !seen
            .iter()
            .any(|seen| seen.path.ends_with(&format!("{COMMIT}/tokenizer.json")))
    );
}

#[test]
fn a_hub_that_knows_no_ranges_gives_the_whole() {
    let (hub, cache) = (hub(), cache());
    hub.happens("model.safetensors", Mishap::BreaksOffAfter(7));
    hub.happens("model.safetensors", Mishap::Whole);
    let folder = get(&hub, &cache).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), WEIGHTS);
}

#[test]
fn a_range_that_was_not_asked_for_is_not_appended() {
    let (hub, cache) = (hub(), cache());
    hub.happens("model.safetensors", Mishap::BreaksOffAfter(7));
    hub.happens("model.safetensors", Mishap::StartsEarlier);
    let message = get(&hub, &cache).unwrap_err();
    assert!(
        message.contains("`model.safetensors` from byte 7 on"),
        "{message}"
    );
}

#[test]
fn wrong_bytes_are_deleted_and_reported() {
    let cases = [
        (Mishap::OtherBytes, "must have the sha256"),
        (Mishap::Has(23), "must have 24 bytes, found 23"),
        (Mishap::Has(25), "must have 24 bytes, found 25"),
        (Mishap::GoesOnFor(1), "must have 24 bytes, found more"),
    ];
    for (mishap, words) in cases {
        let (hub, cache) = (hub(), cache());
        hub.happens("model.safetensors", mishap);
        let message = get(&hub, &cache).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
        let folders = ModelFolders::of(cache.path(), &model());
        let left = names(&folders.staging);
        assert!(
            !left.iter().any(|name| name.starts_with("model")),
            "{left:?}"
        );
        assert!(!folders.complete.exists());
    }
}

#[test]
fn a_file_that_turned_out_shorter_after_it_broke_off_is_reported() {
    let (hub, cache) = (hub(), cache());
    hub.happens("model.safetensors", Mishap::BreaksOffAfter(7));
    hub.happens("model.safetensors", Mishap::Has(7));
    let message = get(&hub, &cache).unwrap_err();
    assert!(message.contains("must have 24 bytes, found 7"), "{message}");
}

#[test]
fn a_damaged_beginning_is_fetched_again() {
    let (hub, cache) = (hub(), cache());
    for _ in 0..3 {
        hub.happens("model.safetensors", Mishap::BreaksOffAfter(3));
    }
    get(&hub, &cache).unwrap_err();
    let part = ModelFolders::of(cache.path(), &model())
        .staging
        .join("model.safetensors.part");
    fs::write(&part, b"\0\0\0\0").unwrap();
    let folder = get(&hub, &cache).unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), WEIGHTS);
}

#[test]
fn a_disk_that_is_too_full_shows_before_anything_comes() {
    let (hub, cache) = (hub(), cache());
    let listing = json!({ "siblings": [
        { "rfilename": "config.json", "size": config().to_string().len() },
        { "rfilename": "tokenizer.json", "size": 2 },
        { "rfilename": "model.safetensors", "size": 1_u64 << 60 },
    ]});
    hub.happens("/api/", Mishap::Lists(listing));
    let message = get(&hub, &cache).unwrap_err();
    for words in ["needs 1152921504607 MB", "has room for", "`NIBBLE_HOME`"] {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    assert!(began(&hub.seen()).is_empty());
}
