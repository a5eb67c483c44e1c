//! What it costs to hold an answer to a constraint: of each token, the mask of those that may come and the step behind the one
//! that does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Error;
use crate::answer::constrained::Constrained;
use crate::answer::output::Stage;
use crate::files::checkpoint::Gguf;
use crate::text::constraint::grammars::Grammars;
use crate::text::constraint::{Constraint, Language};
use crate::text::tokenizer::Tokenizer;

/// An answer that has not ended by then begins anew.
const LONGEST: usize = 200;

/// The cost of one constraint in one vocabulary.
#[derive(Clone, Debug)]
pub struct MaskCost {
    /// What the answer was held to.
    pub constraint: &'static str,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// To compile it the first time.
    pub compiled: Duration,
    /// Of each token, from the least on.
    sorted: Vec<Duration>,
}

impl MaskCost {
    /// What a token costs on average.
    ///
    /// # Panics
    /// Never: some were measured.
    #[must_use]
    pub fn mean(&self) -> Duration {
        self.sorted.iter().sum::<Duration>() / self.sorted.len() as u32
    }

    /// What such a share of the tokens, from 0 to 1, costs no more than.
    ///
    /// # Panics
    /// Never: some were measured.
    #[must_use]
    pub fn within(&self, share: f64) -> Duration {
        let last = self.sorted.len() - 1;
        self.sorted[(share * last as f64).round() as usize]
    }
}

/// Holds noise to constraints of every kind, for so many tokens each, with the vocabulary of a GGUF file.
///
/// # Errors
/// [`Error::File`] and [`Error::Model`] for the file.
pub fn mask_costs(file: &Path, tokens: usize) -> Result<Vec<MaskCost>, Error> {
    let gguf = Gguf::open(file)?;
    let tokenizer = Tokenizer::from_gguf(&gguf)?;
    let tokenizer = tokenizer.ok_or_else(|| gguf.error("it has no vocabulary"))?;
    let tokenizer = Arc::new(tokenizer);
    let grammars = Grammars::new(&tokenizer).map_err(|reason| gguf.error(reason))?;
    let held = constraints().into_iter().map(|(name, language)| {
        let constraint = Constraint {
            field: "constraint",
            language,
        };
        let began = Instant::now();
        grammars.compile(&constraint)?;
        let compiled = began.elapsed();
        let begin = || {
            let follower = grammars.compile(&constraint)?;
            Ok::<_, Error>(Constrained::new(follower, None, &tokenizer))
        };
        let mut sorted = costs(begin, &tokenizer, tokens)?;
        sorted.sort_unstable();
        Ok(MaskCost {
            constraint: name,
            vocabulary: tokenizer.vocabulary(),
            compiled,
            sorted,
        })
    });
    held.collect()
}

/// What each of so many tokens costs of answers that all begin alike.
fn costs(
    begin: impl Fn() -> Result<Constrained, Error>,
    tokenizer: &Tokenizer,
    tokens: usize,
) -> Result<Vec<Duration>, Error> {
    let ends_a_part = |id: u32| {
        let bytes = tokenizer.bytes(id);
        bytes.last().is_some_and(|last| b"\",]}".contains(last))
    };
    // Likelier than others, or texts would go on for ever.
    let bonus = |id| if ends_a_part(id) { 0.5 } else { 0.0 };
    let bonuses: Vec<f32> = (0..tokenizer.vocabulary() as u32).map(bonus).collect();
    let (mut answer, mut len, mut noise) = (begin()?, 0, Noise(1));
    let mut costs = Vec::with_capacity(tokens);
    while costs.len() < tokens {
        let logits: Vec<f32> = bonuses.iter().map(|bonus| bonus + noise.next()).collect();
        let began = Instant::now();
        let masked = answer.mask(&logits, Stage::Answer)?;
        let mut took = began.elapsed();
        let drawn = masked.map(likeliest);
        let goes_on = drawn.filter(|token| !tokenizer.is_end(*token) && len < LONGEST);
        len += 1;
        if let Some(token) = goes_on {
            let began = Instant::now();
            answer.follow(token, Stage::Answer)?;
            let has_ended = answer.is_complete("", tokenizer)?;
            took += began.elapsed();
            costs.push(took);
            if !has_ended {
                continue;
            }
        }
        (answer, len) = (begin()?, 0);
    }
    Ok(costs)
}

fn constraints() -> [(&'static str, Language); 8] {
    let person = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "email": { "type": "string", "format": "email" },
            "address": {
                "type": "object",
                "properties": { "street": { "type": "string", "maxLength": 40 }, "zip": { "type": "string", "pattern": "^[0-9]{5}$" } },
                "required": ["street", "zip"],
                "additionalProperties": false,
            },
            "likes": { "type": "array", "items": { "enum": ["tea", "coffee", "water"] }, "maxItems": 3 },
        },
        "required": ["name", "age", "email", "address", "likes"],
        "additionalProperties": false,
    });
    let choices = (0..200).map(|number| format!("answer {number} of many"));
    let regex = |pattern: &str| Language::Regex(pattern.to_owned());
    [
        ("JSON object", Language::JsonObject),
        ("JSON schema", Language::JsonSchema(person)),
        ("regex, any text", regex("(?s:.){1,2000}")),
        ("regex, words", regex("([a-zA-Z,.']+ ){1,200}")),
        (
            "regex, sentences",
            regex("([A-Z][^.!?]{10,200}[.!?] ?){1,5}"),
        ),
        (
            "regex, a date",
            regex("[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]"),
        ),
        ("choice of 200", Language::Choice(choices.collect())),
        (
            "GBNF, a list",
            Language::Gbnf(r#"root ::= ("- " [^\n]+ "\n")+"#.to_owned()),
        ),
    ]
}

/// Numbers from 0 to below 1 that are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        let Self(state) = self;
        *state = state
            .wrapping_mul(0xD134_2543_DE82_EF95)
            .wrapping_add(1 << 32 | 1);
        (*state >> 40) as f32 / (1 << 24) as f32
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token as u32)
}
