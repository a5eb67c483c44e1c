//! Prompts that end within the last message, so that the model goes on with it, as `transformers` lays them out with its
//! `continue_final_message`.
//!
//! A template knows nothing of that. It lays the message out as a whole one, with a character at its end that stands nowhere
//! else, and the prompt ends where that comes out. To look for the text instead would not do: templates trim what they are
//! given, and what they write behind it may look like it. With the character there, blanks at its end are kept.

use super::{ChatTemplate, RenderedPrompt, guard, refused};
use crate::Error;
use crate::text::conversation::{Conversation, Turn};
use crate::text::tokenizer::Tokenizer;
use crate::{Message, Role};

/// What stands around thoughts in a message.
const OPENS_THOUGHTS: &str = "<think>";
const CLOSES_THOUGHTS: &str = "</think>";

impl ChatTemplate {
    /// The conversation up to the end of what was `said` last.
    ///
    /// # Errors
    /// [`Error::Request`] for a template that refuses the conversation, or leaves out the end of its last message.
    pub(super) fn render_continued(
        &self,
        said: &str,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        let end = guard::unused_character(&guard::texts(conversation), &self.source)?;
        for behind in behind_the_end(said) {
            let content = format!("{said}{end}{behind}");
            let mut prompt = self.render_turns(&ending_with(content, conversation), tokenizer)?;
            if prompt.cut_at_last(end) {
                return Ok(prompt);
            }
        }
        Err(refused(
            "the last message cannot be continued: the model's chat template does not lay out its end",
        ))
    }
}

/// What may stand behind the end, the first that the template makes something of. Many templates lay out whole thoughts apart
/// from what was said and put an empty one before what has none, so one that is still open is closed for them; others cut off
/// all whole thoughts.
fn behind_the_end(said: &str) -> &'static [&'static str] {
    let thinks = said.trim_start().starts_with(OPENS_THOUGHTS) && !said.contains(CLOSES_THOUGHTS);
    match thinks {
        true => &[CLOSES_THOUGHTS, ""],
        false => &[""],
    }
}

/// The conversation with other words in its last message, and nothing to follow that.
fn ending_with(content: String, conversation: &Conversation) -> Conversation {
    let mut ending = Conversation {
        continues_last: false,
        ..conversation.clone()
    };
    let role = Role::Assistant;
    let last = match ending.turns.pop() {
        Some(Turn::Answered { thought, calls, .. }) => Turn::Answered {
            thought,
            content,
            calls,
        },
        _ => Turn::Said(Message { role, content }),
    };
    ending.turns.push(last);
    let no_answer = ("add_generation_prompt".to_owned(), false.into());
    ending.variables.extend([no_answer]);
    ending
}

#[cfg(test)]
mod tests;
