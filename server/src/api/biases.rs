//! `logit_bias`: what is added to the logits of tokens, in OpenAI's form and in llama.cpp's.

use serde_json::Value;

use crate::error::ApiError;

const FIELD: &str = "logit_bias";

/// Tokens with their biases; a token that is not to come has minus infinity.
///
/// # Errors
/// Status 400 that names the field, for what is neither an object of tokens nor an array of pairs.
pub(super) fn read(biases: Option<&Value>) -> Result<Vec<(u32, f32)>, ApiError> {
    match biases {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(token, bias)| pair(token.parse().ok(), bias, token))
            .collect(),
        Some(Value::Array(pairs)) => pairs
            .iter()
            .map(|found| match found.as_array().map(Vec::as_slice) {
                Some([token, bias]) => {
                    let id = token.as_u64().and_then(|token| u32::try_from(token).ok());
                    pair(id, bias, token)
                }
                _ => Err(refused(format!("an array must hold pairs, found {found}"))),
            })
            .collect(),
        Some(other) => Err(refused(format!(
            "expected an object of tokens with a bias each, found {other}"
        ))),
    }
}

fn pair(
    token: Option<u32>,
    bias: &Value,
    found: &dyn std::fmt::Display,
) -> Result<(u32, f32), ApiError> {
    let Some(token) = token else {
        return Err(refused(format!(
            "expected the id of a token, found `{found}`"
        )));
    };
    match bias {
        Value::Bool(false) => Ok((token, f32::NEG_INFINITY)),
        // What is beyond an f32 is beyond what the engine takes.
        Value::Number(bias) => Ok((token, bias.as_f64().unwrap_or(f64::NAN) as f32)),
        _ => Err(refused(format!(
            "token {token} must have a number, or false to take it away, found {bias}"
        ))),
    }
}

fn refused(reason: String) -> ApiError {
    ApiError::invalid_field(FIELD, format!("`{FIELD}`: {reason}"))
}
