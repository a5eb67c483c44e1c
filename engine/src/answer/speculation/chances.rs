//! How likely a guess is right, learnt from those before it, with a prior that fades and a memory that forgets.

/// So many guesses count as much as the prior.
const PRIOR_GUESSES: f64 = 4.0;
/// What is left of what was seen after one guess more.
const KEPT: f64 = 0.97;
/// Guesses that are less likely are never made, unless so many were asked for.
const LEAST_CHANCE: f64 = 0.05;

/// How likely guesses of one kind are right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    right: f64,
    guesses: f64,
}

impl Chance {
    /// Before anything was seen.
    pub(super) fn of_prior(prior: f64) -> Self {
        Self {
            right: prior * PRIOR_GUESSES,
            guesses: PRIOR_GUESSES,
        }
    }

    pub(super) fn observe(&mut self, is_right: bool) {
        self.right = self.right * KEPT + f64::from(u8::from(is_right));
        self.guesses = self.guesses * KEPT + 1.0;
    }

    pub(super) fn of_next(self) -> f64 {
        self.right / self.guesses
    }
}

/// The class of a number, by the least number of each.
pub(super) fn class(least: &[usize], number: usize) -> usize {
    least.partition_point(|least| *least <= number) - 1
}

/// How likely each of some guesses is right with all before it, given how likely each is when those are, as far as they are likely
/// enough or a fixed number was asked for.
pub(super) fn likely(chances: impl Iterator<Item = f64>, is_fixed: bool) -> Vec<f64> {
    let likely = chances.scan(1.0, |all, chance| {
        *all *= chance;
        Some(*all)
    });
    likely
        .take_while(|chance| is_fixed || *chance > LEAST_CHANCE)
        .collect()
}
