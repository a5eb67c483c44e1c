//! How much a model is to think, in the words of OpenAI's `reasoning_effort`.

use nibble_engine::Thinking;
use serde_json::{Map, Value};

use crate::error::ApiError;

const FIELD: &str = "reasoning_effort";

/// The words, and the most tokens of a thought for each; none turns thinking off. A CPU that writes 20 tokens a second
/// comes to the lowest budget in 6 s and to the highest in 7 minutes.
const BUDGETS: [(&str, Option<usize>); 5] = [
    ("none", None),
    ("minimal", Some(128)),
    ("low", Some(512)),
    ("medium", Some(2048)),
    ("high", Some(8192)),
];

/// What the engine makes of the word, which is told to the template too: some have words of their own for it.
///
/// # Errors
/// Status 400 for another word.
pub(super) fn thinking(
    effort: Option<String>,
    variables: &mut Map<String, Value>,
) -> Result<Thinking, ApiError> {
    let Some(effort) = effort else {
        return Ok(Thinking::default());
    };
    let Some((_, budget)) = BUDGETS.iter().find(|(word, _)| *word == effort) else {
        let words = BUDGETS.map(|(word, _)| format!("`{word}`")).join(", ");
        let message = format!("`{FIELD}` must be one of {words}, found `{effort}`");
        return Err(ApiError::invalid_field(FIELD, message));
    };
    variables.entry(FIELD).or_insert(effort.into());
    Ok(Thinking {
        enabled: Some(budget.is_some()),
        budget: *budget,
    })
}
