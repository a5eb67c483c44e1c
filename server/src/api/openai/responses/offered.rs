//! The tools of a request: functions, alone or in namespaces.
//!
//! A model knows a function of a namespace by one name, joined of both; its call tells them apart again, as clients look for
//! it. Tools that OpenAI's servers run, and those whose calls are free text, are left out of what the model is told.

use std::collections::{HashMap, HashSet};

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

/// The functions that tools come to, and which of them are in namespaces.
///
/// # Errors
/// Status 400 that names a tool of no known type, a function without a good name, or one whose joined name another has.
pub(super) fn offered(tools: Vec<WireTool>) -> Result<(Vec<Told>, Namespaces), ApiError> {
    let (mut all, mut plain, mut namespaces) = (Vec::new(), HashSet::new(), Namespaces::default());
    for (at, tool) in tools.into_iter().enumerate() {
        let at = format!("tools[{at}]");
        if tool.kind == "namespace" {
            let namespace: Namespace = body::rest(tool.fields)?;
            for (inner, tool) in namespace.tools.into_iter().enumerate() {
                let at = format!("{at}.tools[{inner}]");
                if let Some(mut function) = tool.function(&at)? {
                    function.name = namespaces.add(&namespace.name, function.name, &at)?;
                    all.push(told(function, &at)?);
                }
            }
        } else if let Some(function) = tool.function(&at)? {
            plain.insert(function.name.clone());
            all.push(told(function, &at)?);
        }
    }
    match namespaces.0.keys().find(|name| plain.contains(*name)) {
        None => Ok((all, namespaces)),
        Some(name) => Err(taken(name, "tools")),
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

    /// The function that this is; nothing for what is left out.
    fn function(self, at: &str) -> Result<Option<Function>, ApiError> {
        if self.kind == "function" {
            return Ok(Some(body::rest(self.fields)?));
        }
        if self.is_left_out() {
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
