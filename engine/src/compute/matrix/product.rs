//! Products of matrices with activations, shared between the threads of a pool.

use std::ops::Range;

use super::{PackedMatrix, floats};
use crate::compute::activations::{Operand, Panels};
use crate::machine::threads::{Parts, Pool};

/// One product of a stage: `out = x * matrix^T` or, with `add`, `out += x * matrix^T`; `out` is `[x.rows(), rows]`.
pub(crate) struct Product<'a> {
    pub(crate) matrix: &'a PackedMatrix,
    pub(crate) out: &'a mut [f32],
    pub(crate) add: bool,
}

/// Room for the sums of the tiles that each thread works on.
#[derive(Debug, Default)]
pub(crate) struct Sums(pub(super) Vec<f32>);

/// Floats of a thread's sums, so that they stay in its L1 cache: 16 KiB.
pub(super) const SUMS: usize = 4096;

/// Computes all products with the same activations as one stage: one barrier for q, k and v.
///
/// An item of the stage is a unit of tiles times a panel of activations. Items are numbered by groups of panels, then by
/// units, then by the panels of the group: as many rows as there are threads, or more, and each thread multiplies the
/// rows that it has quantised itself, with weights that it reads once; fewer, and the threads share the tiles.
///
/// # Panics
/// When a shape does not fit.
pub(crate) fn multiply<const N: usize>(
    pool: &mut Pool,
    x: &Operand<'_>,
    sums: &mut Sums,
    products: [Product<'_>; N],
) {
    if let Some(x) = x.floats() {
        return floats::multiply(pool, x, &mut sums.0, products);
    }
    let kernel = products[0].matrix.kernel;
    let panels = x.panels();
    let per_tile = panels.panel_rows().min(panels.rows()) * kernel.layout.rows;
    let tiles_at_once = (SUMS / per_tile).clamp(1, 64);
    let sums_len = SUMS.max(per_tile);
    sums.0.resize(sums_len * pool.threads(), 0.0);
    let sums = Parts::new(&mut sums.0);
    let outs = products.map(|product| {
        assert_eq!(
            product.out.len(),
            panels.rows() * product.matrix.rows,
            "shape of a product"
        );
        (product.matrix, Parts::new(product.out), product.add)
    });
    let tiles = outs.iter().map(|(matrix, ..)| matrix.tile_count()).sum();
    // Two tiles are worth their turn, and kernels multiply two at a time.
    let (unit, largest) = if panels.count() == 1 {
        let unit = tiles_at_once.min(2);
        (unit, tiles_at_once / unit)
    } else {
        (tiles_at_once, 1)
    };
    let items = Items {
        panels,
        tiles,
        unit,
    };
    // SAFETY: each thread asks for its own.
    let begin = |thread| unsafe { x.on(thread) };
    pool.share(items.count(), 1..=largest, begin, |x, range, thread| {
        // SAFETY: each thread has sums of its own.
        let sums = unsafe { sums.part(thread * sums_len..(thread + 1) * sums_len) };
        let (panel, range) = items.at(range);
        let (first_row, panel) = (panel * panels.panel_rows(), x.panel(panel));
        let per_tile = panel.rows() * kernel.layout.rows;
        let mut first = 0;
        for (matrix, out, add) in &outs {
            let end = first + matrix.tile_count();
            let tiles = range.start.max(first)..range.end.min(end);
            if !tiles.is_empty() {
                let tiles = tiles.start - first..tiles.end - first;
                let sums = &mut sums[..tiles.len() * per_tile];
                kernel.multiply(&matrix.tiles(tiles.clone()), &panel, sums);
                // SAFETY: the sums of a tile with a panel are computed by one thread.
                unsafe { scatter(matrix, tiles, first_row, sums, out, *add) };
            }
            first = end;
        }
    });
}

/// The items of a stage, in their order.
pub(super) struct Items {
    pub(super) panels: Panels,
    /// Of all matrices.
    pub(super) tiles: usize,
    /// Tiles of an item.
    pub(super) unit: usize,
}

impl Items {
    fn units(&self) -> usize {
        self.tiles.div_ceil(self.unit)
    }

    pub(super) fn count(&self) -> usize {
        self.panels.count() * self.units()
    }

    /// The panel and the tiles of an item, or of several when there is one panel alone.
    pub(super) fn at(&self, items: Range<usize>) -> (usize, Range<usize>) {
        let (units, in_group) = (self.units(), self.panels.in_group());
        let (group, place) = (
            items.start / (units * in_group),
            items.start % (units * in_group),
        );
        let first_panel = group * in_group;
        let in_group = in_group.min(self.panels.count() - first_panel);
        let start = place / in_group * self.unit;
        let end = start + items.len() * self.unit;
        (first_panel + place % in_group, start..end.min(self.tiles))
    }
}

/// Moves sums `[tiles, rows of a panel, tile rows]` to `out` `[x rows, matrix rows]`, from `first_row` on.
///
/// # Safety
/// No other thread uses these rows of the matrix and of the activations in `out`.
unsafe fn scatter(
    matrix: &PackedMatrix,
    tiles: Range<usize>,
    first_row: usize,
    sums: &[f32],
    out: &Parts<'_, f32>,
    add: bool,
) {
    let tile_rows = matrix.kernel.layout.rows;
    let x_rows = sums.len() / tiles.len() / tile_rows;
    // Of a single row the sums of all tiles stand in order.
    let together = if x_rows == 1 { tiles.len() } else { 1 };
    let tile_rows = tile_rows * together;
    let groups = tiles.step_by(together);
    for (tile, sums) in groups.zip(sums.chunks_exact(x_rows * tile_rows)) {
        let first = tile * matrix.kernel.layout.rows;
        let rows = tile_rows.min(matrix.rows - first);
        for (x_row, sums) in sums.chunks_exact(tile_rows).enumerate() {
            let start = (first_row + x_row) * matrix.rows + first;
            // SAFETY: handed on to the caller.
            let out = unsafe { out.part(start..start + rows) };
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = if add { *out + sum } else { *sum };
            }
        }
    }
}
