//! The tools that a request offers to the model.
//!
//! A model is told of them and may call them; nothing holds it to that or to their schemas, so `strict` is ignored, and
//! a `tool_choice` that demands a call is refused.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// OpenAI's limits of tools and of the name of one.
const MAX_TOOLS: usize = 128;
const MAX_NAME_BYTES: usize = 64;
/// About the text of a 32k-token context.
const MAX_TOOLS_BYTES: usize = 128 << 10;

#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct WireTool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<Function>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Map<String, Value>>,
}

/// The tools to tell the model of, in the form that chat templates expect.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn offered(
    tools: Option<Vec<WireTool>>,
    choice: Option<&Value>,
) -> Result<Vec<Value>, ApiError> {
    let tools = tools.unwrap_or_default();
    if tools.len() > MAX_TOOLS {
        let found = tools.len();
        return Err(ApiError::invalid_field(
            "tools",
            format!("`tools` must have at most {MAX_TOOLS} tools, found {found}"),
        ));
    }
    let tools: Vec<Value> = tools
        .into_iter()
        .enumerate()
        .map(|(at, tool)| tool.checked(&format!("tools[{at}]")))
        .collect::<Result<_, _>>()?;
    let bytes: usize = tools.iter().map(|tool| tool.to_string().len()).sum();
    if bytes > MAX_TOOLS_BYTES {
        return Err(ApiError::invalid_field(
            "tools",
            format!("`tools` must have at most {MAX_TOOLS_BYTES} bytes, found {bytes}"),
        ));
    }
    match choice {
        None => Ok(tools),
        Some(choice) if choice == "auto" => Ok(tools),
        Some(choice) if choice == "none" => Ok(Vec::new()),
        Some(choice) => Err(ApiError::invalid_field(
            "tool_choice",
            format!(
                "`tool_choice` must be `auto` or `none`, found {choice}: a model calls a tool or does not, nothing here \
                 makes it"
            ),
        )),
    }
}

/// # Errors
/// Status 400 for what is no name of a tool.
pub(super) fn check_name(name: &str, field: &str) -> Result<(), ApiError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!(
        "`{field}` must be 1 to {MAX_NAME_BYTES} letters, digits, `_` and `-`, found `{name}`"
    );
    Err(ApiError::invalid_field(field, message))
}

impl WireTool {
    fn checked(self, at: &str) -> Result<Value, ApiError> {
        let function = match self.function {
            Some(function) if self.kind == "function" => function,
            _ => {
                let kind = self.kind;
                let message = format!(
                    "`{at}` must be a tool of type `function` with its `function`, found type `{kind}`"
                );
                return Err(ApiError::invalid_field(at, message));
            }
        };
        check_name(&function.name, &format!("{at}.function.name"))?;
        let none = || {
            Map::from_iter([
                ("type".into(), "object".into()),
                ("properties".into(), json!({})),
            ])
        };
        Ok(json!({
            "type": "function",
            "function": {
                "name": function.name,
                "description": function.description.unwrap_or_default(),
                "parameters": function.parameters.unwrap_or_else(none),
            },
        }))
    }
}
