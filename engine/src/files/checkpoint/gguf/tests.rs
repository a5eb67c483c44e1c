use super::Gguf;
use super::header::Header;
use super::written::{Written, array_head, text_bytes};
use crate::files::checkpoint::{ModelFile, TensorType};
use crate::files::config::gguf::GgufConfig;
use crate::text::prompt::ChatTemplate;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Message, Role};

fn refusal(file: &Written) -> String {
    file.open().unwrap_err().to_string()
}

#[track_caller]
fn assert_refused(file: &Written, words: &[&str]) {
    let message = refusal(file);
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

#[test]
fn metadata_of_every_kind_is_read_back() {
    let gguf = Written::default()
        .text("t", "grüße")
        .integer("u", 7)
        .value("i", 5, &(-3i32).to_le_bytes())
        .value("wide", 10, &u64::MAX.to_le_bytes())
        .float("f", 0.5)
        .value("double", 12, &1e-6f64.to_le_bytes())
        .flag("b", true)
        .texts("ts", &["a", "", "ccc"])
        .integers("is", &[1, -2])
        .open()
        .unwrap();
    assert_eq!(gguf.text("t").unwrap(), Some("grüße"));
    assert_eq!(gguf.integer("u").unwrap(), Some(7));
    assert_eq!(gguf.integer("wide").unwrap(), Some(u64::MAX));
    assert_eq!(gguf.float("f").unwrap(), Some(0.5));
    assert_eq!(gguf.float("double").unwrap(), Some(1e-6));
    assert_eq!(gguf.flag("b").unwrap(), Some(true));
    assert_eq!(gguf.texts("ts").unwrap().unwrap(), ["a", "", "ccc"]);
    assert_eq!(gguf.integers("is").unwrap().unwrap(), [1, -2]);
    assert_eq!(gguf.array_len("ts"), Some(3));
    assert_eq!(gguf.text("absent").unwrap(), None);
    let negative = gguf.integer("i").unwrap_err().to_string();
    assert!(negative.contains("`i` must be a whole number, found -3"));
}

#[test]
fn a_key_of_the_wrong_type_is_an_error_that_names_both_types() {
    let gguf = Written::default().float("llama.block_count", 2.0).open();
    let gguf = gguf.unwrap();
    let message = gguf.required_integer("llama.block_count").unwrap_err();
    assert_eq!(
        message.to_string(),
        "`written.gguf` cannot be used: `llama.block_count` must be a whole number, found the floating-point number 2"
    );
    let message = gguf.required_text("general.name").unwrap_err().to_string();
    assert!(message.contains("the key `general.name`, a text, is missing"));
}

#[test]
fn tensors_are_found_with_the_outermost_dimension_first() {
    let file = Written::default()
        .zeros("norm", &[5], 0, 20)
        .zeros("w", &[3, 64], 3, 3 * 2 * 20);
    let gguf = file.open().unwrap();
    let tensor = gguf.tensor("w").unwrap();
    assert_eq!(tensor.shape, [3, 64]);
    assert_eq!(tensor.kind, TensorType::Q4_1);
    assert_eq!(tensor.place.len(), 120);
    assert_eq!(tensor.to_f32().unwrap().len(), 192);
    assert_eq!(gguf.tensors().count(), 2);
    assert!(gguf.find_tensor("v").is_none());
    let missing = gguf.tensor("v").unwrap_err().to_string();
    assert!(missing.contains("the tensor `v` is missing"));
}

#[test]
fn tensors_that_break_the_format_are_refused_by_name() {
    let one = Written::default();
    let cases: [(Written, &[&str]); 13] = [
        (
            one.clone().zeros("w", &[33], 2, 18),
            &["`w`", "33", "Q4_0", "32"],
        ),
        (
            one.clone().zeros("w", &[256], 23, 136),
            &["`w`", "found IQ4_XS"],
        ),
        (one.clone().zeros("w", &[32], 99, 18), &["type number 99"]),
        (one.clone().zeros("w", &[32], 4, 20), &["`w`", "found Q4_2"]),
        (one.clone().zeros("w", &[32], 23, 17), &["found IQ4_XS"]),
        (one.clone().zeros("w", &[32], 39, 17), &["found MXFP4"]),
        (
            one.clone().zeros("w", &[2, 128], 14, 210),
            &["`w`", "128", "Q6_K", "256"],
        ),
        (
            one.clone().zeros("w", &[2, 0], 0, 0),
            &["`w`", "dimension of 0"],
        ),
        (one.clone().zeros("w", &[1; 5], 0, 4), &["`w`", "found 5"]),
        (
            one.clone().zeros("w", &[64], 0, 128),
            &["`w` takes 256 bytes"],
        ),
        (
            one.clone().zeros("w", &[1 << 40, 1 << 40], 0, 4),
            &["`w`", "cannot be counted"],
        ),
        (
            one.clone().zeros("w", &[8], 0, 32).zeros("w", &[8], 0, 32),
            &["`w` appears twice"],
        ),
        (
            one.zeros("a", &[16], 0, 64).tensor_at("b", &[8], 0, 32),
            &["`a` and `b` share bytes"],
        ),
    ];
    for (file, words) in &cases {
        assert_refused(file, words);
    }
    for offset in [5, 1 << 20, u64::MAX - 31] {
        let file = Written::default().tensor_at("w", &[8], 0, offset);
        assert_refused(&file, &["`w`", &offset.to_string()]);
    }
}

#[test]
fn blocks_of_another_size_under_the_number_of_a_type_are_refused_with_both_sizes() {
    for (kind, length, name) in [(41, 2 * 18, "Q1_0"), (42, 4 * 18, "Q2_0")] {
        let file = |bytes: usize| Written::default().zeros("w", &[2, 128], kind, bytes);
        let behind = |file: Written| file.zeros("behind", &[8], 0, 32);
        // Alone and before another tensor, with no more than the padding beside it.
        for file in [file(length), behind(file(length))] {
            assert!(file.open().is_ok());
        }
        let taken = format!("`w` takes {length} bytes as {name}");
        // As blocks of 32 or 256 would take.
        for other in [128, 160, 288] {
            let words = [&taken, &format!("the file has {other}")[..]];
            assert_refused(&behind(file(other)), &words);
            assert_refused(&file(other), &words);
        }
        // And smaller ones, of which the last go beyond the end of the file.
        let room = format!("the file has {}", (length - 32).next_multiple_of(32));
        for few in [behind(file(length - 32)), file(length - 32)] {
            assert_refused(&few, &[&taken, &room, "another size"]);
        }
    }
}

#[test]
fn metadata_that_breaks_the_format_is_refused_by_name() {
    let one = Written::default();
    let mut nested = Vec::new();
    for _ in 0..5 {
        nested.extend(array_head(9, 1));
    }
    let cases: [(Written, &[&str]); 8] = [
        (one.clone().value("k", 13, &[]), &["`k`", "found 13"]),
        (one.clone().value("k", 7, &[2]), &["`k`", "0 or 1"]),
        (
            one.clone().integer("k", 1).integer("k", 1),
            &["`k` appears twice"],
        ),
        (
            one.clone().value("k", 8, &u64::MAX.to_le_bytes()),
            &["`k` has the length 18446744073709551615"],
        ),
        (one.clone().value("k", 9, &array_head(4, 1 << 61)), &["`k`"]),
        (one.clone().value("k", 9, &array_head(8, 1 << 40)), &["`k`"]),
        (
            one.clone().value("k", 9, &nested),
            &["`k`", "deeper than 4"],
        ),
        (one.integer("general.alignment", 24), &["alignment", "24"]),
    ];
    for (file, words) in &cases {
        assert_refused(file, words);
    }
    let not_utf8 = text_bytes("ab").into_iter().rev().collect::<Vec<_>>();
    let mut latin = 1u64.to_le_bytes().to_vec();
    latin.push(0xfc);
    let gguf = Written::default().value("k", 8, &latin).open().unwrap();
    assert!(gguf.text("k").is_err());
    assert_refused(&Written::default().value("k", 8, &not_utf8), &["`k`"]);
}

#[test]
fn versions_and_byte_orders_that_are_not_read_are_named() {
    let with_version = |version: [u8; 4]| {
        let mut file = Written::default().bytes();
        file[4..8].copy_from_slice(&version);
        refused(&file)
    };
    assert_eq!(with_version([2, 0, 0, 0]), "");
    assert!(with_version([0, 0, 0, 3]).contains("big-endian"));
    assert!(with_version([1, 0, 0, 0]).contains("found 1"));
    assert!(refused(b"PK\x03\x04....").contains(r"PK\x03\x04"));
    assert!(refused(b"").contains("magic number"));
}

/// One of two files that together hold `a` and `b`.
fn part(index: u32, count: u32) -> Written {
    Written::default()
        .integer("split.no", index)
        .integer("split.count", count)
        .integer("split.tensors.count", 2)
        .zeros(["a", "b"][index as usize], &[32], 2, 18)
}

#[test]
fn a_split_model_is_opened_by_any_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = [1, 2].map(|n| folder.path().join(format!("m-0000{n}-of-00002.gguf")));
    let name = part(0, 2).text("general.name", "split");
    std::fs::write(&first, name.bytes()).unwrap();
    let missing = Gguf::open(&first).unwrap_err().to_string();
    assert!(missing.contains("m-00002-of-00002.gguf"), "{missing}");
    std::fs::write(&second, part(1, 2).bytes()).unwrap();
    for path in [&first, &second] {
        let gguf = Gguf::open(path).unwrap();
        assert_eq!(gguf.path(), first);
        assert_eq!(gguf.text("general.name").unwrap(), Some("split"));
        assert_eq!(gguf.tensor("b").unwrap().to_f32().unwrap(), [0.0; 32]);
        assert_eq!(gguf.tensors().count(), 2);
        assert_eq!(gguf.files().count(), 2);
    }
    let cases = [
        (part(1, 3), "`split.count` must be 2, found 3"),
        (part(0, 2), "`split.no` must be 1, found 0"),
        (Written::default(), "`split.no` must be 1, found nothing"),
        (
            part(1, 2).zeros("c", &[32], 2, 18),
            "`split.tensors.count` is 2, but the files have 3 tensors",
        ),
        (part(1, 2).zeros("a", &[32], 2, 18), "3 tensors"),
    ];
    for (file, words) in cases {
        std::fs::write(&second, file.bytes()).unwrap();
        let message = Gguf::open(&first).unwrap_err().to_string();
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    let renamed = folder.path().join("renamed.gguf");
    std::fs::copy(&first, &renamed).unwrap();
    let message = Gguf::open(&renamed).unwrap_err().to_string();
    assert!(message.contains("must end in `-00001-of-00002.gguf`"));
}

#[test]
fn a_file_that_is_cut_off_anywhere_in_its_header_is_an_error() {
    let file = Written::default()
        .text("name", "x")
        .texts("list", &["a", "b"])
        .integers("numbers", &[1, 2, 3])
        .zeros("w", &[2, 32], 2, 36)
        .bytes();
    for length in 0..file.len() - 32 {
        assert!(Gguf::from_bytes(&file[..length]).is_err(), "{length} bytes");
    }
}

/// Everything that is read from a model file, one thing after the other.
fn read_all(file: &[u8]) -> Result<(), Error> {
    let gguf = Gguf::from_bytes(file)?;
    for tensor in gguf.tensors() {
        tensor.to_f32()?;
    }
    GgufConfig::read(&gguf)?;
    if let Some(tokenizer) = Tokenizer::from_gguf(&gguf)? {
        let mut decoder = tokenizer.decoder(&[]);
        for id in tokenizer.encode_raw("the <think> dog, 12 <|im_end|>") {
            decoder.push(id);
        }
        let message = Message {
            role: Role::User,
            content: "hi <|im_end|>".into(),
        };
        let template = ChatTemplate::new(gguf.text("tokenizer.chat_template")?, &tokenizer)?;
        tokenizer.encode_prompt(&template.render(&vec![message].into(), &tokenizer)?);
    }
    Ok(())
}

#[test]
fn a_checkpoint_cut_off_or_altered_anywhere_is_read_or_refused_but_never_panics() {
    let sound = include_bytes!("../../../../tests/fixtures/tiny.gguf");
    read_all(sound).unwrap();
    let read = header(sound).unwrap();
    let data = read
        .tensors
        .iter()
        .map(|tensor| tensor.bytes.start)
        .min()
        .unwrap();
    for length in 0..data {
        assert!(header(&sound[..length]).is_err(), "{length} bytes");
    }
    assert!(header(&sound[..sound.len() - 1]).is_err());

    let mut file = sound.to_vec();
    let mut refused = 0;
    // A fixed sequence of positions and bytes, so that a failure can be repeated.
    let mut random: u64 = 20;
    let alterations = if crate::emulated() { 200 } else { 1000 };
    for _ in 0..alterations {
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        let (position, byte) = (next(data), next(256) as u8);
        file[position] = byte;
        refused += usize::from(read_all(&file).is_err());
        file[position] = sound[position];
    }
    assert!(
        refused > alterations / 10,
        "{refused} of {alterations} refused"
    );
}

#[test]
fn every_type_of_ggml_is_read_or_named() {
    for number in 0..=41 {
        let file = Written::default().zeros("w", &[256], number, 4096);
        if let Err(error) = file.open() {
            let message = error.to_string();
            assert!(!message.contains("type number"), "{number}: {message}");
        }
    }
}

/// Why there is no header; nothing where there is one.
fn refused(file: &[u8]) -> String {
    header(file).map_or_else(|why| why.to_string(), |_| String::new())
}

fn header(file: &[u8]) -> Result<Header, Error> {
    Header::read(&ModelFile::of_bytes("written.gguf", file))
}
