//! Added tokens, with the ids that the `tokenizers` library gives them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::read;
use crate::files::checkpoint::{Written, written};
use crate::model::source::ModelSource;
use crate::text::tokenizer::Tokenizer;

#[derive(Deserialize)]
struct Golden {
    models: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    normalizer: Value,
    pre_tokenizer: Value,
    added_tokens: Vec<Map<String, Value>>,
    /// With the ids of each.
    texts: BTreeMap<String, Vec<u32>>,
}

fn golden() -> Golden {
    let golden = include_str!("../../../../tests/fixtures/added_tokens.json");
    serde_json::from_str(golden).unwrap()
}

#[test]
fn a_folder_gives_the_ids_that_the_library_gives() {
    let Golden { models, cases } = golden();
    let folder = written::folder(&written::config(320), written::Layout::SINGLE_BF16);
    for case in cases {
        let json = json!({
            "model": models[&case.model],
            "normalizer": case.normalizer,
            "pre_tokenizer": case.pre_tokenizer,
            "added_tokens": case.added_tokens,
        });
        written::write_json(folder.path(), "tokenizer.json", &json);
        let source = ModelSource::open(folder.path()).unwrap();
        let tokenizer = source.tokenizer().unwrap();
        for (text, ids) in &case.texts {
            let (normalizer, added) = (&case.normalizer, &case.added_tokens);
            assert_eq!(
                tokenizer.encode_raw(text),
                *ids,
                "{text:?} {normalizer} {added:?}"
            );
        }
    }
}

/// The vocabulary of a case as a GGUF file; none for a case that the format has no words for.
fn gguf(case: &Case, model: &Value) -> Option<Tokenizer> {
    let is_set = |token: &Map<String, Value>, flag: &str| token[flag] == true;
    let flags = ["normalized", "single_word", "lstrip", "rstrip"];
    let has_flags = |token| flags.iter().any(|flag| is_set(token, flag));
    let added = &case.added_tokens;
    if case.model != "byte_level" || !case.normalizer.is_null() || added.iter().any(has_flags) {
        return None;
    }
    let words = model["vocab"].as_object()?;
    let (mut tokens, mut kinds) = (vec![""; words.len()], vec![1; words.len()]);
    for (word, id) in words {
        tokens[id.as_u64()? as usize] = word;
    }
    for token in added {
        let content = token["content"].as_str()?;
        let kind = if is_set(token, "special") { 3 } else { 4 };
        match tokens.iter().position(|known| *known == content) {
            _ if content.is_empty() => return None,
            Some(id) => kinds[id] = kind,
            None => {
                tokens.push(content);
                kinds.push(kind);
            }
        }
    }
    let merges = model["merges"].as_array()?.iter().filter_map(Value::as_str);
    let file = Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens)
        .integers("tokenizer.ggml.token_type", &kinds)
        .texts("tokenizer.ggml.merges", &merges.collect::<Vec<_>>());
    Some(read(&file).unwrap().unwrap())
}

#[test]
fn a_gguf_file_gives_the_ids_that_the_library_gives() {
    let Golden { models, cases } = golden();
    let mut texts = 0;
    for case in cases {
        let Some(tokenizer) = gguf(&case, &models[&case.model]) else {
            continue;
        };
        for (text, ids) in &case.texts {
            assert_eq!(
                tokenizer.encode_raw(text),
                *ids,
                "{text:?} {:?}",
                case.added_tokens
            );
            texts += 1;
        }
    }
    assert!(texts > 9, "{texts}");
}
