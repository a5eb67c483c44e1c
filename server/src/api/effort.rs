//! How much a model is to think, in the words of OpenAI's `reasoning_effort`.

use nibble_engine::Thinking;
use serde_json::{Map, Value};

use crate::error::ApiError;

const FIELD: &str = "reasoning_effort";

/// The words, and the most tokens of a thought for each; none turns thinking off. A CPU that writes 20 tokens a second
/// comes to the lowest budget in 6 s and to the highest in 14 minutes.
const BUDGETS: [(&str, Option<usize>); 7] = [
    ("none", None),
    ("minimal", Some(128)),
    ("low", Some(512)),
    ("medium", Some(2048)),
    ("high", Some(8192)),
    ("xhigh", Some(16384)),
    ("max", Some(16384)),
];

/// The most tokens of a thought by the word that `field` has.
///
/// # Errors
/// Status 400 for another word.
pub(super) fn budget(field: &str, word: &str) -> Result<Option<usize>, ApiError> {
    let known = BUDGETS.iter().find(|(known, _)| *known == word);
    let Some((_, budget)) = known else {
        let words = BUDGETS.map(|(word, _)| format!("`{word}`")).join(", ");
        let message = format!("`{field}` must be one of {words}, found `{word}`");
        return Err(ApiError::invalid_field(field, message));
    };
    Ok(*budget)
}

/// What the engine makes of the word, which is told to the template too: some have words of their own for it.
///
/// # Errors
/// As [`budget`].
pub(super) fn thinking(
    effort: Option<String>,
    variables: &mut Map<String, Value>,
) -> Result<Thinking, ApiError> {
    let Some(effort) = effort else {
        return Ok(Thinking::default());
    };
    let budget = budget(FIELD, &effort)?;
    variables.entry(FIELD).or_insert(effort.into());
    Ok(Thinking {
        enabled: Some(budget.is_some()),
        budget,
    })
}
