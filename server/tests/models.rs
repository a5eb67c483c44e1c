//! Models by name, as a person gets them: the program beside a hub on this machine.

#![expect(
    clippy::unwrap_used,
    reason = "what keeps a test from asking fails it, in its shared parts too"
)]

#[path = "../src/hub/tests/stand_in.rs"]
mod stand_in;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use self::stand_in::{Mishap, StandIn};

const VOCABULARY: usize = 288;
const WIDTH: usize = 64;

/// A random model of one small layer that spells with bytes.
fn tiny_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, value: Value| {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 128,
        "tie_word_embeddings": true,
        "eos_token_id": 256,
    });
    write("config.json", config);
    write("tokenizer.json", tokenizer());
    let template = "{% for message in messages %}{{ message.content }}{% endfor %}";
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    fs::write(folder.path().join("model.safetensors"), weights()).unwrap();
    fs::write(folder.path().join("pytorch_model.bin"), "the same again").unwrap();
    folder
}

/// The 256 bytes, as byte-level vocabularies spell them, and one token that ends an answer.
fn tokenizer() -> Value {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 0x100..;
    let mut vocabulary = Map::new();
    for byte in 0..256 {
        let letter = match printable(byte) {
            true => byte,
            false => others.next().unwrap(),
        };
        let letter = char::from_u32(letter).unwrap();
        vocabulary.insert(letter.to_string(), byte.into());
    }
    json!({
        "added_tokens": [{ "id": 256, "content": "<|end|>", "special": true }],
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    })
}

/// A safetensors file in F32.
fn weights() -> Vec<u8> {
    let square = |name: &str| (format!("model.layers.0.{name}.weight"), vec![WIDTH, WIDTH]);
    let row = |name: &str| (format!("model.{name}.weight"), vec![WIDTH]);
    let tensors = [
        (
            "model.embed_tokens.weight".to_owned(),
            vec![VOCABULARY, WIDTH],
        ),
        row("norm"),
        row("layers.0.input_layernorm"),
        row("layers.0.post_attention_layernorm"),
        square("self_attn.q_proj"),
        square("self_attn.k_proj"),
        square("self_attn.v_proj"),
        square("self_attn.o_proj"),
        square("mlp.gate_proj"),
        square("mlp.up_proj"),
        square("mlp.down_proj"),
    ];
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, shape) in tensors {
        let start = data.len();
        for index in 0..shape.iter().product::<usize>() {
            let number = (index * 7919 + start) % 2003;
            let number = number as f32 / 2003.0 - 0.5;
            data.extend(number.to_le_bytes());
        }
        let tensor = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name, tensor);
    }
    let header = Value::from(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), &data].concat()
}

/// A hub with the tiny model, and a cache folder of its own.
struct Place {
    hub: StandIn,
    home: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            hub: StandIn::of(tiny_folder().path()),
            home: TempDir::new().unwrap(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nibble"));
        command
            .args(words)
            .env("NIBBLE_HOME", self.home.path())
            .env("HF_ENDPOINT", &self.hub.endpoint)
            .env("HF_HOME", self.home.path().join("no-token"));
        for name in [
            "HF_HUB_OFFLINE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "NIBBLE_MODEL",
            "NIBBLE_LOG",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command that goes well prints.
    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// What a command that fails says.
    fn refuses(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        text(&output.stderr)
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("hub/owner/name")
    }

    /// Bytes of the weights that have arrived so far.
    fn arrived(&self) -> u64 {
        let part = self
            .home
            .path()
            .join("hub/owner/name~/model.safetensors.part");
        fs::metadata(part).map_or(0, |part| part.len())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits for as long as the program runs, which takes its time on a machine that is busy, and ends in any case.
fn wait_until(what: &str, program: &mut Child, holds: impl Fn() -> bool) {
    while !holds() {
        let ended = program.try_wait().unwrap();
        assert_eq!(ended, None, "never {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

const ANSWER: [&str; 9] = [
    "generate",
    "--model",
    "owner/name",
    "--prompt",
    "Hello",
    "--max-tokens",
    "5",
    "--temperature",
    "0",
];

#[test]
fn a_repository_is_fetched_answers_is_listed_packed_and_removed() {
    let place = Place::new();
    let path = place.folder();
    assert!(
        place
            .refuses(&["where", "owner/name"])
            .contains("`owner/name` is not on this disk")
    );

    let answer = place.says(&[&ANSWER[..], &["--json"]].concat());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(
        answer["completion_tokens"].as_u64().unwrap() > 0,
        "{answer}"
    );
    place.hub.seen();
    place.says(&ANSWER);
    assert!(place.hub.seen().is_empty());
    assert!(!path.join("pytorch_model.bin").exists());

    let shown = path.display().to_string();
    assert_eq!(place.says(&["where", "owner/name"]).trim(), shown);
    assert_eq!(place.says(&["download", "owner/name"]).trim(), shown);
    let packed = place.says(&["pack", "owner/name"]);
    let packed = Path::new(packed.trim());
    assert!(packed.starts_with(place.home.path()), "{packed:?}");

    let listed: Value = serde_json::from_str(&place.says(&["list", "--json"])).unwrap();
    let model = &listed["models"][0];
    assert_eq!(model["name"], "owner/name");
    assert_eq!(model["path"], *shown);
    assert_eq!(model["packed"][0]["path"], *packed.display().to_string());
    assert_eq!(listed["packed"], json!([]));
    let table = place.says(&["ls"]);
    assert!(
        table.contains("owner/name") && table.contains(&shown),
        "{table}"
    );

    let refusal = place.refuses(&["remove", "owner/name"]);
    assert!(refusal.contains("say --yes"), "{refusal}");
    assert!(path.exists());
    let removed = place.says(&["rm", "--yes", "owner/name"]);
    assert!(removed.contains("removed owner/name"), "{removed}");
    assert!(!path.exists() && !packed.exists());
    let nothing = place.refuses(&["remove", "--yes", "owner/name"]);
    assert!(nothing.contains("nothing of `owner/name`"), "{nothing}");
}

#[test]
fn offline_what_is_here_answers_and_nothing_is_asked_of_the_hub() {
    let place = Place::new();
    let offline = |words: &[&str]| {
        let mut command = place.command(words);
        command.env("HF_HUB_OFFLINE", "1").output().unwrap()
    };
    for name in ["owner/name", "smollm2", "llama3.2:1b"] {
        let output = offline(&["tokenize", "--text", "x", "--model", name]);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        for words in [name, "not on this disk", "`HF_HUB_OFFLINE`"] {
            assert!(message.contains(words), "no `{words}` in: {message}");
        }
    }
    assert!(place.hub.seen().is_empty());
    place.says(&["download", "owner/name"]);
    place.hub.seen();
    for words in [&ANSWER[..], &["download", "owner/name"]] {
        let output = offline(words);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert!(place.hub.seen().is_empty());
}

#[test]
fn packed_weights_of_a_file_of_ones_own_are_removed_and_the_file_stays() {
    let place = Place::new();
    let own = tiny_folder();
    let name = own.path().to_str().unwrap();
    let packed = place.says(&["pack", name]);
    let listed: Value = serde_json::from_str(&place.says(&["list", "--json"])).unwrap();
    assert_eq!(listed["packed"][0]["path"], packed.trim());
    let output = place.run(&["remove", "--yes", name]);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("itself stays"));
    assert!(!Path::new(packed.trim()).exists() && own.path().join("config.json").exists());
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_what_the_next_download_goes_on_with() {
    let place = Place::new();
    place
        .hub
        .happens("model.safetensors", Mishap::StallsAfter(70_000));
    let mut child = place
        .command(&["download", "owner/name"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("70,000 bytes", &mut child, || place.arrived() == 70_000);
    let id = child.id().to_string();
    // Ctrl-C ends it the same way, but is ignored by all that a shell has started in the background, as these tests may be.
    let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(killed.success());
    assert!(!child.wait().unwrap().success());
    let listed: Value = serde_json::from_str(&place.says(&["list", "--json"])).unwrap();
    let model = &listed["models"][0];
    assert_eq!(model["path"], Value::Null);
    assert!(model["bytes"].as_u64() < model["whole_bytes"].as_u64());
    place.hub.seen();
    place.says(&["download", "owner/name"]);
    let seen = place.hub.seen();
    let mut from = seen
        .iter()
        .filter(|seen| seen.at_store)
        .map(|seen| seen.from);
    assert_eq!((from.next(), from.next()), (Some(70_000), None));
}

#[test]
fn of_two_that_start_at_once_one_fetches_and_both_have_it() {
    let place = Place::new();
    let start = || {
        let mut command = place.command(&["download", "owner/name"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    for child in [start(), start()] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(
            text(&output.stdout).trim(),
            place.folder().display().to_string()
        );
    }
    let large = place.hub.seen().into_iter().filter(|seen| seen.at_store);
    assert_eq!(large.count(), 1);
}

#[test]
fn a_server_fetches_before_it_is_ready_and_says_so() {
    let place = Place::new();
    let mut child = place
        .command(&["serve", "--addr", "127.0.0.1:0", "--model", "owner/name"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(
        ready.starts_with("name is ready at http://"),
        "{ready}{log}"
    );
    let line = format!("fetching the model: owner/name from {}", place.hub.endpoint);
    assert!(log.contains(&line), "{log}");
}

#[test]
fn what_cannot_be_had_is_said_in_one_line() {
    let place = Place::new();
    place.hub.needs_token("secret");
    let gated = place.refuses(&["download", "owner/name"]);
    assert!(gated.contains("accept its licence"), "{gated}");
    assert_eq!(gated.lines().count(), 1, "{gated}");
    let mut command = place.command(&["download", "owner/name"]);
    let output = command.env("HF_TOKEN", "secret").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let mut command = place.command(&["download", "owner/other"]);
    let output = command
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert!(message.contains("cannot be reached"), "{message}");
    let near = place.refuses(&["chat", "--model", "smolm2"]);
    assert!(near.contains("did you mean `smollm2`"), "{near}");
}

#[test]
fn every_short_name_is_listed() {
    let place = Place::new();
    let table = place.says(&["models"]);
    let listed: Value = serde_json::from_str(&place.says(&["models", "--json"])).unwrap();
    let help = place.says(&["download", "--help"]);
    for model in listed.as_array().unwrap() {
        let name = model["name"].as_str().unwrap();
        assert!(table.contains(name) && help.contains(name), "{name}");
        assert_eq!(model["path"], Value::Null);
    }
}
