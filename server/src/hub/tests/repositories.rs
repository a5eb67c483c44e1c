//! Whole repositories from a stand-in hub that is not always well.

mod removals;
mod transfers;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use nibble_app::language::{Language, Told};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stand_in::{COMMIT, Mishap, Seen, StandIn, sha256};
use super::{client, model};
use crate::hub::Progress;
use crate::hub::cached::{contents, removal};
use crate::hub::error::Error;
use crate::hub::fetching::fetch;
use crate::hub::model_folders::ModelFolders;
use crate::hub::reference::HubModel;

const WEIGHTS: &[u8] = b"weights and more weights";

/// Of a model that would be read.
fn config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 96,
        "max_position_embeddings": 128,
    })
}

/// The small files of a folder, and something in the place of weights.
pub(crate) fn hub() -> StandIn {
    let config = config().to_string();
    StandIn::new(&[
        ("config.json", config.as_bytes()),
        ("tokenizer.json", b"{}"),
        ("model.safetensors", WEIGHTS),
        ("pytorch_model.bin", b"the same again"),
        ("README.md", b"read me"),
    ])
}

fn get(hub: &StandIn, cache: &TempDir) -> Result<PathBuf, String> {
    get_by(&model(), hub, cache, None)
}

fn get_by(
    model: &HubModel,
    hub: &StandIn,
    cache: &TempDir,
    token: Option<&str>,
) -> Result<PathBuf, String> {
    let client = client(&hub.endpoint, token);
    fetch(model, cache.path(), &client, false, &()).map_err(|error| error.to_string())
}

fn named(text: &str) -> HubModel {
    HubModel::parse(text).unwrap().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn cache() -> TempDir {
    TempDir::new().unwrap()
}

/// Where in the large file each request to its place began.
fn began(seen: &[Seen]) -> Vec<usize> {
    let at_store = seen.iter().filter(|seen| seen.at_store);
    at_store.map(|seen| seen.from).collect()
}

#[test]
fn a_folder_has_what_is_needed_and_no_more_and_is_asked_for_once() {
    let (hub, cache) = (hub(), cache());
    let folder = get(&hub, &cache).unwrap();
    assert_eq!(folder, cache.path().join("hub/owner/name"));
    assert_eq!(
        names(&folder),
        [
            "config.json",
            "model.safetensors",
            "nibble.json",
            "tokenizer.json"
        ]
    );
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), WEIGHTS);
    assert_eq!(names(folder.parent().unwrap()), ["name"]);
    let resolved = format!("/owner/name/resolve/{COMMIT}/model.safetensors");
    assert!(hub.seen().iter().any(|seen| seen.path == resolved));
    assert_eq!(get(&hub, &cache).unwrap(), folder);
    assert!(hub.seen().is_empty());
}

#[test]
fn the_token_goes_to_the_hub_and_not_where_the_hub_sends_us() {
    let (hub, cache) = (hub(), cache());
    hub.needs_token("secret");
    get_by(&model(), &hub, &cache, Some("secret")).unwrap();
    let seen = hub.seen();
    assert!(seen.iter().any(|seen| seen.at_store));
    for seen in seen {
        let expected = (!seen.at_store).then(|| "secret".to_owned());
        assert_eq!(seen.token, expected, "{}", seen.path);
    }
}

#[test]
fn who_may_not_read_is_told_what_to_do() {
    let (hub, cache) = (hub(), cache());
    hub.needs_token("secret");
    let page = format!("{}/owner/name", hub.endpoint);
    let without = get(&hub, &cache).unwrap_err();
    for words in [
        "`owner/name`",
        "gated",
        "accept its licence",
        &page,
        "`HF_TOKEN`",
    ] {
        assert!(without.contains(words), "no `{words}` in: {without}");
    }
    let wrong = get_by(&model(), &hub, &cache, Some("other")).unwrap_err();
    assert!(
        wrong.contains("the token that is set may not read it"),
        "{wrong}"
    );
    assert!(
        names(cache.path())
            .iter()
            .all(|name| name == "fetching.lock")
    );
}

#[test]
fn each_status_has_its_own_words() {
    let cases = [
        (
            404,
            "X-Error-Code: RepoNotFound",
            "has no repository `owner/name`",
        ),
        (
            401,
            "X-Error-Code: RepoNotFound",
            "has no repository `owner/name`",
        ),
        (404, "X-Error-Code: RevisionNotFound", "no such revision"),
        (403, "X-Error-Code: GatedRepo", "gated"),
        (403, "", "gated or private"),
        (418, "", "status 418"),
        (429, "Retry-After: 3600", "asks to come back in 3600 s"),
        (
            429,
            "RateLimit: \"api\";r=0;t=299",
            "asks to come back in 299 s",
        ),
    ];
    for (status, line, words) in cases {
        let (hub, cache) = (hub(), cache());
        hub.happens("/api/", Mishap::Status(status, line));
        let message = get(&hub, &cache).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
        assert_eq!(hub.seen().len(), 1);
    }
    let (hub, cache) = (hub(), cache());
    for _ in 0..3 {
        hub.happens("/api/", Mishap::Status(500, ""));
    }
    let message = get(&hub, &cache).unwrap_err();
    assert!(message.contains("status 500"), "{message}");
    assert!(message.contains("after 3 tries"), "{message}");
}

#[test]
fn what_would_not_run_is_refused_before_its_weights_come() {
    let mut other = config();
    other["architectures"] = json!(["MixtralForCausalLM"]);
    let other = other.to_string();
    let fine = config().to_string();
    let fine = ("config.json", fine.as_bytes());
    let tokenizer = ("tokenizer.json", &b"{}"[..]);
    let index = (
        "model.safetensors.index.json",
        &br#"{"weight_map":{"a":"../secret"}}"#[..],
    );
    let gguf = ("x-Q4_0.gguf", &b"GGUF"[..]);
    for (files, words) in [
        (
            vec![("config.json", other.as_bytes())],
            "MixtralForCausalLM",
        ),
        (vec![fine], "no `tokenizer.json`"),
        (vec![fine, tokenizer], "neither `model.safetensors`"),
        (
            vec![fine, tokenizer, gguf],
            "such as `owner/name:x-Q4_0.gguf`",
        ),
        (
            vec![fine, tokenizer, index],
            "names `../secret`, which it does not have",
        ),
        (vec![("README.md", &b""[..])], "no model that is read here"),
        (
            vec![gguf, ("y-Q8_0.gguf", b"GGUF")],
            "such as `owner/name:x-Q4_0.gguf`",
        ),
    ] {
        let (hub, cache) = (StandIn::new(&files), cache());
        let message = get(&hub, &cache).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
        assert!(began(&hub.seen()).is_empty());
    }
}

#[test]
fn a_listing_that_makes_no_sense_is_refused() {
    let escape = json!([{ "rfilename": "../config.json", "size": 1 }]);
    for (listing, words) in [
        (json!({ "sha": "main/../.." }), "its commit is `main/../..`"),
        (json!({ "siblings": 3 }), "listing of it cannot be read"),
        (json!({ "siblings": escape }), "no model that is read here"),
        (
            json!({ "siblings": [{ "rfilename": "a.gguf" }] }),
            "how long `a.gguf` is",
        ),
    ] {
        let (hub, cache) = (hub(), cache());
        hub.happens("/api/", Mishap::Lists(listing));
        let message = get(&hub, &cache).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn shards_are_those_that_the_index_names() {
    let cache = cache();
    let fine = config().to_string();
    let index = br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    let hub = StandIn::new(&[
        ("config.json", fine.as_bytes()),
        ("tokenizer.json", b"{}"),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00002.safetensors", b"one"),
        ("model-00002-of-00002.safetensors", b"two"),
        ("consolidated.safetensors", b"the same again"),
    ]);
    let folder = get(&hub, &cache).unwrap();
    let found = names(&folder);
    assert!(found.contains(&"model-00002-of-00002.safetensors".to_owned()));
    assert!(!found.contains(&"consolidated.safetensors".to_owned()));
}

#[test]
fn a_single_file_of_weights_wins_over_an_index_that_was_left() {
    let cache = cache();
    let hub = hub();
    hub.put(
        "model.safetensors.index.json",
        br#"{"weight_map":{"a":"model-00001-of-00002.safetensors"}}"#,
    );
    let found = names(&get(&hub, &cache).unwrap());
    assert!(found.contains(&"model.safetensors".to_owned()));
    assert!(!found.contains(&"model.safetensors.index.json".to_owned()));
}

#[test]
fn a_gguf_file_is_named_whole_or_by_its_quantisation() {
    let hub = StandIn::new(&[
        ("tiny-Q4_0.gguf", b"GGUF4"),
        ("tiny-Q8_0-00001-of-00002.gguf", b"GGUF8, one"),
        ("tiny-Q8_0-00002-of-00002.gguf", b"GGUF8, two"),
    ]);
    let cache = cache();
    let get = |text: &str| get_by(&named(text), &hub, &cache, None);
    let file = get("owner/name:tiny-Q4_0.gguf").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"GGUF4");
    assert_eq!(fs::read(get("owner/name:q4_0").unwrap()).unwrap(), b"GGUF4");
    let first = get("owner/name:Q8_0").unwrap();
    assert!(
        first.ends_with("tiny-Q8_0-00001-of-00002.gguf"),
        "{first:?}"
    );
    assert!(
        first
            .with_file_name("tiny-Q8_0-00002-of-00002.gguf")
            .exists()
    );
    let message = get("owner/name:Q5_0").unwrap_err();
    assert!(
        message.contains("no GGUF file `Q5_0`; it has `tiny-Q4_0.gguf`"),
        "{message}"
    );
}

#[test]
fn the_newest_is_fetched_when_it_is_asked_for_and_only_what_changed() {
    let (hub, cache) = (hub(), cache());
    let newest = || {
        let client = client(&hub.endpoint, None);
        fetch(&model(), cache.path(), &client, true, &()).unwrap()
    };
    let folder = newest();
    hub.seen();
    assert_eq!(newest(), folder);
    assert!(began(&hub.seen()).is_empty());
    hub.put("tokenizer.json", b"{ }");
    hub.put("generation_config.json", b"{}");
    assert_eq!(newest(), folder);
    assert_eq!(fs::read(folder.join("tokenizer.json")).unwrap(), b"{ }");
    assert!(folder.join("generation_config.json").exists());
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), WEIGHTS);
    assert!(began(&hub.seen()).is_empty());
    assert_eq!(names(folder.parent().unwrap()), ["name"]);
}

#[test]
fn a_half_fetched_file_of_another_commit_is_dropped() {
    let (hub, cache) = (hub(), cache());
    for _ in 0..3 {
        hub.happens("model.safetensors", Mishap::BreaksOffAfter(3));
    }
    get(&hub, &cache).unwrap_err();
    hub.put("model.safetensors", b"other weights");
    hub.seen();
    let folder = get(&hub, &cache).unwrap();
    assert_eq!(began(&hub.seen()), [0]);
    assert_eq!(
        sha256(&fs::read(folder.join("model.safetensors")).unwrap()),
        sha256(b"other weights")
    );
}

#[test]
fn of_several_that_want_a_repository_at_once_one_fetches_it() {
    let (hub, cache) = (hub(), cache());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| get(&hub, &cache).unwrap());
        }
    });
    assert_eq!(began(&hub.seen()), [0]);
}

#[test]
fn progress_is_that_of_all_files_together() {
    #[derive(Default)]
    struct Heard(RefCell<Vec<u64>>);

    impl Progress for Heard {
        fn start(&self, what: &Told, total_bytes: Option<u64>) {
            let english = what.told(Language::English);
            assert!(english.starts_with("owner/name from http://"), "{english}");
            assert!(what.told(Language::Chinese).starts_with("从 http://"));
            self.0.borrow_mut().extend(total_bytes);
        }

        fn advance(&self, bytes_so_far: u64) {
            self.0.borrow_mut().push(bytes_so_far);
        }

        fn finish(&self) {}
    }

    let (hub, cache) = (hub(), cache());
    let heard = Heard::default();
    let client = client(&hub.endpoint, None);
    fetch(&model(), cache.path(), &client, false, &heard).unwrap();
    let heard = heard.0.into_inner();
    assert_eq!(heard.len(), 4);
    assert!(heard[1..].is_sorted());
    assert_eq!(heard[0], heard[3]);
}

#[test]
fn what_is_kept_is_listed_and_removed_by_its_name() {
    let (hub, cache) = (hub(), cache());
    let folder = get(&hub, &cache).unwrap();
    let listed = contents(cache.path());
    assert_eq!(listed.models.len(), 1);
    let [listed] = &listed.models[..] else {
        unreachable!()
    };
    assert_eq!(listed.name, "owner/name");
    assert_eq!(listed.path.as_ref(), Some(&folder));
    assert!(listed.bytes > WEIGHTS.len() as u64);
    let removal = removal(Path::new("owner/name"), cache.path()).unwrap();
    assert_eq!(removal.bytes(), listed.bytes);
    let by_path = crate::hub::cached::removal(&folder, cache.path()).unwrap();
    assert_eq!(
        (by_path.items, by_path.stays),
        (removal.items.clone(), None)
    );
    removal.carry_out(&()).unwrap();
    assert!(contents(cache.path()).models.is_empty());
    assert!(names(&cache.path().join("hub")).is_empty());
    let again = crate::hub::cached::removal(Path::new("owner/name"), cache.path());
    assert!(matches!(again, Err(Error::Usage(why)) if why.contains("nothing of `owner/name`")));
}

#[test]
fn a_file_of_ones_own_is_not_removed() {
    let cache = cache();
    let file = cache.path().join("own.gguf");
    fs::write(&file, "GGUF").unwrap();
    removal(&file, cache.path()).unwrap_err();
    assert!(file.exists());
}
