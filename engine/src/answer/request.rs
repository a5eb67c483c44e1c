//! What goes into the engine, and what it says of itself: plain data.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::answer::conversation_key::ConversationKey;
use crate::answer::logprobs::MAX_LOGPROBS;
use crate::answer::policy::Caller;
use crate::answer::rows::Pooling;
use crate::answer::siblings::Siblings;
use crate::model::work::{ModelShape, StepWork};
use crate::sampling::{Sampling, Speculation, Steering};
use crate::text::constraint::Constraint;
use crate::text::conversation::Conversation;

/// What the model continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, laid out by the model's chat template.
    Chat(Conversation),
    /// Text as it is, without a template.
    Raw(String),
    /// Tokens as they are.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// What [`Error::Request`] calls it.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Chat(_) => "messages",
            Self::Raw(_) | Self::Tokens(_) => "prompt",
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Chat(conversation) if conversation.turns.len() > MAX_MESSAGES => {
                let found = conversation.turns.len();
                let reason =
                    format!("`messages` must be at most {MAX_MESSAGES} messages, found {found}");
                Err(Error::request(self.field(), reason))
            }
            Self::Chat(conversation) => conversation.check_end(),
            Self::Raw(_) | Self::Tokens(_) => Ok(()),
        }
    }
}

/// One question to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to continue.
    pub prompt: Prompt,
    /// How to choose tokens.
    pub sampling: Sampling,
    /// The most tokens to put out; the rest of the context is the limit when it is smaller. None where the prompt alone is
    /// of interest, as its logprobs or its embedding are.
    pub max_tokens: usize,
    /// Whether and how long the model may think before it answers.
    pub thinking: Thinking,
    /// What the answer must be.
    pub constraint: Option<Constraint>,
    /// Texts that end the answer and are not shown. What the model thinks before is not looked at.
    pub stop: Vec<String>,
    /// What is shown of the answer that is left out otherwise.
    pub revealed: Revealed,
    /// Price of this machine, for the cost figures of [`Metrics`](crate::metrics::Metrics).
    pub usd_per_hour: f64,
    /// Who asks: callers take turns.
    pub caller: Caller,
    /// Which conversation of the caller it belongs to.
    pub conversation: ConversationKey,
    /// What is changed of the choice of tokens, and of where the answer ends.
    pub steering: Steering,
    /// Whether tokens are guessed ahead; nothing leaves it to the engine.
    pub speculation: Option<Speculation>,
    /// What is to be told beside the answer.
    pub wanted: Wanted,
    /// What other requests with the same prompt have too, so that it is read once.
    pub siblings: Option<Siblings>,
    /// Whether all of the prompt is computed, also what is in the KV cache: what is measured must not depend on what was
    /// asked before.
    pub fresh: bool,
    /// When it was read, from which on its times count; nothing where that is when it is submitted.
    pub accepted: Option<Instant>,
    /// When it began to wait for its turn, from which on it is counted how long it may wait and take; nothing where that is when
    /// it is submitted.
    pub came: Option<Instant>,
}

/// What is shown of an answer that is left out otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revealed {
    /// The stop text that ended it, or the token of `stop_token_ids`.
    pub stop: bool,
    /// Control tokens, as they are spelt. The model's own end is left out all the same.
    pub control_tokens: bool,
}

/// What is to be told of an answer beside its text, as [`Learned`](crate::Learned).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How likely each token of the answer was, and so many of the likeliest, at most 20.
    pub logprobs: Option<usize>,
    /// The same of the prompt's tokens from the second on. Nothing of it is then taken from the KV cache.
    pub prompt_logprobs: Option<usize>,
    /// What the prompt comes to; there is no answer then.
    pub embedding: Option<Pooling>,
    /// With `logprobs`, how likely the token was that ended the answer, although it is not shown.
    pub end: bool,
    /// How many tokens are put out, with each.
    pub counts: bool,
}

impl Default for Request {
    /// An empty prompt, greedily continued.
    fn default() -> Self {
        Self {
            prompt: Prompt::Raw(String::new()),
            sampling: Sampling::default(),
            max_tokens: 1,
            thinking: Thinking::default(),
            stop: Vec::new(),
            revealed: Revealed::default(),
            usd_per_hour: 0.0,
            caller: Caller::default(),
            conversation: ConversationKey::default(),
            steering: Steering::default(),
            speculation: None,
            wanted: Wanted::default(),
            siblings: None,
            fresh: false,
            accepted: None,
            came: None,
            constraint: None,
        }
    }
}

impl Wanted {
    /// Whether there is something to say of the prompt alone.
    fn is_of_prompt(self) -> bool {
        self.prompt_logprobs.is_some() || self.embedding.is_some()
    }

    /// Refuses to tell more of a prompt of so many tokens than is kept until all of it was read.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, the limit and what was found.
    pub(crate) fn check_prompt(self, tokens: usize) -> Result<(), Error> {
        let found = self.prompt_logprobs.map_or(0, |most| tokens * (1 + most));
        if found <= MAX_LOGPROBS_TOLD {
            return Ok(());
        }
        let reason = format!(
            "`prompt_logprobs` may come to {MAX_LOGPROBS_TOLD} logprobs of a prompt, found {found}: ask for fewer of each token"
        );
        Err(Error::request("prompt_logprobs", reason))
    }

    fn check(self) -> Result<(), Error> {
        for (field, most) in [
            ("logprobs", self.logprobs),
            ("prompt_logprobs", self.prompt_logprobs),
        ] {
            if let Some(found) = most.filter(|most| *most > MAX_LOGPROBS) {
                let reason = format!("`{field}` must be at most {MAX_LOGPROBS}, found {found}");
                return Err(Error::request(field, reason));
            }
        }
        if self.embedding.is_some() && self.prompt_logprobs.is_some() {
            let reason = "`prompt_logprobs` cannot be told beside an embedding";
            return Err(Error::request("prompt_logprobs", reason));
        }
        Ok(())
    }
}

/// Whether and how long a model may think. Of no account for one that is not known to think, and for text that is continued
/// without a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinking {
    /// What the chat template is told as `enable_thinking`, unless the conversation has a variable of that name; nothing
    /// leaves it to the template. Where this is false, a thought that is begun all the same is ended at once.
    pub enabled: Option<bool>,
    /// The most tokens of a thought, its opening mark included. Behind these its closing mark is put and an answer follows,
    /// unless that would be beyond the most tokens to put out.
    pub budget: Option<usize>,
}

impl Thinking {
    /// Tells the chat template whether the model is to think, where that was said and the conversation says nothing else.
    pub fn tell(self, conversation: &mut Conversation) {
        if let Some(enabled) = self.enabled {
            let variables = &mut conversation.variables;
            variables.entry("enable_thinking").or_insert(enabled.into());
        }
    }

    /// The most tokens that may be thought.
    pub(crate) fn most_tokens(self) -> Option<usize> {
        match self.enabled {
            Some(false) => Some(0),
            _ => self.budget,
        }
    }
}

/// The most logprobs of a prompt or an answer, those of the likeliest tokens included: each takes some 90 bytes until it is sent.
const MAX_LOGPROBS_TOLD: usize = 256 << 10;

/// The most stop texts of a request.
pub const MAX_STOPS: usize = 16;
/// The longest stop text. What may be its beginning is held back, so that a longer one would hide the answer.
pub const MAX_STOP_BYTES: usize = 1024;
/// The most messages of a conversation, which templates walk through.
pub const MAX_MESSAGES: usize = 4096;

impl Request {
    /// Refuses values that no model could take.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, its range and the value.
    pub fn check(&self) -> Result<(), Error> {
        self.sampling.check()?;
        self.steering.check()?;
        self.speculation.unwrap_or_default().check()?;
        self.wanted.check()?;
        self.prompt.check()?;
        self.check_stop()?;
        if self.max_tokens == 0 && !self.wanted.is_of_prompt() {
            let reason = "`max_tokens` must be at least 1, found 0";
            return Err(Error::request("max_tokens", reason));
        }
        let told = self.wanted.logprobs.map_or(0, |likeliest| 1 + likeliest);
        let told = self.max_tokens.saturating_mul(told);
        if told > MAX_LOGPROBS_TOLD {
            let reason = format!(
                "`logprobs` of all tokens may come to {MAX_LOGPROBS_TOLD}, found {told}: fewer `top_logprobs`, or less of \
                 `max_tokens`"
            );
            return Err(Error::request("logprobs", reason));
        }
        let (most, least) = (self.max_tokens, self.steering.min_tokens);
        if least > most {
            let reason =
                format!("`min_tokens` must be at most `max_tokens`, {most}, found {least}");
            return Err(Error::request("min_tokens", reason));
        }
        if self.wanted.embedding.is_some() && most > 0 {
            let reason = format!("`max_tokens` must be 0 for an embedding, found {most}");
            return Err(Error::request("max_tokens", reason));
        }
        let price = self.usd_per_hour;
        if !(price.is_finite() && price >= 0.0) {
            let reason = format!("`usd_per_hour` must be a price of at least 0, found {price}");
            return Err(Error::request("usd_per_hour", reason));
        }
        Ok(())
    }

    /// Tells the chat template whether the model is to think, where the request says so.
    pub(crate) fn tell_template(&mut self) {
        if let Prompt::Chat(conversation) = &mut self.prompt {
            self.thinking.tell(conversation);
        }
    }

    fn check_stop(&self) -> Result<(), Error> {
        let refused = |reason| Err(Error::request("stop", reason));
        let found = self.stop.len();
        if found > MAX_STOPS {
            return refused(format!(
                "`stop` must have at most {MAX_STOPS} texts, found {found}"
            ));
        }
        match self.stop.iter().map(String::len).max() {
            Some(found) if found > MAX_STOP_BYTES => refused(format!(
                "a `stop` text must have at most {MAX_STOP_BYTES} bytes, found {found}"
            )),
            _ if self.stop.iter().any(String::is_empty) => {
                refused("a `stop` text must not be empty".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What is loaded, for people to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name from the file, such as "SmolLM2 135M Instruct".
    pub name: String,
    /// Short identifier for APIs: the name in lower case with hyphens.
    pub id: String,
    /// The family of models that it is of, as GGUF files call it, such as "llama".
    #[serde(skip)]
    pub family: String,
    /// Weights, embedding included.
    pub parameters: u64,
    /// How large it is.
    #[serde(skip)]
    pub shape: ModelShape,
    /// What its steps read and multiply.
    #[serde(skip)]
    pub work: StepWork,
    /// The licence that its files name; empty where they name none.
    #[serde(skip)]
    pub licence: String,
    /// Bytes of packed weights in memory.
    pub weight_bytes: u64,
    /// The longest sequence, in tokens.
    pub context: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// How the weights are held, such as "int4, groups of 32".
    pub quantization: String,
    /// How keys and values are held: "f16", "q8" or "f32"; empty where it is not known.
    #[serde(default)]
    pub kv: String,
    /// The matrix kernel in use, such as "avx2".
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
    /// Those of them that take part in steps of one token; before the model is loaded, how many that may be.
    #[serde(skip)]
    pub decode_threads: usize,
    /// The model that guesses what it says; none where it guesses from texts alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<DraftInfo>,
    /// Whether it is known to think before it answers, by the marks that its chat template names.
    pub thinks: bool,
    /// What the model's authors advise.
    pub sampling: Sampling,
    /// What changes when the model's files are written anew; empty for weights that are in no file.
    #[serde(skip)]
    pub fingerprint: String,
}

/// A draft model, for people to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftInfo {
    /// Name from the file.
    pub name: String,
    /// Bytes of packed weights in memory.
    pub weight_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_prompt_less_is_told_of_each_token() {
        let wanted = |most| Wanted {
            prompt_logprobs: most,
            ..Wanted::default()
        };
        let check = |most, tokens| wanted(most).check_prompt(tokens);
        assert!(check(Some(20), 8192).is_ok() && check(Some(1), 128 << 10).is_ok());
        assert!(check(None, usize::MAX).is_ok());
        let refused = check(Some(20), 16 << 10).unwrap_err().to_string();
        assert!(
            refused.contains(
                "`prompt_logprobs` may come to 262144 logprobs of a prompt, found 344064"
            )
        );
    }
}
