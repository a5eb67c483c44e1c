//! Logits on their way to the sampler, changed as a request asks for: an answer that asks for nothing has no [`Steer`].
//!
//! The order of changes is that of [`Steering`]. All follow from the tokens there are, so an answer that goes on after a pause
//! goes on as it would have.

use crate::Steering;

/// The changes of one answer.
#[derive(Debug)]
pub(crate) struct Steer {
    steering: Steering,
    /// What must not come before `min_tokens`.
    ends: Vec<u32>,
    /// Of which none may come whole.
    bad_words: Vec<Vec<u32>>,
    /// How often each token was put out, `[vocabulary]`; and those that were at all.
    counts: Vec<u32>,
    put_out: Vec<u32>,
    /// Tokens of the answer that are counted.
    counted: usize,
    /// Whether a token was met in this step, `[vocabulary]`.
    met: Vec<bool>,
    /// `[vocabulary]`.
    logits: Vec<f32>,
}

impl Steer {
    /// Nothing where nothing is asked for. `ends` are the tokens by which the model ends its turn, `bad_words` those of words
    /// that are not to come.
    pub(crate) fn new(steering: Steering, bad_words: Vec<Vec<u32>>, ends: &[u32]) -> Option<Self> {
        if steering == Steering::default() {
            return None;
        }
        let own = ends.iter().filter(|_| !steering.ignore_eos);
        let ends = own.chain(&steering.stop_token_ids).copied().collect();
        Some(Self {
            steering,
            ends,
            bad_words,
            counts: Vec::new(),
            put_out: Vec::new(),
            counted: 0,
            met: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// Whether an answer ends at a token, which is one of the model's ends or is not.
    pub(crate) fn ends_at(&self, token: u32, is_end: bool) -> bool {
        is_end && !self.steering.ignore_eos || self.steering.stop_token_ids.contains(&token)
    }

    /// Whether an answer of so many tokens goes on although it repeats itself.
    pub(crate) fn goes_on(&self, put_out: usize) -> bool {
        self.steering.ignore_eos || self.is_early(put_out)
    }

    /// Whether an answer of so many tokens must not end yet.
    pub(crate) fn is_early(&self, put_out: usize) -> bool {
        put_out < self.steering.min_tokens
    }

    /// The fields of the request that take tokens away, wherever they come.
    pub(crate) fn takes_away(&self) -> Vec<&'static str> {
        let Steering {
            logit_bias,
            allowed_token_ids,
            bad_words,
            ..
        } = &self.steering;
        let is_taken = |(_, bias): &(u32, f32)| *bias == f32::NEG_INFINITY;
        let fields = [
            ("allowed_token_ids", !allowed_token_ids.is_empty()),
            ("logit_bias", logit_bias.iter().any(is_taken)),
            ("bad_words", !bad_words.is_empty()),
        ];
        let taking = fields.into_iter().filter(|(_, takes)| *takes);
        taking.map(|(field, _)| field).collect()
    }

    /// The logits behind `tokens`, which are a prompt of so many and what was put out, as they are to be sampled from; nothing
    /// where no token is left.
    pub(crate) fn changed(
        &mut self,
        logits: &[f32],
        tokens: &[u32],
        prompt: usize,
    ) -> Option<&[f32]> {
        self.begin(logits);
        let answer = &tokens[prompt..];
        for word in &self.bad_words {
            if let Some((last, before)) = word.split_last()
                && answer.ends_with(before)
            {
                self.logits[*last as usize] = f32::NEG_INFINITY;
            }
        }
        if answer.len() < self.steering.min_tokens {
            for end in &self.ends {
                self.logits[*end as usize] = f32::NEG_INFINITY;
            }
        }
        for (token, bias) in &self.steering.logit_bias {
            self.logits[*token as usize] += bias;
        }
        if self.steering.repetition_penalty != 1.0 {
            self.penalise_repetition(tokens);
        }
        let (frequency, presence) = (
            self.steering.frequency_penalty,
            self.steering.presence_penalty,
        );
        if frequency != 0.0 || presence != 0.0 {
            self.count(answer);
            for token in &self.put_out {
                let token = *token as usize;
                self.logits[token] -= frequency * self.counts[token] as f32;
                self.logits[token] -= presence;
            }
        }
        let is_left = |logit: &f32| *logit > f32::NEG_INFINITY;
        self.logits.iter().any(is_left).then_some(&self.logits)
    }

    /// Takes the logits of those tokens that are allowed.
    fn begin(&mut self, logits: &[f32]) {
        self.logits.clear();
        let allowed = &self.steering.allowed_token_ids;
        if allowed.is_empty() {
            self.logits.extend_from_slice(logits);
            return;
        }
        self.logits.resize(logits.len(), f32::NEG_INFINITY);
        for token in allowed {
            self.logits[*token as usize] = logits[*token as usize];
        }
    }

    fn penalise_repetition(&mut self, tokens: &[u32]) {
        let window = self.steering.repetition_window.unwrap_or(tokens.len());
        let last = &tokens[tokens.len().saturating_sub(window)..];
        let penalty = self.steering.repetition_penalty;
        self.met.resize(self.logits.len(), false);
        for token in last {
            let token = *token as usize;
            if !std::mem::replace(&mut self.met[token], true) {
                let logit = &mut self.logits[token];
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
        for token in last {
            self.met[*token as usize] = false;
        }
    }

    fn count(&mut self, answer: &[u32]) {
        self.counts.resize(self.logits.len(), 0);
        for token in &answer[self.counted..] {
            let count = &mut self.counts[*token as usize];
            if *count == 0 {
                self.put_out.push(*token);
            }
            *count += 1;
        }
        self.counted = answer.len();
    }
}

#[cfg(test)]
mod tests;
