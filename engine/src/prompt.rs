//! Conversations laid out by the model's own chat template, in the dialect that Hugging Face's templates expect.
//!
//! A template comes with the model file, so it is given a budget of work and memory, not trust. A message never turns
//! into control tokens: texts that could be mistaken for one are marked before rendering and unmarked behind the
//! search for control tokens, so that words still merge across the border between template and message.

mod jinja;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use minijinja::{Environment, Value, context};

use crate::tokenizer::{Literals, Tokenizer};
use crate::{Error, Message, Role};

/// The one layout that several families share, for files without a template whose vocabulary has its tokens.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + \
                      '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const TEMPLATE: &str = "chat template";

/// The template of one model.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    /// Compiled, or why there is none: a model without a usable template still continues raw text.
    environment: Result<Environment<'static>, String>,
    source: String,
    bos_token: String,
    eos_token: String,
}

/// A conversation as text, in which messages cannot be mistaken for control tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RenderedPrompt {
    text: String,
    /// A character that stands between the characters of would-be control tokens and nowhere else.
    mark: Option<char>,
}

impl RenderedPrompt {
    /// The text with its marks, to find the template's control tokens in.
    pub(crate) fn guarded_text(&self) -> &str {
        &self.text
    }

    /// A part of [`Self::guarded_text`] without marks.
    pub(crate) fn unguarded<'t>(&self, part: &'t str) -> Cow<'t, str> {
        match self.mark {
            Some(mark) if part.contains(mark) => Cow::Owned(part.replace(mark, "")),
            _ => Cow::Borrowed(part),
        }
    }
}

impl ChatTemplate {
    /// A template. Without one, ChatML where the vocabulary has its tokens, for then the model was
    /// trained on it; any other guess would give bad answers without a word, so then chatting is an error.
    pub(crate) fn new(source: Option<&str>, tokenizer: &Tokenizer) -> Self {
        let control = tokenizer.control();
        let has_chatml = control.contain("<|im_start|>") && control.contain("<|im_end|>");
        let source = match source {
            Some(source) => Ok(source.to_owned()),
            None if has_chatml => Ok(CHATML.to_owned()),
            None => Err(
                "the model has no chat template; it can continue text (`--raw`), but not chat"
                    .to_owned(),
            ),
        };
        let text_of = |id: Option<u32>| {
            let text = id.and_then(|id| tokenizer.token_text(id));
            text.unwrap_or_default().to_owned()
        };
        Self {
            source: source.clone().unwrap_or_default(),
            environment: source.and_then(|source| {
                jinja::environment(TEMPLATE, source).map_err(|why| {
                    format!("the model's chat template cannot be used (`--raw` can): {why}")
                })
            }),
            bos_token: text_of(tokenizer.bos()),
            eos_token: text_of(tokenizer.eos()),
        }
    }

    /// The conversation up to where the model's next turn starts.
    pub(crate) fn render(
        &self,
        messages: &[Message],
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        if messages.is_empty() {
            return Err(Error::Request(
                "`messages` must hold at least one message, found none".into(),
            ));
        }
        let environment = self.environment.as_ref();
        let environment = environment.map_err(|why| Error::Request(why.clone()))?;
        let (messages, mark) = self.guard(messages, tokenizer.control())?;
        let values = || {
            context! {
                messages,
                add_generation_prompt => true,
                bos_token => self.bos_token.as_str(),
                eos_token => self.eos_token.as_str(),
            }
        };
        let text = jinja::render(environment, TEMPLATE, values).map_err(|why| {
            Error::Request(format!(
                "the model's chat template refuses the conversation: {why}"
            ))
        })?;
        Ok(RenderedPrompt { text, mark })
    }

    /// The messages with marks in would-be control tokens, and the mark if there is any.
    fn guard(
        &self,
        messages: &[Message],
        control: &Literals,
    ) -> Result<(Value, Option<char>), Error> {
        let marks: Vec<_> = messages
            .iter()
            .map(|message| control.marks(&message.content))
            .collect();
        let mark = match marks.iter().all(|marks| marks.is_empty()) {
            true => None,
            false => Some(self.unused_character(messages)?),
        };
        let guarded = messages.iter().zip(&marks).map(|(message, marks)| {
            let mut content = message.content.clone();
            // From the back, so that the positions before stay true.
            for &position in marks.iter().rev() {
                content.insert(position, mark.unwrap_or_default());
            }
            context! { role => role_name(message.role), content }
        });
        Ok((guarded.collect(), mark))
    }

    /// A character for marks: one that Unicode keeps out of texts, and that these messages keep out too.
    fn unused_character(&self, messages: &[Message]) -> Result<char, Error> {
        let planes = (0..=16).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
        let nonchars = (0xfdd0..=0xfdef).chain(planes).filter_map(char::from_u32);
        let mut unused = nonchars.filter(|&mark| {
            let used = |message: &Message| message.content.contains(mark);
            !self.source.contains(mark) && !messages.iter().any(used)
        });
        unused.next().ok_or_else(|| {
            Error::Request("the messages hold control tokens and every Unicode noncharacter".into())
        })
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}
