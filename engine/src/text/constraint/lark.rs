//! Grammars in Lark's syntax: what of it is refused, and how texts are written in it.

use regex_syntax::Parser;

/// Attributes of rules under which the text of an answer would not be what the grammar says: a text that ends a rule and
/// is cut off, or a rule that ends after so many tokens.
const REFUSED: [&str; 5] = [
    "stop",
    "stop_capture",
    "suffix",
    "max_tokens",
    "temperature",
];

/// # Errors
/// The attribute that is not supported: the reason alone.
pub(super) fn check(source: &str) -> Result<(), String> {
    if source.contains("x-guidance") {
        return Err("has `x-guidance`, which is not supported".to_owned());
    }
    let (mut line, mut quote) = (1, None);
    let (mut word, mut has_ended) = (String::new(), false);
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match quote {
            Some(open) if open != '\n' && character == '\\' => {
                characters.next();
            }
            Some(open) if open == character || character == '\n' => quote = None,
            Some(_) => {}
            // A remark ends with its line, as what was quoted and not closed.
            None if character == '/' && characters.peek() == Some(&'/') => quote = Some('\n'),
            None if matches!(character, '"' | '/') => quote = Some(character),
            None if character == '_' || character.is_ascii_alphanumeric() => {
                if std::mem::take(&mut has_ended) {
                    word.clear();
                }
                word.push(character);
            }
            None if character == '=' && REFUSED.contains(&word.as_str()) => {
                return Err(format!(
                    "has `{word}` in line {line}, which is not supported"
                ));
            }
            None => has_ended = true,
        }
    }
    Ok(())
}

/// # Errors
/// Where a regular expression is none: the reason alone.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    match Parser::new().parse(pattern) {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            Err(format!("is no regular expression: {reason}"))
        }
    }
}

/// An expression that is matched as a whole, without what says so at its ends.
pub(super) fn unanchored(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    match pattern.strip_suffix('$') {
        Some(before) => {
            let escapes = before.len() - before.trim_end_matches('\\').len();
            if escapes % 2 == 0 { before } else { pattern }
        }
        None => pattern,
    }
}

/// A text, quoted.
pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
