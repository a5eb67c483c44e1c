//! The tools that a request offers to the model.
//!
//! A model is told of them and may call them, or must where `tool_choice` demands that. The engine holds it to the schemas of
//! those that are `strict`, and of all where a call is demanded.

use nibble_engine::ToolChoice;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::ApiError;

/// OpenAI's limit of tools, and the longest name that any of the APIs takes: programs put the name of a server before it.
const MAX_TOOLS: usize = 128;
const MAX_NAME_BYTES: usize = 128;
/// About the text of a 32k-token context.
const MAX_TOOLS_BYTES: usize = 128 << 10;

#[derive(Deserialize, ToSchema)]
#[schema(as = Tool)]
#[serde(expecting = "an object")]
pub(super) struct WireTool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<Function>,
}

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(alias = "input_schema")]
    pub(super) parameters: Option<Map<String, Value>>,
    pub(super) strict: Option<bool>,
}

/// A tool in the form that chat templates expect, and whether its calls must keep to its schema.
pub(super) struct Told {
    tool: Value,
    is_strict: bool,
}

/// The tools to tell the model of, and what it is to do with them.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) tools: Vec<Value>,
    /// Names of some.
    pub(super) strict: Vec<String>,
    pub(super) tool_choice: ToolChoice,
}

/// The tools that a request offers, as its choice leaves them.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn offered(
    tools: Option<Vec<WireTool>>,
    choice: Option<&Value>,
) -> Result<Chosen, ApiError> {
    let tools = tools.unwrap_or_default();
    let tools = tools.into_iter().enumerate();
    let tools = tools.map(|(at, tool)| tool.checked(&format!("tools[{at}]")));
    let tools = bounded(tools)?;
    chosen(tools, choice)
}

/// What a choice makes of tools.
///
/// # Errors
/// Status 400 for a choice that is none, or of a tool that is not there.
pub(super) fn chosen(tools: Vec<Told>, choice: Option<&Value>) -> Result<Chosen, ApiError> {
    let refused = |message: String| Err(ApiError::invalid_field("tool_choice", message));
    let named = choice.and_then(|choice| {
        let beside = choice["name"].as_str();
        let name = choice["function"]["name"].as_str().or(beside);
        name.filter(|_| choice["type"] == "function")
    });
    let tool_choice = match (choice, named) {
        (None, _) => ToolChoice::Free,
        (Some(choice), _) if choice == "auto" => ToolChoice::Free,
        (Some(choice), _) if choice == "none" => return Ok(Chosen::default()),
        (Some(choice), _) if choice == "required" => ToolChoice::Required,
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        (Some(choice), None) => {
            return refused(format!(
                "`tool_choice` must be `auto`, `none`, `required` or a function with its name, found {choice}"
            ));
        }
    };
    let name_of = |told: &Told| told.tool["function"]["name"].as_str().map(str::to_owned);
    let names: Vec<_> = tools.iter().filter_map(name_of).collect();
    match &tool_choice {
        ToolChoice::Named(name) if !names.contains(name) => {
            return refused(format!(
                "`tool_choice` must be one of the `tools`, found `{name}`"
            ));
        }
        ToolChoice::Required if names.is_empty() => {
            return refused("`tool_choice` must be `auto` or `none` without `tools`".to_owned());
        }
        _ => {}
    }
    let strict = tools.iter().filter(|told| told.is_strict);
    Ok(Chosen {
        strict: strict.filter_map(name_of).collect(),
        tools: tools.into_iter().map(|told| told.tool).collect(),
        tool_choice,
    })
}

/// No more tools than a model may be told of.
///
/// # Errors
/// Those of the tools, and status 400 where they are too many or too long.
pub(super) fn bounded(
    tools: impl ExactSizeIterator<Item = Result<Told, ApiError>>,
) -> Result<Vec<Told>, ApiError> {
    let found = tools.len();
    if found > MAX_TOOLS {
        return Err(ApiError::invalid_field(
            "tools",
            format!("`tools` must have at most {MAX_TOOLS} tools, found {found}"),
        ));
    }
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = tools.iter().map(|told| told.tool.to_string().len()).sum();
    if bytes > MAX_TOOLS_BYTES {
        return Err(ApiError::invalid_field(
            "tools",
            format!("`tools` must have at most {MAX_TOOLS_BYTES} bytes, found {bytes}"),
        ));
    }
    Ok(tools)
}

/// A tool as chat templates expect it.
///
/// # Errors
/// Status 400 where it has no good name; `at` is where that stands.
pub(super) fn told(function: Function, at: &str) -> Result<Told, ApiError> {
    check_name(&function.name, &format!("{at}.name"))?;
    let none = || {
        Map::from_iter([
            ("type".into(), "object".into()),
            ("properties".into(), json!({})),
        ])
    };
    let tool = json!({
        "type": "function",
        "function": {
            "name": function.name,
            "description": function.description.unwrap_or_default(),
            "parameters": function.parameters.unwrap_or_else(none),
        },
    });
    Ok(Told {
        tool,
        is_strict: function.strict == Some(true),
    })
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
    fn checked(self, at: &str) -> Result<Told, ApiError> {
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
        told(function, &format!("{at}.function"))
    }
}
