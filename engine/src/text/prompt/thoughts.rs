//! What a chat template makes of thoughts: the marks that it names, and how it ends one, which is looked at.

use super::ChatTemplate;
use crate::text::conversation::{Conversation, Turn};
use crate::text::thoughts::Marks;
use crate::text::tokenizer::Tokenizer;
use crate::{Error, Message, Role};

const THOUGHT: &str = "nibble_thinks";
const ANSWER: &str = "nibble_answers";

impl ChatTemplate {
    /// What the model's thoughts stand between; nothing where it is not known to think.
    pub(crate) fn thought_marks(&self) -> Option<&'static Marks> {
        Marks::named_in(&self.source)
    }

    /// What stands between a thought and its answer: the closing mark, with the blanks that the template has around it.
    ///
    /// # Errors
    /// [`Error::NoThread`].
    pub(crate) fn end_of_thought(
        &self,
        marks: &Marks,
        tokenizer: &Tokenizer,
    ) -> Result<&str, Error> {
        if let Some(end) = self.end_of_thought.get() {
            return Ok(end);
        }
        let prompt = match self.render(&example(), tokenizer) {
            Err(Error::Request { .. }) => None,
            prompt => Some(prompt?),
        };
        let text = prompt.as_ref().map(|prompt| prompt.without_marks().0);
        let shown = text.as_deref().and_then(|text| {
            let (_, behind) = text.split_once(THOUGHT)?;
            let (between, _) = behind.split_once(ANSWER)?;
            (between.trim() == marks.closing).then_some(between)
        });
        let end = shown.unwrap_or(marks.end).to_owned();
        Ok(self.end_of_thought.get_or_init(|| end))
    }
}

/// A question, and an answer with its thought.
fn example() -> Conversation {
    let question = Message {
        role: Role::User,
        content: "nibble_asks".to_owned(),
    };
    let answer = Turn::Answered {
        thought: THOUGHT.to_owned(),
        content: ANSWER.to_owned(),
        calls: Vec::new(),
    };
    let variables = [("enable_thinking", true), ("add_generation_prompt", false)];
    Conversation {
        turns: vec![Turn::Said(question), answer],
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
        ..Conversation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Model;

    /// How a template ends a thought; nothing where it names no marks.
    fn end(source: &str) -> Option<String> {
        Model::with_template(Some(source), &["<e>"]).end_of_thought()
    }

    #[test]
    fn a_template_shows_how_a_thought_ends() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/chat_templates");
        for (name, expected) in [
            ("qwen_3", Some("\n</think>\n\n")),
            ("thinker", Some("\n</think>\n\n")),
            ("qwen_2_5", None),
            ("smollm2", None),
        ] {
            let source = std::fs::read_to_string(format!("{folder}/{name}.jinja")).unwrap();
            assert_eq!(end(&source).as_deref(), expected, "{name}");
        }
        let written =
            "{% for m in messages %}{{ m.reasoning_content }}[/THINK] {{ m.content }}{% endfor %}";
        assert_eq!(end(written).as_deref(), Some("[/THINK] "));
    }

    #[test]
    fn a_template_that_shows_no_thought_ends_it_as_its_family_does() {
        for (source, expected) in [
            ("{{ messages[0].content }}<think>\n", "\n</think>\n\n"),
            (
                "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}",
                "\n</think>\n\n",
            ),
            ("{{ raise_exception('[THINK] no') }}", "[/THINK]"),
            (
                "{% for m in messages %}{{ m.reasoning_content }}</think> So: {{ m.content }}{% endfor %}",
                "\n</think>\n\n",
            ),
        ] {
            assert_eq!(end(source).as_deref(), Some(expected), "{source}");
        }
    }
}
