//! How fast a loaded model is on this machine, learnt from its steps, and what an answer takes by that.
//!
//! What a step takes has a part of its own, one for each row, and one for each row and position before it: a prompt of which all
//! but a few tokens are cached is no small part of a long one. They are found by [`Fit`], and newer steps count more.

use std::time::Duration;

use self::fit::Fit;
use crate::model::forward::PREFILL_CHUNK;

mod fit;

/// Steps of prompts that are remembered, and tokens of answers.
const PROMPT_MEMORY: f64 = 64.0;
const TOKEN_MEMORY: f64 = 1024.0;
/// A step takes about as long as so many rows of a long one, however few it has.
const STEP_ROWS: f64 = 4.0;
/// Tokens of answers are looked at so many at a time: guesses give several at once, or none.
const TOKENS: usize = 32;
/// How many steps it takes to believe in a part of what prompts take: of the step, of a row, of a row and position.
const PROMPT_DOUBTS: [f64; 3] = [0.2, 1e-3, 0.2];
/// The same of a token, and of a token and position.
const TOKEN_DOUBTS: [f64; 2] = [1e-3, 0.05];

/// How fast a loaded model is on this machine, from the steps that there were; nothing of what was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Of steps that read a prompt beside which nothing is computed.
    pub prompt: Option<StepPace>,
    /// Of the tokens of an answer beside which no other is computed, with what guesses gained.
    pub alone: Option<TokenPace>,
    /// Seconds for a token of an answer beside others, as there were, with what guesses gained.
    pub token_beside_s: Option<f64>,
}

/// What a step takes, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepPace {
    /// However few rows it has.
    pub step_s: f64,
    /// For each row.
    pub row_s: f64,
    /// For each row and each position before it.
    pub row_position_s: f64,
}

/// What a token of an answer takes, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenPace {
    /// However long the context is.
    pub token_s: f64,
    /// For each position before it.
    pub position_s: f64,
}

impl Pace {
    /// Seconds until a prompt is read and the first token drawn, where so many of its tokens are cached and so many are to be
    /// computed, at least one.
    #[must_use]
    pub fn prompt_s(&self, cached: usize, computed: usize) -> Option<f64> {
        let pace = self.prompt?;
        let end = cached + computed.max(1);
        let steps = (cached..end).step_by(PREFILL_CHUNK).map(|begin| {
            let rows = PREFILL_CHUNK.min(end - begin);
            // A step that reads all weights is no faster than one for a token.
            let least = self.alone.map_or(0.0, |alone| alone.token_s_at(begin));
            pace.seconds(rows, begin).max(least)
        });
        Some(steps.sum())
    }

    /// Seconds for a token of an answer behind so many positions.
    #[must_use]
    pub fn token_s(&self, position: usize, is_alone: bool) -> Option<f64> {
        let alone = self.alone.map(|alone| alone.token_s_at(position));
        match is_alone {
            true => alone.or(self.token_beside_s),
            false => self.token_beside_s,
        }
    }
}

impl StepPace {
    fn seconds(self, rows: usize, behind: usize) -> f64 {
        let [step, row, row_position] = causes(rows, behind);
        self.step_s * step + self.row_s * row + self.row_position_s * row_position
    }
}

impl TokenPace {
    fn token_s_at(self, position: usize) -> f64 {
        self.token_s + self.position_s * position as f64
    }
}

/// What the time of a step of a prompt comes from, behind so many positions: the step, its rows, and what these look back on.
fn causes(rows: usize, behind: usize) -> [f64; 3] {
    let (rows, behind) = (rows as f64, behind as f64);
    [1.0, rows, rows * (behind + rows / 2.0)]
}

/// The times of a model's steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    prompt: Fit<3>,
    token: Fit<2>,
    decoded: Decoded,
}

/// Tokens that are not many enough yet.
#[derive(Clone, Copy, Debug, Default)]
struct Decoded {
    tokens: usize,
    seconds: f64,
    /// Summed over tokens.
    positions: f64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            prompt: Fit::remembering(PROMPT_MEMORY),
            token: Fit::remembering(TOKEN_MEMORY / TOKENS as f64),
            decoded: Decoded::default(),
        }
    }
}

impl Times {
    /// A step read so many rows of a single prompt, behind so many positions, and nothing else.
    pub(crate) fn read(&mut self, rows: usize, behind: usize, took: Duration) {
        let (causes, took) = (causes(rows, behind), took.as_secs_f64());
        self.prompt.observe(causes, took, rows as f64 + STEP_ROWS);
    }

    /// A step gave so many tokens of a single answer, behind so many positions.
    pub(crate) fn decoded(&mut self, tokens: usize, behind: usize, took: Duration) {
        let decoded = &mut self.decoded;
        decoded.tokens += tokens;
        decoded.seconds += took.as_secs_f64();
        decoded.positions += (tokens * behind) as f64;
        if decoded.tokens >= TOKENS {
            let decoded = std::mem::take(decoded);
            decoded.count_in(&mut self.token);
        }
    }

    pub(crate) fn prompt(&self) -> Option<StepPace> {
        let [step_s, row_s, row_position_s] = self.prompt.solved(PROMPT_DOUBTS)?;
        Some(StepPace {
            step_s,
            row_s,
            row_position_s,
        })
    }

    pub(crate) fn token(&self) -> Option<TokenPace> {
        let mut token = self.token;
        if token.is_empty() && self.decoded.tokens > 0 {
            self.decoded.count_in(&mut token);
        }
        let [token_s, position_s] = token.solved(TOKEN_DOUBTS)?;
        Some(TokenPace {
            token_s,
            position_s,
        })
    }
}

impl Decoded {
    fn count_in(self, fit: &mut Fit<2>) {
        let tokens = self.tokens as f64;
        fit.observe([tokens, self.positions], self.seconds, tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn short_and_long_prompts_have_the_times_that_they_had() {
        let took = |rows: usize, behind: usize| {
            let [step, row, row_position] = causes(rows, behind);
            0.010 * step + 0.001 * row + 2e-7 * row_position
        };
        let mut times = Times::default();
        // After one prompt a time in proportion to its rows is all there is.
        times.read(100, 0, seconds(took(100, 0)));
        let pace = Pace {
            prompt: times.prompt(),
            ..Pace::default()
        };
        let half = pace.prompt_s(0, 50).unwrap() / took(100, 0);
        assert!((0.49..0.52).contains(&half), "{half}");
        for (rows, behind) in [(128, 0), (128, 128), (40, 256), (20, 800), (5, 100)].repeat(9) {
            times.read(rows, behind, seconds(took(rows, behind)));
        }
        let pace = Pace {
            prompt: times.prompt(),
            ..Pace::default()
        };
        let expected = took(128, 400) + took(128, 528) + took(7, 656);
        for (found, expected) in [
            (pace.prompt_s(400, 263), expected),
            (pace.prompt_s(30, 12), took(12, 30)),
            (pace.prompt_s(900, 0), took(1, 900)),
        ] {
            let ratio = found.unwrap() / expected;
            assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
        }
        assert_eq!(Pace::default().prompt_s(0, 9), None);
    }

    #[test]
    fn no_prompt_is_read_faster_than_a_token_is_decoded() {
        let pace = Pace {
            prompt: Some(StepPace {
                row_s: 0.001,
                ..StepPace::default()
            }),
            alone: Some(TokenPace {
                token_s: 0.02,
                position_s: 1e-5,
            }),
            token_beside_s: Some(0.05),
        };
        assert_eq!(pace.prompt_s(1000, 1), Some(0.03));
        assert_eq!(pace.prompt_s(0, 100), Some(0.1));
        assert_eq!(pace.token_s(1000, true), Some(0.03));
        assert_eq!(pace.token_s(1000, false), Some(0.05));
    }

    #[test]
    fn a_token_takes_longer_behind_more_and_what_guesses_gain_counts() {
        let mut times = Times::default();
        times.decoded(1, 10, seconds(0.02));
        let first = times.token().unwrap().token_s_at(10);
        assert!((first / 0.02 - 1.0).abs() < 0.01, "{first}");
        for n in 0..20_000 {
            let position = n * 7 % 2000;
            let step = 0.02 + 1e-5 * position as f64;
            // Of two steps one gives three tokens.
            times.decoded([1, 3][n % 2], position, seconds(step));
        }
        let alone = times.token().unwrap();
        for position in [0, 1000, 2000] {
            let ratio = alone.token_s_at(position) / (0.01 + 0.5e-5 * position as f64);
            assert!((ratio - 1.0).abs() < 0.03, "{position}: {ratio}");
        }
    }
}
