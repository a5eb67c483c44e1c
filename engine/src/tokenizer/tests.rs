use std::sync::LazyLock;

use serde::Deserialize;

use super::Tokenizer;
use crate::checkpoint::{Gguf, Written};
use crate::prompt::RenderedPrompt;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");

#[derive(Deserialize)]
struct Golden {
    plain: Vec<Case>,
    prompts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn tiny() -> Tokenizer {
    let gguf = Gguf::open(TINY.as_ref()).unwrap();
    Tokenizer::from_gguf(&gguf).unwrap().unwrap()
}

fn assert_golden(tokenizer: &Tokenizer, golden: &str) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    for Case { text, ids } in golden.plain {
        assert_eq!(tokenizer.encode(&text), ids, "{text:?}");
        assert_eq!(decoded(tokenizer, &ids), text);
    }
    for Case { text, ids } in golden.prompts {
        let prompt = RenderedPrompt::from_template(&text);
        assert_eq!(tokenizer.encode_prompt(&prompt), ids, "{text:?}");
    }
}

fn decoded(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut decoder = tokenizer.decoder();
    let mut text = String::new();
    for &id in ids {
        text += decoder.push(id);
    }
    text
}

#[test]
fn the_tiny_vocabulary_gives_the_ids_that_llama_cpp_gives() {
    assert_golden(
        &tiny(),
        include_str!("../../tests/fixtures/tiny_tokens.json"),
    );
}

#[test]
fn the_default_model_gives_the_ids_that_llama_cpp_gives() {
    let gguf = Gguf::open(&crate::hub::default_model(&()).unwrap()).unwrap();
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap().unwrap();
    assert_golden(
        &tokenizer,
        include_str!("../../tests/fixtures/default_tokens.json"),
    );
    assert_eq!(tokenizer.vocabulary(), 49_152);
    let ends: Vec<u32> = (0..49_152).filter(|&id| tokenizer.is_end(id)).collect();
    assert_eq!(ends, [0, 2]);
}

#[test]
fn characters_cut_between_tokens_are_held_back_until_they_are_whole() {
    let tokenizer = tiny();
    let text = "😀你好👩‍👩‍👧‍👦é";
    let ids = tokenizer.encode(text);
    assert_eq!(
        ids.len(),
        text.len(),
        "the tiny vocabulary has a token for each byte"
    );
    let mut decoder = tokenizer.decoder();
    let pieces: Vec<String> = ids.iter().map(|&id| decoder.push(id).to_owned()).collect();
    assert_eq!(&pieces[..5], ["", "", "", "😀", ""]);
    assert_eq!(pieces.concat(), text);
}

#[test]
fn bytes_that_can_no_longer_become_a_character_are_replaced_at_once() {
    let tokenizer = tiny();
    let byte = |byte: u8| {
        let spelt = (0..tokenizer.vocabulary() as u32).find(|&id| {
            let mut bytes = Vec::new();
            tokenizer.vocabulary.append_bytes(id, &mut bytes);
            bytes == [byte]
        });
        spelt.unwrap()
    };
    let mut decoder = tokenizer.decoder();
    assert_eq!(decoder.push(byte(0xf0)), "");
    assert_eq!(decoder.push(byte(0x9f)), "");
    assert_eq!(decoder.push(byte(b'a')), "\u{fffd}a");
    assert_eq!(decoder.push(byte(0xff)), "\u{fffd}");
    assert_eq!(decoder.push(byte(0xe4)), "");
}

#[test]
fn control_tokens_and_unknown_ids_have_no_text() {
    let tokenizer = tiny();
    let mut decoder = tokenizer.decoder();
    assert_eq!(decoder.push(1), "");
    assert_eq!(decoder.push(u32::MAX), "");
    assert_eq!(decoder.push(3), "<think>");
    assert_eq!(tokenizer.token_text(1), Some("<|im_start|>"));
    assert_eq!(tokenizer.token_text(320), None);
    assert!(tokenizer.is_end(0) && tokenizer.is_end(2) && !tokenizer.is_end(1));
}

fn written(pre: &str) -> Written {
    let tokens = ["<|bos|>", "a", "b", "ab", "1", "2", "12", "Ġ", "<|eot_id|>"];
    Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", pre)
        .texts("tokenizer.ggml.tokens", &tokens)
        .integers("tokenizer.ggml.token_type", &[3, 1, 1, 1, 1, 1, 1, 1, 3])
        .integer("tokenizer.ggml.bos_token_id", 0)
}

fn read(file: &Written) -> Result<Option<Tokenizer>, String> {
    Tokenizer::from_gguf(&file.open().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn digits_stand_alone_for_smollm_and_words_need_no_merge_for_llama_3() {
    let ids = |pre| {
        let file = written(pre).texts("tokenizer.ggml.merges", &["1 2"]);
        read(&file).unwrap().unwrap().encode("ab12")
    };
    assert_eq!(ids("gpt-2"), [1, 2, 6]);
    assert_eq!(ids("smollm"), [1, 2, 4, 5]);
    for pre in ["llama-bpe", "llama3", "llama-v3"] {
        assert_eq!(ids(pre), [3, 6]);
    }
}

#[test]
fn a_prompt_starts_once_with_the_first_token_where_the_file_wants_it() {
    let none: [&str; 0] = [];
    let llama = written("llama-bpe").texts("tokenizer.ggml.merges", &none);
    let tokenizer = read(&llama).unwrap().unwrap();
    assert_eq!(tokenizer.encode("a"), [1]);
    assert_eq!(tokenizer.encode_raw("a"), [0, 1]);
    let prompt = |text| RenderedPrompt::from_template(text);
    assert_eq!(tokenizer.encode_prompt(&prompt("a")), [0, 1]);
    assert_eq!(tokenizer.encode_prompt(&prompt("<|bos|>a")), [0, 1]);
    assert!(tokenizer.is_end(8));

    let without = llama.flag("tokenizer.ggml.add_bos_token", false);
    assert_eq!(read(&without).unwrap().unwrap().encode_raw("a"), [1]);
}

#[test]
fn a_vocabulary_that_cannot_be_used_is_refused_by_name() {
    let merges = |merge: &str| written("gpt-2").texts("tokenizer.ggml.merges", &[merge]);
    let cases = [
        (
            written("gpt-2"),
            "`tokenizer.ggml.merges`, an array of UTF-8 texts, is missing",
        ),
        (merges("ab"), "found `ab`"),
        (merges("a x"), "`x`"),
        (written("default"), "found `default`"),
        (written("qwen2"), "found `qwen2`"),
        (
            Written::default().text("tokenizer.ggml.model", "llama"),
            "found `llama`",
        ),
        (
            merges("a b").integer("tokenizer.ggml.eos_token_id", 9),
            "`tokenizer.ggml.eos_token_id` must be below 9, found 9",
        ),
        (
            Written::default()
                .text("tokenizer.ggml.model", "gpt2")
                .text("tokenizer.ggml.pre", "gpt-2")
                .texts("tokenizer.ggml.tokens", &["a"])
                .integers("tokenizer.ggml.token_type", &[1, 1]),
            "must have the 1 entries of `tokenizer.ggml.tokens`, found 2",
        ),
    ];
    for (file, words) in cases {
        let message = read(&file).unwrap_err();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    assert!(read(&Written::default()).unwrap().is_none());
    let none = Written::default().text("tokenizer.ggml.model", "no_vocab");
    assert!(read(&none).unwrap().is_none());
}

proptest::proptest! {
    #[test]
    fn any_text_survives_the_way_to_ids_and_back(text in "\\PC*|[ \\n\\r\\ta-z0-9<|>_imstarend]*|.*") {
        static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(tiny);
        let tokenizer = &*TOKENIZER;
        proptest::prop_assert_eq!(decoded(tokenizer, &tokenizer.encode(&text)), text);
    }
}
