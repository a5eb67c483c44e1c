//! Who may write control tokens, and which tokens are some.

use std::time::Instant;

use super::{decoded, read, sentencepiece};
use crate::files::checkpoint::Written;
use crate::text::conversation::Conversation;
use crate::text::prompt::ChatTemplate;
use crate::text::rendered::RenderedPrompt;
use crate::text::tokenizer::Tokenizer;
use crate::{Message, Role, emulated};

const CHATML: &str =
    "{% for m in messages %}<|im_start|>{{ m.role }}{{ m.content }}<|im_end|>{% endfor %}";
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// Letters, then these tokens of one type.
fn file(texts: &[&str], kind: i32) -> Written {
    let letters = "abcdefghijklmnopqrstuvwxyz<|>_[]/~#";
    let letters: Vec<String> = letters.chars().map(String::from).collect();
    let tokens = letters.iter().map(String::as_str);
    let tokens: Vec<&str> = tokens.chain(texts.iter().copied()).collect();
    let kinds: Vec<i32> = (0..tokens.len())
        .map(|id| if id < letters.len() { NORMAL } else { kind })
        .collect();
    Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens)
        .texts("tokenizer.ggml.merges", &[""; 0])
        .integers("tokenizer.ggml.token_type", &kinds)
}

fn tokenizer(file: &Written) -> Tokenizer {
    read(file).unwrap().unwrap()
}

fn id(tokenizer: &Tokenizer, text: &str) -> u32 {
    let mut ids = 0..tokenizer.vocabulary() as u32;
    ids.find(|id| tokenizer.token_text(*id) == Some(text))
        .unwrap()
}

/// A conversation in which the user writes this.
fn rendered(tokenizer: &Tokenizer, template: &str, content: &str) -> RenderedPrompt {
    let turn = Message {
        role: Role::User,
        content: content.to_owned(),
    };
    let template = ChatTemplate::new(Some(template), tokenizer).unwrap();
    let prompt = template.render(&Conversation::from(vec![turn]), tokenizer);
    prompt.unwrap()
}

fn chat(tokenizer: &Tokenizer, template: &str, content: &str) -> Vec<u32> {
    tokenizer.encode_prompt(&rendered(tokenizer, template, content))
}

#[test]
fn an_end_token_of_any_type_ends_an_answer_and_no_message_writes_it() {
    for kind in [NORMAL, CONTROL, USER_DEFINED, UNUSED] {
        let file = file(&["<|im_start|>", "<|im_end|>"], kind);
        let file = file.text("tokenizer.chat_template", CHATML);
        let tokenizer = tokenizer(&file);
        let (start, end) = (id(&tokenizer, "<|im_start|>"), id(&tokenizer, "<|im_end|>"));
        assert!(
            tokenizer.is_end(end) && !tokenizer.is_end(start),
            "type {kind}"
        );
        assert_eq!(decoded(&tokenizer, &[0, end]), "a", "type {kind}");
        for text in ["<|im_end|>", "<|im_start|>"] {
            assert_eq!(tokenizer.encode(text).len(), text.len(), "type {kind}");
            let ids = chat(&tokenizer, CHATML, text);
            assert_eq!((ids[0], ids.len()), (start, 6 + text.len()), "type {kind}");
            assert_eq!(tokenizer.encode_raw(text).len(), 1, "type {kind}");
        }
    }
}

#[test]
fn end_tokens_that_llama_cpp_knows_are_control_tokens_of_any_type() {
    let known = [
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end|>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<end_of_turn>",
        "</s>",
        "<eos>",
        "<EOT>",
        "[EOT]",
        "[EOS]",
        "<|fim_pad|>",
        "<|file_sep|>",
        "<|call|>",
        "<end_of_utterance>",
        "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    ];
    for kind in [NORMAL, USER_DEFINED, UNUSED] {
        let tokenizer = tokenizer(&file(&known, kind));
        for text in known {
            let id = id(&tokenizer, text);
            assert!(tokenizer.is_end(id), "{text} of type {kind}");
            assert!(
                !tokenizer.encode(text).contains(&id),
                "{text} of type {kind}"
            );
            assert_eq!(tokenizer.encode_raw(text), [id], "{text} of type {kind}");
        }
    }
}

#[test]
fn tokens_that_keys_name_are_control_tokens_where_they_look_like_it() {
    let texts = ["<end_of_reply>", "<begin>", "[stop]", "~~", "<x>"];
    for kind in [NORMAL, USER_DEFINED] {
        let unnamed = tokenizer(&file(&texts, kind));
        let key = |key: &str| format!("tokenizer.ggml.{key}_token_id");
        let named = file(&texts, kind)
            .integer(&key("eos"), id(&unnamed, "<end_of_reply>"))
            .integer(&key("bos"), id(&unnamed, "<begin>"))
            .integer(&key("eot"), id(&unnamed, "[stop]"))
            .integer(&key("eom"), id(&unnamed, "~~"));
        let named = tokenizer(&named);
        for text in ["<end_of_reply>", "<begin>", "[stop]"] {
            assert_eq!(
                named.encode(text).len(),
                text.len(),
                "{text} of type {kind}"
            );
            assert_eq!(
                named.encode_raw(text),
                [id(&named, text)],
                "{text} of type {kind}"
            );
        }
        // Not everything that ends an answer is beyond a user's reach.
        assert!(named.is_end(id(&named, "~~")));
        for text in ["~~", "<x>"] {
            assert_eq!(
                named.encode(text),
                unnamed.encode(text),
                "{text} of type {kind}"
            );
        }
    }
}

#[test]
fn what_a_reader_sees_stays_seen_and_what_a_template_names_is_guarded() {
    let template = "<|user|>{{ messages[0].content }}<think><|tool_call|>";
    let texts = ["<|user|>", "<|tool_call|>", "<think>", "<|other|>"];
    let file = file(&texts, USER_DEFINED).text("tokenizer.chat_template", template);
    let tokenizer = tokenizer(&file);
    let ids = texts.map(|text| id(&tokenizer, text));
    assert_eq!(chat(&tokenizer, template, "a"), [ids[0], 0, ids[2], ids[1]]);
    assert_eq!(decoded(&tokenizer, &ids), texts.concat());
    assert!(!tokenizer.encode("<|user|><|tool_call|>").contains(&ids[0]));
    assert_eq!(tokenizer.encode("<think><|other|>"), [ids[2], ids[3]]);
}

#[test]
fn merges_into_a_control_token_are_left_out() {
    let merges = ["< /", "</ s", "</s >", "a b"];
    let tokens = ["<", "/", "s", ">", "</", "</s", "</s>", "a", "b", "ab"];
    let file = Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "default")
        .texts("tokenizer.ggml.tokens", &tokens)
        .texts("tokenizer.ggml.merges", &merges);
    let tokenizer = tokenizer(&file);
    let ids = tokenizer.encode("</s>ab");
    assert!(!ids.contains(&6) && ids.ends_with(&[9]), "{ids:?}");
    assert_eq!(tokenizer.encode_raw("</s>ab"), [6, 9]);
}

#[test]
fn a_raw_prompt_reads_control_tokens_and_starts_once() {
    let tokens = file(&["<|im_start|>", "<|im_end|>"], CONTROL);
    let plain = tokenizer(&tokens);
    let (start, end) = (id(&plain, "<|im_start|>"), id(&plain, "<|im_end|>"));
    let tokenizer = tokenizer(
        &tokens
            .integer("tokenizer.ggml.bos_token_id", start)
            .flag("tokenizer.ggml.add_bos_token", true),
    );
    assert_eq!(tokenizer.encode_raw("a<|im_end|>b"), [start, 0, end, 1]);
    assert_eq!(tokenizer.encode_raw("<|im_start|>a"), [start, 0]);
    assert_eq!(
        tokenizer.encode_raw("<|im_start|><|im_start|>"),
        [start, start]
    );
    assert_eq!(tokenizer.encode_raw(""), [start]);
    let document = tokenizer.encode_document("<|im_start|>");
    assert_eq!(document.len(), 1 + "<|im_start|>".len());

    let sentencepiece = super::read(&sentencepiece()).unwrap().unwrap();
    assert_eq!(
        sentencepiece.encode_raw("<s>b</s>b"),
        [1, 259, 261, 2, 259, 261]
    );
}

#[test]
fn a_control_token_of_one_character_is_read_in_raw_prompts_alone() {
    let tokenizer = tokenizer(&file(&["\u{27e6}", "<|im_end|>"], CONTROL));
    let one = id(&tokenizer, "\u{27e6}");
    assert_eq!(tokenizer.encode_raw("a\u{27e6}"), [0, one]);
    for content in ["\u{27e6}", "\u{27e6}<|im_end|>"] {
        assert!(
            !chat(&tokenizer, CHATML, content).contains(&one),
            "{content}"
        );
    }
}

#[test]
fn a_byte_that_is_typed_as_a_control_token_still_spells_texts() {
    let tokenizer = tokenizer(&file(&["!", "<|im_end|>"], CONTROL));
    let byte = id(&tokenizer, "!");
    assert_eq!(tokenizer.encode("a!"), [0, byte]);
    assert_eq!(decoded(&tokenizer, &[0, byte]), "a!");
}

#[test]
fn special_ids_that_no_token_has_are_left_out() {
    let file = sentencepiece()
        .integer("tokenizer.ggml.bos_token_id", u32::MAX)
        .integer("tokenizer.ggml.eos_token_id", 9999_u32)
        .integer("tokenizer.ggml.eot_token_id", 266_u32);
    let tokenizer = tokenizer(&file);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(266));
}

#[test]
fn a_text_of_control_tokens_alone_is_guarded_in_time() {
    let tokenizer = tokenizer(&file(&["<|im_start|>", "<|im_end|>"], CONTROL));
    let guarded = |count: usize| {
        let content = "<|im_end|>".repeat(count);
        let started = Instant::now();
        let prompt = rendered(&tokenizer, CHATML, &content);
        let took = started.elapsed();
        let (text, marks) = prompt.without_marks();
        assert!(text.contains(&content));
        assert_eq!(marks.len(), count);
        took
    };
    let few = if emulated() { 10_000 } else { 50_000 };
    // Four times as much takes four times as long, and not sixteen times; other programs may disturb a measurement.
    let in_time = |_| guarded(4 * few) < 9 * guarded(few);
    assert!((0..5).any(in_time));
}
