//! Calls of tools as a grammar: those that an answer must make, and the arguments of those that it may make.
//!
//! A call is written in the model's own way ([`CallFormat`]), its arguments by the schema of the tool's parameters.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::grammars::with_blanks;
use super::lark::literal;
use super::schema;
use crate::text::calls::CallFormat;
use crate::text::conversation::{Conversation, ToolChoice};
use crate::text::tokenizer::Tokenizer;

/// A grammar in Lark's syntax of the answers that the conversation's tools and its choice among them allow; nothing where
/// these are all.
///
/// # Errors
/// What of a tool's parameters is not supported, or that there is no tool to call: the reason alone.
pub(super) fn grammar(
    format: CallFormat,
    conversation: &Conversation,
    tokenizer: &Tokenizer,
) -> Result<Option<String>, String> {
    let choice = &conversation.tool_choice;
    if *choice == ToolChoice::Free && conversation.strict.is_empty() {
        return Ok(None);
    }
    let opening = mark(format.opening(), tokenizer);
    let start = match (choice, format) {
        (ToolChoice::Free, CallFormat::Bare) => {
            // What begins like a call is one.
            format!("start: \"\" | calls | TEXT\nTEXT: {BARE_TEXT}\n")
        }
        (ToolChoice::Free, _) if opening.is_control => format!(
            "start: TEXT? (opening calls TEXT?)*\nTEXT: /(?s:.)+/\nopening: {}\n",
            opening.written
        ),
        (ToolChoice::Free, _) => {
            let text = escaped(format.opening());
            format!(
                "start: (lead calls)* TEXT?\nlead[lazy]: /(?s:.)*{text}/\nTEXT: /(?s:.)+/ & ~/(?s:.)*{text}(?s:.)*/\n"
            )
        }
        _ => format!("start: made\n{}", made(format, conversation, tokenizer)),
    };
    let calls = calls(format, conversation, tokenizer)?;
    Ok(Some(start + &calls))
}

/// Rules in Lark's syntax of an answer, `made`, that is one call or several of tools that may be called.
///
/// # Errors
/// As [`grammar`].
pub(super) fn demanded(
    format: CallFormat,
    conversation: &Conversation,
    tokenizer: &Tokenizer,
) -> Result<String, String> {
    let calls = calls(format, conversation, tokenizer)?;
    Ok(made(format, conversation, tokenizer) + &calls)
}

/// As [`demanded`] of calls that are the whole answer, made of the same terminals as other JSON. A matcher takes the longest
/// terminal that it can, so it would lose one of two texts that begin alike and are cut otherwise.
///
/// # Errors
/// As [`grammar`].
pub(super) fn demanded_among_json(
    conversation: &Conversation,
    tokenizer: &Tokenizer,
) -> Result<String, String> {
    let (mut rules, mut names) = (String::new(), Vec::new());
    for Offered {
        at,
        name,
        parameters,
        ..
    } in offered(conversation)?
    {
        let call = json!({
            "type": "object",
            "properties": { "name": { "const": name }, "parameters": schema::moved(parameters, "/properties/parameters") },
            "required": ["name", "parameters"],
            "additionalProperties": false,
        });
        // Writing to a text cannot fail.
        let _ = writeln!(rules, "c{at}: %json {}", with_blanks(call));
        names.push(format!("c{at}"));
    }
    let tag = tag(tokenizer);
    Ok(format!("made: {tag}({})\n{rules}", names.join(" | ")))
}

/// What may stand before a call that is the whole answer: the mark, where a token is it that no text has.
fn tag(tokenizer: &Tokenizer) -> String {
    let mark = mark(CallFormat::Bare.opening(), tokenizer);
    match mark.is_control {
        true => format!("{}? ", mark.written),
        false => String::new(),
    }
}

/// What does not begin as a call that is the whole answer.
const BARE_TEXT: &str = r"/[ \t\r\n]*[^ \t\r\n{\[`](?s:.)*/";

/// The rule of an answer that is calls, and that of what opens one.
fn made(format: CallFormat, conversation: &Conversation, tokenizer: &Tokenizer) -> String {
    let calls = match format {
        CallFormat::Bare => return "made: calls\n".to_owned(),
        CallFormat::Tagged if !is_single(conversation) => "opening calls (\"\\n\" opening calls)*",
        CallFormat::Tagged | CallFormat::Listed => "opening calls",
    };
    let opening = mark(format.opening(), tokenizer).written;
    format!("made: {calls}\nopening: {opening}\n")
}

/// The rules of what follows the opening.
fn calls(
    format: CallFormat,
    conversation: &Conversation,
    tokenizer: &Tokenizer,
) -> Result<String, String> {
    let calls = match format {
        CallFormat::Tagged => {
            let closing = format.closing().unwrap_or_default();
            let closing = mark(closing, tokenizer).written;
            format!("calls: BLANK? call BLANK? {closing}\n")
        }
        CallFormat::Listed if is_single(conversation) => {
            "calls: BLANK? \"[\" call \"]\"\n".to_owned()
        }
        CallFormat::Listed => "calls: BLANK? \"[\" call (\",\" BLANK? call)* \"]\"\n".to_owned(),
        CallFormat::Bare => format!("calls: {}call\n", tag(tokenizer)),
    };
    let mut rules = format!("BLANK: / |\\n/\n{calls}");
    add_tools(&mut rules, format, conversation)?;
    Ok(rules)
}

/// Whoever names a tool wants a call of it.
fn is_single(conversation: &Conversation) -> bool {
    conversation.single_call || matches!(conversation.tool_choice, ToolChoice::Named(_))
}

fn add_tools(
    grammar: &mut String,
    format: CallFormat,
    conversation: &Conversation,
) -> Result<(), String> {
    let arguments = match format {
        CallFormat::Bare => "parameters",
        CallFormat::Tagged | CallFormat::Listed => "arguments",
    };
    let (mut rules, mut names) = (String::new(), Vec::new());
    for Offered {
        at,
        name,
        parameters,
        ..
    } in offered(conversation)?
    {
        let [open, comma, colon] = ["{\"name\":", ",", ":"].map(literal);
        let (name, arguments) = (json!(name).to_string(), json!(arguments).to_string());
        let (name, arguments) = (literal(&name), literal(&arguments));
        // Writing to a text cannot fail.
        let _ = writeln!(
            rules,
            "c{at}: {open} BLANK? {name} {comma} BLANK? {arguments} {colon} BLANK? a{at} BLANK? \"}}\"\n\
             a{at}: %json {}",
            with_blanks(parameters)
        );
        names.push(format!("c{at}"));
    }
    let _ = writeln!(grammar, "call: {}\n{rules}", names.join(" | "));
    Ok(())
}

/// A tool that may be called.
pub(super) struct Offered<'c> {
    /// Its place among the tools.
    at: usize,
    pub(super) name: &'c str,
    /// The schema of its arguments.
    pub(super) parameters: Value,
    /// Whether that is its own, and not that of any object.
    pub(super) is_held: bool,
}

/// At least one.
///
/// # Errors
/// As [`grammar`].
pub(super) fn offered(conversation: &Conversation) -> Result<Vec<Offered<'_>>, String> {
    let mut offered = Vec::new();
    for (at, tool) in conversation.tools.iter().enumerate() {
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        if matches!(&conversation.tool_choice, ToolChoice::Named(wanted) if wanted != name) {
            continue;
        }
        let is_held = conversation.tool_choice != ToolChoice::Free
            || conversation.strict.iter().any(|strict| strict == name);
        let parameters = match is_held {
            true => parameters(&tool["function"]["parameters"])
                .map_err(|reason| of_tool(name, &reason))?,
            false => json!({ "type": "object" }),
        };
        offered.push(Offered {
            at,
            name,
            parameters,
            is_held,
        });
    }
    if offered.is_empty() {
        return Err(match &conversation.tool_choice {
            ToolChoice::Named(name) => {
                format!("`tools` must have the tool `{name}`, which is to be called")
            }
            _ => "`tools` must have a tool that can be called".to_owned(),
        });
    }
    Ok(offered)
}

/// What is not supported of a tool's parameters, with its name.
pub(super) fn of_tool(name: &str, reason: &str) -> String {
    format!("the parameters of the tool `{name}`: {reason}")
}

/// The conversation in which tools that are named `loose` take any object where their schema is not supported, or where that
/// is not known; nothing where all of theirs are.
pub(super) fn loosened(
    conversation: &Conversation,
    loose: &[String],
    compiles: impl Fn(&Value) -> bool,
) -> Option<Conversation> {
    let mut loosened = conversation.clone();
    let mut changed = false;
    for tool in &mut loosened.tools {
        let function = &mut tool["function"];
        let is_loose = loose.iter().any(|name| function["name"] == **name);
        let given = &mut function["parameters"];
        if is_loose && !parameters(given).is_ok_and(|schema| compiles(&schema)) {
            *given = json!({ "type": "object" });
            changed = true;
        }
    }
    changed.then_some(loosened)
}

/// The schema of a tool's arguments, which are an object.
fn parameters(given: &Value) -> Result<Value, String> {
    let mut schema = match given {
        Value::Null => Value::Object(Map::new()),
        given => schema::checked(given)?,
    };
    if let Value::Object(fields) = &mut schema {
        let kind = fields.entry("type").or_insert_with(|| "object".into());
        if kind != "object" {
            return Err(format!("`type` must be `object`, found {kind}"));
        }
    }
    Ok(schema)
}

/// What a model writes before or behind a call.
pub(super) struct Mark {
    written: String,
    /// Whether it is a token that no text has.
    pub(super) is_control: bool,
}

pub(super) fn mark(text: &str, tokenizer: &Tokenizer) -> Mark {
    match tokenizer.control().id(text) {
        Some(id) => Mark {
            written: format!("<[{id}]>"),
            is_control: true,
        },
        None => Mark {
            written: literal(text),
            is_control: false,
        },
    }
}

/// A text within a regular expression.
pub(super) fn escaped(text: &str) -> String {
    regex_syntax::escape(text).replace('/', r"\/")
}
