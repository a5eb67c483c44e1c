//! The fields that say what an answer must be: OpenAI's `response_format`, vLLM's `structured_outputs` and `guided_…`,
//! llama.cpp's `json_schema` and `grammar`, SGLang's `regex` and `ebnf`. One of them at the most.
//!
//! The engine knows what it can hold an answer to, and says where a schema asks for more.

use nibble_engine::{Constraint, Language};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::stages::stage;
use crate::error::ApiError;

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
pub(super) struct ConstraintFields {
    response_format: Option<Value>,
    #[schema(value_type = Option<Structured>)]
    structured_outputs: Option<Map<String, Value>>,
    guided_json: Option<Value>,
    guided_json_object: Option<bool>,
    guided_regex: Option<String>,
    guided_choice: Option<Vec<String>>,
    guided_grammar: Option<String>,
    json_schema: Option<Value>,
    grammar: Option<String>,
    regex: Option<String>,
    ebnf: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

stage!(ConstraintFields);

impl ConstraintFields {
    /// What the fields come to; empty texts say nothing, and the engine refuses a choice of nothing.
    ///
    /// # Errors
    /// Status 400 that names the field, or two that were given at once.
    pub(super) fn constraint(&mut self) -> Result<Option<Constraint>, ApiError> {
        let given = [
            (
                "response_format",
                of_format("response_format", self.response_format.take())?,
            ),
            (
                "structured_outputs",
                structured(self.structured_outputs.take())?,
            ),
            (
                "guided_json",
                schema("guided_json", self.guided_json.take())?,
            ),
            (
                "guided_json_object",
                (self.guided_json_object == Some(true)).then_some(Language::JsonObject),
            ),
            (
                "guided_regex",
                text(self.guided_regex.take()).map(Language::Regex),
            ),
            (
                "guided_choice",
                self.guided_choice.take().map(Language::Choice),
            ),
            (
                "guided_grammar",
                text(self.guided_grammar.take()).map(grammar),
            ),
            (
                "json_schema",
                schema("json_schema", self.json_schema.take())?,
            ),
            ("grammar", text(self.grammar.take()).map(grammar)),
            ("regex", text(self.regex.take()).map(Language::Regex)),
            ("ebnf", text(self.ebnf.take()).map(Language::Gbnf)),
        ];
        only(given)
    }
}

/// The only one that is there.
///
/// # Errors
/// Status 400 that names two that are.
pub(super) fn only(
    given: impl IntoIterator<Item = (&'static str, Option<Language>)>,
) -> Result<Option<Constraint>, ApiError> {
    let mut there = given
        .into_iter()
        .filter_map(|(field, language)| Some((field, language?)));
    let Some((field, language)) = there.next() else {
        return Ok(None);
    };
    match there.next() {
        None => Ok(Some(Constraint { field, language })),
        Some((second, _)) => {
            let message = format!("only one of `{field}` and `{second}` can be honoured");
            Err(ApiError::invalid_field(second, message))
        }
    }
}

/// What a format of OpenAI's says, whose schema stands beside its type or within `json_schema`.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn of_format(
    field: &'static str,
    format: Option<Value>,
) -> Result<Option<Language>, ApiError> {
    let Some(mut format) = format.filter(|format| !format.is_null()) else {
        return Ok(None);
    };
    let beside = format.get_mut("schema").map(Value::take);
    let within = format
        .get_mut("json_schema")
        .and_then(|within| within.get_mut("schema"))
        .map(Value::take);
    let given = within.or(beside).filter(|schema| !schema.is_null());
    match (format["type"].as_str(), given) {
        (Some("text"), _) => Ok(None),
        (Some("json_object"), None) => Ok(Some(Language::JsonObject)),
        (Some("json_object" | "json_schema"), Some(given)) => schema(field, Some(given)),
        (Some("json_schema"), None) => {
            let message = format!("`{field}` of type `json_schema` must have its `schema`");
            Err(ApiError::invalid_field(field, message))
        }
        _ => {
            let kind = &format["type"];
            let message = format!(
                "`{field}` must be of type `text`, `json_object` or `json_schema`, found {kind}"
            );
            Err(ApiError::invalid_field(field, message))
        }
    }
}

/// A schema, or its text.
///
/// # Errors
/// Status 400 for a text that is no JSON.
pub(super) fn schema(
    field: &'static str,
    given: Option<Value>,
) -> Result<Option<Language>, ApiError> {
    let schema = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|error| {
            ApiError::invalid_field(field, format!("`{field}` is no JSON: {error}"))
        })?,
        Some(schema) => schema,
    };
    Ok(Some(Language::JsonSchema(schema)))
}

/// A text that says something.
fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A grammar in one of two syntaxes, which are told apart by how they define rules.
fn grammar(source: String) -> Language {
    match source.contains("::=") {
        true => Language::Gbnf(source),
        false => Language::Lark(source),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
struct Structured {
    json: Option<Value>,
    json_object: Option<bool>,
    regex: Option<String>,
    choice: Option<Vec<String>>,
    grammar: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

fn structured(fields: Option<Map<String, Value>>) -> Result<Option<Language>, ApiError> {
    const FIELD: &str = "structured_outputs";
    let Some(fields) = fields else {
        return Ok(None);
    };
    let fields: Structured = serde_json::from_value(Value::Object(fields))
        .map_err(|error| ApiError::invalid_field(FIELD, format!("`{FIELD}`: {error}")))?;
    let mut others = fields.others.iter().filter(|(_, value)| !value.is_null());
    if let Some((name, _)) = others.find(|(_, value)| **value != Value::Bool(false)) {
        let message = format!("`{FIELD}.{name}` is not supported here");
        return Err(ApiError::invalid_field(FIELD, message));
    }
    let given = [
        schema(FIELD, fields.json)?,
        (fields.json_object == Some(true)).then_some(Language::JsonObject),
        text(fields.regex).map(Language::Regex),
        fields.choice.map(Language::Choice),
        text(fields.grammar).map(grammar),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (first, None) => Ok(first),
        _ => Err(ApiError::invalid_field(
            FIELD,
            format!(
                "`{FIELD}` must have one of `json`, `json_object`, `regex`, `choice` and `grammar`"
            ),
        )),
    }
}
