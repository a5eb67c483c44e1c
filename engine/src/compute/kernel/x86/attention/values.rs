//! Values weighted and added, whatever they are stored in.

use std::marker::PhantomData;
use std::ops::Range;

use super::prefetch;
use crate::compute::kernel::span::{KEY_BLOCK, QUERY_ROWS};
use crate::compute::kernel::x86::isa::Isa;

/// Numbers as values are stored in.
pub(super) trait Number: Copy {
    const BYTES: usize;

    /// Widens a register of them.
    fn load<I: Isa>(isa: I, bytes: &[u8]) -> I::Floats;
}

/// f16.
#[derive(Clone, Copy)]
pub(super) struct Halves;

impl Number for Halves {
    const BYTES: usize = 2;

    #[inline(always)]
    fn load<I: Isa>(isa: I, bytes: &[u8]) -> I::Floats {
        isa.load_halves(bytes)
    }
}

/// Eight bits, without their scales.
#[derive(Clone, Copy)]
pub(super) struct Quants;

impl Number for Quants {
    const BYTES: usize = 1;

    #[inline(always)]
    fn load<I: Isa>(isa: I, bytes: &[u8]) -> I::Floats {
        isa.to_floats(isa.load_signed_bytes(bytes))
    }
}

/// One block of values, laid out `[KEY_BLOCK, head_dim]`.
#[derive(Clone, Copy)]
pub(super) struct Values<'a, V> {
    values: &'a [u8],
    /// The values of the block after this one.
    next: &'a [u8],
    head_dim: usize,
    number: PhantomData<V>,
}

impl<'a, V: Number> Values<'a, V> {
    pub(super) fn new(values: &'a [u8], next: &'a [u8], head_dim: usize) -> Self {
        Self {
            values,
            next,
            head_dim,
            number: PhantomData,
        }
    }

    /// `out = out * rescale + weights x values` in some columns, with `out` laid out `[rows, head_dim]`.
    #[inline(always)]
    pub(super) fn add<I: Isa>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]],
        rescale: &[f32; QUERY_ROWS],
        columns: Range<usize>,
        out: &mut [f32],
    ) {
        let mut first = 0;
        while first < weights.len() {
            let (weights, rescale) = (&weights[first..], &rescale[first..]);
            let (columns, out) = (columns.clone(), &mut out[first * self.head_dim..]);
            first += match weights.len() {
                1 => self.add_few::<I, 1, 4>(isa, weights, rescale, columns, out),
                2 => self.add_few::<I, 2, 4>(isa, weights, rescale, columns, out),
                3 => self.add_few::<I, 3, 2>(isa, weights, rescale, columns, out),
                4..8 => self.add_few::<I, 4, 2>(isa, weights, rescale, columns, out),
                _ if I::HAS_MANY_REGISTERS => {
                    self.add_few::<I, 8, 2>(isa, weights, rescale, columns, out)
                }
                _ => self.add_few::<I, 8, 1>(isa, weights, rescale, columns, out),
            };
        }
    }

    /// The part of [`Values::add`] for the first `N` rows.
    #[inline(always)]
    fn add_few<I: Isa, const N: usize, const P: usize>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]],
        rescale: &[f32],
        columns: Range<usize>,
        out: &mut [f32],
    ) -> usize {
        let (Some(weights), Some(rescale)) = (weights.first_chunk::<N>(), rescale.first_chunk())
        else {
            unreachable!("there are so many rows");
        };
        let Range { mut start, end } = columns;
        while start + P * I::ROWS <= end {
            self.add_columns::<I, N, P>(isa, weights, rescale, start, out);
            start += P * I::ROWS;
        }
        // Half as many, where a block's columns are that.
        if P == 4 && start + 2 * I::ROWS <= end {
            self.add_columns::<I, N, 2>(isa, weights, rescale, start, out);
            start += 2 * I::ROWS;
        }
        while start < end {
            self.add_columns::<I, N, 1>(isa, weights, rescale, start, out);
            start += I::ROWS;
        }
        N
    }

    /// The part of [`Values::add_few`] for `P` registers of columns from `first` on.
    #[inline(always)]
    fn add_columns<I: Isa, const N: usize, const P: usize>(
        self,
        isa: I,
        weights: &[[f32; KEY_BLOCK]; N],
        rescale: &[f32; N],
        first: usize,
        out: &mut [f32],
    ) {
        let mut sums = [[isa.splat(0.0); P]; N];
        for r in 0..N {
            let out = &out[r * self.head_dim + first..][..P * I::ROWS];
            for p in 0..P {
                let old = isa.load_floats(&out[p * I::ROWS..]);
                sums[r][p] = isa.mul(old, isa.splat(rescale[r]));
            }
        }
        let (start, end) = (V::BYTES * first, V::BYTES * (first + P * I::ROWS));
        let positions = self.values.chunks_exact(V::BYTES * self.head_dim);
        for (position, values) in (0..KEY_BLOCK).zip(positions) {
            prefetch::<N>(self.next, position * values.len() + start);
            let values = &values[start..end];
            let mut loaded = [isa.splat(0.0); P];
            for p in 0..P {
                loaded[p] = V::load(isa, &values[V::BYTES * p * I::ROWS..]);
            }
            for r in 0..N {
                let weight = isa.splat(weights[r][position]);
                for p in 0..P {
                    sums[r][p] = isa.mul_add(weight, loaded[p], sums[r][p]);
                }
            }
        }
        for r in 0..N {
            let out = &mut out[r * self.head_dim + first..][..P * I::ROWS];
            for p in 0..P {
                isa.store(&mut out[p * I::ROWS..], sums[r][p]);
            }
        }
    }
}
