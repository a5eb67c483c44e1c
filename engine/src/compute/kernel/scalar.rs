//! The reference: the matrix products in plain loops, for any CPU, and the truth that every other kernel is tested
//! against.
//!
//! A block's share is its integer dot product, scaled by the weights (a symmetric block's quants count from 8), plus
//! the minimum times the sum of the activations' quants; it is added to the row's sum times the activations' scale:
//!
//! ```text
//! symmetric:     sum = fma(x.scale, scale * (dot - 8 * x.sum), sum)
//! with minimum:  sum = fma(x.scale, fma(scale, dot, min * x.sum), sum)
//! two scales:    sum = fma(x.scale, fma(scale[0], dot[0], scale[1] * dot[1]), sum)
//! channelwise:   sum = x.scale * fma(-x.zero_point, sum of weights, scale * (sum over all blocks of dot - 8 * x.sum))
//! ```
//!
//! With five bits 16 stands for 8, with one and two 1. The two scales of six bits are those of the halves of a block, whose quants count from
//! 32. Integers are exact in f32 here, and so are scales that are products of two parts. The other kernels round in this order too, block after block, so their products
//! equal these bit for bit.

use std::ops::Range;

use half::f16;

use super::entry::{Entry, KernelSpec};
use super::format::Factors;
use super::panel::{Panel, PanelLayout};
use super::span::{Partial, Span};
use super::tile::Tiles;
use super::tile_layout::TileLayout;
use super::vector::{self, vector_ops};
use crate::compute::block::BLOCK;

vector_ops!(, attend = super::attend);

pub(super) const KERNEL: Entry = Entry {
    spec: KernelSpec {
        name: "scalar",
        tile: TileLayout {
            rows: 1,
            depth: 16,
            rows_in_byte: 1,
        },
        panel: PanelLayout::Rows,
    },
    supported: || true,
    int4,
    channel,
    layered,
    q8,
    ops: ops::OPS,
    peak: None,
};

fn attend(span: &Span<'_>, scratch: &mut [f32], out: &mut Partial<'_>) {
    let widen = |from: &[f16], to: &mut [f32]| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.to_f32();
        }
    };
    vector::attend(span, widen, vector::q8_dots, scratch, out);
}

fn int4(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    for (row, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows())) {
        out.fill(0.0);
        for (b, weights) in row.blocks().enumerate() {
            let (scale, min) = (weights.scale(0), weights.min(0));
            for (m, sum) in out.iter_mut().enumerate() {
                let block = x.block(b, m);
                let dot = dot(weights.quants(), block.quants) as f32;
                let share = match min {
                    Some(min) => scale.mul_add(dot, min * block.sum),
                    None => scale * (dot - 8.0 * block.sum),
                };
                *sum = block.scale.mul_add(share, *sum);
            }
        }
    }
}

fn channel(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    for (row, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows())) {
        for (m, sum) in out.iter_mut().enumerate() {
            let dots = row.blocks().enumerate().map(|(b, weights)| {
                let block = x.block(b, m);
                dot(weights.quants(), block.quants) - 8 * block.sum as i32
            });
            let share = row.channel_scale(0) * dots.sum::<i32>() as f32;
            *sum = x.block(0, m).scale * (-x.zero_point(m)).mul_add(row.channel_sum(0), share);
        }
    }
}

fn layered(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    let zero = tiles.format.zero();
    for (row, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows())) {
        out.fill(0.0);
        for (b, weights) in row.blocks().enumerate() {
            let (scales, min) = (weights.scales(0), weights.min(0));
            let quants = weights.row_quants(0).map(|q| q - zero);
            for (m, sum) in out.iter_mut().enumerate() {
                let block = x.block(b, m);
                let dots = half_dots(&quants, block.quants);
                let dot = (dots[0] + dots[1]) as f32;
                let share = match (min, tiles.format.factors()) {
                    (Some(min), _) => scales[0].mul_add(dot, min * block.sum),
                    (_, Factors::SharedHalfScales) => {
                        scales[0].mul_add(dots[0] as f32, scales[1] * dots[1] as f32)
                    }
                    _ => scales[0] * dot,
                };
                *sum = block.scale.mul_add(share, *sum);
            }
        }
    }
}

/// Products of the halves of a block with those of activations.
fn half_dots(quants: &[i8; BLOCK], x: &[i8; BLOCK]) -> [i32; 2] {
    let dot = |columns: Range<usize>| {
        let products = quants[columns.clone()].iter().zip(&x[columns]);
        products.map(|(q, x)| i32::from(*q) * i32::from(*x)).sum()
    };
    [dot(0..BLOCK / 2), dot(BLOCK / 2..BLOCK)]
}

/// Product of a block of nibbles with one of activations.
fn dot(quants: &[u8], x: &[i8; BLOCK]) -> i32 {
    let (low, high) = x.split_at(BLOCK / 2);
    let products = quants.iter().zip(low).zip(high).map(|((byte, low), high)| {
        i32::from(byte & 15) * i32::from(*low) + i32::from(byte >> 4) * i32::from(*high)
    });
    products.sum()
}

fn q8(tiles: &Tiles<'_>, x: &Panel<'_>, out: &mut [f32]) {
    for (row, out) in tiles.iter().zip(out.chunks_exact_mut(x.rows())) {
        out.fill(0.0);
        for (b, weights) in row.blocks().enumerate() {
            for (m, sum) in out.iter_mut().enumerate() {
                let block = x.block(b, m);
                let products = weights.quants().iter().zip(block.quants);
                let dot: i32 = products
                    .map(|(w, q)| i32::from(w.cast_signed()) * i32::from(*q))
                    .sum();
                *sum = block.scale.mul_add(weights.scale(0) * dot as f32, *sum);
            }
        }
    }
}
