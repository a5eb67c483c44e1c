//! How answers are made in the terminal, and what they cost.

use clap::Args;
use nibble_engine::{Sampling, Thinking};

use super::values::{count, number};

/// How answers are made in the terminal. What is left out is the model's own.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The most tokens of an answer
    #[arg(long, value_name = "N", value_parser = count(1..=10_000_000), default_value = "250")]
    pub(crate) max_tokens: usize,
    /// Answer at once, where the model would think before
    #[arg(long, conflicts_with = "thinking_budget")]
    no_thinking: bool,
    /// The most tokens that the model may think before it answers [default: --max-tokens]
    #[arg(long, value_name = "N", value_parser = count(0..=10_000_000))]
    thinking_budget: Option<usize>,
    /// How freely tokens are chosen, 0 (always the likeliest) to 2 [default: the model's own]
    #[arg(long, value_name = "T", value_parser = number(0.0..=2.0))]
    temperature: Option<f64>,
    /// Choose among the likeliest tokens whose probabilities reach P, 0.001 to 1 [default: the model's own]
    #[arg(long, value_name = "P", value_parser = number(0.001..=1.0))]
    top_p: Option<f64>,
    /// Makes an answer repeatable [default: drawn]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl AnswerArgs {
    /// Whether and how long the model may think; it is the template's to say where nothing was typed.
    pub(crate) fn thinking(&self) -> Thinking {
        Thinking {
            enabled: self.no_thinking.then_some(false),
            budget: self.thinking_budget,
        }
    }

    /// What was typed over what the model's authors advise.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "values from 0 to 2 lose only digits that no one types"
    )]
    pub(crate) fn sampling(&self, advised: Sampling) -> Sampling {
        Sampling {
            temperature: self
                .temperature
                .map_or(advised.temperature, |value| value as f32),
            top_p: self.top_p.map_or(advised.top_p, |value| value as f32),
            seed: self.seed.or(advised.seed),
            ..advised
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PriceArgs {
    /// Price of this machine for the cost figures; the default is an r8g.4xlarge in us-east-1, on demand
    #[arg(long, env = "NIBBLE_USD_PER_HOUR", hide_env_values = true, value_name = "USD", value_parser = number(0.0..=1e6), default_value = "0.94256")]
    pub(crate) usd_per_hour: f64,
}
