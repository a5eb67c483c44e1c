mod added;
mod control;
mod difference;

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::json;

use super::{Bounds, Tokenizer};
use crate::files::checkpoint::{Gguf, Written, written};
use crate::model::source::ModelSource;
use crate::text::rendered::RenderedPrompt;

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
    assert_golden_and(tokenizer, golden, |text| text.to_owned());
}

/// Compares ids, and what they are decoded to with what `restored` makes of the text.
fn assert_golden_and(tokenizer: &Tokenizer, golden: &str, restored: impl Fn(&str) -> String) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    for Case { text, ids } in golden.plain {
        assert_eq!(tokenizer.encode(&text), ids, "{text:?}");
        assert_eq!(decoded(tokenizer, &ids), restored(&text));
    }
    for Case { text, ids } in golden.prompts {
        let prompt = RenderedPrompt::from_template(&text);
        assert_eq!(tokenizer.encode_prompt(&prompt), ids, "{text:?}");
    }
}

fn decoded(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut decoder = tokenizer.decoder(&[]);
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
        include_str!("../../../tests/fixtures/tiny_tokens.json"),
    );
}

#[test]
fn the_default_model_gives_the_ids_that_llama_cpp_gives() {
    let gguf = Gguf::open(&crate::support::default_model()).unwrap();
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap().unwrap();
    assert_golden(
        &tokenizer,
        include_str!("../../../tests/fixtures/default_tokens.json"),
    );
    assert_eq!(tokenizer.vocabulary(), 49_152);
    let ends: Vec<u32> = (0..49_152).filter(|&id| tokenizer.is_end(id)).collect();
    // The last is `<reponame>`, at which llama.cpp stops too.
    assert_eq!(ends, [0, 2, 4]);
}

/// A vocabulary that `engine/scripts/vocabularies` has written, or nothing where it has not been run.
fn real_vocabulary(name: &str) -> Option<Tokenizer> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/vocabularies");
    let path = std::path::Path::new(folder).join(name);
    if !path.exists() {
        eprintln!("skipped: `engine/scripts/vocabularies target/vocabularies` writes `{name}`");
        return None;
    }
    Some(
        Tokenizer::from_gguf(&Gguf::open(&path).unwrap())
            .unwrap()
            .unwrap(),
    )
}

/// The same vocabulary as `tokenizer.json` in a folder.
fn real_folder(name: &str, vocabulary: usize, bos: &str, eos: &str) -> Option<Tokenizer> {
    let vocabularies = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/vocabularies");
    let json = std::path::Path::new(vocabularies).join(name);
    if !json.exists() {
        eprintln!("skipped: `engine/scripts/vocabularies target/vocabularies` writes `{name}`");
        return None;
    }
    let mut config = written::config(vocabulary);
    config["tie_word_embeddings"] = json!(true);
    let folder = written::folder(&config, written::Layout::SINGLE_BF16);
    std::fs::copy(json, folder.path().join("tokenizer.json")).unwrap();
    let tokens = json!({ "bos_token": bos, "eos_token": { "content": eos } });
    written::write_json(folder.path(), "tokenizer_config.json", &tokens);
    Some(
        ModelSource::open(folder.path())
            .unwrap()
            .tokenizer()
            .unwrap(),
    )
}

#[test]
fn llama_3_gives_the_ids_that_tiktoken_gives() {
    let (bos, eos) = ("<|begin_of_text|>", "<|end_of_text|>");
    let sources = [
        real_vocabulary("llama-3.gguf"),
        real_folder("llama-3.json", 128_256, bos, eos),
    ];
    for tokenizer in sources.into_iter().flatten() {
        let golden = include_str!("../../../tests/fixtures/llama_3_tokens.json");
        assert_golden(&tokenizer, golden);
        let prompt = RenderedPrompt::from_template("a<|eot_id|>");
        assert_eq!(tokenizer.encode_prompt(&prompt), [128_000, 64, 128_009]);
        let ends: Vec<u32> = (0..128_256).filter(|&id| tokenizer.is_end(id)).collect();
        assert_eq!(ends, [128_001, 128_008, 128_009]);
    }
}

#[test]
fn qwen_2_splits_as_tiktoken_does_with_its_pattern() {
    let (bos, eos) = ("<|begin_of_text|>", "<|end_of_text|>");
    let sources = [
        real_vocabulary("qwen-2.gguf"),
        real_folder("qwen-2.json", 128_256, bos, eos),
    ];
    for tokenizer in sources.into_iter().flatten() {
        let golden = include_str!("../../../tests/fixtures/qwen_2_tokens.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        for Case { text, ids } in golden.plain {
            assert_eq!(tokenizer.encode(&text), ids, "{text:?}");
        }
    }
}

#[test]
fn mistral_gives_the_ids_that_sentencepiece_gives() {
    let sources = [
        real_vocabulary("mistral-1.gguf"),
        real_folder("mistral-1.json", 32_000, "<s>", "</s>"),
    ];
    for tokenizer in sources.into_iter().flatten() {
        let golden = include_str!("../../../tests/fixtures/mistral_1_tokens.json");
        // Its blank and the one before the first word are blanks like any other.
        assert_golden_and(&tokenizer, golden, |text| match text {
            "" => String::new(),
            text => format!(" {}", text.replace('\u{2581}', " ")),
        });
        assert_eq!(tokenizer.encode_raw("")[..1], [1]);
        let ends: Vec<u32> = (0..32_000).filter(|&id| tokenizer.is_end(id)).collect();
        assert_eq!(ends, [2]);
    }
}

/// A small SentencePiece vocabulary: three special tokens, the bytes, and some words with scores.
fn sentencepiece() -> Written {
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let words = ["\u{2581}", "a", "b", "ab", "\u{2581}a", "aab", "<tag>"].map(str::to_owned);
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let tokens: Vec<String> = special.into_iter().chain(bytes).chain(words).collect();
    let kinds: Vec<i32> = (0..tokens.len())
        .map(|id| match id {
            0 => 2,
            1 | 2 => 3,
            265 => 4,
            3..259 => 6,
            _ => 1,
        })
        .collect();
    let mut scores = vec![0.0; tokens.len()];
    for (score, &of) in scores[259..]
        .iter_mut()
        .zip(&[-9.0, -9.0, -9.0, -1.0, -2.0, -3.0])
    {
        *score = of;
    }
    Written::default()
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .integers("tokenizer.ggml.token_type", &kinds)
        .floats("tokenizer.ggml.scores", &scores)
}

#[test]
fn the_pair_with_the_highest_score_is_joined_first_and_bytes_spell_the_rest() {
    let tokenizer = read(&sentencepiece()).unwrap().unwrap();
    // Blank, a, ab: `ab` is joined before blank and `a`, and then nothing is left to join but these.
    assert_eq!(tokenizer.encode("aab"), [263, 262]);
    assert_eq!(tokenizer.encode("ab"), [259, 262]);
    assert_eq!(tokenizer.encode("é"), [259, 3 + 0xc3, 3 + 0xa9]);
    // What looks like a byte's or a control token is spelt.
    for text in ["<0x0A>", "</s>"] {
        let expected: Vec<u32> = text.bytes().map(|byte| 3 + u32::from(byte)).collect();
        assert_eq!(tokenizer.encode(text)[1..], expected);
    }
    assert_eq!(tokenizer.encode("<tag>b"), [265, 259, 261]);
    assert_eq!(tokenizer.encode_raw("b"), [1, 259, 261]);
    let prompt = RenderedPrompt::from_template("<s>b</s>b");
    assert_eq!(tokenizer.encode_prompt(&prompt), [1, 259, 261, 2, 259, 261]);
    assert_eq!(
        decoded(&tokenizer, &[263, 262, 3 + 0xc3, 3 + 0xa9, 2]),
        " aabé"
    );
    assert!(tokenizer.is_end(2));

    let file = sentencepiece().flag("tokenizer.ggml.add_space_prefix", false);
    assert_eq!(read(&file).unwrap().unwrap().encode("b"), [261]);
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
    let mut decoder = tokenizer.decoder(&[]);
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
    let mut decoder = tokenizer.decoder(&[]);
    assert_eq!(decoder.push(byte(0xf0)), "");
    assert_eq!(decoder.push(byte(0x9f)), "");
    assert_eq!(decoder.push(byte(b'a')), "\u{fffd}a");
    assert_eq!(decoder.push(byte(0xff)), "\u{fffd}");
    assert_eq!(decoder.push(byte(0xe4)), "");
}

#[test]
fn control_tokens_and_unknown_ids_have_no_text() {
    let tokenizer = tiny();
    let mut decoder = tokenizer.decoder(&[]);
    assert_eq!(decoder.push(1), "");
    assert_eq!(decoder.push(u32::MAX), "");
    assert_eq!(decoder.push(3), "<think>");
    assert_eq!(tokenizer.decoder(&["<|im_start|>"]).push(1), "<|im_start|>");
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
        (written("unheard-of"), "found `unheard-of`"),
        (
            Written::default().text("tokenizer.ggml.model", "bert"),
            "found `bert`",
        ),
        (
            Written::default()
                .text("tokenizer.ggml.model", "llama")
                .texts("tokenizer.ggml.tokens", &["a"]),
            "found none for `<0x00>`",
        ),
        (
            sentencepiece().flag("tokenizer.ggml.remove_extra_whitespaces", true),
            "must be absent or false, found true",
        ),
        (
            Written::default()
                .text("tokenizer.ggml.model", "llama")
                .texts("tokenizer.ggml.tokens", &["<0xG0>"])
                .integers("tokenizer.ggml.token_type", &[6]),
            "must look like `<0x0A>`, found `<0xG0>`",
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
    fn an_altered_sentencepiece_vocabulary_is_read_or_refused(at: usize, byte: u8, text: String) {
        static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| sentencepiece().bytes());
        let mut file = SOUND.clone();
        let at = at % file.len();
        file[at] = byte;
        if let Ok(gguf) = Gguf::from_bytes(&file)
            && let Ok(Some(tokenizer)) = Tokenizer::from_gguf(&gguf)
        {
            decoded(&tokenizer, &tokenizer.encode_raw(&text));
        }
    }

    #[test]
    fn sentencepiece_spells_any_text(text in "[ ab\u{2581}é<>0xA/s]*|.*") {
        static TOKENIZER: LazyLock<Tokenizer> =
            LazyLock::new(|| read(&sentencepiece()).unwrap().unwrap());
        let text: String = text;
        let blanks = text.replace('\u{2581}', " ");
        let found = decoded(&TOKENIZER, &TOKENIZER.encode(&text)).replace(' ', "");
        proptest::prop_assert_eq!(found, blanks.replace(' ', ""));
    }

    /// So an answer that is continued behind a text says what it would have said as part of it.
    #[test]
    fn a_decoder_that_begins_behind_a_text_misses_nothing(
        text in "[ ab\u{e9}\u{1f980}\u{2581}<>\\n]{0,20}",
        answer in proptest::collection::vec(0_u32..400, 0..12),
    ) {
        static TOKENIZERS: LazyLock<[Tokenizer; 2]> =
            LazyLock::new(|| [tiny(), read(&sentencepiece()).unwrap().unwrap()]);
        for tokenizer in &*TOKENIZERS {
            let before = tokenizer.encode(&text);
            let whole = decoded(tokenizer, &[&before[..], &answer].concat());
            let parts = [&before, &answer].map(|ids| decoded(tokenizer, ids));
            proptest::prop_assert_eq!(whole, parts.concat());
        }
    }

    #[test]
    fn windows_of_a_text_have_the_sentencepiece_of_the_whole(text in "[ ab\u{2581}é/s]{0,60}", window in 1_usize..30) {
        static TOKENIZER: LazyLock<Tokenizer> =
            LazyLock::new(|| read(&sentencepiece()).unwrap().unwrap());
        let text = text.replace(' ', "\u{2581}");
        let ids = |window| {
            let mut ids = Vec::new();
            TOKENIZER.words.encode_normalized(&text, window, Bounds::NONE, &mut ids).unwrap();
            ids
        };
        proptest::prop_assert_eq!(ids(window), ids(usize::MAX));
    }

    #[test]
    fn any_text_survives_the_way_to_ids_and_back(text in "\\PC*|[ \\n\\r\\ta-z0-9<|>_imstarend]*|.*") {
        static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(tiny);
        let tokenizer = &*TOKENIZER;
        proptest::prop_assert_eq!(decoded(tokenizer, &tokenizer.encode(&text)), text);
    }
}
