//! What a request comes to before it waits: its prompt as tokens, and what will read the answer.

use std::borrow::Cow;

use super::Engine;
use crate::answer::generation::entropy;
use crate::answer::pending::ThoughtLimit;
use crate::answer::rows::PromptRows;
use crate::text::calls::CallReader;
use crate::text::conversation::Conversation;
use crate::text::rendered::RenderedPrompt;
use crate::text::thoughts::ThoughtReader;
use crate::text::tokenizer::{Bounds, Excess};
use crate::{Error, Prompt, Request, Siblings, Thinking, Wanted};

/// The longest word of a prompt, in bytes: BPE takes some hundred bytes for each while it merges them.
const MAX_WORD_BYTES: usize = 128 << 10;

#[derive(Default)]
pub(super) struct Prepared {
    /// At least one, and no more than leave the context room for what is wanted.
    pub(super) tokens: Vec<u32>,
    pub(super) thoughts: Option<ThoughtReader>,
    pub(super) thought_limit: Option<ThoughtLimit>,
    pub(super) calls: Option<CallReader>,
}

impl Prepared {
    /// What is to be read of the whole prompt.
    pub(super) fn rows(&self, wanted: Wanted) -> Option<PromptRows> {
        let pooled = wanted.embedding;
        let pooled = pooled.map(|pooling| PromptRows::pooled(&self.tokens, pooling));
        let most = wanted.prompt_logprobs;
        pooled.or_else(|| most.map(|most| PromptRows::scores(&self.tokens, most)))
    }
}

impl Engine {
    /// # Errors
    /// [`Error::Request`] for what the template refuses, [`Error::TooLong`] for a prompt that the context cannot hold.
    pub(super) fn prepare(&self, request: &Request) -> Result<Prepared, Error> {
        let (prompt, siblings) = (&request.prompt, request.siblings.as_ref());
        let tokens = |tokenize: &dyn Fn() -> Result<Vec<u32>, Error>| match siblings
            .and_then(Siblings::tokens)
        {
            Some(known) => Ok(known.to_vec()),
            None => tokenize(),
        };
        let prepared = match prompt {
            Prompt::Raw(text) => Prepared {
                tokens: tokens(&|| {
                    self.within(prompt.field(), self.most_tokens(), |bounds| {
                        self.tokenizer.raw_within(text, bounds)
                    })
                })?,
                ..Prepared::default()
            },
            Prompt::Tokens(tokens) => Prepared {
                tokens: self.known(prompt.field(), tokens)?.to_vec(),
                ..Prepared::default()
            },
            Prompt::Chat(conversation) => {
                let (rendered, prepared) = self.prepare_chat(conversation, request.thinking)?;
                let tokens = tokens(&|| {
                    self.within(prompt.field(), self.most_tokens(), |bounds| {
                        self.tokenizer.prompt_within(&rendered, bounds)
                    })
                })?;
                let calls = match &request.constraint {
                    Some(_) => prepared.calls.map(CallReader::of_marked_calls),
                    None => prepared.calls,
                };
                Prepared {
                    tokens,
                    calls,
                    ..prepared
                }
            }
        };
        let (used, context) = (prepared.tokens.len(), self.info.context);
        // Whoever wants no answer needs no room for it.
        let room = usize::from(request.max_tokens > 0);
        match used {
            0 => Err(Error::request(prompt.field(), "the prompt is empty")),
            _ if used + room > context => Err(Error::TooLong {
                field: prompt.field(),
                tokens: used,
                is_exact: true,
                context,
            }),
            _ => {
                if let Some(siblings) = siblings {
                    siblings.know(&prepared.tokens);
                }
                Ok(prepared)
            }
        }
    }

    /// All but the tokens, and what they are of.
    fn prepare_chat(
        &self,
        conversation: &Conversation,
        thinking: Thinking,
    ) -> Result<(RenderedPrompt, Prepared), Error> {
        let (tokenizer, model) = (&self.tokenizer, &self.info.id);
        let held = self.held(conversation)?;
        let conversation = &*held;
        let format = self.template.call_format(conversation, tokenizer, model)?;
        let (rendered, thoughts, thought_limit) = self.rendered(conversation, thinking)?;
        let prepared = Prepared {
            tokens: Vec::new(),
            thoughts,
            thought_limit,
            calls: format.map(|format| CallReader::new(format, conversation, entropy())),
        };
        Ok((rendered, prepared))
    }

    /// The conversation with every tool strict where the model is told of them in words alone: nothing else would make it
    /// write calls as they are read.
    pub(super) fn held<'c>(
        &self,
        conversation: &'c Conversation,
    ) -> Result<Cow<'c, Conversation>, Error> {
        if conversation.tools.is_empty() || self.template.reads_tools(&self.tokenizer)? {
            return Ok(Cow::Borrowed(conversation));
        }
        let names = conversation.tools.iter();
        let names = names.filter_map(|tool| tool["function"]["name"].as_str());
        Ok(Cow::Owned(Conversation {
            strict: names.map(str::to_owned).collect(),
            ..conversation.clone()
        }))
    }

    /// What the template makes of a conversation, and what is to follow.
    pub(super) fn rendered(
        &self,
        conversation: &Conversation,
        thinking: Thinking,
    ) -> Result<(RenderedPrompt, Option<ThoughtReader>, Option<ThoughtLimit>), Error> {
        let mut rendered = self.template.render_told(conversation, &self.tokenizer)?;
        let (thoughts, limit) =
            self.expect_thought(&mut rendered, conversation.continued(), thinking)?;
        Ok((rendered, thoughts, limit))
    }

    /// What tells the thought that may follow from the answer, and how long it may be. One that the prompt has opened, and
    /// that may have no token, is ended there.
    fn expect_thought(
        &self,
        prompt: &mut RenderedPrompt,
        continued: Option<&str>,
        thinking: Thinking,
    ) -> Result<(Option<ThoughtReader>, Option<ThoughtLimit>), Error> {
        let Some(marks) = self.template.thought_marks() else {
            return Ok((None, None));
        };
        let said = continued.filter(|said| !said.trim().is_empty());
        let thoughts = match said {
            Some(said) => ThoughtReader::going_on(said, marks),
            None => ThoughtReader::behind(&prompt.without_marks().0, marks),
        };
        let Some(tokens) = thinking.most_tokens() else {
            return Ok((Some(thoughts), None));
        };
        let end = self.template.end_of_thought(marks, &self.tokenizer)?;
        let limit = ThoughtLimit {
            tokens,
            end: self.tokenizer.encode_behind(end),
        };
        if tokens > 0 || !thoughts.is_thinking() {
            return Ok((Some(thoughts), Some(limit)));
        }
        prompt.push(end);
        let thoughts = match said {
            Some(said) => ThoughtReader::going_on(&format!("{said}{end}"), marks),
            None => ThoughtReader::behind(&prompt.without_marks().0, marks),
        };
        Ok((Some(thoughts), Some(limit)))
    }

    /// The most tokens that are made of a prompt: whoever is a little over is told by how much.
    fn most_tokens(&self) -> usize {
        2 * self.info.context
    }

    /// The tokens of `field`, of which so many are made at the most.
    pub(super) fn within(
        &self,
        field: &'static str,
        tokens: usize,
        tokenize: impl FnOnce(Bounds) -> Result<Vec<u32>, Excess>,
    ) -> Result<Vec<u32>, Error> {
        let context = self.info.context;
        let bounds = Bounds {
            tokens,
            word_bytes: MAX_WORD_BYTES,
        };
        tokenize(bounds).map_err(|excess| match excess {
            Excess::Tokens(least) => Error::TooLong {
                field,
                tokens: least,
                is_exact: false,
                context,
            },
            Excess::WordBytes(limit) => Error::request(
                field,
                format!("a word of the prompt may have about {limit} bytes, found more"),
            ),
        })
    }
}
