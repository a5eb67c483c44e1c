//! The prompts of a completion, or the inputs of embeddings: a text, the ids of tokens, or a list of either.

use nibble_engine::{Prompt, Reading, Thinking};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::asker::Asker;
use crate::error::ApiError;

#[derive(Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "expected a string, an array of tokens, or an array of either"
)]
pub(in crate::api::openai) enum Prompts {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    Lists(Vec<Vec<u32>>),
}

impl Prompts {
    /// # Errors
    /// Status 400 where there are none of `field`, or more than `most`.
    pub(in crate::api::openai) fn checked(
        self,
        field: &str,
        most: usize,
    ) -> Result<Vec<Prompt>, ApiError> {
        let prompts: Vec<Prompt> = match self {
            Self::Text(text) => vec![Prompt::Raw(text)],
            Self::Tokens(tokens) if tokens.is_empty() => Vec::new(),
            Self::Tokens(tokens) => vec![Prompt::Tokens(tokens)],
            Self::Texts(texts) => texts.into_iter().map(Prompt::Raw).collect(),
            Self::Lists(lists) => lists.into_iter().map(Prompt::Tokens).collect(),
        };
        let found = prompts.len();
        if (1..=most).contains(&found) {
            return Ok(prompts);
        }
        let message = format!("`{field}` must hold 1 to {most} prompts, found {found}");
        Err(ApiError::invalid_field(field, message))
    }
}

/// The prompt without the model's first token before a text.
///
/// # Errors
/// Status 400 for words without end.
pub(in crate::api::openai) fn unbegun(prompt: Prompt, asker: &Asker) -> Result<Prompt, ApiError> {
    let Prompt::Raw(text) = prompt else {
        return Ok(prompt);
    };
    let reading = Reading {
        control_tokens: true,
        first_token: false,
    };
    let tokens = asker.generator.text_tokens(&text, reading)?;
    Ok(Prompt::Tokens(tokens))
}

/// The text of a prompt.
///
/// # Errors
/// Status 400 for what is no token.
pub(super) fn echoed(prompt: &Prompt, asker: &Asker) -> Result<String, ApiError> {
    match prompt {
        Prompt::Raw(text) => Ok(text.clone()),
        Prompt::Tokens(_) => {
            let tokens = asker.generator.prompt_tokens(prompt, Thinking::default())?;
            Ok(asker.generator.spelt(&tokens)?)
        }
        Prompt::Chat(_) => Ok(String::new()),
    }
}
