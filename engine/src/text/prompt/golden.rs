//! Renderings of published templates and a few of our own against those of `transformers`, from
//! `tests/fixtures/chat_templates.py`, and of pieces of templates against jinja2, from
//! `tests/fixtures/template_fragments.py`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::jinja;
use super::tests::Model;
use crate::text::conversation::{Conversation, ToolCall, Turn};
use crate::{Message, Role};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

#[derive(Deserialize)]
struct Golden {
    conversations: Vec<Case>,
    templates: BTreeMap<String, Template>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<RawMessage>,
    tools: Vec<Value>,
    variables: Map<String, Value>,
}

#[derive(Deserialize)]
struct RawMessage {
    role: String,
    content: String,
    #[serde(default)]
    reasoning_content: String,
    #[serde(default)]
    tool_calls: Vec<RawCall>,
    tool_call_id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct RawCall {
    id: String,
    function: RawFunction,
}

#[derive(Deserialize)]
struct RawFunction {
    name: String,
    arguments: Map<String, Value>,
}

#[derive(Deserialize)]
struct Template {
    bos: String,
    eos: String,
    control: Vec<String>,
    /// Nothing where `transformers` refuses the conversation.
    renderings: Vec<Option<String>>,
}

impl Case {
    fn conversation(&self) -> Conversation {
        Conversation {
            turns: self.messages.iter().map(RawMessage::turn).collect(),
            tools: self.tools.clone(),
            variables: self.variables.clone(),
            ..Conversation::default()
        }
    }
}

impl RawMessage {
    fn turn(&self) -> Turn {
        let content = self.content.clone();
        let said = |role| {
            Turn::Said(Message {
                role,
                content: content.clone(),
            })
        };
        match self.role.as_str() {
            "system" => said(Role::System),
            "user" => said(Role::User),
            "assistant" if self.tool_calls.is_empty() && self.reasoning_content.is_empty() => {
                said(Role::Assistant)
            }
            "assistant" => Turn::Answered {
                thought: self.reasoning_content.clone(),
                content,
                calls: self.tool_calls.iter().map(RawCall::call).collect(),
            },
            "tool" => Turn::Returned {
                content,
                call_id: self.tool_call_id.clone(),
                name: self.name.clone(),
            },
            other => panic!("`{other}` is no role"),
        }
    }
}

impl RawCall {
    fn call(&self) -> ToolCall {
        ToolCall {
            id: self.id.clone(),
            name: self.function.name.clone(),
            arguments: self.function.arguments.clone().into(),
        }
    }
}

impl Template {
    fn model(&self, source: &str) -> Model {
        let first = [&self.eos, &self.bos];
        let control: Vec<&str> = first
            .into_iter()
            .chain(&self.control)
            .map(String::as_str)
            .collect();
        Model::with_template(Some(source), &control)
    }
}

/// What differs, in words.
fn differences(golden: &Golden, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (name, template) in &golden.templates {
        let source = std::fs::read_to_string(folder.join(format!("{name}.jinja"))).unwrap();
        let model = template.model(&source);
        assert_eq!(golden.conversations.len(), template.renderings.len());
        for (case, expected) in golden.conversations.iter().zip(&template.renderings) {
            let ours = model.text_as_given(&case.conversation());
            if ours != *expected {
                let (ours, expected) = (format!("{ours:?}"), format!("{expected:?}"));
                let case = &case.name;
                let [ours, expected] = differing_parts(&ours, &expected);
                found.push(format!("{name}, {case}:\n  {ours}\n  not {expected}"));
            }
        }
    }
    found
}

/// What stands around the first difference.
fn differing_parts(ours: &str, expected: &str) -> [String; 2] {
    let equal = ours
        .chars()
        .zip(expected.chars())
        .take_while(|(a, b)| a == b);
    let before = equal.count().saturating_sub(60);
    [ours, expected].map(|text| text.chars().skip(before).take(160).collect())
}

#[test]
fn conversations_are_laid_out_as_transformers_does() {
    let golden = std::fs::read(format!("{FIXTURES}/chat_templates.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    let found = differences(&golden, &Path::new(FIXTURES).join("chat_templates"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[derive(Deserialize)]
struct Fragments {
    variables: Map<String, Value>,
    /// The fragment, what jinja2 makes of it if it does not refuse it, and whether it is refused here.
    renderings: Vec<(String, Option<String>, bool)>,
}

impl Fragments {
    fn read(path: &Path) -> Option<Self> {
        Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
    }

    fn values(&self) -> minijinja::Value {
        let mut values = self.variables.clone();
        let given = serde_json::json!({
            "messages": [{ "role": "user", "content": "hi" }], "tools": null, "documents": null,
            "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
        });
        values.extend(given.as_object().unwrap().clone());
        minijinja::value::Serde(values).into()
    }

    /// What differs, in words. Where jinja2 refuses a fragment and we do not is of no account unless `strict`.
    fn differences(&self, strict: bool) -> Vec<String> {
        let values = self.values();
        let differing = self
            .renderings
            .iter()
            .filter_map(|(source, expected, refused)| {
                let template = jinja::Template::compile(source.clone());
                let ours = template.map_err(|why| why.to_string());
                let ours = ours.and_then(|template| {
                    template
                        .render(values.clone())
                        .map_err(|why| why.to_string())
                });
                let equal = match (&ours, expected) {
                    (Err(_), _) if *refused => true,
                    (Ok(ours), Some(expected)) => ours == expected && !refused,
                    (Ok(_), None) => !strict,
                    (Err(_), None) => true,
                    (Err(_), Some(_)) => false,
                };
                (!equal).then(|| format!("{source}\n  {ours:?}\n  not {expected:?}"))
            });
        differing.collect()
    }
}

#[test]
fn pieces_of_templates_are_read_as_jinja2_does() {
    let fragments = Fragments::read(&Path::new(FIXTURES).join("template_fragments.json")).unwrap();
    assert!(fragments.renderings.len() > 900);
    let found = fragments.differences(true);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_operation_gives_what_jinja2_gives_for_every_kind_of_value() {
    let written = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/template_fragments.json"
    );
    let Some(fragments) = Fragments::read(Path::new(written)) else {
        eprintln!(
            "skipped: `engine/scripts/template_fragments` writes `target/template_fragments.json`"
        );
        return;
    };
    assert!(fragments.renderings.len() > 5000);
    let found = fragments.differences(false);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
