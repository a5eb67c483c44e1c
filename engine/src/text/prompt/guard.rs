//! Keeps control tokens out of what callers write, wherever it stands: in messages, and in keys and texts of JSON.

use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Map, Value};

use super::exact::Exact;
use crate::text::conversation::{Conversation, ToolCall, Turn};
use crate::text::tokenizer::Literals;
use crate::{Error, Role};

/// A conversation as a template reads it, with marks in would-be control tokens.
pub(super) struct Guarded {
    pub(super) messages: Vec<TemplateMessage>,
    pub(super) tools: Value,
    pub(super) variables: Map<String, Value>,
    /// The mark, if there is any.
    pub(super) mark: Option<char>,
}

/// A message as `transformers` gives it. Templates ask whether the optional parts are there.
#[derive(Serialize)]
pub(super) struct TemplateMessage {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<TemplateCall>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct TemplateCall {
    id: String,
    r#type: &'static str,
    function: TemplateFunction,
}

#[derive(Serialize)]
struct TemplateFunction {
    name: String,
    /// The template engine's, as JSON's have no integers beyond 64 bits.
    arguments: minijinja::Value,
}

/// # Errors
/// [`Error::Request`] for texts that leave no character for marks.
pub(super) fn guard(
    conversation: &Conversation,
    source: &str,
    control: &Literals,
) -> Result<Guarded, Error> {
    let texts = texts(conversation);
    let needed = texts.iter().any(|text| !control.marks(text).is_empty());
    let mark = match needed {
        true => Some(unused_character(&texts, source)?),
        false => None,
    };
    let marker = Marker { control, mark };
    let tools: Vec<Value> = marker.all(&conversation.tools);
    Ok(Guarded {
        messages: conversation.turns.iter().map(|t| marker.turn(t)).collect(),
        // As `transformers` says that there are none.
        tools: match tools.is_empty() {
            true => Value::Null,
            false => tools.into(),
        },
        variables: marker.map(&conversation.variables),
        mark,
    })
}

/// Everything that a caller wrote.
pub(super) fn texts(conversation: &Conversation) -> Vec<&str> {
    let mut texts = Vec::new();
    for turn in &conversation.turns {
        match turn {
            Turn::Said(message) => texts.push(message.content.as_str()),
            Turn::Answered {
                thought,
                content,
                calls,
            } => {
                texts.extend([thought.as_str(), content]);
                for call in calls {
                    texts.extend([call.id.as_str(), &call.name]);
                    texts_of_map(call.arguments.object(), &mut texts);
                }
            }
            Turn::Returned {
                content,
                call_id,
                name,
            } => {
                texts.push(content);
                texts.extend([call_id, name].into_iter().flatten().map(String::as_str));
            }
        }
    }
    for tool in &conversation.tools {
        texts_of(tool, &mut texts);
    }
    texts_of_map(&conversation.variables, &mut texts);
    texts
}

fn texts_of<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(map) => texts_of_map(map, texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn texts_of_map<'v>(map: &'v Map<String, Value>, texts: &mut Vec<&'v str>) {
    for (key, value) in map {
        texts.push(key);
        texts_of(value, texts);
    }
}

/// A character for marks: one that Unicode keeps out of texts, and that these texts and the template keep out too.
pub(super) fn unused_character(texts: &[&str], source: &str) -> Result<char, Error> {
    let planes = (0..=16).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let nonchars = (0xfdd0..=0xfdef).chain(planes).filter_map(char::from_u32);
    let mut unused = nonchars
        .filter(|&mark| !source.contains(mark) && !texts.iter().any(|text| text.contains(mark)));
    unused.next().ok_or_else(|| {
        super::refused("the messages hold every Unicode noncharacter, and one is needed as a mark")
    })
}

struct Marker<'c> {
    control: &'c Literals,
    mark: Option<char>,
}

impl Marker<'_> {
    fn turn(&self, turn: &Turn) -> TemplateMessage {
        let message = |role, content: &str| TemplateMessage {
            role,
            content: self.text(content),
            reasoning_content: None,
            tool_calls: None,
            tool_call_id: None,
            name: None,
        };
        match turn {
            Turn::Said(said) => message(role_name(said.role), &said.content),
            Turn::Answered {
                thought,
                content,
                calls,
            } => TemplateMessage {
                reasoning_content: (!thought.is_empty()).then(|| self.text(thought)),
                tool_calls: (!calls.is_empty())
                    .then(|| calls.iter().map(|call| self.call(call)).collect()),
                ..message("assistant", content)
            },
            Turn::Returned {
                content,
                call_id,
                name,
            } => TemplateMessage {
                tool_call_id: call_id.as_deref().map(|id| self.text(id)),
                name: name.as_deref().map(|name| self.text(name)),
                ..message("tool", content)
            },
        }
    }

    fn call(&self, call: &ToolCall) -> TemplateCall {
        let arguments = self.map(call.arguments.object()).into();
        TemplateCall {
            id: self.text(&call.id),
            r#type: "function",
            function: TemplateFunction {
                name: self.text(&call.name),
                arguments: Serde(Exact::new(&arguments, call.arguments.as_json())).into(),
            },
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(values) => self.all(values).into(),
            Value::Object(map) => self.map(map).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn all(&self, values: &[Value]) -> Vec<Value> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn map(&self, map: &Map<String, Value>) -> Map<String, Value> {
        let guarded = map
            .iter()
            .map(|(key, value)| (self.text(key), self.value(value)));
        guarded.collect()
    }

    fn text(&self, text: &str) -> String {
        let Some(mark) = self.mark else {
            return text.to_owned();
        };
        let mut guarded = String::with_capacity(text.len());
        let mut from = 0;
        for position in self.control.marks(text) {
            guarded.push_str(&text[from..position]);
            guarded.push(mark);
            from = position;
        }
        guarded + &text[from..]
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Model;
    use super::*;
    use crate::Message;

    /// Two questions, the first answered behind a thought; the second too where `again` is set.
    fn thoughtful(again: bool) -> Conversation {
        let asked = |content: &str| {
            let (role, content) = (Role::User, content.to_owned());
            Turn::Said(Message { role, content })
        };
        let answered = |thought: &str, content: &str| Turn::Answered {
            thought: thought.to_owned(),
            content: content.to_owned(),
            calls: Vec::new(),
        };
        let mut turns = vec![asked("One?"), answered("hm", "First."), asked("Two?")];
        if again {
            turns.push(answered("well<e>", "Second."));
        }
        Conversation {
            turns,
            ..Conversation::default()
        }
    }

    #[test]
    fn what_was_thought_reaches_a_template_apart_from_what_was_said() {
        let written = "{% for m in messages %}{{ m.role[0] }}({{ m.reasoning_content }}){{ m.content }} {% endfor %}";
        let model = Model::with_template(Some(written), &["<e>"]);
        let text = model.conversation_text(&thoughtful(true)).unwrap();
        assert_eq!(text, "u()One? a(hm)First. u()Two? a(well<e>)Second. ");
        let written = "{% for m in messages %}{{ m.content }}{{ m | length }} {% endfor %}";
        let model = Model::with_template(Some(written), &["<e>"]);
        let text = model.conversation_text(&thoughtful(true)).unwrap();
        assert_eq!(text, "One?2 First.3 Two?2 Second.3 ");
    }

    #[test]
    fn published_templates_leave_out_the_thoughts_of_earlier_turns() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
        for name in ["qwen_3", "thinker"] {
            let source = std::fs::read_to_string(format!("{folder}/{name}.jinja")).unwrap();
            let model = Model::with_template(Some(&source), &["<|im_end|>", "<|im_start|>"]);
            for again in [false, true] {
                let text = model.conversation_text(&thoughtful(again)).unwrap();
                assert!(text.contains("assistant\nFirst."), "{text}");
                let kept = text.contains("<think>\nwell<e>\n</think>\n\nSecond.");
                assert_eq!((text.contains("hm"), kept), (false, again), "{text}");
            }
        }
    }
}
