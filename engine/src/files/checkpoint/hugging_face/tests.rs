use std::fs;

use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use super::written::{self, Layout, folder, write_json};
use super::{HfFolder, INDEX, SINGLE};
use crate::architecture::ModelTensor;
use crate::model::source::ModelSource;

fn config() -> Value {
    written::config(8)
}

fn refusal(path: &std::path::Path) -> String {
    ModelSource::open(path).unwrap_err().to_string()
}

#[test]
fn tensors_are_found_in_the_file_that_the_index_names() {
    let layout = Layout {
        dtype: Dtype::F16,
        shards: 3,
    };
    let folder = folder(&config(), layout);
    let open = HfFolder::open(folder.path()).unwrap();
    assert_eq!(open.files().count(), 3);
    assert_eq!(open.names().count(), 12);
    let norm = open.tensor("model.norm.weight", &[32]).unwrap();
    assert_eq!(norm.to_f32().unwrap().len(), 32);
    let wrong = open.tensor("model.norm.weight", &[31]).unwrap_err();
    assert!(wrong.to_string().contains("the shape [31], found [32]"));
    let missing = open.tensor("x", &[1]).unwrap_err().to_string();
    assert!(missing.contains("the tensor `x` is missing"));
}

#[test]
fn an_index_can_neither_lead_out_of_the_folder_nor_lie() {
    let folder = folder(&config(), Layout::SINGLE_BF16);
    let only = "only.safetensors";
    fs::rename(folder.path().join(SINGLE), folder.path().join(only)).unwrap();
    let index = |tensor: &str, file: &str| {
        write_json(
            folder.path(),
            INDEX,
            &json!({ "weight_map": { tensor: file } }),
        );
        refusal(folder.path())
    };
    for file in ["../model.safetensors", "/etc/passwd", "a/b", "", ".", ".."] {
        assert!(
            index("model.norm.weight", file).contains("no plain file name"),
            "{file}"
        );
    }
    assert!(index("other", only).contains("`other` must be in `only.safetensors`"));
    assert!(index("model.norm.weight", "absent").contains("absent"));
    fs::copy(folder.path().join(only), folder.path().join("twice")).unwrap();
    let both = json!({ "weight_map": { "model.norm.weight": only, "lm_head.weight": "twice" } });
    write_json(folder.path(), INDEX, &both);
    assert!(refusal(folder.path()).contains("another file has the tensor"));
}

#[test]
fn an_index_beside_the_one_file_is_stale() {
    let folder = folder(&config(), Layout::SINGLE_BF16);
    let index = json!({ "weight_map": {
        "model.norm.weight": "model-00001-of-00002.safetensors",
        "lm_head.weight": "model-00002-of-00002.safetensors",
    } });
    write_json(folder.path(), INDEX, &index);
    ModelSource::open(folder.path()).unwrap();
    fs::write(folder.path().join(INDEX), "no JSON").unwrap();
    ModelSource::open(folder.path()).unwrap();
}

#[test]
fn a_pointer_in_place_of_any_file_is_told_from_the_file() {
    let oid = "ab".repeat(32);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 7\n");
    let lone = tempfile::tempdir().unwrap();
    let gguf = lone.path().join("model.gguf");
    fs::write(&gguf, &pointer).unwrap();
    let message = refusal(&gguf);
    assert!(
        message.contains("git lfs pull") && message.contains("model.gguf"),
        "{message}"
    );

    let texts = [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
    ];
    for file in [SINGLE, "config.json"].into_iter().chain(texts) {
        let folder = folder(&config(), Layout::SINGLE_BF16);
        let path = folder.path().join(file);
        // Another file, as what is mapped must not change.
        fs::remove_file(&path).ok();
        fs::write(path, &pointer).unwrap();
        let source = ModelSource::open(folder.path());
        let message = source
            .and_then(|source| source.tokenizer().map(drop))
            .unwrap_err();
        let message = message.to_string();
        assert!(
            message.contains("git lfs pull") && message.contains(file),
            "{message}"
        );
    }
    let sharded = folder(
        &config(),
        Layout {
            dtype: Dtype::BF16,
            shards: 2,
        },
    );
    fs::write(sharded.path().join(INDEX), &pointer).unwrap();
    assert!(refusal(sharded.path()).contains("git lfs pull"));
}

#[test]
fn weights_that_are_not_read_are_named() {
    for (file, words) in [
        ("pytorch_model.bin", "safetensors or GGUF"),
        ("consolidated.00.pth", "safetensors or GGUF"),
        ("adapter_model.safetensors", "look for the whole model"),
        ("consolidated.safetensors", "look for the whole model"),
        ("small-Q4_0.gguf", "which can be named itself"),
    ] {
        let folder = folder(&config(), Layout::SINGLE_BF16);
        fs::rename(folder.path().join(SINGLE), folder.path().join(file)).unwrap();
        let message = refusal(folder.path());
        for words in [words, file, SINGLE, INDEX] {
            assert!(message.contains(words), "no `{words}` in: {message}");
        }
    }
}

#[test]
fn what_is_missing_or_not_read_is_named() {
    let empty = tempfile::tempdir().unwrap();
    assert!(refusal(empty.path()).contains(SINGLE));

    let whole = folder(&config(), Layout::SINGLE_BF16);
    let without = folder(&config(), Layout::SINGLE_BF16);
    let change = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        write_json(without.path(), "config.json", &config);
        refusal(without.path())
    };
    // The weights have one layer and no bias.
    let message = change("num_hidden_layers", json!(0));
    assert!(
        message.contains("`num_hidden_layers` must be from 1"),
        "{message}"
    );
    assert!(change("architectures", json!(["OtherModel"])).contains("OtherModel"));
    fs::write(without.path().join("config.json"), "{").unwrap();
    assert!(refusal(without.path()).contains("config.json"));
    fs::remove_file(without.path().join("config.json")).unwrap();
    assert!(refusal(without.path()).contains("config.json"));
    fs::write(without.path().join("tokenizer_config.json"), "[]").unwrap();

    let source = ModelSource::open(whole.path()).unwrap();
    let message = source.tokenizer().unwrap_err().to_string();
    assert!(
        message.contains("tokenizer.json") && message.contains("missing"),
        "{message}"
    );

    // More layers than the configuration has.
    let mut two = config();
    two["num_hidden_layers"] = json!(2);
    let two = folder(&two, Layout::SINGLE_BF16);
    write_json(two.path(), "config.json", &config());
    assert!(refusal(two.path()).contains("`model.layers.1."));

    let ints = folder(
        &config(),
        Layout {
            dtype: Dtype::I32,
            shards: 1,
        },
    );
    let open = HfFolder::open(ints.path()).unwrap();
    let message = open
        .tensor("model.norm.weight", &[32])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("must be F32, F16 or BF16, found I32"),
        "{message}"
    );
}

#[test]
fn weights_cut_off_or_altered_anywhere_are_read_or_refused() {
    let folder = folder(&config(), Layout::SINGLE_BF16);
    let path = folder.path().join(SINGLE);
    let sound = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*sound.first_chunk().unwrap()) as usize;
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let source = ModelSource::open(folder.path())?;
        source
            .tensors()
            .vector(ModelTensor::OutputNorm, 32)
            .map(drop)
    };
    open(&sound).unwrap();
    for length in (1..sound.len()).step_by(97) {
        assert!(open(&sound[..length]).is_err(), "{length} bytes");
    }
    let mut refused = 0;
    for at in 0..header {
        let mut file = sound.clone();
        file[at] = file[at].wrapping_mul(31).wrapping_add(at as u8);
        refused += usize::from(open(&file).is_err());
    }
    assert!(refused > header / 2, "{refused} of {header} refused");
}
