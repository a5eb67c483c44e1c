//! How much a constraint may ask for, before it is compiled and while it is followed.

use llguidance::api::ParserLimits;
use serde_json::Value;

use super::{Language, MAX_CONSTRAINT_BYTES};

/// How deep brackets of a grammar or a regular expression, and arrays and objects of a schema, may be nested.
pub(super) const MAX_DEPTH: usize = 64;
/// The most texts of a choice.
const MAX_CHOICES: usize = 4096;

/// What compiling may take, and each token: some 20 ms and 4 ms on a slow core. States take one or two kilobytes each.
pub(super) fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2000,
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 100_000,
        step_max_items: 25_000,
        max_lexer_states: 20_000,
        max_grammar_size: 200_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

/// # Errors
/// What there is too much of: the reason alone.
pub(super) fn check(language: &Language) -> Result<(), String> {
    let (bytes, depth) = match language {
        Language::JsonObject => (0, 0),
        Language::JsonSchema(schema) => (schema.to_string().len(), depth_of_json(schema)),
        Language::Regex(text) | Language::Lark(text) | Language::Gbnf(text) => {
            (text.len(), depth_of_brackets(text))
        }
        Language::Choice(choices) => {
            check_choices(choices)?;
            (choices.iter().map(String::len).sum(), 0)
        }
    };
    if bytes > MAX_CONSTRAINT_BYTES {
        return Err(format!(
            "may have {MAX_CONSTRAINT_BYTES} bytes, found {bytes}"
        ));
    }
    if depth > MAX_DEPTH {
        return Err(format!("may be nested {MAX_DEPTH} deep, found {depth}"));
    }
    Ok(())
}

fn check_choices(choices: &[String]) -> Result<(), String> {
    let found = choices.len();
    if !(1..=MAX_CHOICES).contains(&found) {
        return Err(format!(
            "must have 1 to {MAX_CHOICES} choices, found {found}"
        ));
    }
    match choices.iter().position(String::is_empty) {
        Some(at) => Err(format!("must have no empty choice, found one at {at}")),
        None => Ok(()),
    }
}

/// The body of a request is bounded as deep, so the recursion ends.
fn depth_of_json(value: &Value) -> usize {
    let within = match value {
        Value::Array(items) => items.iter().map(depth_of_json).max(),
        Value::Object(fields) => fields.values().map(depth_of_json).max(),
        _ => return 0,
    };
    1 + within.unwrap_or(0)
}

/// A first look: brackets that are quoted or escaped count too. Who reads the language counts those that nest.
fn depth_of_brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        deepest = deepest.max(depth);
    }
    deepest
}
