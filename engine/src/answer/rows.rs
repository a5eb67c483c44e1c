//! What is read of every token of a prompt: how likely each was, or what they mean together.
//!
//! Rows come in order, over as many steps as it takes. After a pause some come again, which are not read twice.

use crate::answer::logprobs::Scored;
use crate::model::forward::{RowReader, Rows};

/// How the states of a prompt become one embedding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The last of them.
    Last,
}

/// Reads the rows of one prompt.
#[derive(Debug)]
pub(crate) struct PromptRows {
    prompt: Vec<u32>,
    /// Rows that were read.
    done: usize,
    /// Where the next step begins.
    first: usize,
    found: Found,
}

#[derive(Debug)]
enum Found {
    /// Of the tokens from the second on, beside so many of the likeliest.
    Scores(Vec<Scored>, usize),
    /// The sum of states, in f64: it is the same however they come.
    Sum(Vec<f64>),
    Last(Vec<f32>),
}

/// What rows come to.
#[derive(Debug)]
pub(crate) enum Read {
    Scores(Vec<Scored>),
    Embedding(Vec<f32>),
}

impl PromptRows {
    pub(crate) fn scores(prompt: &[u32], most: usize) -> Self {
        Self::new(
            prompt,
            Found::Scores(Vec::with_capacity(prompt.len()), most),
        )
    }

    pub(crate) fn pooled(prompt: &[u32], pooling: Pooling) -> Self {
        let found = match pooling {
            Pooling::Mean => Found::Sum(Vec::new()),
            Pooling::Last => Found::Last(Vec::new()),
        };
        Self::new(prompt, found)
    }

    fn new(prompt: &[u32], found: Found) -> Self {
        Self {
            prompt: prompt.to_vec(),
            done: 0,
            first: 0,
            found,
        }
    }

    /// How many rows need not be computed where their keys and values are kept.
    pub(crate) fn dispensable(&self) -> usize {
        match self.found {
            Found::Scores(..) | Found::Sum(_) => self.done,
            Found::Last(_) => usize::MAX,
        }
    }

    /// The reader of a step that begins at a position of the prompt.
    pub(crate) fn from(&mut self, position: usize) -> &mut dyn RowReader {
        self.first = position;
        self
    }

    /// What they have come to, behind the last.
    pub(crate) fn read(self) -> Read {
        match self.found {
            Found::Scores(scores, _) => Read::Scores(scores),
            Found::Last(state) => Read::Embedding(state),
            Found::Sum(sum) => {
                let rows = self.done.max(1) as f64;
                Read::Embedding(sum.iter().map(|sum| (sum / rows) as f32).collect())
            }
        }
    }
}

impl RowReader for PromptRows {
    fn wants(&self) -> Rows {
        match self.found {
            Found::Scores(..) => Rows::Logits,
            Found::Sum(_) | Found::Last(_) => Rows::States,
        }
    }

    fn row(&mut self, index: usize, values: &[f32]) {
        let position = self.first + index;
        if position < self.done {
            return;
        }
        self.done = position + 1;
        match &mut self.found {
            Found::Scores(scores, most) => {
                let next = self.prompt.get(position + 1);
                scores.extend(next.map(|next| Scored::of(values, *next, *most)));
            }
            Found::Sum(sum) => {
                sum.resize(values.len(), 0.0);
                for (sum, value) in sum.iter_mut().zip(values) {
                    *sum += f64::from(*value);
                }
            }
            Found::Last(state) => {
                state.clear();
                state.extend_from_slice(values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_again_are_read_once() {
        let prompt = [1, 0, 1];
        let mut scores = PromptRows::scores(&prompt, 1);
        let mut mean = PromptRows::pooled(&prompt, Pooling::Mean);
        let mut last = PromptRows::pooled(&prompt, Pooling::Last);
        for (position, values) in [(0, [1.0, 2.0]), (1, [3.0, 5.0]), (0, [1.0, 2.0])] {
            for rows in [&mut scores, &mut mean] {
                rows.from(position).row(0, &values);
            }
        }
        for rows in [&mut scores, &mut mean, &mut last] {
            // From the second row on, of which the first was read.
            let reader = rows.from(1);
            reader.row(0, &[3.0, 5.0]);
            reader.row(1, &[5.0, 2.0]);
        }
        let Read::Scores(found) = scores.read() else {
            panic!("scores are scores");
        };
        let expected = [Scored::of(&[1.0, 2.0], 0, 1), Scored::of(&[3.0, 5.0], 1, 1)];
        assert_eq!(found, expected);
        assert!(matches!(mean.read(), Read::Embedding(mean) if mean == [3.0, 3.0]));
        assert!(matches!(last.read(), Read::Embedding(last) if last == [5.0, 2.0]));
    }
}
