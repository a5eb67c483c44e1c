//! Slices of the vocabulary make masks cheaper and change none.

use std::path::Path;

use super::*;

const TOKENS_EACH: usize = 60;

/// A vocabulary of 128 k, where there is one.
fn real() -> Option<Arc<Tokenizer>> {
    let name = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/vocabularies/llama-3.gguf"
    );
    if !Path::new(name).exists() {
        eprintln!("skipped: `engine/scripts/vocabularies target/vocabularies` writes `{name}`");
        return None;
    }
    let gguf = Gguf::open(name.as_ref()).unwrap();
    Some(Arc::new(Tokenizer::from_gguf(&gguf).unwrap().unwrap()))
}

fn languages() -> Vec<Language> {
    let texts = json!({
        "type": "object",
        "properties": { "a": { "type": "string", "maxLength": 25 }, "b": { "type": "string", "format": "email" } },
        "additionalProperties": { "type": "string", "pattern": "^[^.!?]{3,40}[.!?]$" },
    });
    let patterns = [
        "(?s:.){1,200}",
        r"([A-Z][^.!?]{10,200}[.!?] ?){1,5}",
        "([a-zA-Z,.']+ ){1,200}",
        "[a-z]{1,30}[A-Z]{11,12}",
        r"\w{2,40}(-\w{1,10})*",
        "[^a]{4,9}|[a-z ]{20,50}",
    ];
    let regex = |pattern: &str| Language::Regex(pattern.into());
    let mut languages: Vec<_> = patterns.into_iter().map(regex).collect();
    languages.push(Language::JsonSchema(texts));
    languages.push(Language::Gbnf(
        r#"root ::= ("- " [^\n]+ "\n")+ [A-Z ]*"#.into(),
    ));
    languages
}

#[test]
fn masks_by_slices_are_those_of_all_tokens_asked_one_by_one() {
    for tokenizer in [Some(Arc::clone(&TOKENS)), real()].into_iter().flatten() {
        let sliced = Grammars::new(&tokenizer).unwrap();
        let whole = Grammars::with_slices(&tokenizer, &[]).unwrap();
        for language in languages() {
            let constraint = Constraint {
                field: "form",
                language,
            };
            let begin = || [&sliced, &whole].map(|all| all.compile(&constraint).unwrap());
            let (mut followers, mut at) = (begin(), 1_usize);
            for _ in 0..TOKENS_EACH {
                let [allowed, expected] = followers.each_mut().map(tokens_of);
                assert!(
                    allowed == expected,
                    "{constraint:?}: {} tokens are {}",
                    expected.len(),
                    allowed.len()
                );
                // One of them, by numbers that are the same in every run.
                at = at.wrapping_mul(0x5851_F42D).wrapping_add(0x1405_7B7E) % (1 << 31);
                let token = allowed[at % allowed.len()];
                let ends = tokenizer.is_end(token) || token as usize >= tokenizer.vocabulary();
                if !ends {
                    let followed = followers.iter_mut().map(|follower| follower.follow(token));
                    followed.for_each(|followed| followed.unwrap());
                }
                if ends || followers[0].is_complete() {
                    followers = begin();
                }
            }
        }
    }
}
