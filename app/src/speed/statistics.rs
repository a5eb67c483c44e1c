//! Medians and other ranks: the nearest rank, which is a value that was measured.

/// Which end of some figures is the slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slow {
    /// Of times: 95 in 100 are no higher.
    High,
    /// Of speeds: 95 in 100 are no lower.
    Low,
}

/// Half of some figures are at most the median; one in twenty is beyond the slow one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) median: Option<f64>,
    pub(crate) slow: Option<f64>,
}

impl Summary {
    /// It changes their order.
    pub(crate) fn of(values: &mut [f64], slow: Slow) -> Self {
        let count = values.len();
        let Some(middle) = place(count, 0.5) else {
            return Self::default();
        };
        let (lower, median, higher) = values.select_nth_unstable_by(middle, f64::total_cmp);
        let median = *median;
        // Behind the median are those that are no less, and before it those that are no more.
        let (part, at) = match slow {
            Slow::High => (higher, place(count, 0.95).map(|at| at - middle)),
            Slow::Low => (lower, place(count, 0.05).map(|at| at + 1)),
        };
        let at = at.and_then(|at| at.checked_sub(1));
        let slow = at.filter(|at| *at < part.len()).map(|at| {
            let (_, value, _) = part.select_nth_unstable_by(at, f64::total_cmp);
            *value
        });
        Self {
            count,
            median: Some(median),
            slow: Some(slow.unwrap_or(median)),
        }
    }
}

/// Where among so many values in their order the one is that this share of them is at most; nothing of none.
fn place(count: usize, share: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the number of values"
    )]
    let rank = (share * count as f64).ceil() as usize;
    Some(rank.saturating_sub(1).min(last))
}

/// How many of some values in 100 are less than one, to the nearest; nothing of none.
pub(crate) fn rank(values: &[f64], value: f64) -> Option<usize> {
    let less = values.iter().filter(|other| **other < value).count();
    (!values.is_empty()).then(|| (less * 100 + values.len() / 2) / values.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that this share of them is at most, found by itself.
    fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
        let place = place(values.len(), share)?;
        let (_, value, _) = values.select_nth_unstable_by(place, f64::total_cmp);
        Some(*value)
    }

    #[test]
    fn ranks_are_values_that_were_measured() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        let times = Summary::of(&mut hundred.clone(), Slow::High);
        assert_eq!((times.median, times.slow), (Some(50.0), Some(95.0)));
        let speeds = Summary::of(&mut hundred.clone(), Slow::Low);
        assert_eq!((speeds.median, speeds.slow), (Some(50.0), Some(5.0)));
        let one = Summary::of(&mut [7.0], Slow::Low);
        assert_eq!((one.count, one.median, one.slow), (1, Some(7.0), Some(7.0)));
        assert_eq!(Summary::of(&mut [], Slow::High), Summary::default());
        for (count, slow) in (1..60).flat_map(|count| [(count, Slow::High), (count, Slow::Low)]) {
            let mut values: Vec<_> = (0..count).map(|n| f64::from(n * 37 % count)).collect();
            let share = match slow {
                Slow::High => 0.95,
                Slow::Low => 0.05,
            };
            let [median, end] = [0.5, share].map(|share| quantile(&mut values.clone(), share));
            let summary = Summary::of(&mut values, slow);
            assert_eq!((summary.median, summary.slow), (median, end), "{count}");
        }
        assert_eq!(rank(&hundred, 51.0), Some(50));
        assert_eq!(rank(&hundred, 0.0), Some(0));
        assert_eq!(rank(&[], 0.0), None);
    }
}
