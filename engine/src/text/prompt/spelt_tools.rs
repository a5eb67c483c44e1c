//! Tools in a conversation whose template knows none: told in words, as Hermes's models are.
//!
//! The instructions say which tools there are and how a call is written, calls stand in what the assistant said, and results in
//! what a user says. Whoever answers is held to that form, as no training is.

use serde_json::json;

use crate::text::calls::CallFormat;
use crate::text::conversation::{Conversation, Message, Role, ToolCall, Turn};

/// How calls are told and read.
pub(super) const FORMAT: CallFormat = CallFormat::Tagged;

/// The same conversation without tools, calls and results; `role` tells of the tools.
pub(super) fn spelt(conversation: &Conversation, role: Role) -> Conversation {
    let mut turns: Vec<Turn> = Vec::new();
    let mut behind_result = false;
    for turn in &conversation.turns {
        let message = match turn {
            Turn::Said(message) => message.clone(),
            Turn::Answered { content, calls, .. } => said(Role::Assistant, called(content, calls)),
            Turn::Returned { content, .. } => {
                let result = format!("<tool_response>\n{content}\n</tool_response>");
                if behind_result && let Some(Turn::Said(before)) = turns.last_mut() {
                    // Templates want turns of the two to alternate.
                    before.content = format!("{}\n{result}", before.content);
                    continue;
                }
                said(Role::User, result)
            }
        };
        behind_result = matches!(turn, Turn::Returned { .. });
        turns.push(Turn::Said(message));
    }
    if !conversation.tools.is_empty() {
        instruct(&mut turns, role, &instructions(conversation));
    }
    Conversation {
        turns,
        continues_last: conversation.continues_last,
        variables: conversation.variables.clone(),
        ..Conversation::default()
    }
}

fn said(role: Role, content: String) -> Message {
    Message { role, content }
}

fn called(content: &str, calls: &[ToolCall]) -> String {
    let calls = calls.iter().map(|call| {
        format!(
            "<tool_call>\n{{\"name\": {}, \"arguments\": {}}}\n</tool_call>",
            json!(call.name),
            call.arguments.as_json()
        )
    });
    let said = Some(content.to_owned()).filter(|content| !content.is_empty());
    let parts: Vec<_> = said.into_iter().chain(calls).collect();
    parts.join("\n")
}

fn instructions(conversation: &Conversation) -> String {
    let tools = conversation.tools.iter();
    let tools: Vec<_> = tools.map(|tool| tool["function"].to_string()).collect();
    format!(
        "You may call functions to answer the user. These are the functions, as JSON schemas:\n<tools>\n{}\n</tools>\n\
         To call a function, write its name and its arguments as JSON between tags:\n<tool_call>\n\
         {{\"name\": \"function name\", \"arguments\": {{\"argument\": \"value\"}}}}\n</tool_call>\n\
         What it returns follows between <tool_response> tags. Where no function helps, answer in words.",
        tools.join("\n")
    )
}

/// Behind the instructions that there are, before the first question, or as the first turn.
fn instruct(turns: &mut Vec<Turn>, by: Role, instructions: &str) {
    match turns.first_mut() {
        Some(Turn::Said(Message { role, content })) if *role == by => {
            *content = match by {
                Role::User => format!("{instructions}\n\n{content}"),
                Role::System | Role::Assistant => format!("{content}\n\n{instructions}"),
            };
        }
        _ => turns.insert(0, Turn::Said(said(by, instructions.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::conversation::Arguments;

    #[test]
    fn tools_calls_and_results_are_told_in_words() {
        let call = ToolCall {
            id: "1".into(),
            name: "weather".into(),
            arguments: Arguments::parse(r#"{"where":"Rome"}"#).unwrap(),
        };
        let returned = |content: &str| Turn::Returned {
            content: content.into(),
            call_id: None,
            name: None,
        };
        let conversation = Conversation {
            turns: vec![
                Turn::Said(said(Role::System, "Be brief.".into())),
                Turn::Said(said(Role::User, "Rome?".into())),
                Turn::Answered {
                    thought: String::new(),
                    content: "Let me see.".into(),
                    calls: vec![call],
                },
                returned("warm"),
                returned("dry"),
            ],
            tools: vec![json!({ "type": "function", "function": { "name": "weather" } })],
            ..Conversation::default()
        };
        let spelt = spelt(&conversation, Role::System);
        let texts: Vec<_> = spelt
            .turns
            .iter()
            .map(|turn| match turn {
                Turn::Said(Message { role, content }) => (*role, content.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0].0, Role::System);
        assert!(
            texts[0]
                .1
                .starts_with("Be brief.\n\nYou may call functions")
        );
        assert!(
            texts[0]
                .1
                .contains("<tools>\n{\"name\":\"weather\"}\n</tools>")
        );
        assert_eq!(
            texts[2],
            (
                Role::Assistant,
                "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"where\":\"Rome\"}}\n</tool_call>"
            )
        );
        let results =
            "<tool_response>\nwarm\n</tool_response>\n<tool_response>\ndry\n</tool_response>";
        assert_eq!(texts[3..], [(Role::User, results)]);
        assert!(spelt.tools.is_empty() && !spelt.uses_tools());
    }

    #[test]
    fn instructions_come_first_where_there_are_none() {
        let conversation = Conversation {
            tools: vec![json!({ "type": "function", "function": { "name": "now" } })],
            ..Conversation::from(vec![said(Role::User, "When?".into())])
        };
        let turns = spelt(&conversation, Role::System).turns;
        assert_eq!(turns.len(), 2);
        let asked = &spelt(&conversation, Role::User).turns;
        let [Turn::Said(Message { content, .. })] = &asked[..] else {
            panic!("{asked:?}");
        };
        assert!(content.starts_with("You may call") && content.ends_with("\n\nWhen?"));
        assert!(matches!(
            &turns[0],
            Turn::Said(Message {
                role: Role::System,
                ..
            })
        ));
    }
}
