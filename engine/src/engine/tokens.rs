//! What a prompt comes to without an answer: its text behind the chat template, its tokens, and the text of tokens.
//!
//! Of more tokens than the context holds too, so that whoever counts learns by how much, and of no more than [`MOST_TOKENS`].

use super::Engine;
use crate::text::conversation::Conversation;
use crate::{Error, Prompt, Reading, Thinking};

/// Twice a context of 128k: what is counted also takes its bytes in the reply.
const MOST_TOKENS: usize = 256 << 10;

impl Engine {
    /// What the model's chat template makes of a conversation.
    ///
    /// # Errors
    /// [`Error::Request`] for what the template refuses.
    pub fn laid_out(
        &self,
        conversation: &Conversation,
        thinking: Thinking,
    ) -> Result<String, Error> {
        conversation.check_end()?;
        let (rendered, ..) = self.rendered(conversation, thinking)?;
        Ok(rendered.without_marks().0.into_owned())
    }

    /// The tokens that the model would read of a prompt.
    ///
    /// # Errors
    /// [`Error::Request`] for what the template refuses, for words without end, and for what is no token.
    pub fn prompt_tokens(&self, prompt: &Prompt, thinking: Thinking) -> Result<Vec<u32>, Error> {
        prompt.check()?;
        match prompt {
            Prompt::Chat(conversation) => {
                let (tokenizer, model) = (&self.tokenizer, &self.info.id);
                self.template.call_format(conversation, tokenizer, model)?;
                let (rendered, ..) = self.rendered(conversation, thinking)?;
                self.within(prompt.field(), MOST_TOKENS, |bounds| {
                    self.tokenizer.prompt_within(&rendered, bounds)
                })
            }
            Prompt::Raw(text) => self.within(prompt.field(), MOST_TOKENS, |bounds| {
                self.tokenizer.raw_within(text, bounds)
            }),
            Prompt::Tokens(tokens) => self.known(prompt.field(), tokens).map(<[u32]>::to_vec),
        }
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// [`Error::Request`] for words without end.
    pub fn text_tokens(&self, text: &str, reading: Reading) -> Result<Vec<u32>, Error> {
        self.within("prompt", MOST_TOKENS, |bounds| {
            self.tokenizer.read_within(text, reading, bounds)
        })
    }

    /// The tokens that begin a text and end one, as they are written, where the model names them.
    #[must_use]
    pub fn first_and_last(&self) -> [Option<&str>; 2] {
        let tokenizer = &self.tokenizer;
        [tokenizer.bos(), tokenizer.eos()].map(|id| tokenizer.token_text(id?))
    }

    /// The text that tokens spell, control tokens as they are written; bytes that are no character become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Request`] for what is no token.
    pub fn spelt(&self, tokens: &[u32]) -> Result<String, Error> {
        self.known("tokens", tokens)?;
        Ok(self.tokenizer.spelt(tokens))
    }

    /// Tokens that the vocabulary has.
    pub(super) fn known<'t>(
        &self,
        field: &'static str,
        tokens: &'t [u32],
    ) -> Result<&'t [u32], Error> {
        let vocabulary = self.info.vocabulary;
        match tokens.iter().find(|&&id| id as usize >= vocabulary) {
            None => Ok(tokens),
            Some(id) => Err(Error::request(
                field,
                format!("`{field}` must hold tokens below {vocabulary}, found {id}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LoadOptions, Message, Role};

    fn engine() -> Engine {
        Engine::load(&LoadOptions {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf").into(),
            threads: Some(1),
            ..LoadOptions::default()
        })
        .unwrap()
    }

    fn said(content: &str) -> Conversation {
        let role = Role::User;
        vec![Message {
            role,
            content: content.to_owned(),
        }]
        .into()
    }

    #[test]
    fn a_conversation_counts_as_what_its_template_writes() {
        let engine = engine();
        let conversation = said("the dog");
        let thinking = Thinking::default();
        let text = engine.laid_out(&conversation, thinking).unwrap();
        assert!(text.contains("the dog"), "{text}");
        let raw = engine.prompt_tokens(&Prompt::Raw(text), thinking).unwrap();
        let chat = Prompt::Chat(conversation);
        assert_eq!(engine.prompt_tokens(&chat, thinking).unwrap(), raw);
    }

    #[test]
    fn more_than_the_context_holds_is_counted_too() {
        let engine = engine();
        let long = "the dog ".repeat(engine.info.context);
        let counted = engine.prompt_tokens(&Prompt::Chat(said(&long)), Thinking::default());
        assert!(counted.unwrap().len() > engine.info.context);
    }

    #[test]
    fn tokens_spell_the_text_that_they_were_made_of() {
        let engine = engine();
        let reading = Reading {
            control_tokens: true,
            first_token: false,
        };
        let tokens = engine.text_tokens("the dog", reading).unwrap();
        assert_eq!(engine.spelt(&tokens).unwrap().trim_start(), "the dog");
        let past = engine.info.vocabulary as u32;
        let unknown = engine.spelt(&[0, past]).unwrap_err().to_string();
        assert_eq!(
            unknown,
            format!("`tokens` must hold tokens below {past}, found {past}")
        );
        let prompt = Prompt::Tokens(vec![past]);
        let unknown = engine.prompt_tokens(&prompt, Thinking::default());
        assert!(matches!(
            unknown,
            Err(Error::Request {
                field: "prompt",
                ..
            })
        ));
    }
}
