//! The literals of sources, and which of them are words for people.

use proc_macro2::{TokenStream, TokenTree};

/// Attributes and variables whose values nobody reads.
const UNREAD: &[&str] = &[
    "accept",
    "class",
    "content",
    "d",
    "describedby",
    "equiv",
    "media",
    "rel",
    "sizes",
    "viewBox",
];

/// Macros and functions whose words are for us.
const OURS: [&str; 6] = ["assert", "error", "expect", "panic", "unreachable", "warn"];

/// The string literals of a source, but for attributes such as `#[allow]`, tests, and what is not for people.
pub(super) fn collect(source: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<_> = source.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let after = |count: usize| {
            tokens
                .get(at + count)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        at += match token {
            // `#[…]`, also as `#![…]`.
            TokenTree::Punct(mark) if mark.as_char() == '#' => match after(1).as_str() {
                "!" => 3,
                "[cfg (test)]" | "[cfg(test)]" => item(&tokens[at..]),
                _ => 2,
            },
            TokenTree::Ident(name) if OURS.iter().any(|ours| name == ours) => {
                match after(1).as_str() {
                    "!" => 3,
                    _ => 2,
                }
            }
            TokenTree::Ident(name)
                if after(1) == "=" && UNREAD.iter().any(|unread| name == unread) =>
            {
                3
            }
            TokenTree::Group(group) => {
                collect(group.stream(), found);
                1
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let text = text.trim_start_matches(['r', 'b', '#']);
                if text.starts_with('"') {
                    found.push(text.trim_matches(['"', '#']).to_owned());
                }
                1
            }
            _ => 1,
        };
    }
}

/// How many tokens an item has: to its braces, or to a semicolon.
fn item(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| {
        let text = token.to_string();
        text == ";" || text.starts_with('{')
    });
    end.map_or(tokens.len(), |end| end + 1)
}

/// The string literals of a script, which has no quotes in its regular expressions but for those that are closed on a line.
pub(super) fn script_literals(script: &str) -> Vec<String> {
    let mut literals = Vec::new();
    for line in script.lines() {
        let line = line.trim_start();
        if line.starts_with(['/', '*']) {
            continue;
        }
        for quote in ['"', '`'] {
            literals.extend(line.split(quote).skip(1).step_by(2).map(str::to_owned));
        }
    }
    literals
}

/// What is left of HTML when tags are taken away, whole or begun, but for labels in them.
pub(super) fn without_markup(literal: &str) -> String {
    let mut text = String::new();
    let mut rest = literal;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
        let labels = tag.split("aria-label=").skip(1);
        text.extend(labels.map(|label| label.trim_start_matches(['\\', '"'])));
        rest = after;
    }
    match rest.split_once("=\\\"") {
        None => text + rest,
        Some(_) => text,
    }
}

pub(super) fn is_name(literal: &str) -> bool {
    let mut letters = literal.trim_start().chars();
    let (first, second) = (letters.next(), letters.next());
    first.is_some_and(char::is_uppercase) && second.is_some_and(char::is_lowercase)
}

pub(super) fn has_two_words(literal: &str) -> bool {
    let letters: Vec<_> = literal.chars().collect();
    let mut spaces = letters.windows(3).filter(|around| around[1] == ' ');
    spaces.any(|around| around[0].is_alphabetic() && around[2].is_alphabetic())
}

pub(super) fn is_sentence(literal: &str) -> bool {
    literal.contains(' ') && literal.ends_with('.')
}

#[test]
fn words_are_told_from_what_nobody_reads() {
    let source = r#"
        //! A header.
        #[allow(dead_code, reason = "a reason for us")]
        fn view() {
            view! { <p class="two words" aria-label="Said">"Hello"</p> };
            let html = "<b title=x>some text</b>";
            panic!("a mistake of ours");
        }
        #[cfg(test)]
        mod tests { const TOLD: &str = "Not this"; }
    "#;
    let mut found = Vec::new();
    collect(source.parse().unwrap(), &mut found);
    let found = found.iter().map(|literal| without_markup(literal));
    let found: Vec<_> = found
        .filter(|literal| is_name(literal) || has_two_words(literal))
        .collect();
    assert_eq!(found, ["Said", "Hello", "some text"]);
}
