//! What is no file, and files that change while they are read.

use std::fs::{self, File};
use std::path::Path;

use super::written::quantized::{Method, Quantized, pair, write};
use super::written::{self, Layout, folder};
use crate::compute::kernel;
use crate::machine::threads::Pool;
use crate::model::source::ModelSource;
use crate::model::weights::{self, Rounding};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");

/// What comes of packing a model whose file of weights loses its end when all but the weights have been read.
fn packed_from_a_truncated(model: &Path, weights: &Path) -> String {
    let source = ModelSource::open(model).unwrap();
    let kernel = kernel::choose(Some("scalar")).unwrap();
    let packing = weights::plan(
        source.tensors(),
        source.config(),
        Rounding::default(),
        kernel,
    );
    let packing = packing.unwrap();
    let file = File::options().write(true).open(weights).unwrap();
    let before = file.metadata().unwrap().len();
    file.set_len(before / 2).unwrap();
    let why = packing.pack(&mut Pool::new(2).unwrap()).err();
    let why = why.expect("half of the weights are missing").to_string();
    let reason = format!(
        "it must have the {before} bytes that it had when it was opened, found {}",
        before / 2
    );
    assert!(why.contains(&reason), "{why}");
    why
}

#[test]
fn a_file_that_is_truncated_while_it_is_packed_is_named_with_its_bytes() {
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("tiny.gguf");
    fs::copy(TINY, &copy).unwrap();
    let why = packed_from_a_truncated(&copy, &copy);
    assert!(why.contains("tiny.gguf` cannot be used"), "{why}");

    let floats = folder(&written::config(8), Layout::SINGLE_BF16);
    let weights = floats.path().join("model.safetensors");
    packed_from_a_truncated(floats.path(), &weights);
    let how = Quantized {
        method: Method::Gptq,
        group: Some(64),
        symmetric: false,
        act_order: false,
    };
    let mut config = written::config(64);
    for (key, size) in [("hidden_size", 128), ("intermediate_size", 256)] {
        config[key] = size.into();
    }
    let [tensors, _] = pair(&config, how);
    config["quantization_config"] = how.config();
    let quantized = write(&config, &tensors);
    packed_from_a_truncated(
        quantized.path(),
        &quantized.path().join("model.safetensors"),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_refused_by_name_and_not_waited_for() {
    use rustix::fs::{CWD, Mode, mkfifoat};

    let folder = folder(&written::config(8), Layout::SINGLE_BF16);
    let read = |path: &Path| {
        let read = ModelSource::open(path).and_then(|source| source.tokenizer().map(drop));
        read.unwrap_err().to_string()
    };
    let names = [
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
        "chat_template.jinja",
    ];
    for name in names {
        let path = folder.path().join(name);
        let before = fs::read(&path).ok();
        if name == "model.safetensors.index.json" {
            fs::rename(
                folder.path().join("model.safetensors"),
                folder.path().join("kept"),
            )
            .unwrap();
        }
        let _ = fs::remove_file(&path);
        mkfifoat(CWD, &path, Mode::RUSR).unwrap();
        let why = read(folder.path());
        assert!(
            why.contains(name) && why.contains("must be a file, found a named pipe"),
            "{why}"
        );
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let why = read(folder.path());
        assert!(
            why.contains(name) && why.contains("must be a file, found a folder"),
            "{why}"
        );
        fs::remove_dir(&path).unwrap();
        if let Some(before) = before {
            fs::write(&path, before).unwrap();
        }
        if name == "model.safetensors.index.json" {
            fs::rename(
                folder.path().join("kept"),
                folder.path().join("model.safetensors"),
            )
            .unwrap();
        }
    }
    let pipe = folder.path().join("pipe.gguf");
    mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
    let socket = folder.path().join("socket.gguf");
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, found) in [
        (pipe.as_path(), "a named pipe"),
        (&socket, "a socket"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let why = read(path);
        assert!(
            why.contains(path.to_str().unwrap()) && why.contains(found),
            "{why}"
        );
    }
}
