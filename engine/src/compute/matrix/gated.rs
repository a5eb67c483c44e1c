//! The first half of the feed-forward block as one stage: gate and up, SwiGLU, and quantising.

use std::ops::Range;

use super::input::MatmulInput;
use super::packed::PackedMatrix;
use super::product::{Grid, MatmulScratch, SUMS};
use crate::compute::activations::Activations;
use crate::compute::block::BLOCK;
use crate::compute::kernel::Kernel;
use crate::compute::kernel::panel::{Grouping, ROWS};
use crate::compute::kernel::quantized::{PanelRowsMut, RowsMut};
use crate::machine::threads::{DisjointItems, Pool};

/// `out = silu(x * gate^T) * (x * up^T)`, quantised by blocks as soon as 32 columns are known: the floats stay in the
/// cache of the core that computes them.
///
/// # Panics
/// When a shape does not fit, or `out` cannot take blocks.
pub(crate) fn multiply_gated(
    pool: &mut Pool,
    x: &MatmulInput<'_>,
    scratch: &mut MatmulScratch,
    [gate, up]: [&PackedMatrix; 2],
    out: &mut Activations,
) {
    assert!(gate.rows() == up.rows() && gate.rows().is_multiple_of(BLOCK));
    let (kernel, tile_rows) = (gate.kernel(), gate.tile_rows());
    // An item is the tiles of a block of columns.
    let panels = x.panels();
    let grid = Grid {
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
    let rows = out.start([panels.rows(), gate.rows()], pool);
    pool.share(
        Blocks { grid, rows },
        1..=largest,
        &mut scratch.threads,
        |scratch| x.begin(&mut scratch.copy),
        |scratch, _, mut cell| {
            let panel = x.panel(cell.panel, &scratch.copy);
            let len = cell.tiles.len() * tile_rows * panel.rows();
            let (gates, ups) = scratch.sums.of(2 * len).split_at_mut(len);
            kernel.multiply(&gate.tiles(cell.tiles.clone()), &panel, gates);
            kernel.multiply(&up.tiles(cell.tiles), &panel, ups);
            if panel.rows() == 1 {
                // The sums of one row stand in order.
                kernel.swiglu(gates, ups);
                kernel.quantize(&[gates], Grouping::Block, &mut cell.out);
                return;
            }
            let in_block = BLOCK * panel.rows();
            let blocks = gates.chunks_exact(in_block).zip(ups.chunks_exact(in_block));
            for (block, sums) in blocks.enumerate() {
                activate(kernel, tile_rows, sums, block, &mut cell.out);
            }
        },
    );
    out.finish(pool, kernel);
}

/// Quantises one block of each row of a panel, from the sums `[tiles, rows, tile rows]` of gate and up.
fn activate(
    kernel: &'static Kernel,
    tile_rows: usize,
    (gates, ups): (&[f32], &[f32]),
    block: usize,
    out: &mut RowsMut<'_>,
) {
    for start in (0..out.count()).step_by(ROWS) {
        let rows = start..out.count().min(start + ROWS);
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
        kernel.quantize(values, Grouping::Block, &mut out.part(rows, block));
    }
}

/// The columns of some activations as the items of a grid.
struct Blocks<'a> {
    grid: Grid,
    rows: PanelRowsMut<'a>,
}

/// What comes of some tiles times a panel.
struct Cell<'a> {
    panel: usize,
    tiles: Range<usize>,
    out: RowsMut<'a>,
}

// SAFETY: items differ in their panel or in their tiles, and so do the rows and blocks that come of them.
unsafe impl<'a> DisjointItems for Blocks<'a> {
    type Chunk = Cell<'a>;

    fn count(&self) -> usize {
        self.grid.count()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> Cell<'a> {
        let (panel, tiles) = self.grid.at(range);
        let rows = self.grid.panels.rows_of(panel);
        let blocks = tiles.start / self.grid.unit..tiles.end / self.grid.unit;
        // SAFETY: handed on to the caller.
        let out = unsafe { self.rows.take(rows, blocks) };
        Cell { panel, tiles, out }
    }
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
