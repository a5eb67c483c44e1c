//! How long answers are, from which those who wait are told how long they will.

use crate::answer::policy::Rates;

/// How long prompts and answers are, as far as there were any.
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
}
