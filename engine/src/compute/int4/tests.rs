//! Rounding against the plain rules, groups that need none, and extremes.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::*;
use crate::model::weights::Quantize;

/// Every way to round, by name.
fn ways() -> impl Iterator<Item = (&'static str, Int4)> {
    Quantize::NAMES
        .into_iter()
        .filter_map(|(name, quantize)| match quantize {
            Quantize::None => None,
            Quantize::Int4(int4) => Some((name, int4)),
        })
}

struct Random(Pcg64Mcg);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32() % end
    }

    /// Nearly normal, with a weight far out now and then.
    fn weight(&mut self) -> f32 {
        let uniform = |_| (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32 - 0.5;
        let normal: f32 = (0..12).map(uniform).sum();
        if self.below(200) == 0 {
            normal * 4.0
        } else {
            normal
        }
    }

    fn row(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| 0.05 * self.weight()).collect()
    }
}

fn rounded(int4: Int4, row: &[f32], importance: Option<&[f32]>) -> Vec<f32> {
    let mut blocks = vec![Block::ZERO; row.len() / BLOCK];
    int4.round(row, importance, &mut blocks);
    blocks.iter().flat_map(Block::dequantize).collect()
}

fn error(row: &[f32], rounded: &[f32], importance: Option<&[f32]>) -> f64 {
    let pairs = row.iter().zip(rounded).enumerate();
    let errors = pairs.map(|(column, (w, rounded))| {
        let importance = importance.map_or(1.0, |importance| f64::from(importance[column]));
        importance * f64::from(w - rounded).powi(2)
    });
    errors.sum()
}

/// Each weight at the nearest of the levels that reach just as far as the group does.
fn plain(int4: Int4, row: &[f32]) -> Vec<f32> {
    let groups = row.chunks(int4.group.weights(row.len()));
    let of_group = |group: &[f32]| {
        let low = group.iter().copied().fold(f32::INFINITY, f32::min);
        let high = group.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let extreme = if high > -low { high } else { low };
        let (scale, min) = match int4.min {
            true => (
                f16::from_f32((high - low) / 15.0),
                f16::from_f32(low).to_f32(),
            ),
            false => {
                let scale = f16::from_f32(extreme / -8.0);
                (scale, -8.0 * scale.to_f32())
            }
        };
        let scale = scale.to_f32();
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let level = |w: &f32| ((w - min) * inverse).round().clamp(0.0, 15.0);
        group
            .iter()
            .map(|w| scale * level(w) + min)
            .collect::<Vec<_>>()
    };
    groups.flat_map(of_group).collect()
}

#[test]
fn no_row_comes_out_worse_than_by_the_plain_rule_and_most_come_out_better() {
    let mut random = Random::new(1);
    for (name, int4) in ways() {
        let (mut found, mut expected) = (0.0, 0.0);
        for round in 0..40 {
            let row = random.row(576);
            let weighted: Vec<f32> = (0..576).map(|_| random.weight().powi(4)).collect();
            let importance = (round % 2 == 1).then_some(&weighted[..]);
            let ours = error(&row, &rounded(int4, &row, importance), importance);
            let theirs = error(&row, &plain(int4, &row), importance);
            assert!(ours <= theirs * 1.000_001, "{name}: {ours}, not {theirs}");
            (found, expected) = (found + ours, expected + theirs);
        }
        assert!(found < 0.92 * expected, "{name}: {found} of {expected}");
    }
}

#[test]
fn what_levels_stand_for_is_found_again_exactly() {
    let mut random = Random::new(2);
    for (name, int4) in ways() {
        for _ in 0..200 {
            let scale = f16::from_f32(0.001 + 0.01 * random.weight().abs());
            let min = match int4.min {
                true => f16::from_f32(0.05 * random.weight()),
                false => f16::from_f32(-8.0 * scale.to_f32()),
            };
            // Not every level is in use; one with a minimum has its lowest.
            let (low, high) = match int4.min {
                true => (0, 1 + random.below(15)),
                false => (random.below(8), 9 + random.below(7)),
            };
            let mut row: Vec<f32> = (0..128)
                .map(|_| low + random.below(high - low + 1))
                .map(|q| scale.to_f32() * q as f32 + min.to_f32())
                .collect();
            for group in row.chunks_mut(32) {
                let level = |q: u32| scale.to_f32() * q as f32 + min.to_f32();
                (group[3], group[9]) = (level(low), level(high));
            }
            let found = rounded(int4, &row, None);
            assert_eq!(found, row, "{name}: {scale} * {low}..={high} + {min}");
        }
    }
}

#[test]
fn importance_moves_the_error_to_where_it_counts_least() {
    let mut random = Random::new(3);
    for (name, int4) in ways() {
        let row = random.row(256);
        let importance: Vec<f32> = (0..256)
            .map(|column| if column % 8 == 0 { 100.0 } else { 1.0 })
            .collect();
        let with = rounded(int4, &row, Some(&importance));
        let without = rounded(int4, &row, None);
        let by_importance = |rounded: &[f32]| error(&row, rounded, Some(&importance));
        assert!(by_importance(&with) < by_importance(&without), "{name}");
        assert!(
            error(&row, &with, None) >= error(&row, &without, None),
            "{name}"
        );
    }
}

#[test]
fn zeros_and_equal_and_tiny_and_huge_weights_keep_their_size() {
    for (name, int4) in ways() {
        assert_eq!(rounded(int4, &[0.0; 64], None), [0.0; 64], "{name}");
        let nothing_counts = [0.0; 64];
        let found = rounded(int4, &[0.5; 64], Some(&nothing_counts));
        assert!(found.iter().all(|w| w.is_finite()), "{name}");
        for size in [1e-30, 1e-7, 0.25, 7e3] {
            let equal = rounded(int4, &[size; 64], None);
            let row: Vec<f32> = (0..64).map(|i| size * (i as f32 / 31.5 - 1.0)).collect();
            let spread = rounded(int4, &row, None);
            // The smallest f16 is 6e-8.
            let bound = size * 0.11 + 6e-8;
            let close = |(w, found): (&f32, &f32)| (w - found).abs() <= bound;
            assert!(
                [size; 64].iter().zip(&equal).all(close),
                "{name}: {equal:?}"
            );
            assert!(row.iter().zip(&spread).all(close), "{name}: {spread:?}");
        }
    }
}

#[test]
fn a_last_group_may_be_shorter() {
    let mut random = Random::new(4);
    for (_, int4) in ways() {
        let row = random.row(160);
        let len = match int4.group {
            GroupSize::Channel => continue,
            group => group.weights(160),
        };
        let whole = 160 / len * len;
        let found = rounded(int4, &row, None);
        let parts = [&row[..whole], &row[whole..]].map(|part| rounded(int4, part, None));
        assert_eq!(found, parts.concat());
    }
}
