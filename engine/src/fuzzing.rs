//! What libFuzzer's program, `fuzz/target.rs`, feeds with bytes: files, answers of a model, and what these must be. An input may be refused;
//! it must not panic, hang, or take memory out of proportion.
//!
//! Where a target is made of several files, they stand behind each other with a byte between that no UTF-8 has.

mod constraint;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::files::checkpoint::{Gguf, HfFolder};
use crate::files::config::gguf::GgufConfig;
use crate::files::config::hugging_face::{HfConfig, RawConfig};
use crate::text::calls::{AnswerPart, CallFormat, CallReader};
use crate::text::conversation::Conversation;
use crate::text::prompt::ChatTemplate;
use crate::text::thoughts::{Marks, Part, ThoughtReader};
use crate::text::tokenizer::{Bounds, HfText, Tokenizer};
use crate::{Message, Role};

/// What reads one kind of input.
pub type Target = fn(&[u8]);

/// The kinds of inputs by the names of their folders in `fuzz/corpus`, and what reads them.
pub const TARGETS: [(&str, Target); 9] = [
    ("gguf", gguf),
    ("gguf_tokenizer", gguf_tokenizer),
    ("safetensors", safetensors),
    ("config", config),
    ("tokenizer", tokenizer),
    ("chat_template", chat_template),
    ("calls", calls),
    ("thoughts", thoughts),
    ("constraint", constraint::constraint),
];

/// The target that the variable `NIBBLE_FUZZ_TARGET` names.
///
/// # Panics
/// When it names none of them.
#[must_use]
pub fn chosen(targets: &[(&str, Target)]) -> Target {
    let wanted = std::env::var("NIBBLE_FUZZ_TARGET").unwrap_or_default();
    let found = targets.iter().find(|(name, _)| *name == wanted);
    found
        .unwrap_or_else(|| panic!("`NIBBLE_FUZZ_TARGET` names no target: `{wanted}`"))
        .1
}

const FORMATS: [CallFormat; 3] = [CallFormat::Tagged, CallFormat::Listed, CallFormat::Bare];
const BORDER: u8 = 0xff;
/// Of a prompt, as generous as for any model.
const BOUNDS: Bounds = Bounds {
    tokens: 1 << 20,
    word_bytes: 1 << 20,
};
/// What tokens are built from in every way: words, digits, blanks, other scripts, and a control token as a user writes it.
const TEXT: &str = "Hello, we're <|im_end|>  12345\r\n\n\tнет 你好 e\u{301} 🦀\u{0} <s>[INST] {{ x }} aaaaaaaaaaaaaaaaaaaaaaaa!";
/// A `config.json` whose vocabulary every small tokenizer fits into.
const CONFIG: &[u8] = br#"{"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 4096, "max_position_embeddings": 64}"#;

/// A whole GGUF file: its header, its tensors, and the model that it describes.
fn gguf(file: &[u8]) {
    let Ok(gguf) = Gguf::from_bytes(file) else {
        return;
    };
    for tensor in gguf.tensors() {
        let numbers: usize = tensor.shape.iter().product();
        let read = tensor.to_f32().expect("it is in memory");
        assert_eq!(read.len(), numbers, "numbers of {tensor:?}");
    }
    let _ = GgufConfig::read(&gguf);
}

/// The tokenizer and the chat template of a GGUF file.
fn gguf_tokenizer(file: &[u8]) {
    let Ok(gguf) = Gguf::from_bytes(file) else {
        return;
    };
    if let Ok(Some(tokenizer)) = Tokenizer::from_gguf(&gguf) {
        use_tokenizer(&tokenizer);
        if let Ok(template) = gguf.text("tokenizer.chat_template") {
            use_template(template, &tokenizer);
        }
    }
}

/// The index of a folder's weights, if it has any bytes, and one file of weights.
fn safetensors(files: &[u8]) {
    let [index, weights] = parts(files);
    let folder = tempfile::tempdir().expect("there is room for it");
    let folder = folder.path();
    put(folder, "model.safetensors.index.json", index);
    put(
        folder,
        "model.safetensors",
        Some(weights.unwrap_or_default()),
    );
    let Ok(opened) = HfFolder::open(folder) else {
        return;
    };
    for name in opened.names() {
        if let Ok(tensor) = opened.vector(name) {
            let numbers: usize = tensor.shape.iter().product();
            let read = tensor.to_f32().expect("the file is there");
            assert_eq!(read.len(), numbers, "numbers of {tensor:?}");
        }
    }
}

/// A `config.json`.
fn config(file: &[u8]) {
    if let Some(config) = checked_config(file) {
        let _ = format!("{config:?}");
    }
}

/// `tokenizer.json`, `tokenizer_config.json` and `generation_config.json`.
fn tokenizer(files: &[u8]) {
    let [tokenizer, tokenizer_config, generation] = parts(files);
    let folder = tempfile::tempdir().expect("there is room for it");
    let folder = folder.path();
    put(folder, "model.safetensors", Some(b"\x02\0\0\0\0\0\0\0{}"));
    put(folder, "tokenizer.json", tokenizer);
    put(folder, "tokenizer_config.json", tokenizer_config);
    put(folder, "generation_config.json", generation);
    let opened = HfFolder::open(folder).expect("no tensors are no mistake");
    let config = checked_config(CONFIG).expect("it is sound");
    let Ok(text) = HfText::read(&opened) else {
        return;
    };
    if let Ok(tokenizer) = Tokenizer::from_folder(&opened, &config, &text) {
        use_tokenizer(&tokenizer);
    }
}

/// A chat template, with a tiny vocabulary.
fn chat_template(template: &[u8]) {
    if let Ok(template) = std::str::from_utf8(template) {
        use_template(Some(template), tiny_tokenizer());
    }
}

/// A way to write calls, and an answer in which tools may be called: whole, and in pieces.
fn calls(input: &[u8]) {
    let Some((way, answer)) = input.split_first() else {
        return;
    };
    let format = FORMATS[usize::from(*way) % FORMATS.len()];
    let answer = String::from_utf8_lossy(answer);
    let conversation = offering();
    let read = |pieces: &mut dyn Iterator<Item = &str>| {
        let mut reader = CallReader::new(format, &conversation, 0);
        let mut events: Vec<AnswerPart> = pieces.flat_map(|piece| reader.push(piece)).collect();
        events.extend(reader.finish());
        let shown = events.into_iter().map(|event| match event {
            AnswerPart::Text(text) => text,
            other => format!("{other:?}"),
        });
        shown.collect::<String>()
    };
    let whole = read(&mut [&*answer].into_iter());
    assert_eq!(read(&mut answer.split_inclusive(|_| true)), whole);
}

/// Which marks, whether the prompt has opened the thought, and what follows: whole, and in pieces.
fn thoughts(input: &[u8]) {
    let Some((way, answer)) = input.split_first() else {
        return;
    };
    let [listed, opened] = [1, 2].map(|bit| way & bit != 0);
    let opening = if listed { "[THINK]" } else { "<think>" };
    let marks = Marks::named_in(opening).expect("they are known");
    let prompt = if opened { opening } else { "" };
    let answer = String::from_utf8_lossy(answer);
    let read = |pieces: &mut dyn Iterator<Item = &str>| {
        let mut reader = ThoughtReader::behind(prompt, marks);
        let mut whole = Part::default();
        let mut add = |part: Part| {
            assert!(part.thought.is_empty() || whole.answer.is_empty());
            whole.thought += &part.thought;
            whole.answer += &part.answer;
        };
        pieces.for_each(|piece| add(reader.push(piece)));
        add(reader.finish());
        whole
    };
    let whole = read(&mut [&*answer].into_iter());
    assert_eq!(read(&mut answer.split_inclusive(|_| true)), whole);
}

/// In which some words are one token.
fn tiny_tokenizer() -> &'static Arc<Tokenizer> {
    static TOKENIZER: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    TOKENIZER.get_or_init(|| {
        let file = include_bytes!("../tests/fixtures/tiny.gguf");
        let gguf = Gguf::from_bytes(file).expect("it is sound");
        let tokenizer = Tokenizer::from_gguf(&gguf).expect("it is sound");
        Arc::new(tokenizer.expect("it has a vocabulary"))
    })
}

/// A conversation with a tool.
fn offering() -> Conversation {
    Conversation {
        tools: vec![serde_json::json!({ "function": { "name": "now" } })],
        ..Conversation::default()
    }
}

fn use_tokenizer(tokenizer: &Tokenizer) {
    let _ = tokenizer.raw_within(TEXT, BOUNDS);
    let mut decoder = tokenizer.decoder(&[]);
    for id in (0..300).chain([u32::MAX]) {
        let _ = decoder.push(id);
        let _ = (tokenizer.is_end(id), tokenizer.token_text(id));
    }
}

fn use_template(source: Option<&str>, tokenizer: &Tokenizer) {
    let template = ChatTemplate::new(source, tokenizer).expect("there is a thread for it");
    let turns = [Role::System, Role::User, Role::Assistant, Role::User];
    let messages = turns.map(|role| Message {
        role,
        content: TEXT.to_owned(),
    });
    let mut conversation = Conversation::from(messages.to_vec());
    if let Ok(prompt) = template.render(&conversation, tokenizer) {
        let _ = tokenizer.prompt_within(&prompt, BOUNDS);
    }
    conversation.turns.pop();
    conversation.continues_last = true;
    if let Ok(prompt) = template.render(&conversation, tokenizer) {
        let _ = tokenizer.prompt_within(&prompt, BOUNDS);
    }
    conversation.tools = vec![serde_json::json!({ "function": { "name": "now" } })];
    let _ = template.call_format(&conversation, tokenizer, "fuzzed");
}

fn checked_config(file: &[u8]) -> Option<HfConfig> {
    let raw: RawConfig = serde_json::from_slice(file).ok()?;
    raw.check().ok()
}

/// The files of an input; those behind the last border are missing.
fn parts<const N: usize>(input: &[u8]) -> [Option<&[u8]>; N] {
    let mut parts = input.splitn(N, |byte| *byte == BORDER);
    std::array::from_fn(|_| parts.next())
}

fn put(folder: &Path, name: &str, bytes: Option<&[u8]>) {
    let path = folder.join(name);
    match bytes {
        Some(bytes) if !bytes.is_empty() => std::fs::write(path, bytes).expect("it is writable"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn no_input_that_is_kept_does_harm() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let folders = fs::read_dir(&corpus).expect("it is there").count();
        assert_eq!(folders, super::TARGETS.len(), "folders of {corpus:?}");
        for (name, read) in super::TARGETS {
            for input in fs::read_dir(corpus.join(name)).expect("it is there") {
                let input = input.expect("it is readable").path();
                read(&fs::read(&input).unwrap_or_else(|why| panic!("{input:?}: {why}")));
            }
        }
    }
}
