//! Least squares: how much of what was measured comes from each of a few causes, no part of it less than nothing.
//!
//! Errors count in relation to how much there was of the causes, so that what is short is met as well as what is long. In relation
//! to what was measured they would not: of times that vary, the short ones would count most, and what is found be less than the
//! mean.

/// What was measured so far, the newer the heavier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit<const N: usize> {
    /// The share of what was before that stays with each observation.
    kept: f64,
    /// Observations, each by what is left of its weight.
    count: f64,
    /// Of all pairs of causes.
    products: [[f64; N]; N],
    /// Of each cause and what was measured.
    sums: [f64; N],
}

impl<const N: usize> Fit<N> {
    /// Of which about the last so many observations count.
    pub(super) fn remembering(observations: f64) -> Self {
        Self {
            kept: 1.0 - 1.0 / observations,
            count: 0.0,
            products: [[0.0; N]; N],
            sums: [0.0; N],
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count <= 0.0
    }

    /// So much of each cause took so long, and as a whole is so much.
    pub(super) fn observe(&mut self, causes: [f64; N], took: f64, size: f64) {
        let (causes, took) = (causes.map(|cause| cause / size), took / size);
        self.count = self.count * self.kept + 1.0;
        for (row, one) in causes.iter().enumerate() {
            self.sums[row] = self.sums[row] * self.kept + one * took;
            for (product, other) in self.products[row].iter_mut().zip(causes) {
                *product = *product * self.kept + one * other;
            }
        }
    }

    /// What one of each cause takes; nothing before anything was observed. `doubts` says of each by how many observations that
    /// it takes nothing it is held to that.
    pub(super) fn solved(&self, doubts: [f64; N]) -> Option<[f64; N]> {
        if self.is_empty() {
            return None;
        }
        // What took no time is nothing, and so is what never was.
        let mut is_left = self.sums.map(|sum| sum > 0.0);
        loop {
            let solved = self.with(doubts, is_left)?;
            let negative = (0..N).filter(|cause| solved[*cause] < 0.0);
            let Some(least) = negative.min_by(|one, other| solved[*one].total_cmp(&solved[*other]))
            else {
                return Some(solved);
            };
            is_left[least] = false;
        }
    }

    /// With some of the causes, the others taking nothing.
    fn with(&self, doubts: [f64; N], is_left: [bool; N]) -> Option<[f64; N]> {
        // Each in a unit of its own, in which all are alike.
        let scale: [f64; N] = std::array::from_fn(|cause| self.products[cause][cause].sqrt());
        let mut rows: [([f64; N], f64); N] = std::array::from_fn(|one| {
            let row = std::array::from_fn(|other| match one == other {
                true if is_left[one] => 1.0 + doubts[one] / self.count,
                true => 1.0,
                false if is_left[one] && is_left[other] => {
                    self.products[one][other] / (scale[one] * scale[other])
                }
                false => 0.0,
            });
            let sum = if is_left[one] {
                self.sums[one] / scale[one]
            } else {
                0.0
            };
            (row, sum)
        });
        eliminate(&mut rows)?;
        Some(std::array::from_fn(|cause| match is_left[cause] {
            true => rows[cause].1 / scale[cause],
            false => 0.0,
        }))
    }
}

/// Gauss and Jordan: leaves what solves the equations behind them. Their matrix is symmetric and positive, so that the diagonal
/// needs no search.
fn eliminate<const N: usize>(rows: &mut [([f64; N], f64); N]) -> Option<()> {
    for pivot in 0..N {
        let (head, sum) = rows[pivot];
        let lead = head[pivot];
        if lead.is_nan() || lead <= 0.0 {
            return None;
        }
        let (head, sum) = (head.map(|value| value / lead), sum / lead);
        rows[pivot] = (head, sum);
        for (row, (values, of)) in rows.iter_mut().enumerate() {
            if row == pivot {
                continue;
            }
            let factor = values[pivot];
            for (value, head) in values.iter_mut().zip(head) {
                *value -= factor * head;
            }
            *of -= factor * sum;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_cause_takes_is_found_and_none_takes_less_than_nothing() {
        let mut fit = Fit::remembering(50.0);
        assert_eq!(fit.solved([0.0; 2]), None);
        for n in 1..40 {
            let n = f64::from(n);
            fit.observe([1.0, n], 3.0 + 2.0 * n, n);
        }
        let [one, each] = fit.solved([0.0; 2]).unwrap();
        assert!((one - 3.0).abs() < 1e-6 && (each - 2.0).abs() < 1e-6);
        // A cause that would take less than nothing.
        let mut fit = Fit::remembering(50.0);
        for n in 1..40 {
            let n = f64::from(n);
            fit.observe([1.0, n], n * 2.0 - 0.5, n);
        }
        let [one, each] = fit.solved([0.0; 2]).unwrap();
        assert_eq!(one, 0.0);
        assert!((1.7..2.0).contains(&each), "{each}");
        // What is never there takes nothing, and neither does what took no time.
        let mut fit = Fit::remembering(50.0);
        fit.observe([0.0, 4.0], 2.0, 4.0);
        assert_eq!(fit.solved([0.1, 0.0]), Some([0.0, 0.5]));
        let mut fit = Fit::remembering(50.0);
        fit.observe([1.0, 4.0], 0.0, 4.0);
        assert_eq!(fit.solved([0.1, 0.0]), Some([0.0, 0.0]));
    }

    #[test]
    fn of_times_that_vary_it_finds_the_mean() {
        let mut fit = Fit::remembering(1000.0);
        for n in 0..6000 {
            fit.observe([32.0], [32.0, 64.0, 96.0][n % 3], 32.0);
        }
        let [mean] = fit.solved([0.0]).unwrap();
        assert!((mean - 2.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut fit = Fit::remembering(8.0);
        for took in [1.0, 5.0] {
            for _ in 0..80 {
                fit.observe([1.0], took, 1.0);
            }
        }
        let [took] = fit.solved([0.0]).unwrap();
        assert!((took - 5.0).abs() < 0.01, "{took}");
    }
}
