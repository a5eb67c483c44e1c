//! What an answer must be, compiled for a tiny vocabulary and followed for a few tokens.

use std::sync::OnceLock;

use super::{FORMATS, offering, tiny_tokenizer};
use crate::text::calls::CallFormat;
use crate::text::constraint::grammars::Grammars;
use crate::{Constraint, Language};

/// The longest text of a constraint, and how many tokens are followed: it takes seconds at the most, also with a sanitizer.
const MAX_TEXT_BYTES: usize = 4096;
const MASKS: usize = 8;

/// Which language, and whether it stands beside tools that are called in which way; then its text.
pub(super) fn constraint(input: &[u8]) {
    static GRAMMARS: OnceLock<Grammars> = OnceLock::new();
    let Some((way, text)) = input.split_first() else {
        return;
    };
    let Some((language, beside)) = language(usize::from(*way), text) else {
        return;
    };
    let grammars = GRAMMARS.get_or_init(|| {
        if cfg!(fuzzing) {
            let_pass_what_the_matcher_catches();
        }
        Grammars::new(tiny_tokenizer()).expect("its tokens are sound")
    });
    let constraint = Constraint {
        field: "fuzzed",
        language,
    };
    let compiled = match beside {
        None => grammars.compile(&constraint),
        Some(format) => grammars.compile_either(format, &offering(), &[], &constraint),
    };
    let Ok(mut follower) = compiled else {
        return;
    };
    let tokenizer = tiny_tokenizer();
    let vocabulary = tokenizer.vocabulary();
    for step in 0..MASKS {
        let Ok(allowed) = follower.allowed() else {
            return;
        };
        let mut tokens = allowed.to_list();
        tokens.retain(|token| (*token as usize) < vocabulary && !tokenizer.is_end(*token));
        let token = match step % 2 {
            0 => tokens.last(),
            _ => tokens.first(),
        };
        let Some(&token) = token else {
            return;
        };
        if follower.follow(token).is_err() || follower.is_complete() {
            return;
        }
    }
}

/// A language by the first byte of an input, and the way to call tools that it stands beside.
fn language(way: usize, text: &[u8]) -> Option<(Language, Option<CallFormat>)> {
    const LANGUAGES: usize = 5;
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let language = match way % LANGUAGES {
        0 => Language::JsonSchema(serde_json::from_str(text).ok()?),
        1 => Language::Regex(text.to_owned()),
        2 => Language::Lark(text.to_owned()),
        3 => Language::Gbnf(text.to_owned()),
        _ => Language::Choice(text.split('\n').map(str::to_owned).collect()),
    };
    let beside = way / LANGUAGES % (FORMATS.len() + 1);
    let beside = beside.checked_sub(1).map(|format| FORMATS[format]);
    Some((language, beside))
}

/// A panic of the matcher, which makes an error of it, is none of ours: libFuzzer would end with it.
fn let_pass_what_the_matcher_catches() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let crates = ["/llguidance-", "/toktrie-", "/derivre-"];
        let file = panic.location().map_or("", |at| at.file());
        if !crates.iter().any(|name| file.contains(name)) {
            others(panic);
        }
    }));
}
