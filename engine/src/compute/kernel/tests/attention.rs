//! Attention of a few rows over a span, each with its own first and last position.

use super::*;
use crate::compute::kernel::span::{KEY_DEPTH, KvBlock, Q8Block};
use crate::compute::kernel::turn::{gain, turn};
use crate::compute::kv::KvPrecision;

/// Positions, from and to before, that rows of a span see together; in some, rows do not start where the span does.
const SEEN: [&[(usize, usize)]; 11] = [
    &[(0, 1)],
    &[(0, 33)],
    &[(0, 1), (0, 32)],
    &[(0, 31), (0, 32), (0, 33)],
    &[(0, 5), (0, 64), (0, 65), (0, 96)],
    &[(0, 30), (0, 31), (0, 32), (0, 33), (0, 34), (0, 35)],
    &[
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 31),
        (0, 32),
        (0, 33),
        (0, 34),
        (0, 50),
        (0, 63),
        (0, 64),
        (0, 65),
        (0, 66),
        (0, 80),
        (0, 90),
        (0, 95),
        (0, 96),
    ],
    &[(95, 96)],
    &[(30, 40), (31, 41), (32, 42), (33, 43)],
    &[(0, 20), (20, 96), (63, 64), (64, 65), (32, 64)],
    &[
        (1, 3),
        (2, 4),
        (16, 18),
        (17, 19),
        (31, 33),
        (32, 34),
        (33, 35),
        (40, 42),
        (62, 64),
        (63, 65),
        (64, 66),
        (65, 67),
    ],
];
pub(super) const HEAD_DIMS: [usize; 6] = [8, 24, 64, 80, 112, 128];
/// Those that kernels read.
const PRECISIONS: [KvPrecision; 2] = [KvPrecision::F16, KvPrecision::Q8];

/// Three blocks of random keys and values.
struct Stored {
    blocks: Vec<StoredBlock>,
    head_dim: usize,
}

/// A block as it is kept.
enum StoredBlock {
    /// Keys and then values.
    F16(Vec<f16>),
    Q8 {
        quants: [Vec<i8>; 2],
        scales: [Vec<[f16; KEY_BLOCK]>; 2],
    },
}

impl StoredBlock {
    fn f16(random: &mut Random, head_dim: usize) -> Self {
        let floats = random.floats(2 * KEY_BLOCK * head_dim);
        Self::F16(floats.iter().map(|v| f16::from_f32(v * 3.0)).collect())
    }

    fn q8(random: &mut Random, head_dim: usize) -> Self {
        let quants = [(); 2].map(|()| {
            let numbers = random.floats(KEY_BLOCK * head_dim).into_iter();
            numbers
                .map(|number| (number * 127.0).round() as i8)
                .collect()
        });
        let scales = [(); 2].map(|()| {
            let mut scale = || f16::from_f32((1.0 + random.float()) * 0.02);
            let blocks = 0..head_dim.div_ceil(BLOCK);
            blocks.map(|_| [(); KEY_BLOCK].map(|()| scale())).collect()
        });
        Self::Q8 { quants, scales }
    }

    fn block(&self) -> KvBlock<'_> {
        match self {
            Self::F16(halves) => {
                let (keys, values) = halves.split_at(halves.len() / 2);
                KvBlock::F16(keys, values)
            }
            Self::Q8 { quants, scales } => KvBlock::Q8(Q8Block {
                keys: quants[0].as_chunks().0.as_chunks().0,
                key_scales: &scales[0],
                values: &quants[1],
                value_scales: &scales[1],
            }),
        }
    }

    /// A number of a key and of a value.
    fn numbers(&self, position: usize, d: usize, head_dim: usize) -> [f64; 2] {
        let at = position * head_dim + d;
        match self {
            Self::F16(halves) => {
                let (keys, values) = halves.split_at(halves.len() / 2);
                [keys[d * KEY_BLOCK + position], values[at]].map(f16::to_f64)
            }
            Self::Q8 { quants, scales } => {
                let key = (d / KEY_DEPTH * KEY_BLOCK + position) * KEY_DEPTH + d % KEY_DEPTH;
                let [key_scale, scale] = [0, 1].map(|of| scales[of][d / BLOCK][position].to_f64());
                let [key, value] = [quants[0][key], quants[1][at]].map(f64::from);
                [key * key_scale, value * scale]
            }
        }
    }
}

impl Stored {
    fn new(random: &mut Random, head_dim: usize, precision: KvPrecision) -> Self {
        let mut block = || match precision {
            KvPrecision::Q8 => StoredBlock::q8(random, head_dim),
            _ => StoredBlock::f16(random, head_dim),
        };
        Self {
            blocks: (0..3).map(|_| block()).collect(),
            head_dim,
        }
    }

    fn blocks(&self) -> Vec<KvBlock<'_>> {
        self.blocks.iter().map(StoredBlock::block).collect()
    }

    /// See [`attended`].
    fn attend(&self, kernel: &Kernel, rows: &[QueryRow<'_>], first: usize) -> [Vec<f32>; 3] {
        attended(kernel, &self.blocks(), rows, first, self.head_dim)
    }

    /// Attention of one row in f64, from the definition.
    fn plain(&self, row: &QueryRow<'_>) -> Vec<f64> {
        let head_dim = self.head_dim;
        let numbers = |position: usize, d: usize| {
            let block = &self.blocks[position / KEY_BLOCK];
            block.numbers(position % KEY_BLOCK, d, head_dim)
        };
        let query = match self.blocks[0] {
            StoredBlock::F16(_) => row.query.iter().map(|q| f64::from(*q)).collect(),
            StoredBlock::Q8 { .. } => rounded(row.query),
        };
        let score = |position: usize| {
            let products = (0..head_dim).map(|d| query[d] * numbers(position, d)[0]);
            products.sum::<f64>() / (head_dim as f64).sqrt()
        };
        let scores: Vec<_> = (row.start..row.end).map(score).collect();
        let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<_> = scores.iter().map(|score| (score - high).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let value = |d: usize| {
            let values = weights.iter().zip(row.start..);
            let values = values.map(|(weight, position)| weight * numbers(position, d)[1]);
            values.sum::<f64>() / sum
        };
        (0..head_dim).map(value).collect()
    }
}

/// What a kernel makes of some rows, from one of the blocks on: values, highest scores and sums.
pub(super) fn attended(
    kernel: &Kernel,
    blocks: &[KvBlock<'_>],
    rows: &[QueryRow<'_>],
    first: usize,
    head_dim: usize,
) -> [Vec<f32>; 3] {
    let span = Span {
        rows,
        start: first * KEY_BLOCK,
        blocks: &blocks[first..],
        ahead: None,
        head_dim,
        scale: 1.0 / (head_dim as f32).sqrt(),
    };
    let mut scratch = vec![0.0; KEY_BLOCK * head_dim];
    let mut values = vec![f32::NAN; rows.len() * head_dim];
    let (mut highs, mut sums) = (vec![0.0; rows.len()], vec![0.0; rows.len()]);
    let mut out = Partial {
        values: &mut values,
        highs: &mut highs,
        sums: &mut sums,
    };
    kernel.attend(&span, &mut scratch, &mut out);
    [values, highs, sums]
}

/// A query that is turned, and whose blocks are rounded to eight bits.
fn rounded(query: &[f32]) -> Vec<f64> {
    let mut query = query.to_vec();
    turn(&mut query);
    let blocks = query.chunks(BLOCK).flat_map(|block| {
        let highest = block
            .iter()
            .fold(0.0, |highest: f32, q| highest.max(q.abs()));
        let (scale, gain) = (highest / 127.0, f64::from(gain(block.len())));
        let quants = block
            .iter()
            .map(move |q| (q * (1.0 / scale)).round_ties_even());
        quants.map(move |quant| f64::from(quant) * f64::from(scale) / gain)
    });
    blocks.collect()
}

fn rows<'a>(seen: &[(usize, usize)], queries: &'a [f32]) -> Vec<QueryRow<'a>> {
    let queries = queries.chunks_exact(queries.len() / seen.len());
    let rows = seen
        .iter()
        .zip(queries)
        .map(|(&(start, end), query)| QueryRow { query, start, end });
    rows.collect()
}

/// Rows that see each of [`SEEN`], with heads of every width.
fn for_each_case(seed: u64, check: impl Fn(&Stored, &[QueryRow<'_>])) {
    let mut random = Random::new(seed);
    for precision in PRECISIONS {
        for head_dim in HEAD_DIMS {
            let stored = Stored::new(&mut random, head_dim, precision);
            for seen in SEEN {
                let queries = random.floats(seen.len() * head_dim);
                check(&stored, &rows(seen, &queries));
            }
        }
    }
}

fn seen(rows: &[QueryRow<'_>]) -> Vec<(usize, usize)> {
    rows.iter().map(|row| (row.start, row.end)).collect()
}

#[test]
fn attention_equals_its_definition() {
    for_each_case(6, |stored, rows| {
        for kernel in supported() {
            let [values, _, sums] = stored.attend(kernel, rows, 0);
            for (r, row) in rows.iter().enumerate() {
                let values = &values[r * row.query.len()..];
                for (value, expected) in values.iter().zip(stored.plain(row)) {
                    let found = f64::from(value / sums[r]);
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{kernel:?} {:?}: {found}, not {expected}",
                        seen(rows)
                    );
                }
            }
        }
    });
}

#[test]
fn attention_gives_the_bits_of_scalar_with_every_kernel() {
    for_each_case(14, |stored, rows| {
        let attend = |kernel| stored.attend(kernel, rows, 0).map(|floats| bits(&floats));
        for kernel in supported() {
            assert_eq!(
                attend(kernel),
                attend(scalar()),
                "{kernel:?} {:?}",
                seen(rows)
            );
        }
    });
}

#[test]
fn what_a_row_does_not_see_changes_no_bit_of_it() {
    for_each_case(15, |stored, rows| {
        for kernel in supported() {
            let [values, highs, sums] = stored.attend(kernel, rows, 0);
            for (r, row) in rows.iter().enumerate() {
                let width = row.query.len();
                let values = values[r * width..][..width].to_vec();
                let found = [values, vec![highs[r]], vec![sums[r]]];
                let alone = stored.attend(kernel, &[*row], row.start / KEY_BLOCK);
                assert_eq!(
                    found.map(|floats| bits(&floats)),
                    alone.map(|floats| bits(&floats)),
                    "{kernel:?}: row {r} of {:?}",
                    seen(rows)
                );
            }
        }
    });
}

#[test]
fn a_row_that_sees_nothing_has_the_weight_nothing() {
    let mut random = Random::new(16);
    for precision in PRECISIONS {
        let stored = Stored::new(&mut random, 64, precision);
        let queries = random.floats(2 * 64);
        let rows = rows(&[(0, 32), (0, 96)], &queries);
        for kernel in supported() {
            let [values, highs, sums] = stored.attend(kernel, &rows, 1);
            assert_eq!(bits(&values[..64]), [0; 64], "{kernel:?}");
            assert_eq!((highs[0], sums[0]), (f32::NEG_INFINITY, 0.0), "{kernel:?}");
        }
    }
}
