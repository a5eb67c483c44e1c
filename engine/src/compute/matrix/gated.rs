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
            kernel.swiglu(gates, ups);
            if panel.rows() == 1 {
                // The sums of one row stand in order.
                kernel.quantize(&[gates], Grouping::Block, &mut cell.out);
                return;
            }
            let blocks = gates.chunks_exact(BLOCK * panel.rows());
            for (block, activated) in blocks.enumerate() {
                quantize(kernel, tile_rows, activated, block, &mut cell.out);
            }
        },
    );
    out.finish(pool, kernel);
}

/// Quantises one block of each row of a panel, from numbers `[tiles, rows, tile rows]`.
fn quantize(
    kernel: &'static Kernel,
    tile_rows: usize,
    activated: &[f32],
    block: usize,
    out: &mut RowsMut<'_>,
) {
    for start in (0..out.count()).step_by(ROWS) {
        let rows = start..out.count().min(start + ROWS);
        let mut in_order = [[0.0; BLOCK]; ROWS];
        gather(tile_rows, activated, rows.clone(), &mut in_order);
        let mut values = [&[][..]; ROWS];
        for (values, in_order) in values.iter_mut().zip(&in_order) {
            *values = in_order;
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

    fn bytes(&self) -> usize {
        self.rows.bytes()
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

/// Puts some rows of numbers `[tiles, rows, tile rows]` in order, `[rows, 32]`.
fn gather(tile_rows: usize, numbers: &[f32], rows: Range<usize>, out: &mut [[f32; BLOCK]; ROWS]) {
    // Copies of a fixed length are no calls.
    match tile_rows {
        16 => gather_fixed::<16>(numbers, rows, out),
        8 => gather_fixed::<8>(numbers, rows, out),
        _ => {
            let in_tile = numbers.len() / (BLOCK / tile_rows);
            for (tile, numbers) in numbers.chunks_exact(in_tile).enumerate() {
                let numbers = numbers.chunks_exact(tile_rows).skip(rows.start);
                for (out, numbers) in out[..rows.len()].iter_mut().zip(numbers) {
                    out[tile * tile_rows..][..tile_rows].copy_from_slice(numbers);
                }
            }
        }
    }
}

/// [`gather`] of tiles of `N` rows.
fn gather_fixed<const N: usize>(
    numbers: &[f32],
    rows: Range<usize>,
    out: &mut [[f32; BLOCK]; ROWS],
) {
    let in_tile = numbers.len() / (BLOCK / N);
    for (tile, numbers) in numbers.chunks_exact(in_tile).enumerate() {
        let numbers = &numbers.as_chunks::<N>().0[rows.clone()];
        for (out, numbers) in out.iter_mut().zip(numbers) {
            out.as_chunks_mut().0[tile] = *numbers;
        }
    }
}
