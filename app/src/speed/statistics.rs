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
    pub(crate) fn of(mut values: Vec<f64>, slow: Slow) -> Self {
        let share = match slow {
            Slow::High => 0.95,
            Slow::Low => 0.05,
        };
        Self {
            count: values.len(),
            median: quantile(&mut values, 0.5),
            slow: quantile(&mut values, share),
        }
    }
}

/// The value that this share of them, from 0 to 1, is at most; nothing of none. It changes their order.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the number of values"
    )]
    let rank = (share * values.len() as f64).ceil() as usize;
    let rank = rank.saturating_sub(1).min(last);
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// How many of some values in 100 are less than one, to the nearest; nothing of none.
pub(crate) fn rank(values: &[f64], value: f64) -> Option<usize> {
    let less = values.iter().filter(|other| **other < value).count();
    (!values.is_empty()).then(|| (less * 100 + values.len() / 2) / values.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_values_that_were_measured() {
        let hundred: Vec<_> = (1..=100).rev().map(f64::from).collect();
        let times = Summary::of(hundred.clone(), Slow::High);
        assert_eq!((times.median, times.slow), (Some(50.0), Some(95.0)));
        let speeds = Summary::of(hundred.clone(), Slow::Low);
        assert_eq!((speeds.median, speeds.slow), (Some(50.0), Some(5.0)));
        let one = Summary::of(vec![7.0], Slow::Low);
        assert_eq!((one.count, one.median, one.slow), (1, Some(7.0), Some(7.0)));
        assert_eq!(Summary::of(Vec::new(), Slow::High), Summary::default());
        assert_eq!(rank(&hundred, 51.0), Some(50));
        assert_eq!(rank(&hundred, 0.0), Some(0));
        assert_eq!(rank(&[], 0.0), None);
    }
}
