//! How likely tokens are: the model's own distribution behind what it has read, before anything that a request asks of the
//! choice.
//!
//! A logprob is the logit less the logarithm of the sum of all exponentials, summed in f64 in the order of the vocabulary:
//! nothing in it depends on the batch, on threads or on the kernel.

use crate::text::tokenizer::Tokenizer;

/// The most of the likeliest tokens that are told of each.
pub const MAX_LOGPROBS: usize = 20;

/// How likely one token is.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: u32,
    /// What it spells, of which a character may be in several tokens; control tokens as they are written.
    pub bytes: Vec<u8>,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// How many tokens are likelier, and one more.
    pub rank: usize,
}

/// How likely a token was that was put out or read, and what would have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// That token.
    pub chosen: Logprob,
    /// As many of the likeliest as were asked for, in the order of likelihood, then of the vocabulary.
    pub likeliest: Vec<Logprob>,
}

/// How likely the tokens of a prompt were.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptLogprobs {
    /// The first token, behind nothing.
    pub first: u32,
    /// What it spells, as [`Logprob::bytes`].
    pub first_bytes: Vec<u8>,
    /// Of the tokens behind it.
    pub rest: Vec<Logprobs>,
}

/// The numbers of [`Logprobs`], without what tokens spell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scored {
    chosen: (u32, f32, usize),
    likeliest: Vec<(u32, f32)>,
}

impl Scored {
    /// How likely `token` is by these logits, beside the `most` likeliest. What is no number counts as impossible.
    pub(crate) fn of(logits: &[f32], token: u32, most: usize) -> Self {
        let log_sum = log_total(logits);
        let logprob = |logit: f32| match (f64::from(logit) - log_sum) as f32 {
            logprob if logprob.is_nan() => f32::NEG_INFINITY,
            logprob => logprob,
        };
        let own = logits[token as usize];
        let rank = 1 + logits.iter().filter(|logit| **logit > own).count();
        let likeliest = likeliest(logits, most).into_iter();
        Self {
            chosen: (token, logprob(own), rank),
            likeliest: likeliest
                .map(|(token, logit)| (token, logprob(logit)))
                .collect(),
        }
    }

    pub(crate) fn spelt(self, tokenizer: &Tokenizer) -> Logprobs {
        let (token, logprob, rank) = self.chosen;
        let spell = |token, logprob, rank| Logprob {
            token,
            bytes: tokenizer.spelt_bytes(&[token]),
            logprob,
            rank,
        };
        let likeliest = self.likeliest.into_iter().zip(1..);
        Logprobs {
            chosen: spell(token, logprob, rank),
            likeliest: likeliest
                .map(|((token, logprob), rank)| spell(token, logprob, rank))
                .collect(),
        }
    }
}

#[cfg(test)]
impl Scored {
    pub(crate) fn logprob(&self) -> f32 {
        self.chosen.1
    }
}

/// `ln sum(exp(logits))`, of those that are numbers.
pub(crate) fn log_total(logits: &[f32]) -> f64 {
    let high = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let exponentials = logits.iter().map(|logit| (f64::from(*logit) - high).exp());
    let sum: f64 = exponentials.filter(|value| !value.is_nan()).sum();
    high + sum.ln()
}

/// The highest logits with their tokens, from the highest on.
fn likeliest(logits: &[f32], most: usize) -> Vec<(u32, f32)> {
    let mut found: Vec<(u32, f32)> = Vec::with_capacity(most + 1);
    for (token, logit) in (0..).zip(logits) {
        let is_full = found.len() == most;
        if logit.is_nan() || is_full && found.last().is_none_or(|(_, least)| logit <= least) {
            continue;
        }
        let at = found.partition_point(|(_, higher)| higher >= logit);
        found.insert(at, (token, *logit));
        found.truncate(most);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn logprobs_are_those_of_a_plain_softmax(
            logits in proptest::collection::vec(-30.0..30.0f32, 1..200),
            token in 0usize..200,
            most in 0usize..30,
        ) {
            let token = token % logits.len();
            let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
            let exact = |token: usize| (f64::from(logits[token]).exp() / sum).ln();
            let scored = Scored::of(&logits, token as u32, most);
            let (chosen, logprob, rank) = scored.chosen;
            prop_assert_eq!(chosen as usize, token);
            prop_assert!((f64::from(logprob) - exact(token)).abs() < 1e-5);
            let mut sorted: Vec<usize> = (0..logits.len()).collect();
            sorted.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
            prop_assert_eq!(logits[sorted[rank - 1]], logits[token]);
            sorted.truncate(most);
            let found: Vec<usize> = scored.likeliest.iter().map(|(token, _)| *token as usize).collect();
            prop_assert_eq!(found, sorted);
            for (token, logprob) in scored.likeliest {
                prop_assert!((f64::from(logprob) - exact(token as usize)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn what_is_no_number_is_impossible() {
        let scored = Scored::of(&[f32::NAN, 1.0, 1.0], 0, 3);
        assert_eq!(scored.chosen.1, f32::NEG_INFINITY);
        let half = -(2f32.ln());
        assert_eq!(scored.likeliest, [(1, half), (2, half)]);
        let none = Scored::of(&[f32::NAN], 0, 1);
        assert_eq!(
            (none.chosen.1, none.likeliest.len()),
            (f32::NEG_INFINITY, 0)
        );
    }
}
