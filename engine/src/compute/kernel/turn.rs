//! Blocks turned by a Hadamard transform before they are rounded: what stands out in one number is spread over all of them, so
//! that less is lost of the others. A product of two turned blocks is that of the blocks, [`BLOCK`] times.

use crate::compute::block::BLOCK;

/// Turns each whole block in place: with [`BLOCK`] times as much length squared, by sums and differences in one order alone. What
/// is left behind the last stays as it is.
#[inline(always)]
pub(crate) fn turn(numbers: &mut [f32]) {
    for block in numbers.as_chunks_mut::<BLOCK>().0 {
        let mut half = BLOCK / 2;
        while half > 0 {
            for pair in block.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                for (low, high) in low.iter_mut().zip(high) {
                    (*low, *high) = (*low + *high, *low - *high);
                }
            }
            half /= 2;
        }
    }
}

/// What the product of two blocks of so many numbers has been multiplied with when both are turned.
#[inline(always)]
pub(crate) fn gain(numbers: usize) -> f32 {
    match numbers {
        BLOCK => BLOCK as f32,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_turned_twice_is_itself_many_times_and_one_number_is_spread_over_all() {
        let numbers: Vec<_> = (0..BLOCK + 8)
            .map(|i| (i * 37 % 64) as f32 - 20.0)
            .collect();
        let mut turned = numbers.clone();
        turn(&mut turned);
        assert_ne!(turned[..BLOCK], numbers[..BLOCK]);
        turn(&mut turned);
        for (found, number) in turned[..BLOCK].iter().zip(&numbers) {
            assert_eq!(*found, number * gain(BLOCK));
        }
        assert_eq!(turned[BLOCK..], numbers[BLOCK..]);
        assert_eq!(gain(8), 1.0);
        let mut one = [0.0; BLOCK];
        one[5] = 3.0;
        turn(&mut one);
        assert!(one.iter().all(|number| number.abs() == 3.0));
    }
}
