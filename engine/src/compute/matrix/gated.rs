//! The first half of the feed-forward block as one stage: gate and up, SwiGLU, and quantising.

use std::ops::Range;

use super::PackedMatrix;
use super::product::{Items, SUMS, Sums};
use crate::compute::activations::{Activations, Grouping, Operand, ROWS};
use crate::compute::block::BLOCK;
use crate::machine::threads::{Parts, Pool};

/// `out = silu(x * gate^T) * (x * up^T)`, quantised by blocks as soon as 32 columns are known: the floats stay in the
/// cache of the core that computes them.
///
/// # Panics
/// When a shape does not fit, or `out` cannot take blocks.
pub(crate) fn multiply_gated(
    pool: &mut Pool,
    x: &Operand<'_>,
    sums: &mut Sums,
    [gate, up]: [&PackedMatrix; 2],
    out: &mut Activations,
) {
    assert!(gate.rows == up.rows && gate.rows.is_multiple_of(BLOCK));
    let (kernel, tile_rows) = (gate.kernel, gate.kernel.layout.rows);
    // An item is the tiles of a block of columns.
    let panels = x.panels();
    let items = Items {
        panels,
        tiles: gate.tile_count(),
        unit: BLOCK / tile_rows,
    };
    let in_item = 2 * BLOCK * panels.panel_rows().min(panels.rows());
    let largest = if panels.count() == 1 {
        (SUMS / in_item).max(1)
    } else {
        1
    };
    let sums_len = SUMS.max(in_item);
    sums.0.resize(sums_len * pool.threads(), 0.0);
    let sums = Parts::new(&mut sums.0);
    let writer = out.start([panels.rows(), gate.rows], pool);
    // SAFETY: each thread asks for its own.
    let begin = |thread| unsafe { x.on(thread) };
    pool.share(items.count(), 1..=largest, begin, |x, range, thread| {
        let (index, tiles) = items.at(range);
        let (first_row, panel) = (index * panels.panel_rows(), x.panel(index));
        let len = tiles.len() * tile_rows * panel.rows();
        // SAFETY: each thread has sums of its own.
        let sums = unsafe { sums.part(thread * sums_len..thread * sums_len + 2 * len) };
        let (gates, ups) = sums.split_at_mut(len);
        kernel.multiply(&gate.tiles(tiles.clone()), &panel, gates);
        kernel.multiply(&up.tiles(tiles.clone()), &panel, ups);
        if panel.rows() == 1 {
            // The sums of one row stand in order.
            kernel.swiglu(gates, ups);
            let writer = writer.rows(first_row..first_row + 1, tiles.start / items.unit);
            // SAFETY: a block of columns of a panel is computed by one thread.
            unsafe { kernel.quantize(&[gates], Grouping::Block, &writer) };
            return;
        }
        let in_block = BLOCK * panel.rows();
        let blocks = gates.chunks_exact(in_block).zip(ups.chunks_exact(in_block));
        for (block, (gates, ups)) in (tiles.start / items.unit..).zip(blocks) {
            for start in (0..panel.rows()).step_by(ROWS) {
                let rows = start..panel.rows().min(start + ROWS);
                let mut gate = [[0.0; BLOCK]; ROWS];
                let mut up = [[0.0; BLOCK]; ROWS];
                gather(gates, tile_rows, rows.clone(), &mut gate);
                gather(ups, tile_rows, rows.clone(), &mut up);
                let gate = &mut gate[..rows.len()];
                kernel.swiglu(gate.as_flattened_mut(), up[..rows.len()].as_flattened());
                let mut values = [&[][..]; ROWS];
                for (values, gate) in values.iter_mut().zip(&*gate) {
                    *values = gate;
                }
                let values = &values[..rows.len()];
                let writer = writer.rows(first_row + rows.start..first_row + rows.end, block);
                // SAFETY: a block of columns of a panel is computed by one thread.
                unsafe { kernel.quantize(values, Grouping::Block, &writer) };
            }
        }
    });
    out.finish(pool, kernel);
}

/// Puts some rows of sums `[tiles, rows, tile rows]` in order, `[rows, 32]`.
fn gather(sums: &[f32], tile_rows: usize, rows: Range<usize>, out: &mut [[f32; BLOCK]; ROWS]) {
    let in_tile = sums.len() / (BLOCK / tile_rows);
    for (tile, sums) in sums.chunks_exact(in_tile).enumerate() {
        let sums = sums.chunks_exact(tile_rows).skip(rows.start);
        for (out, sums) in out[..rows.len()].iter_mut().zip(sums) {
            out[tile * tile_rows..][..tile_rows].copy_from_slice(sums);
        }
    }
}
