//! What a chat template makes of tools. Its source says little of that, so a conversation with a call is laid out and
//! looked at.

use serde_json::json;

use super::{ChatTemplate, spelt_tools};
use crate::text::calls::CallFormat;
use crate::text::conversation::{Arguments, Conversation, ToolCall, Turn};
use crate::text::rendered::RenderedPrompt;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Message, Role};

const QUESTION: &str = "nibble_asks";
const OFFERED: &str = "nibble_offers";
const CALLED: &str = "nibble_calls";
const RETURNED: &str = "nibble_returns";

/// What a template makes of tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tools {
    /// Whether it lays out tools, calls and results.
    are_read: bool,
    /// How it writes calls, and so the model; none for a form that is not known.
    calls: Option<CallFormat>,
}

impl ChatTemplate {
    /// How the model will write calls of the conversation's tools; none where it offers none.
    ///
    /// # Errors
    /// [`Error::Request`] for tools whose calls could not be told from text; [`Error::NoThread`].
    pub(crate) fn call_format(
        &self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
        model: &str,
    ) -> Result<Option<CallFormat>, Error> {
        if conversation.tools.is_empty() {
            return Ok(None);
        }
        let tools = self.tools(tokenizer)?;
        if !tools.are_read {
            return Ok(Some(spelt_tools::FORMAT));
        }
        let known = tools.calls.ok_or_else(|| {
            refused(format!(
                "the chat template of `{model}` writes calls of tools in a form that is not known here, so they could \
                 not be told from text"
            ))
        });
        known.map(Some)
    }

    /// Whether it lays out tools, calls and results.
    ///
    /// # Errors
    /// [`Error::NoThread`].
    pub(crate) fn reads_tools(&self, tokenizer: &Tokenizer) -> Result<bool, Error> {
        Ok(self.tools(tokenizer)?.are_read)
    }

    /// [`Self::render`] of a conversation whose tools are told in words where the template reads none: in the instructions,
    /// or before the first question where it takes no instructions.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub(crate) fn render_told(
        &self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        if !conversation.uses_tools() || self.reads_tools(tokenizer)? {
            return self.render(conversation, tokenizer);
        }
        let told_by = |role| self.render(&spelt_tools::spelt(conversation, role), tokenizer);
        match told_by(Role::System) {
            Err(Error::Request { .. }) => told_by(Role::User),
            rendered => rendered,
        }
    }

    fn tools(&self, tokenizer: &Tokenizer) -> Result<Tools, Error> {
        if let Some(tools) = self.tools.get() {
            return Ok(*tools);
        }
        let found = self.look_at_tools(tokenizer)?;
        Ok(*self.tools.get_or_init(|| found))
    }

    fn look_at_tools(&self, tokenizer: &Tokenizer) -> Result<Tools, Error> {
        let prompt = match self.render(&example(), tokenizer) {
            Err(Error::Request { .. }) => return Ok(Tools::default()),
            prompt => prompt?,
        };
        let (text, _) = prompt.without_marks();
        let Some((before, behind)) = text.split_once(CALLED) else {
            return Ok(Tools::default());
        };
        // Blanks are a matter of taste.
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        // Before the question there may be instructions, with examples of their own.
        let turn = before.rsplit(QUESTION).next().unwrap_or_default();
        let (before, behind) = (without_blanks(turn), without_blanks(behind));
        let opens =
            |format: CallFormat, json| before.contains(&format!("{}{json}", format.opening()));
        let calls = if opens(CallFormat::Tagged, "{") {
            Some(CallFormat::Tagged)
        } else if opens(CallFormat::Listed, "[{") {
            Some(CallFormat::Listed)
        } else if before.ends_with(r#"{"name":""#) && behind.starts_with(r#"","parameters":{"#) {
            Some(CallFormat::Bare)
        } else {
            None
        };
        let are_read = [QUESTION, OFFERED, RETURNED]
            .iter()
            .all(|part| text.contains(part));
        Ok(Tools { are_read, calls })
    }
}

/// An error about tools, or about the turns that only tools make.
fn refused(reason: String) -> Error {
    Error::request("tools", reason)
}

/// A question, a call and its result, where a tool is offered.
fn example() -> Conversation {
    let id = "nibble123".to_owned();
    let question = Message {
        role: Role::User,
        content: QUESTION.to_owned(),
    };
    let parameters = json!({ "type": "object", "properties": {} });
    let function = json!({ "name": OFFERED, "description": "", "parameters": parameters });
    let call = ToolCall {
        id: id.clone(),
        name: CALLED.to_owned(),
        arguments: Arguments::default(),
    };
    Conversation {
        turns: vec![
            Turn::Said(question),
            Turn::Answered {
                thought: String::new(),
                content: String::new(),
                calls: vec![call],
            },
            Turn::Returned {
                content: RETURNED.to_owned(),
                call_id: Some(id),
                name: Some(CALLED.to_owned()),
            },
        ],
        tools: vec![json!({ "type": "function", "function": function })],
        ..Conversation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Model;
    use super::*;

    /// How the template of this source writes calls of the example's tools.
    fn found(source: &str) -> Result<String, String> {
        let control = ["<e>", "<tool_call>", "[TOOL_CALLS]", "<|python_tag|>"];
        Model::with_template(Some(source), &control).call_format(&example())
    }

    fn reads(source: &str) -> bool {
        Model::with_template(Some(source), &["<e>"]).reads_tools()
    }

    fn template(layout_of_call: &str) -> String {
        let call = "{% set call = message.tool_calls[0].function %}";
        format!(
            "{{{{ tools }}}}{{% for message in messages %}}{{{{ message.content }}}}{{% if message.tool_calls %}}{call}\
             {layout_of_call}{{% endif %}}{{% endfor %}}"
        )
    }

    #[test]
    fn published_templates_show_how_their_models_write_calls() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
        for (name, expected) in [
            ("qwen_2_5", Some("Some(Tagged)")),
            ("qwen_3", Some("Some(Tagged)")),
            ("mistral_nemo", Some("Some(Listed)")),
            ("llama_3_1", Some("Some(Bare)")),
            // In words.
            ("llama_2", Some("Some(Tagged)")),
            ("mistral_1", Some("Some(Tagged)")),
            ("smollm2", Some("Some(Tagged)")),
        ] {
            let source = std::fs::read_to_string(format!("{folder}/{name}.jinja")).unwrap();
            let found = found(&source);
            assert_eq!(found.as_deref().ok(), expected, "{name}: {found:?}");
            let is_told_in_words = ["llama_2", "mistral_1", "smollm2"].contains(&name);
            assert_eq!(reads(&source), !is_told_in_words, "{name}");
        }
    }

    #[test]
    fn a_template_reads_tools_that_lays_them_out_not_one_that_names_them() {
        let tagged = r#"<tool_call>{"name": "{{ call.name }}"}"#;
        assert_eq!(found(&template(tagged)).unwrap(), "Some(Tagged)");
        for source in [
            "{# tools, tool_calls #}{{ messages[0].content }}",
            "{% if tools and tool_calls %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}",
            "{{ raise_exception('no tools, no tool_calls') }}",
            "{% for %}",
            &template(tagged).replace("{{ tools }}", ""),
            &template("{# no call #}"),
        ] {
            assert!(!reads(source), "{source}");
        }
        assert!(reads(&template(tagged)));
    }

    #[test]
    fn calls_in_another_form_are_refused_but_not_what_came_of_them() {
        let functional = template("<tool_call>\n<function={{ call.name }}></function>");
        for source in [
            &functional,
            &template(r#"{"name": "{{ call.name }}", "arguments": {}}"#),
        ] {
            let refusal = found(source).unwrap_err();
            assert!(
                refusal.contains("in a form that is not known"),
                "{source}: {refusal}"
            );
        }
        let told = Conversation {
            tools: Vec::new(),
            ..example()
        };
        let model = Model::with_template(Some(&functional), &["<e>"]);
        assert_eq!(model.call_format(&told).unwrap(), "None");
        let model = Model::with_template(None, &["<|im_start|>", "<|im_end|>"]);
        let plain = Conversation {
            turns: told.turns[..1].to_vec(),
            ..Conversation::default()
        };
        assert_eq!(model.call_format(&plain).unwrap(), "None");
        assert_eq!(model.call_format(&told).unwrap(), "None");
    }
}
