//! Products of matrices with activations, shared between the threads of a pool.

use std::ops::Range;

use super::floats;
use super::input::{DecodeCopy, MatmulInput};
use super::output::{Output, Region};
use super::packed::PackedMatrix;
use crate::compute::kernel::panels::Panels;
use crate::compute::room::Room;
use crate::machine::threads::{DisjointItems, PerThread, Pool};

/// One product of a stage: `out = x * matrix^T` or, with `add`, `out += x * matrix^T`; `out` is `[x.rows(), rows]`.
pub(crate) struct Product<'a> {
    pub(crate) matrix: &'a PackedMatrix,
    pub(crate) out: &'a mut [f32],
    pub(crate) add: bool,
}

/// What each thread needs for its share of the products.
#[derive(Debug, Default)]
pub(crate) struct MatmulScratch {
    pub(super) threads: PerThread<ThreadScratch>,
    floats: PerThread<Room>,
}

#[derive(Debug, Default)]
pub(super) struct ThreadScratch {
    /// Sums of the tiles that it works on.
    pub(super) sums: Room,
    pub(super) copy: DecodeCopy,
}

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
    x: &MatmulInput<'_>,
    scratch: &mut MatmulScratch,
    products: [Product<'_>; N],
) {
    let rows = x.panels().rows();
    let products = products.map(|Product { matrix, out, add }| {
        let out = Output::new(out, [rows, matrix.rows()], add);
        (matrix, out)
    });
    if let Some(x) = x.floats() {
        for (matrix, out) in products {
            floats::multiply(pool, x, &mut scratch.floats, matrix, out);
        }
        return;
    }
    let kernel = products[0].0.kernel();
    let tile_rows = kernel.spec().tile.rows;
    let panels = x.panels();
    let per_tile = panels.panel_rows().min(rows) * tile_rows;
    let tiles_at_once = (SUMS / per_tile).clamp(1, 64);
    let tiles = products.iter().map(|(matrix, _)| matrix.tile_count());
    let tiles = tiles.sum();
    // Two tiles are worth their turn, and kernels multiply two at a time.
    let (unit, largest) = if panels.count() == 1 {
        let unit = tiles_at_once.min(2);
        (unit, tiles_at_once / unit)
    } else {
        (tiles_at_once, 1)
    };
    let grid = Grid {
        panels,
        tiles,
        unit,
    };
    let results = Results { grid, products };
    pool.share(
        results,
        1..=largest,
        &mut scratch.threads,
        |scratch| x.begin(&mut scratch.copy),
        |scratch, _, cell| {
            let panel = x.panel(cell.panel, &scratch.copy);
            for part in cell.parts {
                let sums = scratch.sums.of(part.tiles.len() * panel.rows() * tile_rows);
                if !sums.is_empty() {
                    kernel.multiply(&part.matrix.tiles(part.tiles.clone()), &panel, sums);
                    part.scatter(tile_rows, sums);
                }
            }
        },
    );
}

/// The items of a stage, in their order.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) panels: Panels,
    /// Of all matrices.
    pub(super) tiles: usize,
    /// Tiles of an item.
    pub(super) unit: usize,
}

impl Grid {
    fn units(self) -> usize {
        self.tiles.div_ceil(self.unit)
    }

    pub(super) fn count(self) -> usize {
        self.panels.count() * self.units()
    }

    /// The panel and the tiles of an item, or of several when there is one panel alone.
    pub(super) fn at(self, items: Range<usize>) -> (usize, Range<usize>) {
        assert!(items.len() == 1 || self.panels.count() == 1);
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

/// The results of a stage's products in the items of its grid.
struct Results<'a, const N: usize> {
    grid: Grid,
    products: [(&'a PackedMatrix, Output<'a>); N],
}

/// The results of some tiles times a panel.
struct Cell<'a, const N: usize> {
    panel: usize,
    parts: [Part<'a>; N],
}

/// Those of one matrix, of which there may be none.
struct Part<'a> {
    matrix: &'a PackedMatrix,
    tiles: Range<usize>,
    out: Region<'a>,
}

// SAFETY: items differ in their panel or in their tiles, and so do the rows and columns of their results.
unsafe impl<'a, const N: usize> DisjointItems for Results<'a, N> {
    type Chunk = Cell<'a, N>;

    fn count(&self) -> usize {
        self.grid.count()
    }

    fn bytes(&self) -> usize {
        self.products.iter().map(|(_, out)| out.bytes()).sum()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> Cell<'a, N> {
        let (panel, tiles) = self.grid.at(range);
        let rows = self.grid.panels.rows_of(panel);
        let mut first = 0;
        let parts = self.products.map(|(matrix, out)| {
            let of_matrix = |tile: usize| tile.saturating_sub(first).min(matrix.tile_count());
            let tiles = of_matrix(tiles.start)..of_matrix(tiles.end);
            first += matrix.tile_count();
            let column = |tile: usize| (tile * matrix.tile_rows()).min(matrix.rows());
            let columns = column(tiles.start)..column(tiles.end);
            // SAFETY: handed on to the caller.
            let out = unsafe { out.region(rows.clone(), columns) };
            Part { matrix, tiles, out }
        });
        Cell { panel, parts }
    }
}

impl Part<'_> {
    /// Puts sums `[tiles, rows of a panel, tile rows]` in their places.
    fn scatter(mut self, tile_rows: usize, sums: &[f32]) {
        let x_rows = sums.len() / self.tiles.len() / tile_rows;
        // Of a single row the sums of all tiles stand in order.
        let together = if x_rows == 1 { self.tiles.len() } else { 1 };
        let in_order = tile_rows * together;
        let tiles = self.tiles.step_by(together);
        for (tile, sums) in tiles.zip(sums.chunks_exact(x_rows * in_order)) {
            let first = tile * tile_rows;
            let rows = in_order.min(self.matrix.rows() - first);
            for (x_row, sums) in sums.chunks_exact(in_order).enumerate() {
                self.out.put_at(x_row, first, &sums[..rows]);
            }
        }
    }
}
