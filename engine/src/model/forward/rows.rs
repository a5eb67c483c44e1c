//! What is read of every token of a step, where the last is not enough: logits for how likely a prompt is, states for what it
//! means.
//!
//! Logits of all rows would be many megabytes: the head is computed for a bounded number of them at a time.

use super::{Model, NewTokens};

/// Rows whose logits there are at a time: 19 MB of them for a vocabulary of 152k.
const HEAD_ROWS: usize = 32;

/// What there is to read of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The logits behind its token, `[vocabulary]`.
    Logits,
    /// Its state behind the final norm, `[hidden]`.
    States,
}

/// Reads the rows of a sequence.
pub(crate) trait RowReader: Send + Sync {
    /// Which of a row it reads.
    fn wants(&self) -> Rows;

    /// Takes what there is of the token at `index` of the step; in order, each once.
    fn row(&mut self, index: usize, values: &[f32]);
}

impl Model {
    /// Gives the rows of a step to those who read them.
    pub(super) fn read_rows(&mut self, batch: &mut [NewTokens<'_>]) {
        let mut first = 0;
        for sequence in batch.iter_mut() {
            let rows = sequence.tokens.len();
            if let Some(reader) = &mut sequence.reader {
                match reader.wants() {
                    Rows::Logits => self.read_logits(first, rows, *reader),
                    Rows::States => self.read_states(first, rows, *reader),
                }
            }
            first += sequence.rows();
        }
    }

    fn read_logits(&mut self, first: usize, rows: usize, reader: &mut dyn RowReader) {
        let vocabulary = self.config.vocabulary;
        for begin in (0..rows).step_by(HEAD_ROWS) {
            let end = rows.min(begin + HEAD_ROWS);
            let logits = self.head(first + begin..first + end);
            for (index, logits) in (begin..).zip(logits.chunks_exact(vocabulary)) {
                reader.row(index, logits);
            }
        }
    }

    fn read_states(&mut self, first: usize, rows: usize, reader: &mut dyn RowReader) {
        let (hidden, norm) = (self.config.hidden, &self.weights.output_norm);
        let mut state = vec![0.0; hidden];
        let x = self.buffers.x.chunks_exact(hidden).skip(first).take(rows);
        for (index, x) in x.enumerate() {
            let epsilon = self.config.rms_norm_epsilon;
            self.kernel.rms_norm(x, norm, epsilon, &mut state);
            reader.row(index, &state);
        }
    }
}
