use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Sampling;
use crate::files::checkpoint::written::{self, Layout, folder, write_json};
use crate::model::source::ModelSource;
use crate::text::tokenizer::Tokenizer;
use crate::text::tokenizer::vocabulary::character_of;

/// A model with 16 tokens, two of them special.
fn model() -> TempDir {
    let mut config = written::config(16);
    config["eos_token_id"] = json!(9);
    folder(&config, Layout::SINGLE_BF16)
}

fn sound() -> Value {
    json!({
        "added_tokens": [
            { "id": 8, "content": "<s>", "special": true },
            { "id": 9, "content": "</s>", "special": true },
            { "id": 10, "content": "<tag>" },
        ],
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }],
        },
        "model": {
            "type": "BPE",
            "vocab": { "a": 0, "b": 1, "<": 2, "s": 3, ">": 4, "ab": 5, "/": 6, "c": 7, "<s>": 8 },
            "merges": ["a b"],
        },
    })
}

fn read(folder: &TempDir) -> Result<Tokenizer, String> {
    let source = ModelSource::open(folder.path()).map_err(|error| error.to_string())?;
    source.tokenizer().map_err(|error| error.to_string())
}

#[test]
fn special_tokens_are_found_only_where_they_may_be() {
    let folder = model();
    write_json(folder.path(), "tokenizer.json", &sound());
    write_json(
        folder.path(),
        "tokenizer_config.json",
        &json!({ "bos_token": "<s>" }),
    );
    let tokenizer = read(&folder).unwrap();
    assert_eq!(tokenizer.encode("ab<s></s>"), [5, 2, 3, 4, 2, 6, 3, 4]);
    assert_eq!(tokenizer.encode("a<tag>b"), [0, 10, 1]);
    assert_eq!(tokenizer.encode_raw("b"), [8, 1]);
    assert!(tokenizer.is_end(9) && !tokenizer.is_end(8));
    // What the generation configuration says counts more, and what the tokenizer's own says of the start.
    write_json(
        folder.path(),
        "generation_config.json",
        &json!({ "eos_token_id": [5, 6] }),
    );
    let config = json!({ "bos_token": "<s>", "add_bos_token": false });
    write_json(folder.path(), "tokenizer_config.json", &config);
    let tokenizer = read(&folder).unwrap();
    assert_eq!(tokenizer.encode_raw("b"), [1]);
    assert!(tokenizer.is_end(5) && tokenizer.is_end(6));
}

#[test]
fn what_would_be_split_wrongly_is_refused_by_name() {
    let folder = model();
    let refusal = |path: &str, value: Value| {
        let mut json = sound();
        *json.pointer_mut(path).unwrap() = value;
        write_json(folder.path(), "tokenizer.json", &json);
        read(&folder).unwrap_err()
    };
    let cases = [
        ("/model", json!({ "type": "Unigram" }), "found `Unigram`"),
        (
            "/model",
            json!({ "type": "BPE", "vocab": [] }),
            "must be an object",
        ),
        ("/model", json!("BPE"), "must be an object"),
        ("/model/vocab/a", json!(-1), "the id of `a`"),
        (
            "/model/vocab/a",
            json!(16),
            "below the `vocab_size` of 16, found 16",
        ),
        ("/model/vocab/a", json!(u32::MAX), "found 4294967295"),
        ("/model/merges/0", json!("a x"), "`model`"),
        ("/pre_tokenizer/type", json!("Whitespace"), "byte-level BPE"),
        (
            "/pre_tokenizer/add_prefix_space",
            json!(true),
            "`add_prefix_space`",
        ),
        ("/added_tokens", json!(1), "invalid type"),
    ];
    for (path, value, words) in cases {
        let message = refusal(path, value);
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    for (key, value) in [
        ("dropout", json!(0.5)),
        ("continuing_subword_prefix", json!("##")),
        ("end_of_word_suffix", json!("</w>")),
        ("unk_token", json!("a")),
    ] {
        let mut json = sound();
        json["model"][key] = value;
        write_json(folder.path(), "tokenizer.json", &json);
        assert!(read(&folder).unwrap_err().contains(key));
    }
    let mut json = sound();
    json["normalizer"] = json!({ "type": "Lowercase" });
    write_json(folder.path(), "tokenizer.json", &json);
    assert!(read(&folder).unwrap_err().contains("found `Lowercase`"));
}

/// SentencePiece's BPE: all bytes from id 3, then `a`.
fn sentence_piece() -> Value {
    let bytes = (0..256).map(|byte| (format!("<0x{byte:02X}>"), json!(3 + byte)));
    let pieces = [("<unk>".to_owned(), json!(0)), ("a".to_owned(), json!(259))];
    json!({
        "added_tokens": [{ "id": 0, "content": "<unk>", "special": true }],
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "byte_fallback": true,
            "vocab": bytes.chain(pieces).collect::<serde_json::Map<_, _>>(),
            "merges": [],
        },
    })
}

#[test]
fn a_byte_that_the_model_could_not_spell_is_refused() {
    let folder = folder(&written::config(320), Layout::SINGLE_BF16);
    let read = |json: &Value| {
        write_json(folder.path(), "tokenizer.json", json);
        read(&folder)
    };
    let tokenizer = read(&sentence_piece()).unwrap();
    assert_eq!(tokenizer.encode("a\n"), [259, 3 + 10]);

    let mut lower_case = sentence_piece();
    let vocab = lower_case["model"]["vocab"].as_object_mut().unwrap();
    vocab.remove("<0x0A>");
    vocab.insert("<0x0a>".into(), json!(13));
    let mut special = sentence_piece();
    let added = special["added_tokens"].as_array_mut().unwrap();
    added.push(json!({ "id": 300, "content": "<0x0A>", "special": true }));
    for json in [lower_case, special] {
        let message = read(&json).unwrap_err();
        assert!(message.contains("none for `<0x0A>`"), "{message}");
    }
}

#[test]
fn a_normalizer_that_makes_texts_much_longer_is_refused() {
    let folder = folder(&written::config(320), Layout::SINGLE_BF16);
    let step = |content: &str| json!({ "type": "Replace", "pattern": { "String": "a" }, "content": content });
    let read = |steps: Vec<Value>| {
        let mut json = sentence_piece();
        json["normalizer"] = json!({ "type": "Sequence", "normalizers": steps });
        write_json(folder.path(), "tokenizer.json", &json);
        read(&folder)
    };
    assert!(read(vec![step("aa"); 4]).is_ok());
    let message = read(vec![step("aa"); 5]).unwrap_err();
    assert!(message.contains("may have 4 steps"), "{message}");
    let message = read(vec![step("aaaaa")]).unwrap_err();
    assert!(message.contains("may write 4 bytes, found 5"), "{message}");
}

/// The sound tokenizer with a token for each byte that a text can have.
fn with_all_bytes() -> Value {
    let mut json = sound();
    let bytes = (0..=255).map(|byte| character_of(byte).to_string());
    let words = bytes.chain(["ab".into(), "<unk>".into()]).enumerate();
    let words = words.map(|(id, word)| (word, json!(id)));
    json["model"]["vocab"] = words.collect::<serde_json::Map<_, _>>().into();
    json
}

#[test]
fn an_unknown_token_that_no_text_leads_to_is_no_harm() {
    let folder = folder(&written::config(320), Layout::SINGLE_BF16);
    let read = |json: &Value| {
        write_json(folder.path(), "tokenizer.json", json);
        read(&folder)
    };
    let sound = read(&with_all_bytes()).unwrap();
    let text = "ab <unk> é\u{10ffff}\0";
    for (special, gap) in [
        (true, None),
        (false, None),
        (true, Some(0xc0)),
        (true, Some(0xff)),
    ] {
        let mut json = with_all_bytes();
        json["model"]["unk_token"] = json!("<unk>");
        json["added_tokens"][0] = json!({ "id": 257, "content": "<unk>", "special": special });
        if let Some(byte) = gap {
            let words = json["model"]["vocab"].as_object_mut().unwrap();
            let id = words.remove(&character_of(byte).to_string()).unwrap();
            words.insert("never".into(), id);
        }
        let tokenizer = read(&json).unwrap();
        match special {
            true => assert_eq!(tokenizer.encode(text), sound.encode(text)),
            false => assert!(tokenizer.encode(text).contains(&257)),
        }
    }
    // Without this byte some texts would lead to it.
    let mut json = with_all_bytes();
    json["model"]["unk_token"] = json!("<unk>");
    let words = json["model"]["vocab"].as_object_mut().unwrap();
    words.remove(&character_of(0x80).to_string());
    assert!(read(&json).unwrap_err().contains("`unk_token`"));
}

#[test]
fn steps_behind_the_byte_level_one_work_on_its_characters() {
    let folder = folder(&written::config(320), Layout::SINGLE_BF16);
    let mut json = with_all_bytes();
    let byte_level = json["pre_tokenizer"].clone();
    let split = json!({ "type": "Split", "pattern": { "String": "Ġ" }, "behavior": "Isolated", "invert": false });
    for steps in [
        json!([byte_level, split]),
        json!([byte_level, { "type": "Digits", "individual_digits": true }]),
    ] {
        json["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": steps });
        write_json(folder.path(), "tokenizer.json", &json);
        let tokenizer = read(&folder).unwrap();
        let id = |character: char| {
            json["model"]["vocab"][character.to_string()]
                .as_u64()
                .unwrap()
        };
        let expected = [256, id('Ġ') as u32, 256, id('1') as u32];
        assert_eq!(tokenizer.encode("ab ab1"), expected);
        assert_eq!(tokenizer.decoder(&[]).push(id('Ġ') as u32), " ");
    }
}

#[test]
fn an_added_token_that_the_model_has_no_row_for_is_left_out() {
    let mut json = with_all_bytes();
    let listed = [
        json!({ "id": 257, "content": "<unk>", "special": true }),
        json!({ "id": 258, "content": "</s>", "special": true }),
        json!({ "id": 259, "content": "<pad>", "special": true }),
        json!({ "id": 260, "content": "<extra>" }),
    ];
    json["added_tokens"] = json!(listed);
    for (rows, kept) in [(320, 4), (260, 3), (259, 2), (258, 1)] {
        let folder = folder(&written::config(rows), Layout::SINGLE_BF16);
        write_json(folder.path(), "tokenizer.json", &json);
        let tokenizer = read(&folder).unwrap();
        assert!(tokenizer.vocabulary() <= rows);
        for (index, text) in ["<unk>", "</s>", "<pad>", "<extra>"].iter().enumerate() {
            let ids = tokenizer.encode_raw(text);
            match index < kept {
                true => assert_eq!(ids, [257 + index as u32], "{text} of {rows} rows"),
                false => assert_eq!(ids.len(), text.len(), "{text} of {rows} rows"),
            }
        }
    }
    // Words cannot be left out: texts need them.
    let folder = folder(&written::config(256), Layout::SINGLE_BF16);
    write_json(folder.path(), "tokenizer.json", &json);
    assert!(read(&folder).unwrap_err().contains("`vocab_size` of 256"));
}

#[test]
fn an_end_token_that_is_not_special_ends_an_answer_and_no_message_writes_it() {
    let mut json = with_all_bytes();
    json["added_tokens"] = json!([
        { "id": 258, "content": "<|im_end|>" },
        { "id": 259, "content": "<turn>" },
        { "id": 260, "content": "<start>" },
        { "id": 261, "content": "<|user|>" },
        { "id": 262, "content": "<tool>" },
    ]);
    let mut config = written::config(320);
    config["eos_token_id"] = json!([259]);
    let folder = folder(&config, Layout::SINGLE_BF16);
    write_json(folder.path(), "tokenizer.json", &json);
    let about =
        json!({ "bos_token": { "content": "<start>" }, "chat_template": "<|user|>{{ x }}<tool>" });
    write_json(folder.path(), "tokenizer_config.json", &about);
    let tokenizer = read(&folder).unwrap();
    let text = "<|im_end|><turn><start><|user|>";
    assert_eq!(tokenizer.encode(text).len(), text.len());
    assert_eq!(tokenizer.encode_raw(text), [258, 259, 260, 261]);
    assert_eq!(tokenizer.encode("<tool>"), [262]);
    assert!(tokenizer.is_end(258) && tokenizer.is_end(259) && !tokenizer.is_end(260));
}

#[test]
fn advice_that_makes_no_sense_is_left_out_and_the_rest_is_taken() {
    let mut config = written::config(16);
    config["eos_token_id"] = json!(4);
    let folder = folder(&config, Layout::SINGLE_BF16);
    write_json(folder.path(), "tokenizer.json", &sound());
    let usable = json!({ "do_sample": true, "temperature": 0.5, "top_k": 7, "top_p": 0.25 });
    let advised = |key: &str, value: &str| {
        let mut json = usable.clone();
        json.as_object_mut().unwrap().remove(key);
        let json = json
            .to_string()
            .replacen('{', &format!("{{\"{key}\": {value},"), 1);
        fs::write(folder.path().join("generation_config.json"), json).unwrap();
        let source = ModelSource::open(folder.path()).unwrap();
        (source.sampling("tiny"), source.tokenizer().unwrap())
    };
    let (other, _) = advised("do_sample", "false");
    let (all, _) = advised("unknown", "1");
    assert_eq!((all.temperature, all.top_k, all.top_p), (0.5, 7, 0.25));
    for value in ["-1", "\"0.7\"", "NaN", "[1]", "1e99", "null", "{}"] {
        let (without, _) = advised("temperature", value);
        let expected = Sampling {
            temperature: other.temperature,
            ..all
        };
        assert_eq!(without, expected, "temperature {value}");
    }
    for value in ["-1", "50.0", "\"50\"", "Infinity", "true"] {
        let (without, _) = advised("top_k", value);
        assert_eq!(
            without,
            Sampling {
                top_k: other.top_k,
                ..all
            },
            "top_k {value}"
        );
    }
    for value in ["0", "1.5", "-Infinity", "\"\""] {
        let (without, _) = advised("top_p", value);
        assert_eq!(
            without,
            Sampling {
                top_p: other.top_p,
                ..all
            },
            "top_p {value}"
        );
    }
    for value in ["false", "\"true\"", "1"] {
        assert_eq!(advised("do_sample", value).0, other, "do_sample {value}");
    }
    // Where no end is named that could be one, the configuration's own counts.
    for value in ["-1", "[]", "\"4\"", "NaN", "null", "4294967296"] {
        assert!(
            advised("eos_token_id", value).1.is_end(9),
            "eos_token_id {value}"
        );
    }
    let (_, tokenizer) = advised("eos_token_id", "[-1, 5, \"x\"]");
    assert!(tokenizer.is_end(5) && !tokenizer.is_end(4));
}

#[test]
fn a_configuration_that_cannot_be_read_names_the_file_and_the_key() {
    let cases = [
        ("config.json", "hidden_size", "\"64\"", "`hidden_size`"),
        ("config.json", "rms_norm_eps", "NaN", "`rms_norm_eps`"),
        (
            "config.json",
            "rope_scaling",
            "{\"factor\": []}",
            "`rope_scaling.factor`",
        ),
        (
            "tokenizer_config.json",
            "bos_token",
            "{\"text\": 1}",
            "`bos_token`: it must be",
        ),
        (
            "tokenizer_config.json",
            "chat_template",
            "3",
            "`chat_template`: it must be",
        ),
    ];
    for (file, key, value, words) in cases {
        let folder = model();
        write_json(folder.path(), "tokenizer.json", &sound());
        let path = folder.path().join(file);
        let mut json: Value =
            fs::read(&path).map_or(json!({}), |old| serde_json::from_slice(&old).unwrap());
        json[key] = json!("HERE");
        fs::write(&path, json.to_string().replace("\"HERE\"", value)).unwrap();
        let message = read(&folder).unwrap_err();
        assert!(
            message.contains(file) && message.contains(words),
            "no `{words}` in: {message}"
        );
    }
    let folder = model();
    write_json(folder.path(), "tokenizer.json", &sound());
    let path = folder.path().join("config.json");
    let config = fs::read_to_string(&path).unwrap();
    let config = config.replacen('{', "\u{feff}{\"aux\": NaN, \"eos_token_id\": -1,", 1);
    fs::write(&path, config.replace("\"eos_token_id\":9", "\"x\":9")).unwrap();
    let templates = json!({ "chat_template": { "rag": "a", "default": "b" } });
    write_json(folder.path(), "tokenizer_config.json", &templates);
    read(&folder).unwrap();
    let source = ModelSource::open(folder.path()).unwrap();
    let ModelSource::Folder(_, text) = source else {
        panic!("it is a folder");
    };
    assert_eq!(text.template.as_deref(), Some("b"));
}

#[test]
fn an_altered_tokenizer_is_read_or_refused() {
    let folder = model();
    let sound = sound().to_string().into_bytes();
    let mut refused = 0;
    for at in (0..sound.len()).step_by(3) {
        for byte in [b'0', b'"'] {
            let mut file = sound.clone();
            file[at] = byte;
            fs::write(folder.path().join("tokenizer.json"), file).unwrap();
            match read(&folder) {
                Ok(tokenizer) => drop(tokenizer.encode_raw("ab <s>é")),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > sound.len() / 6, "{refused}");
}

#[test]
fn what_a_token_may_stand_for_has_a_bound_unless_a_step_takes_text_away() {
    let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
    let regex = json!({ "type": "Replace", "pattern": { "Regex": "a+" }, "content": "a" });
    let sequence = |steps: &[Value]| json!({ "type": "Sequence", "normalizers": steps });
    let nfc = json!({ "type": "NFC" });
    for (steps, expected) in [
        (nfc.clone(), Some(3)),
        (replace(" ", "\u{2581}"), Some(1)),
        (replace("abcd", "xy"), Some(2)),
        (replace("a", ""), None),
        (regex.clone(), None),
        (sequence(&[nfc, replace("abcd", "xy")]), Some(6)),
        (sequence(&[regex]), None),
        (json!({ "type": "Split", "behavior": "Removed" }), None),
        (json!({ "type": "Split", "behavior": "Isolated" }), Some(1)),
    ] {
        assert_eq!(super::steps::shrinks(&steps), expected, "{steps}");
    }
}
