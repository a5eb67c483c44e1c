//! The tools of a request: functions, alone or in namespaces.
//!
//! A model knows a function of a namespace by one name, joined of both; its call tells them apart again, as clients look for
//! it. Tools that OpenAI's servers run, and those whose calls are free text, are left out of what the model is told; the response
//! names their types.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::body;
use crate::api::tools::{Function, Told, told};
use crate::error::ApiError;

/// Types of tools that the model is not told of.
const LEFT_OUT: [&str; 12] = [
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "custom",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
];

/// What begins the types of a search of the web, which some are dated: `web_search_2025_08_26`.
const WEB_SEARCH: &str = "web_search";

/// What begins the names of what such tools would give, of which there is nothing to include.
const RESULTS: [&str; 4] = [
    "code_interpreter_call.",
    "computer_call_output.",
    "file_search_call.",
    "web_search_call.",
];

/// The namespace of functions that are in none.
const NO_NAMESPACE: &str = "functions";

/// What stands between a namespace and a name.
const BETWEEN: &str = "__";

#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseTool)]
#[serde(expecting = "an object")]
pub(super) struct WireTool {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    #[schema(value_type = Function)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Namespace {
    name: String,
    tools: Vec<WireTool>,
}

/// The namespaces and names of functions by what the model calls them.
#[derive(Default)]
pub(super) struct Namespaces(HashMap<String, [String; 2]>);

/// Types of tools that a request has and the model is not told of.
pub(super) type LeftOut = BTreeSet<String>;

/// What the tools of a request come to.
#[derive(Default)]
pub(super) struct Offered {
    pub(super) functions: Vec<Told>,
    /// Which of them are in namespaces.
    pub(super) namespaces: Namespaces,
    pub(super) left_out: LeftOut,
}

/// What tools come to, of which `choice` may demand one.
///
/// # Errors
/// Status 400 that names a tool of no known type, a function without a good name, or one whose joined name another has, and
/// the choice where none is left.
pub(super) fn offered(tools: Vec<WireTool>, choice: Option<&Value>) -> Result<Offered, ApiError> {
    let (mut all, mut plain) = (Offered::default(), HashSet::new());
    for (at, tool) in tools.into_iter().enumerate() {
        let at = format!("tools[{at}]");
        if tool.kind == "namespace" {
            let namespace: Namespace = body::rest(tool.fields)?;
            for (inner, tool) in namespace.tools.into_iter().enumerate() {
                let at = format!("{at}.tools[{inner}]");
                if let Some(mut function) = tool.function(&at, &mut all.left_out)? {
                    function.name = all.namespaces.add(&namespace.name, function.name, &at)?;
                    all.functions.push(told(function, &at)?);
                }
            }
        } else if let Some(function) = tool.function(&at, &mut all.left_out)? {
            plain.insert(function.name.clone());
            all.functions.push(told(function, &at)?);
        }
    }
    let mut joined = all.namespaces.0.keys();
    if let Some(name) = joined.find(|name| plain.contains(*name)) {
        return Err(taken(name, "tools"));
    }
    all.check(choice)?;
    Ok(all)
}

impl Offered {
    /// # Errors
    /// Status 400 where a call is demanded and all tools are left out.
    fn check(&self, choice: Option<&Value>) -> Result<(), ApiError> {
        let demands = choice.is_some_and(|choice| choice == "required" || choice.is_object());
        if !demands || !self.functions.is_empty() || self.left_out.is_empty() {
            return Ok(());
        }
        let kinds: Vec<_> = self.left_out.iter().map(String::as_str).collect();
        let kinds = kinds.join("`, `");
        let message = format!(
            "`tool_choice` must be `auto` or `none` where no function is among the `tools`: those of type `{kinds}` cannot be called"
        );
        Err(ApiError::invalid_field("tool_choice", message))
    }
}

/// Whether what is to be included would come of a tool that is left out.
pub(super) fn is_left_out(included: &str) -> bool {
    RESULTS.iter().any(|begins| included.starts_with(begins))
}

fn taken(name: &str, at: &str) -> ApiError {
    let message = format!("`{at}` must have functions of different names, found `{name}` twice");
    ApiError::invalid_field(at, message)
}

/// What the model calls a function of a namespace.
pub(super) fn joined(namespace: &str, name: &str) -> String {
    if namespace.is_empty() || namespace == NO_NAMESPACE {
        return name.to_owned();
    }
    match namespace.ends_with(BETWEEN) {
        true => format!("{namespace}{name}"),
        false => format!("{namespace}{BETWEEN}{name}"),
    }
}

impl Namespaces {
    /// What the model is to call a function.
    fn add(&mut self, namespace: &str, name: String, at: &str) -> Result<String, ApiError> {
        let joined = joined(namespace, &name);
        if joined == name {
            return Ok(name);
        }
        let place = [namespace.to_owned(), name];
        match self.0.insert(joined.clone(), place) {
            None => Ok(joined),
            Some(_) => Err(taken(&joined, at)),
        }
    }

    /// The namespace, if any, and the name of what the model calls `called`.
    pub(super) fn place<'a>(&'a self, called: &'a str) -> (Option<&'a str>, &'a str) {
        match self.0.get(called) {
            Some([namespace, name]) => (Some(namespace), name),
            None => (None, called),
        }
    }
}

impl WireTool {
    fn is_left_out(&self) -> bool {
        LEFT_OUT.contains(&self.kind.as_str()) || self.kind.starts_with(WEB_SEARCH)
    }

    /// The function that this is; nothing for what is left out, whose type is then among those.
    fn function(self, at: &str, left_out: &mut LeftOut) -> Result<Option<Function>, ApiError> {
        if self.kind == "function" {
            return Ok(Some(body::rest(self.fields)?));
        }
        if self.is_left_out() {
            left_out.insert(self.kind);
            return Ok(None);
        }
        let kind = self.kind;
        let message = format!("`{at}` must be a tool of type `function`, found type `{kind}`");
        Err(ApiError::invalid_field(at, message))
    }

    /// As a response tells it, with the fields that the form demands; nothing for what is left out.
    pub(super) fn repeated(&self) -> Option<Value> {
        if self.is_left_out() {
            return None;
        }
        let mut fields = self.fields.clone();
        fields.insert("type".into(), self.kind.clone().into());
        if self.kind == "function" {
            for name in ["description", "parameters"] {
                fields.entry(name).or_insert(Value::Null);
            }
            fields.entry("strict").or_insert(false.into());
        }
        Some(Value::Object(fields))
    }
}
