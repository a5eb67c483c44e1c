//! Partials in buffers, and how they are merged.

use crate::compute::kernel::span::{Partial, QUERY_ROWS};

/// Floats of a partial of [`QUERY_ROWS`] rows.
pub(super) fn partial_len(head_dim: usize) -> usize {
    QUERY_ROWS * (head_dim + 2)
}

pub(super) fn partial(buffer: &mut [f32], rows: usize, head_dim: usize) -> Partial<'_> {
    let (values, rest) = buffer.split_at_mut(QUERY_ROWS * head_dim);
    let (highs, sums) = rest.split_at_mut(QUERY_ROWS);
    Partial {
        values: &mut values[..rows * head_dim],
        highs: &mut highs[..rows],
        sums: &mut sums[..rows],
    }
}

/// Merges the partial of a later span into that of those before.
pub(super) fn merge(merged: &mut Partial<'_>, other: &Partial<'_>, head_dim: usize) {
    for r in 0..merged.highs.len() {
        // A row that sees nothing of a span has the bits that it would have without it: other rows are why the
        // span was looked at, and these change with the chunk of the prefill.
        if other.sums[r] == 0.0 {
            continue;
        }
        let range = r * head_dim..(r + 1) * head_dim;
        let (values, others) = (&mut merged.values[range.clone()], &other.values[range]);
        if merged.sums[r] == 0.0 {
            values.copy_from_slice(others);
            (merged.sums[r], merged.highs[r]) = (other.sums[r], other.highs[r]);
            continue;
        }
        let high = merged.highs[r].max(other.highs[r]);
        let (old, new) = (
            (merged.highs[r] - high).exp(),
            (other.highs[r] - high).exp(),
        );
        for (value, other) in values.iter_mut().zip(others) {
            *value = *value * old + other * new;
        }
        merged.sums[r] = merged.sums[r] * old + other.sums[r] * new;
        merged.highs[r] = high;
    }
}
