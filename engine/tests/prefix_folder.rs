//! Keys and values that outlast the engine: an answer that goes on from them has the bits of one that does not.

#[path = "support/told.rs"]
mod told;

use std::fs;
use std::path::Path;

use nibble_engine::{Engine, Error, KvPrecision, LoadOptions, PrefixFolder, Request, Rounding};
use told::{ask, options, tokens, told};

fn in_folder(path: &Path) -> LoadOptions {
    let path = path.to_owned();
    LoadOptions {
        prefix_folder: Some(PrefixFolder {
            path,
            bytes: 1 << 30,
        }),
        ..options()
    }
}

fn engine(options: &LoadOptions) -> Engine {
    Engine::load(options).expect("the model loads")
}

fn request() -> Request {
    told(tokens(3, 150))
}

/// Tokens of the prompt that were cached, and the answer with the probabilities of its tokens.
fn answered(options: &LoadOptions) -> (usize, String) {
    let told = ask(&engine(options), request());
    let bits = format!("{:?} {:?}", told.end.token_ids, told.tokens);
    (told.end.cached_tokens, bits)
}

#[test]
fn an_engine_goes_on_from_what_another_has_written_with_the_same_bits() {
    for kv in [None, Some(KvPrecision::Q8)] {
        let folder = tempfile::tempdir().expect("a folder");
        let rounding = Rounding {
            kv,
            ..Rounding::default()
        };
        let options = LoadOptions {
            rounding,
            ..in_folder(folder.path())
        };
        let cold = answered(&LoadOptions {
            prefix_folder: None,
            ..options.clone()
        });
        assert_eq!(answered(&options), cold);
        let (cached, bits) = answered(&options);
        assert_eq!((cached, &bits), (128, &cold.1), "{kv:?}");
        // Every kernel gives the same keys and values.
        let kernel = Some("scalar".to_owned());
        let (cached, of_scalar) = answered(&LoadOptions { kernel, ..options });
        assert_eq!((cached, of_scalar), (128, bits), "{kv:?}");
    }
}

#[test]
fn an_engine_says_what_it_has_from_the_disk_and_what_it_keeps_there() {
    let folder = tempfile::tempdir().expect("a folder");
    answered(&in_folder(folder.path()));
    let engine = engine(&in_folder(folder.path()));
    let foreseen = engine.foresee(request()).expect("it is foreseen");
    assert_eq!(foreseen.cached_tokens, 128);
    assert_eq!(ask(&engine, request()).end.cached_tokens, 128);
    let load = engine.load_now();
    assert_eq!((load.prefix_hits, load.prefix_disk_hits), (128, 128));
    assert!(load.prefix_disk_bytes > 0);
    assert_eq!(load.past().prefix_disk_bytes, 0);
}

#[test]
fn other_models_and_roundings_find_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = in_folder(folder.path());
    answered(&options);
    let rounding = |rounding| LoadOptions {
        rounding,
        ..options.clone()
    };
    let others = [
        Rounding {
            kv: Some(KvPrecision::Q8),
            ..Rounding::default()
        },
        Rounding {
            int4_head: true,
            ..Rounding::default()
        },
    ];
    for other in others.map(rounding) {
        assert_eq!(answered(&other).0, 0);
    }
    // A file of the same bytes may be that of another model: what is known of it is what the system says.
    let model = folder.path().join("other.gguf");
    fs::copy(&options.model, &model).expect("a copy");
    let copied = LoadOptions { model, ..options };
    assert_eq!(answered(&copied).0, 0);
    assert_eq!(answered(&copied).0, 128);
}

#[test]
fn a_folder_that_cannot_be_made_keeps_the_model_from_loading() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let refused = Engine::load(&in_folder(&file)).expect_err("it is refused");
    assert!(matches!(refused, Error::File { .. }), "{refused}");
}
