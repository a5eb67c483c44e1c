//! What a request asks of the choice of tokens beyond [`Sampling`](crate::Sampling), and of where an answer ends.

use crate::Error;

/// The most tokens with a bias.
pub const MAX_BIASES: usize = 1024;
/// The most tokens that end an answer beside the model's own.
pub const MAX_STOP_TOKENS: usize = 128;
/// The most tokens that an answer may be held to.
pub const MAX_ALLOWED_TOKENS: usize = 16 << 10;
/// The most words that are not to come, and the bytes of one.
pub const MAX_BAD_WORDS: usize = 256;
const MAX_BAD_WORD_BYTES: usize = 256;

/// Changes of logits, and of the end. The default changes nothing.
///
/// The order is vLLM's: tokens that are not allowed, that complete a bad word or would end the answer too early go first, then biases are added, then what was said before is
/// made less likely, by `repetition_penalty`, `frequency_penalty` and `presence_penalty`. The temperature and the rest of
/// [`Sampling`](crate::Sampling) come behind. Logprobs are of the model's own logits, before all this.
#[derive(Clone, Debug, PartialEq)]
pub struct Steering {
    /// Added to the logits of tokens, -100 to 100; minus infinity takes a token away.
    pub logit_bias: Vec<(u32, f32)>,
    /// Taken from the logits of tokens that were put out, -2 to 2.
    pub presence_penalty: f32,
    /// Taken from the logits of tokens as often as they were put out, -2 to 2.
    pub frequency_penalty: f32,
    /// Divides the logits above 0, and multiplies those below, of tokens of the prompt and of the answer; above 0 to 10, of
    /// which 1 changes nothing.
    pub repetition_penalty: f32,
    /// Of how many of the last tokens `repetition_penalty` takes note; nothing is all.
    pub repetition_window: Option<usize>,
    /// Before so many tokens are put out, no token ends the answer, and no stop text.
    pub min_tokens: usize,
    /// The model's tokens that end a turn are like any other, and passages over and over are no end either.
    pub ignore_eos: bool,
    /// Tokens that end the answer too, and are not shown.
    pub stop_token_ids: Vec<u32>,
    /// The only tokens that may come; none are all. Where nothing is left of them, the answer ends, or fails where its
    /// constraint does not let it end there.
    pub allowed_token_ids: Vec<u32>,
    /// Words whose last token never follows those before it, in their usual spelling, with and without a space in front.
    /// Another spelling of the same text may come.
    pub bad_words: Vec<String>,
}

impl Default for Steering {
    fn default() -> Self {
        Self {
            logit_bias: Vec::new(),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            repetition_window: None,
            min_tokens: 0,
            ignore_eos: false,
            stop_token_ids: Vec::new(),
            allowed_token_ids: Vec::new(),
            bad_words: Vec::new(),
        }
    }
}

impl Steering {
    /// Refuses values outside the ranges documented on the fields.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, its range and the value.
    pub fn check(&self) -> Result<(), Error> {
        let most = |field, limit: usize, found: usize| match found <= limit {
            true => Ok(()),
            false => Err(Error::request(
                field,
                format!("`{field}` must have at most {limit} tokens, found {found}"),
            )),
        };
        most("logit_bias", MAX_BIASES, self.logit_bias.len())?;
        most("stop_token_ids", MAX_STOP_TOKENS, self.stop_token_ids.len())?;
        let allowed = self.allowed_token_ids.len();
        most("allowed_token_ids", MAX_ALLOWED_TOKENS, allowed)?;
        self.check_bad_words()?;
        let is_bias = |bias: f32| bias == f32::NEG_INFINITY || (-100.0..=100.0).contains(&bias);
        if let Some((token, bias)) = self.logit_bias.iter().find(|(_, bias)| !is_bias(*bias)) {
            let reason =
                format!("`logit_bias` must be from -100 to 100, found {bias} for token {token}");
            return Err(Error::request("logit_bias", reason));
        }
        for (field, penalty) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if !(-2.0..=2.0).contains(&penalty) {
                let reason = format!("`{field}` must be from -2 to 2, found {penalty}");
                return Err(Error::request(field, reason));
            }
        }
        let penalty = self.repetition_penalty;
        if !(penalty > 0.0 && penalty <= 10.0) {
            let reason =
                format!("`repetition_penalty` must be above 0 and at most 10, found {penalty}");
            return Err(Error::request("repetition_penalty", reason));
        }
        Ok(())
    }

    fn check_bad_words(&self) -> Result<(), Error> {
        let refused = |reason| Err(Error::request("bad_words", reason));
        let found = self.bad_words.len();
        if found > MAX_BAD_WORDS {
            return refused(format!(
                "`bad_words` must have at most {MAX_BAD_WORDS} words, found {found}"
            ));
        }
        let lengths = self.bad_words.iter().map(String::len);
        match lengths.max() {
            Some(found) if found > MAX_BAD_WORD_BYTES => refused(format!(
                "one of `bad_words` must have at most {MAX_BAD_WORD_BYTES} bytes, found {found}"
            )),
            _ if self.bad_words.iter().any(|word| word.trim().is_empty()) => {
                refused("one of `bad_words` must not be empty".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Refuses what a vocabulary of so many tokens does not have.
    ///
    /// # Errors
    /// [`Error::Request`] that names the field, the limit and the token.
    pub(crate) fn check_tokens(&self, vocabulary: usize) -> Result<(), Error> {
        let biased = self.logit_bias.iter().map(|(token, _)| token);
        let biased = biased.map(|token| ("logit_bias", *token));
        let stops = self.stop_token_ids.iter();
        let stops = stops.map(|token| ("stop_token_ids", *token));
        let allowed = self.allowed_token_ids.iter();
        let allowed = allowed.map(|token| ("allowed_token_ids", *token));
        match biased
            .chain(stops)
            .chain(allowed)
            .find(|(_, token)| *token as usize >= vocabulary)
        {
            None => Ok(()),
            Some((field, token)) => Err(Error::request(
                field,
                format!("`{field}` must hold tokens below {vocabulary}, found {token}"),
            )),
        }
    }
}
