use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde::Deserialize;

use super::{DEFAULT, Splitting, TABLE};
use crate::files::checkpoint::Written;
use crate::text::tokenizer::{Bounds, Tokenizer};

#[derive(Deserialize)]
struct Golden {
    tokens: Vec<String>,
    merges: Vec<String>,
    texts: Vec<String>,
    /// By names with blanks between.
    #[serde(flatten)]
    names: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    adds_bos: bool,
    ids: Vec<Vec<u32>>,
}

fn golden() -> Golden {
    let golden = include_str!("../../../../tests/fixtures/pre_tokens.json");
    serde_json::from_str(golden).unwrap()
}

/// A file with the vocabulary of the golden ids, whose first two tokens are control tokens.
fn file(golden: &Golden) -> Written {
    let kinds: Vec<i32> = (0..golden.tokens.len())
        .map(|id| if id < 2 { 3 } else { 1 })
        .collect();
    Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .texts("tokenizer.ggml.tokens", &golden.tokens)
        .texts("tokenizer.ggml.merges", &golden.merges)
        .integers("tokenizer.ggml.token_type", &kinds)
        .integer("tokenizer.ggml.bos_token_id", 1)
}

fn tokenizer(file: &Written) -> Result<Tokenizer, String> {
    let tokenizer = Tokenizer::from_gguf(&file.open().unwrap());
    Ok(tokenizer.map_err(|why| why.to_string())?.unwrap())
}

#[test]
fn each_name_gives_the_ids_that_llama_cpp_gives() {
    let golden = golden();
    let mut names = Vec::new();
    for (row, expected) in &golden.names {
        for name in row.split(' ') {
            names.push(name);
            let tokenizer = tokenizer(&file(&golden).text("tokenizer.ggml.pre", name)).unwrap();
            assert_eq!(tokenizer.added_bos().is_some(), expected.adds_bos, "{name}");
            for (text, ids) in golden.texts.iter().zip(&expected.ids) {
                assert_eq!(tokenizer.encode(text), *ids, "{name}: {text:?}");
            }
        }
    }
    let known = TABLE
        .iter()
        .chain([&DEFAULT])
        .flat_map(|of: &Splitting| of.names);
    let mut known: Vec<&str> = known.copied().collect();
    known.sort_unstable();
    names.sort_unstable();
    assert_eq!(names, known, "each name has golden ids");
}

#[test]
fn a_file_without_a_name_is_split_by_default_and_an_unknown_name_is_refused() {
    let golden = golden();
    let unnamed = tokenizer(&file(&golden)).unwrap();
    for (text, ids) in golden.texts.iter().zip(&golden.names["default"].ids) {
        assert_eq!(unnamed.encode(text), *ids);
    }
    let unknown = file(&golden).text("tokenizer.ggml.pre", "new");
    let refusal = tokenizer(&unknown).unwrap_err();
    assert!(
        refusal.contains("tekken") && refusal.contains("found `new`"),
        "{refusal}"
    );
}

#[test]
fn a_long_run_of_one_character_is_split_to_its_end() {
    let golden = golden();
    for name in TABLE.iter().chain([&DEFAULT]).map(|of| of.names[0]) {
        let tokenizer = tokenizer(&file(&golden).text("tokenizer.ggml.pre", name)).unwrap();
        for run in ["a", " ", "7"] {
            let text = run.repeat(20_000);
            let mut decoder = tokenizer.decoder(&[]);
            let ids = tokenizer.encode(&text);
            let decoded: String = ids.iter().map(|id| decoder.push(*id).to_owned()).collect();
            assert!(decoded == text, "{name}: {run:?}");
        }
    }
}

/// What words are made of, so that windows end within all of it.
const PARTS: [&str; 20] = [
    "the",
    " dog",
    "12345",
    "7",
    "\n",
    "\r\n",
    " ",
    "   ",
    "\t",
    "'re",
    "'",
    "нет",
    " 你好",
    "か\u{30fb}",
    "e\u{301}",
    "🦀",
    "...",
    " (",
    "Ab",
    "~|`",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn windows_of_a_text_have_the_words_of_the_whole(
        parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..60),
        window in 1_usize..80,
    ) {
        static TOKENIZERS: LazyLock<Vec<(&str, Tokenizer)>> = LazyLock::new(|| {
            let golden = golden();
            let names = TABLE.iter().chain([&DEFAULT]).flat_map(|of| of.names.first());
            let read = |name| tokenizer(&file(&golden).text("tokenizer.ggml.pre", name)).unwrap();
            names.map(|name| (*name, read(name))).collect()
        });
        let text = parts.concat();
        for (name, tokenizer) in TOKENIZERS.iter() {
            let ids = |window| {
                let mut ids = Vec::new();
                let words = &tokenizer.words;
                words.encode_normalized(&text, window, Bounds::NONE, &mut ids).unwrap();
                ids
            };
            prop_assert_eq!(ids(window), ids(usize::MAX), "{}: {:?}", name, text);
        }
    }
}
