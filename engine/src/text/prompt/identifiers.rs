//! Identifiers of calls as Mistral's templates demand them: nine characters. Clients write what OpenAI's API gives them.

use std::collections::HashMap;

use crate::text::calls::{IDENTIFIER_LENGTH, identifier};
use crate::text::conversation::{Conversation, Turn};

/// The same conversation with identifiers of nine characters, calls and their results alike; none where nothing changes.
pub(super) fn with_short_identifiers(conversation: &Conversation) -> Option<Conversation> {
    let mut renamed = conversation.clone();
    let mut names = Names::default();
    for turn in &mut renamed.turns {
        match turn {
            Turn::Said(_) => {}
            Turn::Answered { calls, .. } => {
                calls
                    .iter_mut()
                    .for_each(|call| names.shorten(&mut call.id));
            }
            Turn::Returned { call_id, .. } => {
                call_id.iter_mut().for_each(|id| names.shorten(id));
            }
        }
    }
    (!names.long.is_empty()).then_some(renamed)
}

/// The identifiers of another length so far, numbered in their order, so that longer conversations begin alike.
#[derive(Default)]
struct Names {
    long: HashMap<String, u64>,
}

impl Names {
    fn shorten(&mut self, id: &mut String) {
        if id.chars().count() != IDENTIFIER_LENGTH {
            let next = self.long.len() as u64;
            let number = *self.long.entry(id.clone()).or_insert(next);
            *id = identifier(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Model;
    use super::*;
    use crate::text::conversation::ToolCall;
    use crate::{Message, Role};

    /// A question, and calls with these identifiers and their results.
    fn rounds(ids: &[&str]) -> Conversation {
        let call = |id: &&str| ToolCall {
            id: (*id).to_owned(),
            name: "now".to_owned(),
            arguments: Default::default(),
        };
        let returned = |id: &&str| Turn::Returned {
            content: "noon".to_owned(),
            call_id: Some((*id).to_owned()),
            name: Some("now".to_owned()),
        };
        let mut conversation = Conversation::from(vec![Message {
            role: Role::User,
            content: "When?".to_owned(),
        }]);
        conversation.turns.push(Turn::Answered {
            thought: String::new(),
            content: String::new(),
            calls: ids.iter().map(call).collect(),
        });
        conversation.turns.extend(ids.iter().map(returned));
        conversation
    }

    #[test]
    fn a_template_that_demands_nine_characters_gets_them() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
        let source = std::fs::read_to_string(format!("{folder}/mistral_nemo.jinja")).unwrap();
        let model = Model::with_template(Some(&source), &["</s>", "<s>", "[TOOL_CALLS]"]);
        let text = |ids: &[&str]| model.conversation_text(&rounds(ids)).unwrap();
        let long = text(&["call_1a2b3c", "abcdefghi", "", "é"]);
        for id in ["000000000", "abcdefghi", "100000000", "200000000"] {
            assert_eq!(long.matches(&format!("\"{id}\"")).count(), 2, "{long}");
        }
        assert_eq!(text(&["c", "c"]), text(&["000000000", "000000000"]));
    }

    #[test]
    fn other_templates_get_the_identifiers_that_the_client_wrote() {
        let source = "{% for m in messages %}{{ m.tool_call_id }};{% for c in m.tool_calls %}{{ c.id }},{% endfor %}{% endfor %}";
        let model = Model::with_template(Some(source), &["<e>"]);
        let text = model.conversation_text(&rounds(&["call_1", "x"])).unwrap();
        assert_eq!(text, ";;call_1,x,call_1;x;");
    }

    #[test]
    fn what_is_refused_for_another_reason_is_refused_for_that() {
        let model = Model::with_template(Some("{{ raise_exception('no calls') }}"), &["<e>"]);
        let refusal = model.conversation_text(&rounds(&["call_1"])).unwrap_err();
        assert!(refusal.contains("no calls"), "{refusal}");
    }
}
