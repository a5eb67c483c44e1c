//! How long answers are, from which those who wait are told how long they will.

use crate::answer::policy::Rates;

/// How long answers are and what was computed of their prompts, as far as there were any.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths(Option<[f64; 2]>);

impl Lengths {
    pub(super) fn observe(&mut self, lengths: [usize; 2]) {
        let lengths = lengths.map(|length| length as f64);
        let mean = self.0.get_or_insert(lengths);
        for (mean, length) in mean.iter_mut().zip(lengths) {
            *mean += (length - *mean) / 8.0;
        }
    }

    /// Seconds that such an answer takes.
    pub(super) fn seconds(self, rates: &Rates) -> Option<f64> {
        let [prompt, output] = self.0?.map(|length| length as usize);
        rates.seconds(prompt, output)
    }

    /// Tokens that an answer still puts out which has put out so many; one that is longer than others as many as they.
    pub(super) fn output_left(self, put_out: usize) -> usize {
        let output = self.0.map_or(0, |[_, output]| output as usize);
        match output.checked_sub(put_out) {
            None | Some(0) => output,
            Some(left) => left,
        }
    }
}
