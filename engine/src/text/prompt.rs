//! Conversations laid out by the model's own chat template, in the dialect that Hugging Face's templates expect.
//!
//! A template comes with the model file, so it is given a budget of work and memory, not trust. A message never turns
//! into control tokens: texts that could be mistaken for one are marked before rendering and unmarked behind the
//! search for control tokens, so that words still merge across the border between template and message.

mod continued;
mod exact;
mod guard;
mod identifiers;
mod jinja;
mod json;
mod scopes;
mod spelt_tools;
mod thoughts;
mod tools;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use minijinja::Value;
use minijinja::value::Serde;

use self::guard::Guarded;
use self::jinja::{Failure, Template};
use self::tools::Tools;
use crate::Error;
use crate::text::conversation::Conversation;
use crate::text::rendered::RenderedPrompt;
use crate::text::tokenizer::Tokenizer;

/// The one layout that several families share, for files without a template whose vocabulary has its tokens.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + \
                      '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// The template of one model.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    /// Compiled, or why there is none: a model without a usable template still continues raw text.
    template: Result<Template, String>,
    source: String,
    /// What it makes of tools, from when somebody asks.
    tools: OnceLock<Tools>,
    /// How it ends a thought, from when somebody bounds one.
    end_of_thought: OnceLock<String>,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// A template. Without one, ChatML where the vocabulary has its tokens, for then the model was
    /// trained on it; any other guess would give bad answers without a word, so then chatting is an error.
    ///
    /// # Errors
    /// [`Error::NoThread`] when the system gives none to read it on.
    pub(crate) fn new(source: Option<&str>, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let is_control = |text| tokenizer.control().id(text).is_some();
        let has_chatml = is_control("<|im_start|>") && is_control("<|im_end|>");
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
        let template = match source.clone().map(Template::compile) {
            Ok(Ok(template)) => Ok(template),
            Ok(Err(Failure::NoThread(why))) => return Err(Error::NoThread(why)),
            Ok(Err(Failure::Template(why))) => Err(format!(
                "the model's chat template cannot be used (`--raw` can): {why}"
            )),
            Err(why) => Err(why),
        };
        Ok(Self {
            source: source.unwrap_or_default(),
            tools: OnceLock::new(),
            end_of_thought: OnceLock::new(),
            template,
            bos_token: text_of(tokenizer.bos()),
            eos_token: text_of(tokenizer.eos()),
        })
    }

    /// The conversation up to where the model's next turn starts, or up to where it goes on with the last one.
    pub(crate) fn render(
        &self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        if conversation.turns.is_empty() {
            return Err(refused(
                "`messages` must hold at least one message, found none",
            ));
        }
        match conversation.continued() {
            Some(said) => self.render_continued(said, conversation, tokenizer),
            None => self.render_turns(conversation, tokenizer),
        }
    }

    fn render_turns(
        &self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        let given = self.render_as_given(conversation, tokenizer);
        if let Err(Error::Request { .. }) = given
            && let Some(renamed) = identifiers::with_short_identifiers(conversation)
            && let Ok(prompt) = self.render_as_given(&renamed, tokenizer)
        {
            return Ok(prompt);
        }
        given
    }

    fn render_as_given(
        &self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<RenderedPrompt, Error> {
        let template = self.template.as_ref();
        let template = template.map_err(|why| refused(why.clone()))?;
        let guarded = guard::guard(conversation, &self.source, tokenizer.control())?;
        let mark = guarded.mark;
        let text = template.render(self.values(guarded));
        let text = text.map_err(|failure| match failure {
            Failure::NoThread(why) => Error::NoThread(why),
            Failure::Template(why) => refused(format!(
                "the model's chat template refuses the conversation: {why}"
            )),
        })?;
        Ok(RenderedPrompt::new(text, mark))
    }

    /// What the template is given: what `transformers` gives it. A caller's variables replace `add_generation_prompt` and
    /// nothing else of it.
    fn values(&self, guarded: Guarded) -> Value {
        let mut values = guarded.variables;
        // Under other names no template can read any, but the operators have theirs.
        values.retain(|name, _| {
            name.chars()
                .all(|part| part == '_' || part.is_alphanumeric())
        });
        values
            .entry("add_generation_prompt")
            .or_insert(serde_json::Value::Bool(true));
        let values = values.into_iter();
        let mut values: BTreeMap<String, Value> = values
            .map(|(name, value)| (name, Serde(value).into()))
            .collect();
        let own = [
            ("messages", Serde(guarded.messages).into()),
            ("tools", Serde(guarded.tools).into()),
            ("documents", ().into()),
            ("bos_token", self.bos_token.clone().into()),
            ("eos_token", self.eos_token.clone().into()),
        ];
        values.extend(own.map(|(name, value)| (name.to_owned(), value)));
        values.into()
    }
}

/// An error about the conversation.
fn refused(reason: impl Into<String>) -> Error {
    Error::request("messages", reason)
}
