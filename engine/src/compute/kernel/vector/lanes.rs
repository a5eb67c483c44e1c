//! Sums and maxima over partial ones, in an order that no instruction set changes.

/// Partial sums of a reduction: enough for two registers of any instruction set.
pub(super) const LANES: usize = 16;

#[inline(always)]
pub(super) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(super) fn highest_lane(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            let v = lanes[i + half];
            lanes[i] = if v > lanes[i] { v } else { lanes[i] };
        }
        half /= 2;
    }
    lanes[0]
}
