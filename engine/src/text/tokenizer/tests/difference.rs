//! Which vocabularies mean the same.

use super::read;
use crate::files::checkpoint::Written;
use crate::text::tokenizer::Tokenizer;

const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// Of tokens with their types.
fn tokenizer(tokens: &[(&str, i32)]) -> Tokenizer {
    let texts: Vec<&str> = tokens.iter().map(|(text, _)| *text).collect();
    let kinds: Vec<i32> = tokens.iter().map(|(_, kind)| *kind).collect();
    let file = Written::default()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &texts)
        .texts("tokenizer.ggml.merges", &[""; 0])
        .integers("tokenizer.ggml.token_type", &kinds);
    read(&file).unwrap().unwrap()
}

#[test]
fn the_first_token_that_is_another_is_named_with_both_texts() {
    let model = tokenizer(&[
        ("a", NORMAL),
        ("b", NORMAL),
        ("c", NORMAL),
        ("<x>", CONTROL),
    ]);
    let other = |tokens| model.difference(&tokenizer(tokens));
    let same = [
        ("a", NORMAL),
        ("b", NORMAL),
        ("c", NORMAL),
        ("<x>", CONTROL),
    ];
    assert_eq!(other(&same), None);
    let swapped = [
        ("a", NORMAL),
        ("c", NORMAL),
        ("b", NORMAL),
        ("<x>", CONTROL),
    ];
    let expected = "token 1 is \"b\" there and \"c\" here";
    assert_eq!(other(&swapped).as_deref(), Some(expected));
    let written = [("a", NORMAL), ("b", NORMAL), ("c", NORMAL), ("<x>", NORMAL)];
    let expected = "token 3 is the control token \"<x>\" there and \"<x>\" here";
    assert_eq!(other(&written).as_deref(), Some(expected));
}

#[test]
fn padding_makes_no_difference_and_half_a_vocabulary_does() {
    let padded = |more: usize| {
        let texts: Vec<String> = (0..more).map(|id| format!("[PAD{id}]")).collect();
        let padding = texts.iter().map(|text| (text.as_str(), NORMAL));
        tokenizer(
            &[("a", NORMAL), ("b", NORMAL)]
                .into_iter()
                .chain(padding)
                .collect::<Vec<_>>(),
        )
    };
    let model = padded(0);
    for (one, other) in [(&model, &padded(512)), (&padded(512), &model)] {
        assert_eq!(one.difference(other), None);
    }
    let expected = "there are 2 tokens there and 515 here, and they may differ by 512";
    assert_eq!(model.difference(&padded(513)).as_deref(), Some(expected));
}
